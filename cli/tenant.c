/* belltower tenant add|list|show|update|pause|resume|token|credentials|remove. */
#include "cli/client.h"
#include "cli/kept.h"
#include "cli/table.h"
#include "cli/verbs.h"

#include "base/files.h"
#include "base/json.h"
#include "base/mem.h"
#include "tenants/app/app.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct wanted {
    const char *format, *save;
    bool dry_run, keep_data, yes, skip, anew, plan;
    enum table_format table;
    const struct verb_sub *sub;
};

static char *tenant_path(const char *tenant, const char *rest)
{
    struct buf b = {0};
    buf_add_str(&b, "/v1/tenants/");
    client_encode(&b, tenant);
    buf_add_str(&b, rest);
    char *path = mem_strndup(b.data, b.len);
    buf_free(&b);
    return path;
}

/* The app file, checked here first, so that mistakes show with their excerpts. */
static int read_app(const char *path, struct buf *text, char **tenant, struct err *err)
{
    struct app_diags diags;
    struct buf shown = {0};
    if (files_read(path, APP_MAX_BYTES + 1, text, err) < 0)
        return verb_bad_input(err);
    struct app *app = app_load(text->data, text->len, NULL, &diags);
    app_diags_text(&diags, path, text->data, text->len, &shown);
    fputs(buf_cstr(&shown), stderr);
    buf_free(&shown);
    app_diags_free(&diags);
    if (!app)
        return err_set(err, ERR_INVALID, "%s has mistakes, see above", path);
    *tenant = mem_strdup(app->tenant);
    app_free(&app);
    return 0;
}

static int keep_credentials(const struct client *c, const struct wanted *w, const char *tenant,
                            const struct buf *answer, struct err *err)
{
    char path[4096];
    kept_path(c, tenant, path, sizeof path);
    if (kept_write(c, w->save, tenant, answer->data, answer->len, err) < 0)
        return -1;
    fprintf(stderr, "the token and the broker credentials are kept in %s; they are not shown again\n",
            w->save ? w->save : path);
    return 0;
}

static int do_add(struct client *c, const void *wanted, char **argv, struct err *err)
{
    const struct wanted *w = wanted;
    struct buf text = {0}, answer = {0};
    char *tenant = NULL;
    int status = read_app(argv[0], &text, &tenant, err);
    if (status == 0) {
        const struct client_request r = {.method = "POST",
                                         .path = w->dry_run ? "/v1/tenants?dry_run=true" : "/v1/tenants",
                                         .content_type = "application/yaml",
                                         .body = text.data,
                                         .len = text.len};
        status = client_call(c, &r, &answer, NULL, err);
    }
    if (status == 0)
        printf("%s\n", buf_cstr(&answer));
    if (status == 0 && !w->dry_run && keep_credentials(c, w, tenant, &answer, err) < 0)
        fprintf(stderr, "belltower: the credentials above could not be kept: %s\n", err->text);
    free(tenant);
    buf_free(&text);
    buf_free(&answer);
    return status;
}

static int do_list(struct client *c, const void *wanted, char **argv, struct err *err)
{
    const struct wanted *w = wanted;
    static const struct table_column columns[] = {
        {"tenant", NULL}, {"title", NULL}, {"state", NULL}, {"version", NULL}, {"generation", NULL}};
    struct buf rows = {0};
    (void)argv;
    int status = client_list(c, "/v1/tenants", "tenants", 0, &rows, NULL, err);
    if (status == 0)
        status = table_print(stdout, w->table, rows.data, rows.len, columns, sizeof columns / sizeof *columns, err);
    buf_free(&rows);
    return status;
}

static int do_show(struct client *c, const void *wanted, char **argv, struct err *err)
{
    struct buf answer = {0};
    char *path = tenant_path(argv[0], "");
    (void)wanted;
    int status = client_get(c, path, &answer, err);
    if (status == 0)
        printf("%s\n", buf_cstr(&answer));
    free(path);
    buf_free(&answer);
    return status;
}

static int present_version(struct client *c, const char *tenant, char etag[32], struct err *err)
{
    struct buf answer = {0};
    char *path = tenant_path(tenant, "");
    int64_t version;
    int status = client_get(c, path, &answer, err);
    if (status == 0 && !json_get_int(answer.data, answer.len, "version", &version))
        status = err_set(err, ERR_INTERNAL, "the server's answer names no version");
    if (status == 0)
        snprintf(etag, 32, "\"%lld\"", (long long)version);
    free(path);
    buf_free(&answer);
    return status;
}

