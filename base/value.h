/* A typed value of an event, an expression or a result. Strings are borrowed: bytes of valid UTF-8, not NUL-terminated.
 */
#ifndef BELLTOWER_BASE_VALUE_H
#define BELLTOWER_BASE_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum value_type { VALUE_NULL, VALUE_BOOL, VALUE_INT, VALUE_FLOAT, VALUE_STRING };

struct value {
    enum value_type type;
    uint32_t len; /* of a string */
    union {
        bool b;
        int64_t i;
        double f; /* always finite */
        const char *s;
    };
};

const char *value_type_name(enum value_type type); /* "null", "bool", "int", "float", "string" */
/* The one order of keys and groups: null, then false < true, numbers by value, strings by bytes. <0, 0, >0. */
int value_compare(const struct value *a, const struct value *b);

#endif
