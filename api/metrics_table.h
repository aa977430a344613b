/* The families of /metrics that are not slots of a status page (those: base/wire/metrics.h), one row each: those with
 * labels beside `tenant`, and the API's own. The exposition and docs/metrics.md come from both tables. PURE. */
#ifndef BELLTOWER_API_METRICS_TABLE_H
#define BELLTOWER_API_METRICS_TABLE_H

#include "base/wire/metrics.h"

/* family, name, type, labels, who says it, help */
#define METRIC_FAMILIES(M)                                                                                             \
    M(F_WINDOWS_CLOSED, "belltower_windows_closed_total", "counter", "tenant stream", "stream", "windows closed")      \
    M(F_STREAM_WINDOWS_OPEN, "belltower_stream_windows_open", "gauge", "tenant stream", "stream",                      \
      "open windows of a stream")                                                                                      \
    M(F_TRIGGERS_FIRED, "belltower_triggers_fired_total", "counter", "tenant trigger", "stream",                       \
      "triggers fired since the worker began")                                                                         \
    M(F_EVENTS_DEAD, "belltower_events_dead_total", "counter", "tenant reason", "stream", "events set aside")          \
    M(F_JOB_RUNS, "belltower_job_runs_total", "counter", "tenant job result", "batch",                                 \
      "runs ended since the worker began; result: done, failed or skipped")                                            \
    M(F_WORKER_UP, "belltower_worker_up", "gauge", "tenant role", "supervisor", "1 while the worker runs and works")   \
    M(F_WORKER_WANTED, "belltower_worker_wanted", "gauge", "tenant role", "API",                                       \
      "1 if the worker should run; 0: its tenant is paused or being removed")                                          \
    M(F_WORKER_RESTARTS, "belltower_worker_restarts_total", "counter", "tenant role", "supervisor",                    \
      "starts of the worker after the first")                                                                          \
    M(F_WORKER_MEMORY, "belltower_worker_resident_memory_bytes", "gauge", "tenant role", "API",                        \
      "resident memory of the worker's process")                                                                       \
    M(F_WORKER_CPU, "belltower_worker_cpu_seconds_total", "counter", "tenant role", "API",                             \
      "processor time of the worker's process")                                                                        \
    M(F_STORE_DAMAGED, "belltower_store_damaged", "gauge", "tenant", "API",                                            \
      "1 once a call has found the tenant's data damaged or gone, until it is resumed or restored; what a worker "     \
      "finds parks it")                                                                                                \
    M(F_UNROUTED, "belltower_unrouted_messages", "gauge", "", "API",                                                   \
      "messages that no tenant's queue took; no sample while that is not known")                                       \
    M(F_API_BROKER_CONNECTED, "belltower_api_broker_connected", "gauge", "", "API",                                    \
      "1 while the API's publisher is connected")                                                                      \
    M(F_API_REQUESTS, "belltower_api_request_duration_seconds", "histogram", "method route status", "API",             \
      "how long the API took to answer")                                                                               \
    M(F_BUILD_INFO, "belltower_build_info", "gauge", "version", "API", "always 1; its label is the version that runs")

#define FAMILY_ID(id, name, type, labels, by, help) id,
enum metric_family { METRIC_FAMILIES(FAMILY_ID) METRIC_FAMILY_COUNT };
#undef FAMILY_ID

struct family {
    const char *name, *type;
    const char *labels; /* with a space between; "" = none */
    const char *by, *help;
};
extern const struct family families[METRIC_FAMILY_COUNT];

/* HELP and TYPE, once before the samples of a family. */
void family_header(struct buf *out, enum metric_family family);
void slot_header(struct buf *out, enum metric_slot slot);
/* `,name="value"`, without the comma behind `{`; the value is escaped. */
void metrics_label(struct buf *out, const char *name, const char *value);

/* docs/metrics.md */
void metrics_markdown(struct buf *out);

#endif
