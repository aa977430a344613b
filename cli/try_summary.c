/* What is said of a run on stderr: the counts, the dead letters with advice, and why there is nothing yet. */
#include "base/time_format.h"
#include "cli/advice.h"
#include "cli/try.h"

#include <inttypes.h>

static const char *plural(uint64_t n)
{
    return n == 1 ? "" : "s";
}

static void say_counts(const struct engine_info *info, uint64_t messages, FILE *to)
{
    const struct engine_counters *c = &info->counters;
    fprintf(to, "%" PRIu64 " line%s: %" PRIu64 " event%s, %" PRIu64 " counted", messages, plural(messages), c->events,
            plural(c->events), c->counted);
    if (c->late_counted)
        fprintf(to, " (%" PRIu64 " of them late)", c->late_counted);
    fprintf(to, ", %" PRIu64 " filtered", c->filtered);
    if (info->held)
        fprintf(to, ", %" PRIu64 " held back as ahead", info->held);
    fprintf(to, "\n%" PRIu64 " result%s", c->results, plural(c->results));
    if (c->corrected)
        fprintf(to, " (%" PRIu64 " of them correction%s)", c->corrected, plural(c->corrected));
    fprintf(to, ", %" PRIu64 " trigger%s fired\n", c->triggers, plural(c->triggers));
}

/* The commonest first. */
static void say_dead(const struct try_output *o, FILE *to)
{
    uint64_t most = UINT64_MAX, next = 0;
    for (size_t said = 0; said < o->reason_count; most = next) {
        next = 0;
        for (size_t i = 0; i < o->reason_count; i++) {
            if (o->reasons[i].count < most && o->reasons[i].count > next)
                next = o->reasons[i].count;
        }
        for (size_t i = 0; i < o->reason_count; i++) {
            const struct try_reason *r = &o->reasons[i];
            if (r->count != next)
                continue;
            said++;
            fprintf(to, "%" PRIu64 " set aside as %s, e.g. line %" PRIu64 ": %s\n    what to do: %s\n", r->count,
                    r->name, r->line, r->detail, advice_for(r->name));
        }
    }
}

static void say_time(FILE *to, int64_t ms)
{
    char text[32];
    bool fits = ms >= 0 && ms <= TIME_MAX_MS;
    if (fits)
        time_rfc3339(ms, text);
    fprintf(to, "%s", fits ? text : "far in the future");
}

static void say_open(const struct engine *e, size_t stream, FILE *to)
{
    const struct app *app = engine_app(e);
    struct engine_stream_info info;
    engine_stream_info(e, stream, &info);
    if (!info.open_windows)
        return;
    fprintf(to, "%s: %" PRIu64 " window%s open, of %" PRIu64 " key%s; the next ends at ", app->streams[stream].name,
            info.open_windows, plural(info.open_windows), info.keys, plural(info.keys));
    say_time(to, info.next_close);
    fprintf(to, " and closes when an event of ");
    say_time(to, info.next_close + app->time.out_of_orderness);
    fprintf(to, " or later comes%s, or the data ends\n", app->watermark_per_count ? " from its device" : "");
}

static void say_why_nothing(const struct engine *e, const struct engine_info *info, uint64_t messages, FILE *to)
{
    const struct app *app = engine_app(e);
    const struct engine_counters *c = &info->counters;
    if (!messages)
        fprintf(to, "why is there nothing? the data has no lines\n");
    else if (!c->events)
        fprintf(to, "why is there nothing? no line held an event: see what was set aside\n");
    else if (c->filtered == c->events)
        for (size_t i = 0; i < app->stream_count; i++)
            fprintf(to, "why is there nothing? %s takes no event: where: %s\n", app->streams[i].name,
                    app->streams[i].where_text ? app->streams[i].where_text : "");
    else if (!c->counted)
        fprintf(to, "why is there nothing? no event was counted: see what was set aside\n");
    else
        fprintf(to, "why is there nothing yet? no window has closed: the highest time so far is not past any\n");
}

void try_summary(const struct engine *e, const struct try_output *o, uint64_t messages, bool ended, FILE *to)
{
    struct engine_info info;
    engine_info(e, &info);
    say_counts(&info, messages, to);
    say_dead(o, to);
    if (!info.counters.results)
        say_why_nothing(e, &info, messages, to);
    for (size_t i = 0; i < engine_app(e)->stream_count; i++)
        say_open(e, i, to);
    if (!ended && info.highest != INT64_MIN) {
        fprintf(to, "the highest time so far is ");
        say_time(to, info.highest);
        fprintf(to, "; without --no-end the data would end here, and all windows close\n");
    }
}
