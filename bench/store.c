/* bench-store: results into the SQLite store and a report over them, each next to the same by hand.
 *   bench-store put DIR --rows N --batch B          history_put in batches / raw prepared upserts, one transaction a
 * batch bench-store group DIR --rows N                  history_group / the same SQL typed by hand Prints a JSON
 * object. DIR: an empty directory. */
#include "bench/options.h"
#include "bench/timing.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/time_format.h"
#include "coredms/coredms.h"

#include <sqlite3.h>
#include <stdio.h>

#define FIRST_MS  INT64_C(1767225600000)
#define WINDOW_MS 300000
#define STATIONS  200
#define KEYS      2000
#define TENANT    "acme"

static void die(const char *what)
{
    fprintf(stderr, "bench-store: %s\n", what);
    exit(1);
}

static void check(int code, sqlite3 *db)
{
    if (code != SQLITE_OK && code != SQLITE_DONE && code != SQLITE_ROW)
        die(sqlite3_errmsg(db));
}

/* ---- rows ---- */

struct texts {
    char key[48], body[400];
};

static struct result_row row_of(uint64_t i, struct texts *t)
{
    int64_t start = FIRST_MS + (int64_t)(i / KEYS) * WINDOW_MS, station = 1161114001 + (int64_t)(i % STATIONS);
    unsigned datapoint = 121 + (unsigned)(i / STATIONS % 10), n = 1 + (unsigned)(i * 7 % 50);
    char from[32], to[32];
    time_rfc3339(start, from);
    time_rfc3339(start + WINDOW_MS, to);
    snprintf(t->key, sizeof t->key, "[%lld,%u]", (long long)station, datapoint);
    int len =
        snprintf(t->body, sizeof t->body,
                 "{\"station_id\":%lld,\"datapoint_id\":%u,\"alarm_fire_count\":%u,\"highest\":%u.5,"
                 "\"tenant_id\":\"" TENANT "\",\"stream\":\"alarms\",\"window_start\":\"%s\",\"window_end\":\"%s\","
                 "\"revision\":0}",
                 (long long)station, datapoint, n, 240 + n, from, to);
    return (struct result_row){.generation = 1,
                               .number = (int64_t)i + 1,
                               .stream = "alarms",
                               .key = t->key,
                               .window_start = start,
                               .window_end = start + WINDOW_MS,
                               .body = t->body,
                               .body_len = (size_t)len,
                               .first_offset = (int64_t)i,
                               .last_offset = (int64_t)i + 9};
}

/* ---- ours ---- */

static struct coredms *open_store(const char *dir, struct source *source)
{
    char uri[4096];
    struct err err;
    struct coredms *db;
    snprintf(uri, sizeof uri, "sqlite:%s", dir);
    if (coredms_open(uri, TENANT, COREDMS_WRITES_BATCH, &db, &err) < 0 || history_raise(db, 1, source, &err) < 0)
        die(err.text);
    return db;
}

static double put_ours(const char *dir, size_t rows, size_t batch)
{
    struct source source;
    struct err err;
    struct coredms *db = open_store(dir, &source);
    struct result_row *list = mem_zero(batch, sizeof *list);
    struct texts *texts = mem_zero(batch, sizeof *texts);
    double busy = 0;
    for (size_t from = 0; from < rows; from += batch) {
        for (size_t i = 0; i < batch; i++)
            list[i] = row_of(from + i, &texts[i]);
        source.offset = source.number = (int64_t)(from + batch);
        double began = wall_s();
        if (history_put(db, list, batch, &source, &err) < 0)
            die(err.text);
        busy += wall_s() - began;
    }
    coredms_close(&db);
    free(list);
    free(texts);
    return busy;
}

/* ---- by hand ---- */

static const char upsert[] = "INSERT INTO results VALUES(?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT(stream, window_start, key)"
                             " DO UPDATE SET window_end = excluded.window_end, generation = excluded.generation,"
                             " revision = excluded.revision, number = excluded.number, body = excluded.body,"
                             " first_offset = excluded.first_offset, last_offset = excluded.last_offset,"
                             " withdrawn = excluded.withdrawn";

static void run_sql(sqlite3 *db, const char *text)
{
    check(sqlite3_exec(db, text, NULL, NULL, NULL), db);
}

static sqlite3 *open_raw(const char *dir)
{
    char path[4096];
    sqlite3 *db;
    snprintf(path, sizeof path, "%s/raw.db", dir);
    check(sqlite3_open(path, &db), db);
    run_sql(db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                "CREATE TABLE results(stream TEXT NOT NULL, window_start INTEGER NOT NULL, key TEXT NOT NULL,"
                " window_end INTEGER, generation INTEGER, revision INTEGER, number INTEGER, body TEXT,"
                " first_offset INTEGER, last_offset INTEGER, withdrawn INTEGER,"
                " PRIMARY KEY(stream, window_start, key)) WITHOUT ROWID");
    return db;
}

