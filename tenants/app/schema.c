#include "tenants/app/schema.h"

#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)
#define KIB    INT64_C(1024)
#define MIB    (1024 * KIB)

const char *const schema_field_types[] = {"bool", "int", "float", "string", NULL};
static const char *const periods[] = {"hour", "day", "week", "month", NULL};

#define YES true
#define NO  false

/* in, key, type, required, default, min, max, words, help */
const struct schema_row schema_rows[] = {
    {"", "tenant", SCHEMA_TENANT, YES, NULL, 0, 0, NULL, "The tenant's name on the platform: `[a-z][a-z0-9-]{0,47}`."},
    {"", "title", SCHEMA_TEXT, NO, NULL, 0, 200, NULL, "A name for people."},
    {"", "events", SCHEMA_MAPPING, YES, NULL, 0, 0, NULL, "What the devices send."},
    {"", "streams", SCHEMA_LIST, YES, NULL, 1, 64, NULL, "The windowed queries over the events, at least one."},
    {"", "triggers", SCHEMA_LIST, NO, NULL, 0, 64, NULL, "Rules on results that start jobs."},
    {"", "jobs", SCHEMA_LIST, NO, NULL, 0, 64, NULL, "Batch reports over stored results."},
    {"", "limits", SCHEMA_MAPPING, NO, NULL, 0, 0, NULL,
     "Limits that decide results; they are part of the app, so that they are versioned with it."},
    {"", "keep", SCHEMA_DURATION, NO, "400d", DAY, 3660 * DAY, NULL, "How long results and reports are kept."},
    {"", "tests", SCHEMA_LIST, NO, NULL, 0, 256, NULL, "Tests of this app, run by `belltower check`."},

    {"events", "time", SCHEMA_MAPPING, YES, NULL, 0, 0, NULL, "Where an event says when it happened."},
    {"events", "watermark_per", SCHEMA_NAMES, NO, NULL, 1, 16, NULL,
     "Fields that name a device. Each device then has a watermark of its own, so that one that was cut off and sends "
     "its backlog is not late. "
     "Every stream's `key` must contain these fields."},
    {"events", "fields", SCHEMA_FIELDS, YES, NULL, 1, 256, NULL,
     "The fields that expressions and keys can use: `name: type`, or `name:` with the mapping below. Names are "
     "`[A-Za-z_][A-Za-z0-9_]*`. Other fields of an event are ignored."},

    {"events.time", "field", SCHEMA_PATH, YES, NULL, 0, 0, NULL,
     "The field that holds the time; `meta.time` is a nested one."},
    {"events.time", "format", SCHEMA_TIME_FORMAT, NO, "rfc3339", 0, 0, NULL,
     "A strptime-like pattern such as `\"%Y-%m-%d %H:%M:%S UTC\"`, or `rfc3339`, `unix` (seconds), `unix_ms`."},
    {"events.time", "out_of_orderness", SCHEMA_DURATION, NO, "0s", 0, 7 * DAY, NULL,
     "How far events may come out of order: the watermark is the highest time so far less this."},
    {"events.time", "idle_after", SCHEMA_DURATION, NO, "1m", 1, DAY, NULL,
     "After this long without an event, time is taken to go on, so that the last windows close."},
    {"events.time", "ahead", SCHEMA_DURATION_OR_OFF, NO, "off", 1, 366 * DAY, NULL,
     "An event further than this in front of all others (a device with a broken clock) is held back; `off`: none is."},

    {"events.fields.*", "type", SCHEMA_WORD, YES, NULL, 0, 0, schema_field_types, "The field's type."},
    {"events.fields.*", "optional", SCHEMA_BOOL, NO, "false", 0, 0, NULL,
     "`true`: missing or null is null. Otherwise an event without it is set aside as `missing-field`."},
    {"events.fields.*", "default", SCHEMA_ANY_SCALAR, NO, NULL, 0, 0, NULL,
     "The value of the field where it is missing or null."},
    {"events.fields.*", "from", SCHEMA_PATH, NO, NULL, 0, 0, NULL,
     "Where the field stands in the event if not under its own name: `from: device.id`."},

    {"streams[]", "name", SCHEMA_NAME, YES, NULL, 0, 0, NULL, "The stream's name: `[a-z][a-z0-9_-]{0,63}`."},
    {"streams[]", "where", SCHEMA_EXPRESSION, NO, NULL, 0, 0, NULL,
     "Which events count, an [expression](expressions.md) over the fields; default all."},
    {"streams[]", "key", SCHEMA_NAMES, YES, NULL, 0, 16, NULL,
     "Fields (int, string or bool); there is one result for each of their values. `[]` counts all together."},
    {"streams[]", "window", SCHEMA_MAPPING, YES, NULL, 0, 0, NULL, "The windows of event time."},
    {"streams[]", "select", SCHEMA_COLUMNS, YES, NULL, 1, 64, NULL,
     "The result's columns: `name: expression` over [aggregates](expressions.md#aggregates) of the fields."},

    {"streams[].window", "tumbling", SCHEMA_DURATION, NO, NULL, 1, 366 * DAY, NULL,
     "The size of windows that follow each other, counted from 1970-01-01 UTC."},
    {"streams[].window", "sliding", SCHEMA_DURATION, NO, NULL, 1, 366 * DAY, NULL,
     "The size of windows that overlap; with `every`."},
    {"streams[].window", "every", SCHEMA_DURATION, NO, NULL, 1, 366 * DAY, NULL,
     "How far apart sliding windows begin."},
    {"streams[].window", "allowed_lateness", SCHEMA_DURATION, NO, "0s", 0, 31 * DAY, NULL,
     "How long after its end a window still takes late events; each correction is published as a new revision."},

    {"triggers[]", "name", SCHEMA_NAME, YES, NULL, 0, 0, NULL, "The trigger's name."},
    {"triggers[]", "on", SCHEMA_NAME, YES, NULL, 0, 0, NULL, "The stream whose results it looks at."},
    {"triggers[]", "when", SCHEMA_EXPRESSION, YES, NULL, 0, 0, NULL,
     "The condition, an [expression](expressions.md) over the result's columns."},
    {"triggers[]", "cooldown", SCHEMA_DURATION, NO, "0s", 0, 366 * DAY, NULL,
     "After it fired for a key, it stays silent for that key until this much event time has gone by."},
    {"triggers[]", "run", SCHEMA_NAME, YES, NULL, 0, 0, NULL, "The job to start."},

    {"jobs[]", "name", SCHEMA_NAME, YES, NULL, 0, 0, NULL, "The job's name."},
    {"jobs[]", "from", SCHEMA_NAME, YES, NULL, 0, 0, NULL, "The stream whose results it reads."},
    {"jobs[]", "range", SCHEMA_DURATION, NO, NULL, 1, 3660 * DAY, NULL,
     "How far back it looks: from the trigger's window end, or from `until` when run on demand. Either `range` or "
     "`period`."},
    {"jobs[]", "period", SCHEMA_WORD, NO, NULL, 0, 0, periods,
     "The last whole one of the calendar in `timezone`. Weeks begin on Monday."},
    {"jobs[]", "schedule", SCHEMA_SCHEDULE, NO, NULL, 0, 0, NULL,
     "When it runs by itself: minute, hour, day of the month, month, day of the week, as in cron; or `@hourly`, "
     "`@daily`, `@weekly`, `@monthly`."},
    {"jobs[]", "timezone", SCHEMA_TIMEZONE, NO, "UTC", 0, 0, NULL,
     "The time zone of `schedule` and `period`, e.g. `Europe/Helsinki`."},
    {"jobs[]", "wait", SCHEMA_DURATION, NO, "10m", 0, DAY, NULL,
     "How long a scheduled run waits for its results to be complete."},
    {"jobs[]", "limit", SCHEMA_DURATION, NO, NULL, SECOND, DAY, NULL,
     "How long one run may take; default the platform's `job_limit`."},
    {"jobs[]", "by", SCHEMA_NAMES, NO, NULL, 0, 16, NULL,
     "Columns of the stream's results; the report has one row for each of their values. Default: one row for all."},
    {"jobs[]", "where", SCHEMA_EXPRESSION, NO, NULL, 0, 0, NULL,
     "Which results count, an [expression](expressions.md) over their columns; default all."},
    {"jobs[]", "select", SCHEMA_COLUMNS, YES, NULL, 1, 64, NULL,
     "The report's columns: `name: expression` over [aggregates](expressions.md#aggregates) of the results' columns."},

    {"limits", "event", SCHEMA_SIZE, NO, "64KiB", 1, MIB, NULL,
     "The largest event; a larger one is set aside as `too-large`."},
    {"limits", "message", SCHEMA_SIZE, NO, "1MiB", 1, 16 * MIB, NULL,
     "The largest message; a larger one is set aside as `too-large`."},
    {"limits", "keys", SCHEMA_INT, NO, "100000", 1, 1000000, NULL,
     "The most keys of a stream; an event of one more is set aside as `too-many-keys`."},
    {"limits", "devices", SCHEMA_INT, NO, "100000", 1, 1000000, NULL,
     "With `watermark_per`, of how many devices the time is kept. For one more, the device that has been longest "
     "without "
     "a window is forgotten; if all have windows, the event is set aside as `too-many-keys`."},
    {"limits", "producers", SCHEMA_INT, NO, "10000", 1, 100000, NULL,
     "Of how many producers the sequences are remembered."},
    {"limits", "distinct", SCHEMA_INT, NO, "10000", 1, 100000, NULL,
     "At how many values `distinct` stops in one result."},

    {"tests[]", "name", SCHEMA_TEXT, YES, NULL, 1, 200, NULL, "What is shown when it fails."},
    {"tests[]", "events", SCHEMA_EVENTS, NO, NULL, 1, 100000, NULL,
     "The events, each a mapping, or a text that is sent as it is. Either `events` or `file`."},
    {"tests[]", "file", SCHEMA_TEXT, NO, NULL, 1, 300, NULL,
     "A CSV or ndjson file with the events, relative to the app file."},
    {"tests[]", "results", SCHEMA_RESULTS, YES, NULL, 0, 100000, NULL,
     "All results that must come, in their order (window end, then stream, then key). Each names some of its columns; "
     "the others are not compared."},
};

const size_t schema_row_count = sizeof schema_rows / sizeof *schema_rows;
