#include "base/value.h"

#include <string.h>

const char *value_type_name(enum value_type type)
{
    static const char *const names[] = {"null", "bool", "int", "float", "string"};
    return (unsigned)type < 5 ? names[type] : "?";
}

static int compare_numbers(const struct value *a, const struct value *b)
{
    if (a->type == VALUE_INT && b->type == VALUE_INT)
        return (a->i > b->i) - (a->i < b->i);
    double x = a->type == VALUE_INT ? (double)a->i : a->f;
    double y = b->type == VALUE_INT ? (double)b->i : b->f;
    return (x > y) - (x < y);
}

static bool is_number(const struct value *v)
{
    return v->type == VALUE_INT || v->type == VALUE_FLOAT;
}

int value_compare(const struct value *a, const struct value *b)
{
    if (is_number(a) && is_number(b))
        return compare_numbers(a, b);
    if (a->type != b->type)
        return a->type < b->type ? -1 : 1;
    switch (a->type) {
    case VALUE_BOOL:
        return (int)a->b - (int)b->b;
    case VALUE_STRING: {
        size_t min = a->len < b->len ? a->len : b->len;
        int d = min ? memcmp(a->s, b->s, min) : 0;
        return d ? d : (a->len > b->len) - (a->len < b->len);
    }
    default:
        return 0;
    }
}
