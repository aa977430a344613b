#include "base/wire/metrics.h"

#define METRIC_ROW(slot, metric_name, metric_kind, metric_role, metric_scale, metric_help)                             \
    [slot] = {                                                                                                         \
        .name = metric_name, .help = metric_help, .kind = metric_kind, .role = metric_role, .scale = metric_scale},
const struct metric metrics[METRIC_COUNT] = {METRICS_TABLE(METRIC_ROW)};
