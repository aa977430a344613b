#include "api/metrics_http.h"
#include "api/metrics_table.h"

#include "base/mem.h"

#include <pthread.h>
#include <stdlib.h>

#define SERIES_MAX 512 /* routes times statuses is below; more would be lost, not harmful */

static const int64_t bounds_us[] = {1000,   2500,   5000,    10000,   25000,   50000,   100000,
                                    250000, 500000, 1000000, 2500000, 5000000, 10000000};
static const char *const bound_texts[] = {"0.001", "0.0025", "0.005", "0.01", "0.025", "0.05", "0.1",
                                          "0.25",  "0.5",    "1",     "2.5",  "5",     "10"};
#define BOUNDS (sizeof bounds_us / sizeof *bounds_us)

struct series {
    const struct route *route;
    int status;
    uint64_t counts[BOUNDS + 1]; /* each alone, not cumulated; the last is +Inf */
    int64_t sum_us;
};

struct metrics_http {
    pthread_mutex_t lock;
    struct series list[SERIES_MAX];
    size_t count;
};

struct metrics_http *metrics_http_new(void)
{
    struct metrics_http *m = mem_zero(1, sizeof *m);
    pthread_mutex_init(&m->lock, NULL);
    return m;
}

void metrics_http_free(struct metrics_http **m)
{
    if (!*m)
        return;
    pthread_mutex_destroy(&(*m)->lock);
    free(*m);
    *m = NULL;
}

static struct series *find(struct metrics_http *m, const struct route *route, int status)
{
    for (size_t i = 0; i < m->count; i++)
        if (m->list[i].route == route && m->list[i].status == status)
            return &m->list[i];
    if (m->count == SERIES_MAX)
        return NULL;
    m->list[m->count] = (struct series){.route = route, .status = status};
    return &m->list[m->count++];
}

void metrics_http_add(struct metrics_http *m, const struct route *route, int status, int64_t us)
{
    size_t bucket = 0;
    while (bucket < BOUNDS && us > bounds_us[bucket])
        bucket++;
    pthread_mutex_lock(&m->lock);
    struct series *s = find(m, route, status);
    if (s) {
        s->counts[bucket]++;
        s->sum_us += us;
    }
    pthread_mutex_unlock(&m->lock);
}

static void write_series(const struct series *s, struct buf *out)
{
    const char *name = families[F_API_REQUESTS].name;
    struct buf labels = {0};
    uint64_t total = 0;
    buf_printf(&labels, "method=\"%s\",route=\"%s\",status=\"%d\"", s->route ? s->route->method : "",
               s->route ? s->route->pattern : "none", s->status);
    buf_cstr(&labels);
    for (size_t i = 0; i <= BOUNDS; i++) {
        total += s->counts[i];
        buf_printf(out, "%s_bucket{%s,le=\"%s\"} %llu\n", name, labels.data, i < BOUNDS ? bound_texts[i] : "+Inf",
                   (unsigned long long)total);
    }
    buf_printf(out, "%s_sum{%s} %.6f\n", name, labels.data, (double)s->sum_us / 1e6);
    buf_printf(out, "%s_count{%s} %llu\n", name, labels.data, (unsigned long long)total);
    buf_free(&labels);
}

void metrics_http_write(struct metrics_http *m, struct buf *out)
{
    family_header(out, F_API_REQUESTS);
    pthread_mutex_lock(&m->lock);
    for (size_t i = 0; i < m->count; i++)
        write_series(&m->list[i], out);
    pthread_mutex_unlock(&m->lock);
}
