/* belltower send: a file of events to the broker, as the tenant's own producer. Sending it again, or going on after a
 * broken connection, repeats nothing: each piece of the file has its sequence. */
#include "cli/send.h"

#include "base/clock.h"
#include "base/files.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/wire/names.h"
#include "cli/client.h"
#include "cli/remote_app.h"
#include "cli/verbs.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_BYTES (256 * 1024)

struct wanted {
    const char *format, *app_file, *producer, *credentials;
    int64_t rate, batch, realtime, wait;
    bool end;
};

struct sending {
    struct wanted w;
    struct client *client;
    const char *tenant, *path;
    struct app *app;
    struct send_source source;
    struct send_link link;
    struct progress progress;
    struct pieces pieces;
    char producer[65], exchange[NAME_SIZE];
    char *user, *password, *address;
    int64_t began_ms, first_time;
};

/* ---- who sends, and where ---- */

static char *text_member(const char *json, size_t len, const char *name)
{
    struct buf b = {0};
    char *text = json_get_string(json, len, name, &b) ? mem_strndup(b.data, b.len) : NULL;
    buf_free(&b);
    return text;
}

static int find_credentials(struct sending *s, struct err *err)
{
    char path[4096];
    struct buf text = {0};
    const char *broker;
    size_t len;
    snprintf(path, sizeof path, "%s/clients/%s.json", s->client->settings.data, s->tenant);
    const char *from = s->w.credentials ? s->w.credentials : path;
    if (files_read(from, 65536, &text, err) < 0) {
        buf_free(&text);
        return err_set(err, ERR_DENIED,
                       "no broker credentials of %s in %s: they are what `belltower tenant add` answered once; give "
                       "them with --credentials FILE",
                       s->tenant, from);
    }
    if (json_find(text.data, text.len, "broker", &broker, &len) != JSON_OBJECT) {
        broker = text.data;
        len = text.len;
    }
    s->user = text_member(broker, len, "user");
    s->password = text_member(broker, len, "password");
    s->address = text_member(broker, len, "address");
    buf_free(&text);
    if (!s->user || !s->password)
        return err_set(err, ERR_INVALID, "%s holds no broker user and password", from);
    return 0;
}

/* The same file gives the same producer, so that what it sent before is known as a repeat. */
static int find_producer(struct sending *s, int fd, struct err *err)
{
    char *block, hex[33];
    ssize_t n;
    struct buf sums = {0};
    if (s->w.producer) {
        snprintf(s->producer, sizeof s->producer, "%s", s->w.producer);
        return 0;
    }
    unsigned char nonce[16];
    random_bytes(nonce, sizeof nonce);
    if (lseek(fd, 0, SEEK_CUR) < 0) { /* a pipe: nobody can send it again */
        hash_fnv128_hex(nonce, sizeof nonce, hex);
        snprintf(s->producer, sizeof s->producer, "send.%s", hex);
        return 0;
    }
    block = mem_alloc(READ_BYTES);
    while ((n = read(fd, block, READ_BYTES)) > 0) {
        hash_fnv128_hex(block, (size_t)n, hex);
        buf_add(&sums, hex, 32);
    }
    free(block);
    buf_printf(&sums, "%lld", (long long)s->w.batch);
    hash_fnv128_hex(sums.data, sums.len, hex);
    buf_free(&sums);
    snprintf(s->producer, sizeof s->producer, "send.%s", hex);
    if (n < 0 || lseek(fd, 0, SEEK_SET) < 0)
        return err_set_errno(err, "cannot read %s", s->path);
    return 0;
}

static int find_app(struct sending *s, struct err *err)
{
    struct buf text = {0};
    if (s->w.app_file && files_read(s->w.app_file, APP_MAX_BYTES, &text, err) < 0)
        return verb_bad_input(err);
    if (s->w.app_file)
        s->app = remote_app_load(s->tenant, text.data, text.len, err);
    else
        s->app = remote_app(s->client, s->tenant, err);
    buf_free(&text);
    return s->app ? 0 : -1;
}

/* ---- the pace ---- */

static void show(void *context)
{
    struct sending *s = context;
    progress_show(&s->progress, false);
}

/* Waits until `events` may have been sent, and until the piece's time has come; the connection is kept alive meanwhile.
 */
