/* What an update of the app changes, before it is made: shown by `tenant update --plan` and `?dry_run=true`. PURE. */
#ifndef BELLTOWER_TENANTS_APP_APP_PLAN_H
#define BELLTOWER_TENANTS_APP_APP_PLAN_H

#include "tenants/app/app.h"

enum app_plan_kind {
    APP_UNCHANGED, /* of a stream: it goes on with its windows */
    APP_CHANGED,   /* of a stream: the old version keeps its windows, the new one begins where they end */
    APP_ADDED,
    APP_REMOVED /* of a stream: it keeps its windows and opens no more */
};

/* What differs: bits of a set, in the order in which they are shown. */
enum app_difference {
    APP_DIFF_WATERMARK_PER, /* or how its fields are read: all open windows of all streams end at the update */
    APP_DIFF_TIME,          /* where it is, or its format */
    APP_DIFF_OUT_OF_ORDERNESS,
    APP_DIFF_IDLE_AFTER,
    APP_DIFF_AHEAD,
    APP_DIFF_FIELDS, /* of a stream: how those that it uses are read */
    APP_DIFF_FROM,
    APP_DIFF_ON,
    APP_DIFF_WHERE,
    APP_DIFF_WHEN,
    APP_DIFF_KEY,
    APP_DIFF_WINDOW,
    APP_DIFF_BY,
    APP_DIFF_SELECT,
    APP_DIFF_COOLDOWN,
    APP_DIFF_RUN,
    APP_DIFF_RANGE,
    APP_DIFF_PERIOD,
    APP_DIFF_SCHEDULE,
    APP_DIFF_TIMEZONE,
    APP_DIFF_WAIT,
    APP_DIFF_LIMIT,
    APP_DIFF_LIMITS, /* of a stream: of distinct(), which it uses */
    APP_DIFF_KEEP,
    APP_DIFF_TITLE,
    APP_DIFF_TESTS,
    APP_DIFF_COUNT
};

struct app_plan_item {
    enum app_plan_kind kind;
    const char *name;
    size_t from, to;  /* its index in each app; SIZE_MAX where it is not */
    uint32_t differs; /* bit 1 << enum app_difference; 0 unless it is changed */
};

/* In the order of the new app, what it has no more behind, in the order of the old one. */
struct app_plan_list {
    struct app_plan_item *items;
    size_t count;
};

struct app_plan {
    struct app_plan_list streams, triggers, jobs;
    uint32_t differs; /* of the rest of the app, a set as above */
};

/* Both apps must outlive the plan (names point into them). To be freed with app_plan_free. */
void app_plan(const struct app *from, const struct app *to, struct app_plan *plan);
void app_plan_free(struct app_plan *plan);

const char *app_plan_kind_name(enum app_plan_kind kind);         /* "unchanged" */
const char *app_difference_name(enum app_difference difference); /* as in the app file: "out_of_orderness" */

#endif