static int print_plan(const struct buf *answer, enum table_format format, struct err *err)
{
    static const struct table_column columns[] = {
        {"what", NULL}, {"name", NULL}, {"change", NULL}, {"differs", NULL}, {"effect", NULL}};
    const char *rows;
    size_t len;
    if (json_find(answer->data, answer->len, "plan", &rows, &len) != JSON_ARRAY)
        return err_set(err, ERR_INTERNAL, "the server's answer has no plan");
    return table_print(stdout, format, rows, len, columns, sizeof columns / sizeof *columns, err);
}

static int do_update(struct client *c, const void *wanted, char **argv, struct err *err)
{
    const struct wanted *w = wanted;
    struct buf text = {0}, answer = {0};
    char *tenant = NULL, *path = NULL, etag[32];
    int status = read_app(argv[0], &text, &tenant, err);
    if (status == 0)
        status = present_version(c, tenant, etag, err);
    if (status == 0) {
        path = tenant_path(tenant, w->dry_run || w->plan ? "/app?dry_run=true" : "/app");
        const struct client_request r = {.method = "PUT",
                                         .path = path,
                                         .content_type = "application/yaml",
                                         .if_match = etag,
                                         .body = text.data,
                                         .len = text.len};
        status = client_call(c, &r, &answer, NULL, err);
    }
    if (status == 0 && w->plan)
        status = print_plan(&answer, w->table, err);
    else if (status == 0)
        printf("%s\n", buf_cstr(&answer));
    free(tenant);
    free(path);
    buf_free(&text);
    buf_free(&answer);
    return status;
}

/* Prints the answer, too. */
static int post(struct client *c, const char *tenant, const char *rest, struct buf *answer, struct err *err)
{
    char *path = tenant_path(tenant, rest);
    const struct client_request r = {.method = "POST", .path = path};
    int status = client_call(c, &r, answer, NULL, err);
    if (status == 0 && answer->len)
        printf("%s\n", buf_cstr(answer));
    free(path);
    return status;
}

static int do_pause(struct client *c, const void *wanted, char **argv, struct err *err)
{
    (void)wanted;
    struct buf answer = {0};
    int status = post(c, argv[0], "/pause", &answer, err);
    buf_free(&answer);
    if (status == 0)
        fprintf(stderr, "%s is paused: its workers end, events wait in its queue\n", argv[0]);
    return status;
}

static void say_begun(const struct buf *answer)
{
    const char *list, *from;
    size_t len, count = 0;
    bool first = true;
    if (json_find(answer->data, answer->len, "begun", &list, &len) != JSON_ARRAY)
        return;
    struct json j = json_begin(list, len);
    json_enter(&j, '[');
    for (; json_next(&j, &first, NULL, NULL) && json_skip(&j, &from); count++)
        fprintf(stderr, "begun anew: %.*s\n", (int)(j.at - from - 2), from + 1); /* without its quotes */
    if (count == 0)
        fprintf(stderr, "nothing of it was gone: nothing is begun anew\n");
}

static int do_resume(struct client *c, const void *wanted, char **argv, struct err *err)
{
    const struct wanted *w = wanted;
    static const char *const paths[2][2] = {{"/resume", "/resume?anew=true"},
                                            {"/resume?skip=true", "/resume?skip=true&anew=true"}};
    struct buf answer = {0};
    int status = post(c, argv[0], paths[w->skip][w->anew], &answer, err);
    if (status == 0)
        say_begun(&answer);
    buf_free(&answer);
    if (status == 0)
        fprintf(stderr, "%s is resumed: its workers start\n", argv[0]);
    return status;
}

/* What is answered once: shown, and kept beside what is kept already. */
static int renew(struct client *c, const char *tenant, const char *action, const char *member, struct err *err)
{
    struct buf answer = {0};
    char *path = tenant_path(tenant, action), file[4096];
    const struct client_request r = {.method = "POST", .path = path};
    int status = client_call(c, &r, &answer, NULL, err);
    if (status == 0) {
        printf("%s\n", buf_cstr(&answer));
        kept_path(c, tenant, file, sizeof file);
        if (kept_renew(c, tenant, member, answer.data, answer.len, err) < 0)
            fprintf(stderr, "belltower: what is above could not be kept: %s\n", err->text);
        else
            fprintf(stderr, "the new %s is kept in %s\n", member, file);
    }
    free(path);
    buf_free(&answer);
    return status;
}