static int keep_pace(struct sending *s, struct err *err)
{
    int64_t at = s->began_ms;
    if (s->w.rate)
        at += (int64_t)(s->progress.events * 1000 / (uint64_t)s->w.rate);
    if (s->w.realtime && s->source.first_time != INT64_MIN) {
        if (s->first_time == INT64_MIN)
            s->first_time = s->source.first_time;
        int64_t due = s->began_ms + (s->source.first_time - s->first_time) / s->w.realtime;
        at = due > at ? due : at;
    }
    for (int64_t now; (now = clock_mono_ms()) < at;) {
        if (send_link_run(&s->link, false, show, s, err) < 0)
            return -1;
        poll(NULL, 0, at - now < 200 ? (int)(at - now) : 200);
    }
    return 0;
}

static int take_piece(void *context, const struct piece *piece, struct err *err)
{
    struct sending *s = context;
    char id[96];
    uint64_t before = s->source.rows;
    if (send_convert(&s->source, piece, err) < 0)
        return -1;
    s->progress.bytes += piece->len;
    if (s->source.body.len == 0)
        return 0;
    if (keep_pace(s, err) < 0)
        return -1;
    snprintf(id, sizeof id, "%s:%llu", s->producer, (unsigned long long)piece->number);
    const struct outbox_message m = {.kind = OUT_REPORT,
                                     .exchange = s->exchange,
                                     .key = s->tenant,
                                     .message_id = id,
                                     .content_type = "application/x-ndjson",
                                     .body = s->source.body.data,
                                     .len = s->source.body.len};
    outbox_add(s->link.outbox, &m);
    s->progress.events += s->source.rows - before;
    return send_link_run(&s->link, false, show, s, err);
}

static int send_file(struct sending *s, int fd, struct err *err)
{
    char *block = mem_alloc(READ_BYTES);
    ssize_t n;
    int status = 0;
    while (status == 0 && (n = read(fd, block, READ_BYTES)) != 0)
        status = n < 0 ? err_set_errno(err, "cannot read %s", s->path) : pieces_add(&s->pieces, block, (size_t)n, err);
    free(block);
    if (status == 0)
        status = pieces_end(&s->pieces, err);
    if (status == 0)
        status = send_link_run(&s->link, true, show, s, err);
    if (status == 0 && s->source.rows == 0)
        return send_source_judge(&s->source, err);
    progress_show(&s->progress, true);
    return status;
}

static int send_end(struct sending *s, struct err *err)
{
    struct buf answer = {0};
    char *path = mem_printf("/v1/tenants/%s/events/end", s->tenant);
    const struct client_request r = {.method = "POST", .path = path};
    int status = client_call(s->client, &r, &answer, NULL, err);
    free(path);
    buf_free(&answer);
    return status;
}

static void summary(const struct sending *s)
{
    fprintf(stderr, "%llu events of %s confirmed by the broker%s", (unsigned long long)s->progress.events, s->path,
            s->link.reconnects ? ", over a connection that broke and was made again" : "");
    if (s->source.rejected)
        fprintf(stderr, "; %llu rows rejected, the first: %s", (unsigned long long)s->source.rejected,
                s->source.first_reason);
    fputc('\n', stderr);
}

static int run_open(struct sending *s, int fd, struct err *err)
{
    struct stat st;
    bool needs_app = s->source.csv || s->w.realtime || s->w.app_file;
    if (find_credentials(s, err) < 0 || find_producer(s, fd, err) < 0)
        return -1;
    if (find_app(s, err) < 0 && needs_app) /* else only to say early that rows do not fit: no reason to fail */
        return -1;
    name_exchange_in(s->exchange, s->tenant);
    s->source.app = s->app;
    s->link.address = s->address ? s->address : s->client->settings.broker;
    s->link.user = s->user;
    s->link.password = s->password;
    s->link.wait_ms = s->w.wait;
    s->link.outbox = outbox_new();
    if (send_link_open(&s->link, err) < 0)
        return -1;
    progress_begin(&s->progress, fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0);
    s->began_ms = clock_mono_ms();
    if (send_file(s, fd, err) < 0)
        return -1;
    summary(s);
    if (send_source_judge(&s->source, err) < 0)
        return -1;
    return s->w.end ? send_end(s, err) : 0;
}

