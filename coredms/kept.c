#include "coredms/kept.h"

#include "base/time_format.h"

#include <inttypes.h>

uint64_t kept_log_generation(const struct tenant_row *t)
{
    return t->rewind.generation == t->generation && t->generation ? t->rewind.log_generation : t->generation;
}

const struct checkpoint_head *kept_find(const struct checkpoint_head *kept, size_t count, const struct rewind_row *r)
{
    for (size_t i = 0; i < count; i++)
        if (kept[i].state_epoch == r->base_epoch && kept[i].number == r->base_number)
            return &kept[i];
    return NULL;
}

/* The highest event time that a kept checkpoint has seen; INT64_MIN = none, INT64_MAX = not said. */
static int64_t highest_of(const struct checkpoint_head *h)
{
    int64_t highest = INT64_MAX;
    checkpoint_info_int(h, "highest", &highest);
    return highest;
}

static bool usable(const struct checkpoint_head *h, const struct kept_log *log)
{
    return h->generation >= log->generation && h->saved_ms > log->now_ms - log->retention_ms;
}

static bool before(const struct checkpoint_head *h, const struct log_point *p)
{
    return p->to_offset >= 0 ? h->offset < p->to_offset : highest_of(h) < p->to_ms;
}

static bool from_beginning(const struct kept_log *log)
{
    return log->began_ms > log->now_ms - log->retention_ms;
}

static const struct checkpoint_head *earliest_of(const struct checkpoint_head *kept, size_t count,
                                                 const struct kept_log *log)
{
    const struct checkpoint_head *earliest = NULL;
    for (size_t i = 0; i < count; i++)
        if (usable(&kept[i], log) && (!earliest || kept[i].offset < earliest->offset))
            earliest = &kept[i];
    return earliest;
}

int64_t kept_earliest(const struct checkpoint_head *kept, size_t count, const struct kept_log *log)
{
    const struct checkpoint_head *earliest = earliest_of(kept, count, log);
    if (from_beginning(log))
        return INT64_MIN;
    int64_t highest = earliest ? highest_of(earliest) : INT64_MAX;
    return highest == INT64_MAX ? INT64_MAX : highest + 1;
}

static int none(const struct checkpoint_head *earliest, const struct log_point *p, struct err *err)
{
    char time[32];
    if (!earliest)
        return err_set(err, ERR_CONFLICT, "the log does not reach back so far, and no kept checkpoint is in it yet");
    if (p->to_offset >= 0)
        return err_set(err, ERR_CONFLICT,
                       "the log or its kept checkpoints do not reach back so far: the earliest offset is %" PRId64,
                       earliest->offset + 1);
    time_rfc3339(highest_of(earliest) + 1, time);
    return err_set(err, ERR_CONFLICT,
                   "the log or its kept checkpoints do not reach back so far: the earliest time is %s", time);
}

int kept_base(const struct checkpoint_head *kept, size_t count, const struct kept_log *log, const struct log_point *p,
              const struct checkpoint_head **base, struct err *err)
{
    const struct checkpoint_head *best = NULL;
    for (size_t i = 0; i < count; i++)
        if (usable(&kept[i], log) && before(&kept[i], p) && (!best || kept[i].offset > best->offset))
            best = &kept[i];
    if (!best && !from_beginning(log))
        return none(earliest_of(kept, count, log), p, err);
    *base = best;
    return 0;
}
