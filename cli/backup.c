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

#define LAST_BYTES 4096 /* the last line is far shorter */

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

static int fetch(struct client *c, const char *path, FILE *into, struct err *err)
{
    struct buf answer = {0};
    const struct client_request r = {.method = "GET", .path = path, .accept = "application/x-ndjson", .into = into};
    int status = client_call(c, &r, &answer, NULL, err);
    buf_free(&answer);
    return status;
}

/* The last line of a whole backup says that it is. */
static int check_last(FILE *file, struct err *err)
{
    char bytes[LAST_BYTES];
    struct buf type = {0};
    if (fseek(file, 0, SEEK_END) < 0 || (ftell(file) > LAST_BYTES && fseek(file, -LAST_BYTES, SEEK_END) < 0))
        return err_set_errno(err, "cannot read the backup again");
    if (ftell(file) <= LAST_BYTES)
        rewind(file);
    size_t len = fread(bytes, 1, sizeof bytes, file), at = len ? len - 1 : 0;
    while (at && bytes[at - 1] != '\n')
        at--;
    bool whole =
        len && json_get_string(bytes + at, len - at, "type", &type) && strcmp(buf_cstr(&type), "complete") == 0;
    buf_free(&type);
    return whole ? 0 : err_set(err, ERR_UNAVAILABLE, "the backup is cut short: the platform's log says why");
}

static int finish(FILE *file, const char *part, const char *path, struct err *err)
{
    if (fflush(file) != 0 || fsync(fileno(file)) < 0)
        return err_set_errno(err, "cannot write %s", part);
    if (check_last(file, err) < 0)
        return -1;
    return rename(part, path) == 0 ? 0 : err_set_errno(err, "cannot make %s", path);
}

/* It gets its name when it is whole; only its owner may read it. */
static int fetch_file(struct client *c, const char *from, const char *path, struct err *err)
{
    char *part = mem_printf("%s.part", path);
    int fd = open(part, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w+");
    int status = file ? fetch(c, from, file, err) : err_set_errno(err, "cannot write %s", part);
    if (status == 0)
        status = finish(file, part, path, err);
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
    char *from = path_of(wanted, argv);
    int status = strcmp(file, "-") == 0 ? fetch(c, from, stdout, err) : fetch_file(c, from, file, err);
    if (status == 0 && strcmp(file, "-") != 0)
        fprintf(stderr, "the backup is in %s; keep it as safe as a password\n", file);
    free(from);
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