/* What fails for a tenant that was onboarded by half has one cause. */
static void tell_unfinished(struct sending *s, struct err *err)
{
    struct err unknown;
    struct buf answer = {0};
    char *path = mem_printf("/v1/tenants/%s", s->tenant);
    if ((err->code == ERR_DENIED || err->code == ERR_NOT_FOUND) &&
        client_get(s->client, path, &answer, &unknown) == 0) {
        char *state = text_member(answer.data, answer.len, "state");
        if (state && strcmp(state, "creating") == 0)
            err_set(err, ERR_CONFLICT, "%s is not finished: run `belltower tenant add FILE` again", s->tenant);
        free(state);
    }
    free(path);
    buf_free(&answer);
}

static void on_interrupt(int number)
{
    static const char words[] = "\ninterrupted; sending the same file again goes on where this stopped, and repeats "
                                "nothing\n";
    if (write(STDERR_FILENO, words, sizeof words - 1) < 0) {
        /* nobody reads it */
    }
    raise(number); /* the handler was for once: now it ends the process */
}

static void watch_interrupt(void)
{
    const struct sigaction once = {.sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGINT, &once, NULL);
}

static int run(struct client *c, void *wanted, int argc, char **argv, struct err *err)
{
    struct sending *s = wanted;
    (void)argc;
    (void)argv;
    s->client = c;
    int fd = strcmp(s->path, "-") == 0 ? dup(STDIN_FILENO) : open(s->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        err_set_errno(err, "cannot read %s", s->path);
        return verb_bad_input(err);
    }
    watch_interrupt();
    s->first_time = INT64_MIN;
    s->pieces = (struct pieces){.max_lines = (size_t)s->w.batch, .each = take_piece, .context = s};
    int status = run_open(s, fd, err);
    if (status < 0)
        tell_unfinished(s, err);
    close(fd);
    pieces_free(&s->pieces);
    send_source_free(&s->source);
    send_link_close(&s->link);
    app_free(&s->app);
    free(s->user);
    free(s->password);
    free(s->address);
    return status;
}

static int judge_format(struct sending *s, struct err *err)
{
    size_t len = strlen(s->path);
    const char *format = s->w.format                                         ? s->w.format
                         : len > 4 && strcmp(s->path + len - 4, ".csv") == 0 ? "csv"
                                                                             : "ndjson";
    s->source.guessed = !s->w.format;
    s->source.csv = strcmp(format, "csv") == 0;
    return s->source.csv || strcmp(format, "ndjson") == 0 ? 0 : err_set(err, ERR_INVALID, "--format: csv or ndjson");
}

static int check(void *wanted, int argc, char **argv, struct err *err)
{
    struct sending *s = wanted;
    (void)argc;
    s->tenant = argv[1];
    s->path = argv[2];
    if (!app_tenant_name_ok(s->tenant, strlen(s->tenant)))
        return err_set(err, ERR_INVALID, "%s is no tenant's name", s->tenant);
    return judge_format(s, err);
}

int cmd_send(int argc, char **argv)
{
    struct sending s = {.w = {.wait = 30000}};
    struct wanted *w = &s.w;
    const struct option options[] = {
        {"format", OPTION_TEXT, &w->format, "csv|ndjson", "of FILE (by its name)"},
        {"rate", OPTION_NUMBER, &w->rate, "N", "at most so many events a second"},
        {"batch", OPTION_NUMBER, &w->batch, "N", "lines a message, at most (500)"},
        {"realtime", OPTION_NUMBER, &w->realtime, "N", "N times as fast as the events' own time"},
        {"end", OPTION_FLAG, &w->end, NULL, "end the data: all open windows close"},
        {"app", OPTION_TEXT, &w->app_file, "FILE", "the app file, instead of asking the API"},
        {"producer", OPTION_TEXT, &w->producer, "NAME", "instead of one made from the file's bytes"},
        {"credentials", OPTION_TEXT, &w->credentials, "FILE", "what `tenant add` answered"},
        {"wait", OPTION_DURATION, &w->wait, "TIME", "for a broker that is away (30s)"},
    };
    const struct client_verb v = {.name = "send",
                                  .options = options,
                                  .option_count = sizeof options / sizeof *options,
                                  .min_arguments = 2,
                                  .max_arguments = 2,
                                  .check = check,
                                  .run = run};
    return client_verb(&v, &s, argc, argv);
}