static void upsert_row(sqlite3 *db, sqlite3_stmt *s, const struct result_row *r)
{
    sqlite3_bind_text(s, 1, r->stream, -1, SQLITE_STATIC);
    sqlite3_bind_int64(s, 2, r->window_start);
    sqlite3_bind_text(s, 3, r->key, -1, SQLITE_STATIC);
    sqlite3_bind_int64(s, 4, r->window_end);
    sqlite3_bind_int64(s, 5, (int64_t)r->generation);
    sqlite3_bind_int64(s, 6, r->revision);
    sqlite3_bind_int64(s, 7, r->number);
    sqlite3_bind_text(s, 8, r->body, (int)r->body_len, SQLITE_STATIC);
    sqlite3_bind_int64(s, 9, r->first_offset);
    sqlite3_bind_int64(s, 10, r->last_offset);
    sqlite3_bind_int(s, 11, r->withdrawn);
    check(sqlite3_step(s), db);
    sqlite3_reset(s);
}

static double put_raw(const char *dir, size_t rows, size_t batch)
{
    sqlite3 *db = open_raw(dir);
    sqlite3_stmt *s;
    struct result_row *list = mem_zero(batch, sizeof *list);
    struct texts *texts = mem_zero(batch, sizeof *texts);
    double busy = 0;
    check(sqlite3_prepare_v2(db, upsert, -1, &s, NULL), db);
    for (size_t from = 0; from < rows; from += batch) {
        for (size_t i = 0; i < batch; i++)
            list[i] = row_of(from + i, &texts[i]);
        double began = wall_s();
        run_sql(db, "BEGIN IMMEDIATE");
        for (size_t i = 0; i < batch; i++)
            upsert_row(db, s, &list[i]);
        run_sql(db, "COMMIT");
        busy += wall_s() - began;
    }
    sqlite3_finalize(s);
    sqlite3_close(db);
    free(list);
    free(texts);
    return busy;
}

static void put(const char *dir, size_t rows, size_t batch, bool raw_first)
{
    double ours = 0, raw = 0;
    rows = rows / batch * batch;
    if (raw_first)
        raw = put_raw(dir, rows, batch);
    ours = put_ours(dir, rows, batch);
    if (!raw_first)
        raw = put_raw(dir, rows, batch);
    printf("{\"rows\":%zu,\"batch\":%zu,\"ours_s\":%.4f,\"raw_s\":%.4f}\n", rows, batch, ours, raw);
}

/* ---- a report ---- */

static bool count_group(void *context, const struct value *values, size_t count)
{
    (void)values;
    (void)count;
    (*(size_t *)context)++;
    return true;
}

static double group_ours(const char *dir, size_t *groups)
{
    char uri[4096];
    struct err err;
    struct coredms *db;
    static const struct expr_name by[] = {{.name = "station_id", .type = VALUE_INT},
                                          {.name = "datapoint_id", .type = VALUE_INT}};
    static const struct history_agg aggs[] = {{AGG_SUM, "alarm_fire_count", VALUE_INT},
                                              {AGG_MAX, "highest", VALUE_FLOAT}};
    const struct history_group g = {.filter = {.stream = "alarms", .from = FIRST_MS, .to = INT64_MAX},
                                    .by = by,
                                    .by_count = 2,
                                    .aggs = aggs,
                                    .agg_count = 2};
    snprintf(uri, sizeof uri, "sqlite:%s", dir);
    if (coredms_open(uri, TENANT, COREDMS_READS, &db, &err) < 0)
        die(err.text);
    double began = wall_s();
    if (history_group(db, &g, clock_mono_ms() + 600000, count_group, groups, &err) < 0)
        die(err.text);
    double took = wall_s() - began;
    coredms_close(&db);
    return took;
}

static double group_raw(const char *dir, size_t *groups)
{
    char path[4096];
    sqlite3 *db;
    sqlite3_stmt *s;
    static const char sql[] =
        "SELECT json_extract(body, '$.station_id') AS s, json_extract(body, '$.datapoint_id') AS d,"
        " sum(json_extract(body, '$.alarm_fire_count')), max(json_extract(body, '$.highest'))"
        " FROM results WHERE stream = 'alarms' AND window_start >= 0 GROUP BY s, d ORDER BY s, d";
    snprintf(path, sizeof path, "%s/tenants/" TENANT "/batch.db", dir);
    check(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), db);
    check(sqlite3_prepare_v2(db, sql, -1, &s, NULL), db);
    double began = wall_s();
    while (sqlite3_step(s) == SQLITE_ROW)
        (*groups)++;
    double took = wall_s() - began;
    sqlite3_finalize(s);
    sqlite3_close(db);
    return took;
}

static void fill_store(const char *dir, size_t rows)
{
    put_ours(dir, rows, 10000);
}

static void group(const char *dir, size_t rows, size_t runs)
{
    fill_store(dir, rows);
    for (size_t i = 0; i < runs; i++) {
        size_t ours = 0, raw = 0;
        double raw_s = group_raw(dir, &raw), ours_s = group_ours(dir, &ours);
        if (ours != raw)
            die("the two reports differ");
        printf("%s{\"rows\":%zu,\"groups\":%zu,\"ours_s\":%.3f,\"raw_s\":%.3f}", i ? "," : "[", rows, ours, ours_s,
               raw_s);
    }
    printf("]\n");
}

int main(int argc, char **argv)
{
    if (argc < 3)
        die("usage: bench-store put|group DIR [--rows N] [--batch B] [--runs N] [--raw-first 1]");
    size_t rows = option_count(argc, argv, "--rows", 200000);
    if (strcmp(argv[1], "put") == 0)
        put(argv[2], rows, option_count(argc, argv, "--batch", 500), option(argc, argv, "--raw-first", NULL) != NULL);
    else
        group(argv[2], rows, option_count(argc, argv, "--runs", 3));
    return 0;
}
