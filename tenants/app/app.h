/* A tenant's app: what its YAML file says, checked and compiled. Immutable after loading; everything in it lives in its
 * arena. PURE. */
#ifndef BELLTOWER_TENANTS_APP_APP_H
#define BELLTOWER_TENANTS_APP_APP_H

#include "base/buf.h"
#include "base/calendar.h"
#include "base/time_format.h"
#include "tenants/app/expr.h"

#define APP_MAX_BYTES (256 * 1024)
#define APP_OFF       (-1) /* `ahead` and ranges that are not set */

struct app_field {
    const char *name;
    const char *const *path; /* where it is in the event: `from: a.b` is {"a","b"}; default {name} */
    size_t path_len;
    enum value_type type;
    bool optional, has_default;
    struct value default_value; /* of `type` */
};

struct app_time {
    const char *const *path; /* of the event's time */
    size_t path_len;
    struct time_format format;
    const char *format_text;
    int64_t out_of_orderness, idle_after, ahead; /* ms; ahead APP_OFF = off */
};

/* One column of a stream's result or of a report: an expression over the aggregates of its query. */
struct app_column {
    const char *name;
    enum value_type type;
    const char *text;        /* as written */
    const struct expr *expr; /* slots: the keys (grouping columns) first, then the aggregates */
};

struct app_query {
    const struct expr *where; /* over the source's columns; NULL = all */
    const size_t *keys;       /* columns of the source (event fields; result columns) that make the key */
    size_t key_count;
    const struct agg *aggs; /* arguments over the source's columns */
    size_t agg_count;
    const struct app_column *columns; /* the select */
    size_t column_count;
};

struct app_stream {
    const char *name;
    const char *where_text; /* NULL = none */
    struct app_query query; /* over app->fields */
    int64_t size, every;    /* ms; tumbling: every == size; every <= size */
    int64_t lateness;       /* ms */
    /* columns of a result that expressions, triggers and jobs can use: keys, then selected */
    const struct expr_name *result_names;
    size_t result_name_count;
};

struct app_trigger {
    const char *name;
    size_t stream, job; /* indexes */
    const char *when_text;
    const struct expr *when; /* over the stream's result columns */
    int64_t cooldown;        /* ms */
};

enum app_period { APP_PERIOD_NONE, APP_PERIOD_HOUR, APP_PERIOD_DAY, APP_PERIOD_WEEK, APP_PERIOD_MONTH };

struct app_job {
    const char *name;
    size_t stream; /* index of `from` */
    int64_t range; /* ms back from the end; APP_OFF if `period` is given */
    enum app_period period;
    const char *schedule; /* cron text; NULL = none */
    struct cron cron;
    const char *timezone;   /* IANA name, default "UTC" */
    int64_t wait;           /* ms a scheduled run waits for completeness */
    int64_t limit;          /* ms one run may take; APP_OFF = the platform's */
    struct app_query query; /* over the stream's result columns */
    bool pushdown;          /* every aggregate is count, sum, min, max or avg over a bare column, no where */
};

struct app_limits { /* decide results, so they are the app's */
    int64_t event_bytes, message_bytes, keys, devices, producers, distinct;
};

struct app_test {
    const char *name;
    unsigned line;
    const char *file;          /* relative to the app file; NULL when events are given inline */
    const char *const *events; /* each one JSON text */
    size_t event_count;
    const char *const *results; /* each one JSON object: a subset of the fields of one result; all results, in order */
    size_t result_count;
};

struct app {
    struct arena arena;
    const char *tenant, *title; /* title may be NULL */
    const char *text;           /* the file itself, NUL-terminated */
    size_t text_len;
    struct app_time time;
    const size_t *watermark_per; /* fields; count 0 = one watermark for all */
    size_t watermark_per_count;
    const struct app_field *fields;
    size_t field_count;
    const struct app_stream *streams;
    size_t stream_count;
    const struct app_trigger *triggers;
    size_t trigger_count;
    const struct app_job *jobs;
    size_t job_count;
    const struct app_test *tests;
    size_t test_count;
    struct app_limits limits;
    int64_t keep; /* ms that results and reports are kept in the CoreDMS */
};

/* One mistake or warning, with where it is (lines and columns from 1, in characters as an editor counts). */
struct app_diag {
    bool warning;
    unsigned line, column, length;
    const char *pointer;    /* e.g. "streams[0].window.tumblng" */
    const char *message;    /* "unknown field" */
    const char *expected;   /* or NULL */
    const char *suggestion; /* the nearest valid name, or NULL */
};

struct app_diags {
    struct arena arena;
    struct app_diag *list; /* in file order */
    size_t count, errors;
    bool parsed; /* false: not YAML at all (HTTP 400), true: YAML, but wrong (422) */
};

/* Loads and checks an app file. All mistakes at once: NULL if diags->errors > 0. diags (also warnings) are the caller's
 * to free in any case. tenant: NULL, or the tenant that the file must name. */
struct app *app_load(const char *text, size_t len, const char *tenant, struct app_diags *diags) MUSTCHECK;
void app_free(struct app **app); /* no-op on NULL */
void app_diags_free(struct app_diags *diags);

/* gcc-style lines with excerpt and caret, and a closing count, appended to out. file: the name shown. */
void app_diags_text(const struct app_diags *diags, const char *file, const char *text, size_t len, struct buf *out);
/* The same as a JSON array [{"severity","file","line","column","pointer","message","expected","suggestion"}]. */
void app_diags_json(const struct app_diags *diags, const char *file, struct buf *out);

/* The name a tenant may have: [a-z][a-z0-9-]{0,47}. */
bool app_tenant_name_ok(const char *name, size_t len);
/* A stream may keep its open windows from `a` to `b`: same name, fields used, where, key, window, select, and the limit
 * of distinct() if it uses that. */
bool app_stream_same(const struct app *a, const struct app_stream *sa, const struct app *b,
                     const struct app_stream *sb);
/* `a` and `b` have the same watermark_per, over fields that are read in the same way: a device of one is one of the
 * other. */
bool app_devices_same(const struct app *a, const struct app *b);

/* A field is found and read in the same way. */
bool app_field_same(const struct app_field *a, const struct app_field *b);
bool app_uses_distinct(const struct app_query *q);

#endif
