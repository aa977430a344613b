#include "base/number_set.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* The first place whose number is not below `number`. */
static size_t place(const struct number_set *s, int64_t number)
{
    size_t lo = s->taken, hi = s->count;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (s->list[mid] < number)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

void number_set_add(struct number_set *s, int64_t number)
{
    size_t at = place(s, number);
    if (at < s->count && s->list[at] == number)
        return;
    if (s->count == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 64;
        s->list = mem_resize(s->list, s->cap, sizeof *s->list);
    }
    memmove(s->list + at + 1, s->list + at, (s->count - at) * sizeof *s->list);
    s->list[at] = number;
    s->count++;
}

bool number_set_has(const struct number_set *s, int64_t number)
{
    size_t at = place(s, number);
    return at < s->count && s->list[at] == number;
}

bool number_set_take(struct number_set *s, int64_t number)
{
    size_t at = place(s, number);
    bool has = at < s->count && s->list[at] == number;
    s->taken = has ? at + 1 : at;
    if (s->taken == s->count)
        s->taken = s->count = 0;
    return has;
}

void number_set_free(struct number_set *s)
{
    free(s->list);
    *s = (struct number_set){0};
}
