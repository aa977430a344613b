/* A set of int64 numbers that are looked up in rising order (message numbers found in a queue). PURE. Zero-initialised
 * is empty. */
#ifndef BELLTOWER_BASE_NUMBER_SET_H
#define BELLTOWER_BASE_NUMBER_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct number_set {
    int64_t *list;            /* sorted, without repeats */
    size_t count, cap, taken; /* those before `taken` have been passed */
};

void number_set_add(struct number_set *s, int64_t number);
bool number_set_has(const struct number_set *s, int64_t number);
/* Has it; and numbers up to it will not be asked for again. */
bool number_set_take(struct number_set *s, int64_t number);
void number_set_free(struct number_set *s);

#endif
