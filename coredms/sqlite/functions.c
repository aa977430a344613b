/* SQL functions of our own, so that columns of a result's JSON keep their exact types and sums their exact values:
 * SQLite's json_extract gives 1 for true and for 1, its sum() fails on overflow. */
#include "coredms/sqlite/store.h"

#include <math.h>
#include <string.h>

/* bt_value(body, name, type): the column as declared, or null. */
static void value_function(sqlite3_context *context, int count, sqlite3_value **args)
{
    (void)count;
    struct buf scratch = {0};
    const char *body = (const char *)sqlite3_value_text(args[0]);
    const char *name = (const char *)sqlite3_value_text(args[1]);
    struct value v = {.type = VALUE_NULL};
    if (body && name)
        v = coredms_column(body, (size_t)sqlite3_value_bytes(args[0]), name,
                           (enum value_type)sqlite3_value_int(args[2]), &scratch);
    switch (v.type) {
    case VALUE_NULL:
        sqlite3_result_null(context);
        break;
    case VALUE_BOOL:
        sqlite3_result_int(context, v.b);
        break;
    case VALUE_INT:
        sqlite3_result_int64(context, v.i);
        break;
    case VALUE_FLOAT:
        sqlite3_result_double(context, v.f);
        break;
    case VALUE_STRING:
        sqlite3_result_text64(context, v.len ? v.s : "", v.len, SQLITE_TRANSIENT, SQLITE_UTF8);
        break;
    }
    buf_free(&scratch);
}

typedef __int128 sum128 __attribute__((aligned(8))); /* SQLite's memory is aligned to 8 */

struct total {
    sum128 ints;      /* exact: no number of rows overflows it */
    double sum, lost; /* Neumaier's: what rounding lost is kept aside */
    int64_t count;
    bool is_float;
};

static void add_float(struct total *t, double x)
{
    double next = t->sum + x;
    t->lost += fabs(t->sum) >= fabs(x) ? (t->sum - next) + x : (x - next) + t->sum;
    t->sum = next;
}

static void total_step(sqlite3_context *context, int count, sqlite3_value **args)
{
    (void)count;
    struct total *t = sqlite3_aggregate_context(context, sizeof *t);
    if (!t) {
        sqlite3_result_error_nomem(context);
        return;
    }
    t->is_float = sqlite3_value_int(args[1]) == VALUE_FLOAT;
    if (sqlite3_value_type(args[0]) == SQLITE_NULL)
        return;
    t->count++;
    if (t->is_float)
        add_float(t, sqlite3_value_double(args[0]));
    else
        t->ints += sqlite3_value_int64(args[0]);
}

static double float_total(const struct total *t)
{
    if (!t->is_float)
        return (double)t->ints;
    return isfinite(t->sum) ? t->sum + t->lost : t->sum;
}

static void result_finite(sqlite3_context *context, double f)
{
    if (isfinite(f))
        sqlite3_result_double(context, f);
    else
        sqlite3_result_null(context);
}

static void sum_final(sqlite3_context *context)
{
    struct total *t = sqlite3_aggregate_context(context, sizeof *t);
    if (!t)
        sqlite3_result_error_nomem(context);
    else if (t->is_float)
        result_finite(context, float_total(t));
    else if (t->ints >= INT64_MIN && t->ints <= INT64_MAX)
        sqlite3_result_int64(context, (int64_t)t->ints);
    else
        sqlite3_result_null(context);
}

static void avg_final(sqlite3_context *context)
{
    struct total *t = sqlite3_aggregate_context(context, sizeof *t);
    if (!t)
        sqlite3_result_error_nomem(context);
    else if (t->count == 0)
        sqlite3_result_null(context);
    else
        result_finite(context, float_total(t) / (double)t->count);
}

int sql_functions(sqlite3 *db)
{
    int flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY;
    int code = sqlite3_create_function_v2(db, "bt_value", 3, flags, NULL, value_function, NULL, NULL, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_create_function_v2(db, "bt_sum", 2, flags, NULL, NULL, total_step, sum_final, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_create_function_v2(db, "bt_avg", 2, flags, NULL, NULL, total_step, avg_final, NULL);
    return code;
}
