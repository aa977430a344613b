/* One row per counter or gauge of a status page: slot, metric name, type, role that writes it, help. /metrics,
 * docs/metrics.md and the pages come from it. Values are integers in the unit that `scale` turns into Prometheus' base
 * unit (value / scale). PURE. */
#ifndef BELLTOWER_WIRE_METRICS_H
#define BELLTOWER_WIRE_METRICS_H

#include "base/wire/contract.h"

/* slot, name, kind, role, scale, help */
#define METRICS_TABLE(M)                                                                                               \
    M(M_MESSAGES, "belltower_messages_read_total", COUNTER, ROLE_STREAM, 1, "messages read from the log")              \
    M(M_EVENTS, "belltower_events_read_total", COUNTER, ROLE_STREAM, 1, "events decoded")                              \
    M(M_COUNTED, "belltower_events_counted_total", COUNTER, ROLE_STREAM, 1, "events counted by at least one stream")   \
    M(M_FILTERED, "belltower_events_filtered_total", COUNTER, ROLE_STREAM, 1,                                          \
      "events that no stream's where accepted")                                                                        \
    M(M_LATE, "belltower_events_late_counted_total", COUNTER, ROLE_STREAM, 1,                                          \
      "late events that still counted (corrections)")                                                                  \
    M(M_REPEATS, "belltower_events_duplicate_total", COUNTER, ROLE_STREAM, 1,                                          \
      "messages dropped because their sequence had been seen")                                                         \
    M(M_DEAD, "belltower_dead_total", COUNTER, ROLE_STREAM, 1, "dead letters of all reasons")                          \
    M(M_UNREADABLE, "belltower_messages_unreadable_total", COUNTER, ROLE_STREAM, 1,                                    \
      "messages passed over because the AMQP client library cannot take their headers apart")                          \
    M(M_RESULTS, "belltower_results_published_total", COUNTER, ROLE_STREAM, 1, "results published")                    \
    M(M_CORRECTED, "belltower_results_corrected_total", COUNTER, ROLE_STREAM, 1, "results with a revision above 0")    \
    M(M_TRIGGERS, "belltower_triggers_total", COUNTER, ROLE_STREAM, 1, "triggers fired, of all names")                 \
    M(M_SKIPPED_REPEATS, "belltower_results_already_published_total", COUNTER, ROLE_STREAM, 1,                         \
      "messages not published again after a restart")                                                                  \
    M(M_OPEN_WINDOWS, "belltower_windows_open", GAUGE, ROLE_STREAM, 1, "open windows, all streams")                    \
    M(M_KEYS, "belltower_keys_open", GAUGE, ROLE_STREAM, 1, "keys with a window, all streams")                         \
    M(M_HELD, "belltower_events_held", GAUGE, ROLE_STREAM, 1, "events held back as ahead")                             \
    M(M_WATERMARK, "belltower_watermark_timestamp_seconds", GAUGE, ROLE_STREAM, 1000, "the watermark")                 \
    M(M_HIGHEST, "belltower_highest_event_timestamp_seconds", GAUGE, ROLE_STREAM, 1000, "the highest event time")      \
    M(M_LAG, "belltower_lag_messages", GAUGE, ROLE_STREAM, 1, "messages in the log not yet read (rough)")              \
    M(M_LAG_MS, "belltower_lag_seconds", GAUGE, ROLE_STREAM, 1000,                                                     \
      "age of the oldest message not yet read; 0 at the log's end")                                                    \
    M(M_OFFSET, "belltower_offset", GAUGE, ROLE_STREAM, 1, "offset of the last message read")                          \
    M(M_LEFT_OUT, "belltower_log_left_out_messages", GAUGE, ROLE_STREAM, 1,                                            \
      "messages of the log that every reading leaves out: set aside as poison, or lost and skipped")                   \
    M(M_LOST, "belltower_log_lost", GAUGE, ROLE_STREAM, 1,                                                             \
      "1 while the worker is stopped, because a part of the log is lost; see the two offsets")                         \
    M(M_LOST_FROM, "belltower_log_lost_from_offset", GAUGE, ROLE_STREAM, 1, "the first offset lost")                   \
    M(M_LOST_TO, "belltower_log_lost_to_offset", GAUGE, ROLE_STREAM, 1, "the last offset lost")                        \
    M(M_CHECKPOINTS, "belltower_checkpoints_total", COUNTER, ROLE_STREAM, 1, "checkpoints saved")                      \
    M(M_CHECKPOINT_MS, "belltower_checkpoint_last_duration_seconds", GAUGE, ROLE_STREAM, 1000,                         \
      "how long the last checkpoint took")                                                                             \
    M(M_CHECKPOINT_AT, "belltower_checkpoint_last_success_timestamp_seconds", GAUGE, ROLE_STREAM, 1000,                \
      "when the last checkpoint was saved")                                                                            \
    M(M_CHECKPOINT_BYTES, "belltower_checkpoint_size_bytes", GAUGE, ROLE_STREAM, 1, "size of the last checkpoint")     \
    M(M_EPOCH, "belltower_epoch", GAUGE, ROLE_STREAM, 1, "epoch of the stream worker")                                 \
    M(M_VERSION, "belltower_app_revision", GAUGE, ROLE_STREAM, 1, "version of the app in effect")                      \
    M(M_STREAM_CONNECTED, "belltower_broker_connected", GAUGE, ROLE_STREAM, 1, "1 while both connections are up")      \
    M(M_STREAM_RECONNECTS, "belltower_broker_reconnects_total", COUNTER, ROLE_STREAM, 1,                               \
      "connections lost and made again")                                                                               \
    M(M_UNCONFIRMED, "belltower_unconfirmed_messages", GAUGE, ROLE_STREAM, 1, "published, not yet confirmed")          \
    M(M_STORED, "belltower_results_stored_total", COUNTER, ROLE_BATCH, 1, "results stored")                            \
    M(M_STORED_NUMBER, "belltower_results_stored_number", GAUGE, ROLE_BATCH, 1, "x-number of the last result stored")  \
    M(M_FORGED, "belltower_messages_forged_total", COUNTER, ROLE_BATCH, 1, "messages of the wrong user, ignored")      \
    M(M_RUNS_DONE, "belltower_runs_done_total", COUNTER, ROLE_BATCH, 1, "runs that made a report")                     \
    M(M_RUNS_FAILED, "belltower_runs_failed_total", COUNTER, ROLE_BATCH, 1, "runs that failed")                        \
    M(M_RUNS_SKIPPED, "belltower_runs_skipped_total", COUNTER, ROLE_BATCH, 1, "due periods recorded as skipped")       \
    M(M_RUNS_PENDING, "belltower_runs_pending", GAUGE, ROLE_BATCH, 1, "runs queued or running")                        \
    M(M_RUN_MS, "belltower_job_last_duration_seconds", GAUGE, ROLE_BATCH, 1000, "how long the last run took")          \
    M(M_REPORTS, "belltower_reports_published_total", COUNTER, ROLE_BATCH, 1, "reports published")                     \
    M(M_EXPIRED, "belltower_history_expired_total", COUNTER, ROLE_BATCH, 1, "rows of history removed by keep")         \
    M(M_BATCH_CONNECTED, "belltower_batch_broker_connected", GAUGE, ROLE_BATCH, 1, "1 while both connections are up")  \
    M(M_BATCH_RECONNECTS, "belltower_batch_broker_reconnects_total", COUNTER, ROLE_BATCH, 1,                           \
      "connections lost and made again")

enum metric_kind { COUNTER, GAUGE };

#define METRIC_SLOT(slot, name, kind, role, scale, help) slot,
enum metric_slot { METRICS_TABLE(METRIC_SLOT) METRIC_COUNT };
#undef METRIC_SLOT
_Static_assert(METRIC_COUNT <= PAGE_SLOTS, "the status page has a slot for each metric");

struct metric {
    const char *name, *help;
    enum metric_kind kind;
    enum role role;
    int64_t scale;
};
extern const struct metric metrics[METRIC_COUNT];

#endif
