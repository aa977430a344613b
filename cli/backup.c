/* belltower backup: one tenant or all, into a file. */
#include "cli/client.h"
#include "cli/verbs.h"

#include "base/json.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_BYTES 16384 /* more than the lines have that are looked at */

struct wanted {
    bool all;
};

static int check(void *wanted, int argc, char **argv, struct err *err)
{
    const struct wanted *w = wanted;
    (void)argv;
    if (argc - 1 == (w->all ? 1 : 2))
        return 0;
    return err_set(err, ERR_INVALID, "backup needs TENANT FILE, or --all FILE");
}

static char *path_of(const struct wanted *w, char **argv)
{
    struct buf path = {0};
    buf_add_str(&path, w->all ? "/v1/backup" : "/v1/tenants/");
    if (!w->all) {
        client_encode(&path, argv[1]);
        buf_add_str(&path, "/backup");
    }
    buf_cstr(&path);
    return path.data;
}

/* ---- what comes ---- */

/* The bytes go on to a file; of the lines only the short ones are looked at, which say what became of the backup. */
struct sieve {
    FILE *to;
    struct buf line; /* its beginning */
    bool whole;      /* the last line says that it is */
    int64_t tenants;
    size_t left_out;
};

static void take_line(struct sieve *s)
{
    struct buf type = {0}, tenant = {0}, reason = {0};
    const char *line = s->line.data ? s->line.data : "";
    s->whole = json_get_string(line, s->line.len, "type", &type) && strcmp(buf_cstr(&type), "complete") == 0;
    if (s->whole)
        json_get_int(line, s->line.len, "tenants", &s->tenants);
    if (strcmp(buf_cstr(&type), "left-out") == 0) {
        json_get_string(line, s->line.len, "tenant", &tenant);
        json_get_string(line, s->line.len, "reason", &reason);
        fprintf(stderr, "belltower: %s is left out of the backup: %s\n", buf_cstr(&tenant), buf_cstr(&reason));
        s->left_out++;
    }
    buf_clear(&s->line);
    buf_free(&type);
    buf_free(&tenant);
    buf_free(&reason);
}

static ssize_t take_bytes(void *cookie, const char *bytes, size_t len)
{
    struct sieve *s = cookie;
    for (const char *at = bytes, *end = bytes + len; at < end;) {
        const char *lf = memchr(at, '\n', (size_t)(end - at));
        size_t n = (size_t)((lf ? lf : end) - at), room = LINE_BYTES - s->line.len;
        buf_add(&s->line, at, n < room ? n : room);
        if (lf)
            take_line(s);
        at += n + (lf != NULL);
    }
    return fwrite(bytes, 1, len, s->to) == len ? (ssize_t)len : 0;
}

static int fetch(struct client *c, const char *path, FILE *to, struct sieve *s, struct err *err)
{
    struct buf answer = {0};
    *s = (struct sieve){.to = to};
    FILE *into = fopencookie(s, "w", (cookie_io_functions_t){.write = take_bytes});
    if (!into)
        return err_set_errno(err, "cannot take the backup");
    const struct client_request r = {.method = "GET", .path = path, .accept = "application/x-ndjson", .into = into};
    int status = client_call(c, &r, &answer, NULL, err);
    bool written = fclose(into) == 0 && fflush(to) == 0;
    buf_free(&answer);
    buf_free(&s->line);
    if (status == 0 && !written)
        return err_set_errno(err, "cannot write the backup");
    if (status == 0 && !s->whole)
        return err_set(err, ERR_UNAVAILABLE, "the backup is cut short: the platform's log says why");
    return status;
}

/* ---- where it goes ---- */

static int finish(FILE *file, const struct sieve *s, const char *part, const char *path, struct err *err)
{
    if (s->left_out && s->tenants == 0)
        return err_set(err, ERR_CONFLICT, "there is nothing in the backup: it is not kept");
    if (fsync(fileno(file)) < 0)
        return err_set_errno(err, "cannot write %s", part);
    return rename(part, path) == 0 ? 0 : err_set_errno(err, "cannot make %s", path);
}

/* It gets its name when it is whole; only its owner may read it. */
static int fetch_file(struct client *c, const char *from, const char *path, struct sieve *s, struct err *err)
{
    char *part = mem_printf("%s.part", path);
    int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
    int status = file ? fetch(c, from, file, s, err) : err_set_errno(err, "cannot write %s", part);
    if (status == 0)
        status = finish(file, s, part, path, err);
    if (file)
        fclose(file);
    if (file && status < 0)
        unlink(part);
    free(part);
    return status;
}

static int run(struct client *c, void *wanted, int argc, char **argv, struct err *err)
{
    const char *file = argv[argc - 1];
    bool standard = strcmp(file, "-") == 0;
    char *from = path_of(wanted, argv);
    struct sieve s = {0};
    int status = standard ? fetch(c, from, stdout, &s, err) : fetch_file(c, from, file, &s, err);
    free(from);
    if (status == 0 && !standard)
        fprintf(stderr, "the backup is in %s; keep it as safe as a password\n", file);
    if (status == 0 && s.left_out)
        return err_set(err, ERR_CONFLICT, "%zu tenants are not in the backup", s.left_out);
    return status;
}

int cmd_backup(int argc, char **argv)
{
    struct wanted w = {0};
    const struct option options[] = {{"all", OPTION_FLAG, &w.all, NULL, "all tenants"}};
    const struct client_verb v = {.name = "backup",
                                  .options = options,
                                  .option_count = 1,
                                  .min_arguments = 1,
                                  .max_arguments = 2,
                                  .check = check,
                                  .run = run};
    return client_verb(&v, &w, argc, argv);
}
