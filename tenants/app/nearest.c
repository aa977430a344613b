#include "tenants/app/nearest.h"

#include <stdbool.h>
#include <string.h>

#define LONGEST 64 /* of words that are compared */

static char folded(char c)
{
    if (c == '-')
        return '_';
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool same(const char *a, size_t i, const char *b, size_t j)
{
    return folded(a[i]) == folded(b[j]);
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Insertions, deletions, replacements and swaps of neighbours (optimal string alignment). */
static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t rows[3][LONGEST + 1];
    for (size_t j = 0; j <= b_len; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t *row = rows[i % 3], *last = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            row[j] = least(least(row[j - 1], last[j]) + 1, last[j - 1] + !same(a, i - 1, b, j - 1));
            if (i > 1 && j > 1 && same(a, i - 1, b, j - 2) && same(a, i - 2, b, j - 1))
                row[j] = least(row[j], before[j - 2] + 1);
        }
    }
    return rows[a_len % 3][b_len];
}

struct nearest nearest_begin(const char *word, size_t len)
{
    size_t limit = len < 3 ? 1 : len / 3;
    return (struct nearest){.word = word, .len = len, .distance = limit + 1};
}

void nearest_offer(struct nearest *n, const char *name)
{
    size_t len = strlen(name);
    if (!n->len || n->len > LONGEST || !len || len > LONGEST)
        return;
    size_t d = distance(n->word, n->len, name, len);
    if (d < n->distance && d < n->len) {
        n->distance = d;
        n->best = name;
    }
}
