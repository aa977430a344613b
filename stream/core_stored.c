/* Results that nobody stores: when they grow too old in their queue, reading stops, before retention takes them away.
 */
#include "stream/core_private.h"

#include <string.h>

void core_sample_at_load(struct stream_core *c, int64_t saved_ms)
{
    struct engine_info info;
    engine_info(c->engine, &info);
    if (!info.result_number)
        return;
    c->samples[0].number = (int64_t)info.result_number;
    c->samples[0].wall_ms = saved_ms;
    c->sample_count = 1;
}

static void sample_results(struct stream_core *c)
{
    struct engine_info info;
    engine_info(c->engine, &info);
    int64_t number = (int64_t)info.result_number, step = c->options.retention_results_ms / 2 / SAMPLES;
    size_t n = c->sample_count;
    if (number <= c->stored_number ||
        (n && (c->samples[n - 1].number == number || c->wall_ms - c->samples[n - 1].wall_ms < step)))
        return;
    if (n == SAMPLES)
        memmove(&c->samples[1], &c->samples[2], (--n - 1) * sizeof c->samples[0]);
    c->samples[n].number = number;
    c->samples[n].wall_ms = c->wall_ms;
    c->sample_count = n + 1;
}

void core_stored(struct stream_core *c, const struct stream_event *e)
{
    c->asking_stored = false;
    c->ask_stored_at = c->mono_ms + STORED_EVERY_MS;
    if (e->err)
        return;
    c->stored_number = e->stored.generation == c->options.generation ? e->stored.number : 0;
    size_t stored = 0;
    while (stored < c->sample_count && c->samples[stored].number <= c->stored_number)
        stored++;
    memmove(c->samples, c->samples + stored, (c->sample_count - stored) * sizeof c->samples[0]);
    c->sample_count -= stored;
    bool was = c->hold_unstored;
    c->hold_unstored = c->sample_count && c->wall_ms - c->samples[0].wall_ms > c->options.retention_results_ms / 2;
    if (c->hold_unstored)
        core_say(c,
                 "results wait in their queue for longer than half of their retention and are not stored: is the batch "
                 "worker running?");
    else if (was)
        core_say(c, "");
}

void core_ask_stored(struct stream_core *c)
{
    if (c->asking_stored || c->mono_ms < c->ask_stored_at || !c->engine)
        return;
    sample_results(c);
    c->asking_stored = true;
    core_effect(c, STREAM_ASK_STORED);
}