static int do_token(struct client *c, const void *wanted, char **argv, struct err *err)
{
    (void)wanted;
    return renew(c, argv[0], "/token", "token", err);
}

static int do_credentials(struct client *c, const void *wanted, char **argv, struct err *err)
{
    (void)wanted;
    return renew(c, argv[0], "/credentials", "broker", err);
}

/* Asks a person; a script is not asked. */
static bool agreed(const struct wanted *w, const char *tenant)
{
    char answer[16] = "";
    if (w->yes || !isatty(STDIN_FILENO))
        return true;
    fprintf(stderr, "remove %s with its queues and users%s? [y/N] ", tenant,
            w->keep_data ? "" : ", its results, runs and reports");
    return fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

static int do_remove(struct client *c, const void *wanted, char **argv, struct err *err)
{
    const struct wanted *w = wanted;
    struct buf answer = {0};
    long code = 0;
    if (!agreed(w, argv[0]))
        return err_set(err, ERR_CONFLICT, "nothing was removed");
    char *path = tenant_path(argv[0], w->keep_data ? "?keep_data=true" : ""), file[4096];
    const struct client_request r = {.method = "DELETE", .path = path};
    int status = client_call(c, &r, &answer, &code, err);
    kept_path(c, argv[0], file, sizeof file);
    if (status == 0) {
        remove(file);
        fprintf(stderr, "%s %s: workers, queues, broker users and credentials; results, runs and reports are %s\n",
                argv[0], code == 202 ? "is being removed, and that goes on by itself" : "was removed",
                w->keep_data ? "kept" : "removed too");
    }
    free(path);
    buf_free(&answer);
    return status;
}

const struct verb_sub tenant_subs[] = {
    {"add", "FILE", "onboard the tenant of an app file", do_add},
    {"list", "", "all tenants", do_list},
    {"show", "TENANT", "its state, lag, watermark and workers", do_show},
    {"update", "FILE", "a new version of its app", do_update},
    {"pause", "TENANT", "stop its workers; events wait in its queue", do_pause},
    {"resume", "TENANT", "start them again", do_resume},
    {"token", "TENANT", "a new token; the old one ends", do_token},
    {"credentials", "TENANT", "a new password of its broker user; its broker objects are made again if need be",
     do_credentials},
    {"remove", "TENANT", "remove it with its queues and users", do_remove},
    {NULL, NULL, NULL, NULL},
};

static int check(void *wanted, int argc, char **argv, struct err *err)
{
    struct wanted *w = wanted;
    w->sub = verb_find_sub(tenant_subs, argc, argv, err);
    return w->sub ? 0 : -1;
}

static int run_sub(struct client *c, void *wanted, int argc, char **argv, struct err *err)
{
    const struct wanted *w = wanted;
    (void)argc;
    return w->sub->run(c, w, argv + 2, err);
}

int cmd_tenant(int argc, char **argv)
{
    struct wanted w = {0};
    const struct option options[] = {
        {"o", OPTION_TEXT, &w.format, "table|json|csv", "list, update --plan: how rows are shown"},
        {"dry-run", OPTION_FLAG, &w.dry_run, NULL, "add, update: only check"},
        {"plan", OPTION_FLAG, &w.plan, NULL, "update: only show what is kept, what begins anew, what ends"},
        {"save", OPTION_TEXT, &w.save, "FILE", "add: keep token and credentials there"},
        {"keep-data", OPTION_FLAG, &w.keep_data, NULL, "remove: keep results, runs and reports"},
        {"skip", OPTION_FLAG, &w.skip, NULL, "resume: pass over what is lost of its log; it is written down"},
        {"anew", OPTION_FLAG, &w.anew, NULL, "resume: begin its checkpoint or history anew where it is gone"},
        {"yes", OPTION_FLAG, &w.yes, NULL, "remove: do not ask (only a terminal is asked)"},
    };
    const struct client_verb v = {.name = "tenant",
                                  .options = options,
                                  .option_count = sizeof options / sizeof *options,
                                  .min_arguments = 1,
                                  .max_arguments = 2,
                                  .format = &w.format,
                                  .table = &w.table,
                                  .check = check,
                                  .run = run_sub};
    return client_verb(&v, &w, argc, argv);
}
