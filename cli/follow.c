#include "cli/follow.h"
#include "cli/remote_app.h"

#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/time_format.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POLL_MS        1000
#define PER_DEVICE_LAG 86400000 /* ms that a device with a watermark of its own may be behind and is still followed */
#define FLUSH_BYTES    (256 * 1024)

/* What one round over the list has met. */
struct round {
    uint64_t *hashes;
    size_t count, cap;
};

struct following {
    const struct follow *f;
    struct round before, now;
    bool first;     /* the first round: only the newest rows are shown */
    char **newest;  /* ring of f->limit rows */
    size_t room;    /* in it so far */
    size_t met;     /* rows of the first round */
    int64_t latest; /* window_start; INT64_MIN = no row yet */
    struct buf rows;
    char *header; /* of the CSV shown last */
    bool open;
    struct err err;
    int status;
};

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static bool met_before(const struct round *r, uint64_t hash)
{
    return r->count && bsearch(&hash, r->hashes, r->count, sizeof hash, compare);
}

static void meet(struct round *r, uint64_t hash)
{
    if (r->count == r->cap) {
        r->cap = r->cap ? r->cap * 2 : 1024;
        r->hashes = mem_resize(r->hashes, r->cap, sizeof *r->hashes);
    }
    r->hashes[r->count++] = hash;
}

/* ---- showing ---- */

/* CSV: a header line only where it is another than the last. */
static int print_csv(struct following *g)
{
    char *text = NULL;
    size_t len;
    FILE *f = open_memstream(&text, &len);
    if (!f)
        return err_set_errno(&g->err, "cannot write");
    int status = table_print(f, TABLE_CSV, g->rows.data, g->rows.len, NULL, 0, &g->err);
    fclose(f);
    size_t header = strcspn(text, "\n");
    bool again = g->header && strlen(g->header) == header && memcmp(g->header, text, header) == 0;
    fputs(text + (again ? header + 1 : 0), stdout);
    free(g->header);
    g->header = mem_strndup(text, header);
    free(text);
    return status;
}

static void flush(struct following *g)
{
    if (!g->open)
        return;
    json_w_close(&g->rows, ']');
    if (g->status == 0 && g->f->format == TABLE_CSV)
        g->status = print_csv(g);
    else if (g->status == 0)
        g->status = table_print(stdout, g->f->format, g->rows.data, g->rows.len, NULL, 0, &g->err);
    if (g->status == 0 && (fflush(stdout) != 0 || ferror(stdout)))
        g->status = err_set_errno(&g->err, "cannot write");
    buf_clear(&g->rows);
    g->open = false;
}

static void show(struct following *g, const char *row, size_t len)
{
    if (!g->open)
        json_w_open(&g->rows, '[');
    g->open = true;
    json_w_raw(&g->rows, row, len);
    if (g->rows.len > FLUSH_BYTES)
        flush(g);
}

static void keep_newest(struct following *g, const char *row, size_t len)
{
    size_t at = g->met++ % g->f->limit;
    if (at == g->room) {
        g->room = g->room ? g->room * 2 : 128;
        g->newest = mem_resize(g->newest, g->room, sizeof *g->newest);
    }
    if (g->met > g->f->limit)
        free(g->newest[at]);
    g->newest[at] = mem_strndup(row, len);
}

static void show_newest(struct following *g, bool whole)
{
    size_t count = g->met < g->f->limit ? g->met : g->f->limit;
    if (whole && g->met > count)
        fprintf(stderr, "the newest %zu rows of %zu; --limit 0 shows all\n", count, g->met);
    for (size_t i = g->met - count; i < g->met; i++) {
        char *row = g->newest[i % g->f->limit];
        if (whole)
            show(g, row, strlen(row));
        free(row);
    }
    free(g->newest);
    g->newest = NULL;
}

static void take_row(void *context, const char *row, size_t len)
{
    struct following *g = context;
    struct buf start = {0};
    int64_t ms;
    uint64_t hash = hash_fnv64(row, len);
    if (json_get_string(row, len, "window_start", &start) && time_parse_rfc3339(start.data, start.len, &ms) &&
        ms > g->latest)
        g->latest = ms;
    buf_free(&start);
    meet(&g->now, hash);
    if (g->first && g->f->limit)
        keep_newest(g, row, len);
    else if (!met_before(&g->before, hash))
        show(g, row, len);
}

/* ---- how far back a row may still come or change ---- */

/* ms before the latest window's start. A window of a stream is shown, or corrected, only while the watermark is before
 * its end and its lateness; the latest window has been passed by it. */
static int find_span(const struct follow *f, int64_t *span, struct err *err)
{
    struct app *app = remote_app(f->client, f->tenant, err);
    if (!app)
        return -1;
    *span = app->watermark_per_count ? PER_DEVICE_LAG : 0;
    int64_t longest = 0;
    for (size_t i = 0; i < app->stream_count; i++) {
        int64_t s = app->streams[i].size + app->streams[i].lateness;
        longest = s > longest ? s : longest;
    }
    *span += longest;
    app_free(&app);
    return 0;
}

static void add_from(const struct following *g, int64_t span, struct buf *url)
{
    char text[32];
    int64_t asked, from = g->latest == INT64_MIN ? INT64_MIN : g->latest - span;
    if (from > INT64_MIN)
        time_rfc3339(from, text);
    bool far = !g->f->from || (time_parse_rfc3339(g->f->from, strlen(g->f->from), &asked) && asked < from);
    client_query(url, "from", from > INT64_MIN && far ? text : g->f->from);
}

static int one_round(struct following *g, int64_t span, struct err *err)
{
    struct buf url = {0};
    buf_add_str(&url, g->f->url);
    add_from(g, span, &url);
    g->now.count = 0;
    int status = client_each(g->f->client, buf_cstr(&url), "results", 0, take_row, g, NULL, err);
    buf_free(&url);
    if (g->first && g->f->limit)
        show_newest(g, status == 0);
    flush(g);
    if (status == 0 && g->status < 0) {
        *err = g->err;
        status = -1;
    }
    if (g->now.count)
        qsort(g->now.hashes, g->now.count, sizeof *g->now.hashes, compare);
    const struct round before = g->before;
    g->before = g->now;
    g->now = before;
    g->first = false;
    return status;
}

int follow_results(const struct follow *f, struct err *err)
{
    struct following g = {.f = f, .first = true, .latest = INT64_MIN};
    int64_t span = 0;
    int status = find_span(f, &span, err);
    while (status == 0) {
        status = one_round(&g, span, err);
        if (status == 0)
            poll(NULL, 0, POLL_MS);
    }
    buf_free(&g.rows);
    free(g.header);
    free(g.before.hashes);
    free(g.now.hashes);
    return status;
}
