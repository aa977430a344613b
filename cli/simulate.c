/* belltower simulate: base stations, seeded. */
#include "cli/verbs.h"

#include "base/time_format.h"
#include "cli/options.h"
#include "cli/simulator.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define FLUSH_BYTES   (1024 * 1024)
#define DEFAULT_START INT64_C(1767225600000) /* 2026-01-01T00:00:00Z */

static int write_all(FILE *to, struct buf *b)
{
    size_t n = fwrite(b->data, 1, b->len, to);
    bool well = n == b->len;
    buf_clear(b);
    return well ? 0 : -1;
}

static int write_lines(struct simulator *s, FILE *to)
{
    struct buf b = {0};
    int status = 0;
    simulator_header(s, &b);
    while (status == 0 && simulator_line(s, &b))
        if (b.len >= FLUSH_BYTES)
            status = write_all(to, &b);
    if (status == 0)
        status = write_all(to, &b);
    buf_free(&b);
    return fflush(to) == 0 ? status : -1;
}

static void note_storms(const struct simulator *s, const struct simulation *o)
{
    for (uint32_t i = 0; i < o->storms; i++) {
        int64_t from, to;
        char begins[32], ends[32];
        unsigned hit = 0;
        simulator_storm(s, i, &from, &to);
        time_rfc3339(from, begins);
        time_rfc3339(to, ends);
        for (uint32_t station = 1; station <= o->stations; station++)
            hit += simulator_in_storm(s, i, station);
        fprintf(stderr, "storm %u: %s to %s at %u of %u stations\n", i + 1, begins, ends, hit, o->stations);
    }
}

static int run(const struct simulation *o, const char *path)
{
    FILE *to = path ? fopen(path, "we") : stdout;
    if (!to) {
        fprintf(stderr, "belltower: cannot write %s: %s\n", path, strerror(errno));
        return VERB_FAILED;
    }
    struct simulator *s = simulator_new(o);
    note_storms(s, o);
    int status = write_lines(s, to);
    int saved = errno;
    if (path && fclose(to) != 0)
        status = -1;
    simulator_free(&s);
    if (status < 0)
        fprintf(stderr, "belltower: cannot write %s: %s\n", path ? path : "standard output", strerror(saved));
    return status < 0 ? VERB_FAILED : VERB_DONE;
}

struct wanted {
    int64_t stations, hours, rate, seed, disorder, duplicates, storms, start;
    const char *format, *out;
};

static const char *check(const struct wanted *w)
{
    if (w->stations < 1 || w->stations > 1000000)
        return "--stations: from 1 to 1000000";
    if (w->hours < 1 || w->hours > 24 * 366)
        return "--hours: from 1 to 8784";
    if (w->rate < 1 || w->rate > 3600)
        return "--rate: from 1 to 3600 readings an hour of each sensor";
    if (w->duplicates > 1000)
        return "--duplicates: at most 1000 of a thousand";
    if (w->storms > 1000)
        return "--storms: at most 1000";
    if (w->start < 0 || w->start % 1000)
        return "--start: a whole second from 1970 on";
    bool known = strcmp(w->format, "csv") == 0 || strcmp(w->format, "ndjson") == 0;
    return known ? NULL : "--format: csv or ndjson";
}

int cmd_simulate(int argc, char **argv)
{
    struct wanted w = {
        .stations = 20, .hours = 24, .rate = 60, .seed = 1, .storms = 1, .start = DEFAULT_START, .format = "csv"};
    bool storm = false;
    const struct option options[] = {
        {"stations", OPTION_NUMBER, &w.stations, "N", "base stations, of ten sensors each (20)"},
        {"hours", OPTION_NUMBER, &w.hours, "N", "how long (24)"},
        {"rate", OPTION_NUMBER, &w.rate, "N", "readings an hour of each sensor (60)"},
        {"seed", OPTION_NUMBER, &w.seed, "N", "the same seed gives the same bytes (1)"},
        {"start", OPTION_TIME, &w.start, "TIME", "of the first reading (2026-01-01)"},
        {"disorder", OPTION_DURATION, &w.disorder, "TIME", "readings arrive up to so much late (0s)"},
        {"duplicates", OPTION_NUMBER, &w.duplicates, "N", "of a thousand readings so many arrive twice (0)"},
        {"storms", OPTION_NUMBER, &w.storms, "N", "alarm storms of 20 minutes (1)"},
        {"storm", OPTION_FLAG, &storm, NULL, "at least one storm"},
        {"format", OPTION_TEXT, &w.format, "csv|ndjson", "of the readings (csv)"},
        {"out", OPTION_TEXT, &w.out, "FILE", "instead of standard output"},
    };
    struct err err;
    if (verb_options(&argc, argv, "simulate", options, sizeof options / sizeof *options, 0, 0, &err) < 0)
        return verb_usage(&err);
    const char *wrong = check(&w);
    if (wrong) {
        err_set(&err, ERR_INVALID, "%s", wrong);
        return verb_usage(&err);
    }
    const struct simulation o = {.start_ms = w.start,
                                 .duration_ms = w.hours * 3600000,
                                 .stations = (uint32_t)w.stations,
                                 .per_hour = (uint32_t)w.rate,
                                 .seed = (uint64_t)w.seed,
                                 .disorder_ms = w.disorder,
                                 .duplicates = (uint32_t)w.duplicates,
                                 .storms = (uint32_t)(w.storms == 0 && storm ? 1 : w.storms),
                                 .csv = strcmp(w.format, "csv") == 0};
    return run(&o, w.out);
}
