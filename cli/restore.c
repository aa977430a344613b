/* belltower restore: the tenants of a backup. */
#include "cli/client.h"
#include "cli/kept.h"
#include "cli/verbs.h"

#include "base/json.h"

#include <errno.h>
#include <string.h>

struct wanted {
    bool skip;
};

static int send_file(struct client *c, const struct wanted *w, FILE *from, struct buf *answer, struct err *err)
{
    const struct client_request r = {.method = "POST",
                                     .path = w->skip ? "/v1/restore?skip=true" : "/v1/restore",
                                     .content_type = "application/x-ndjson",
                                     .from = from};
    return client_call(c, &r, answer, NULL, err);
}

/* Says what became of one, and keeps its credentials. true: it was put back. */
static bool take_tenant(const struct client *c, const char *row, size_t len)
{
    struct buf tenant = {0}, detail = {0};
    struct err err;
    bool restored = false, only_data = false;
    json_get_string(row, len, "tenant", &tenant);
    json_get_bool(row, len, "restored", &restored);
    json_get_bool(row, len, "only_data", &only_data);
    json_get_string(row, len, "detail", &detail);
    if (!restored)
        fprintf(stderr, "%s is not restored: %s\n", buf_cstr(&tenant), buf_cstr(&detail));
    else if (only_data)
        fprintf(stderr, "the data of %s is restored; it stays paused: belltower tenant resume %s\n", buf_cstr(&tenant),
                buf_cstr(&tenant));
    else if (kept_renew(c, buf_cstr(&tenant), "broker", row, len, &err) < 0)
        fprintf(stderr, "%s is restored; its credentials above could not be kept: %s\n", buf_cstr(&tenant), err.text);
    else
        fprintf(stderr, "%s is restored and goes on from its checkpoint; its new broker credentials are kept\n",
                buf_cstr(&tenant));
    buf_free(&tenant);
    buf_free(&detail);
    return restored;
}

static int take_answer(const struct client *c, const struct buf *answer, struct err *err)
{
    const char *list, *from;
    size_t len, failed = 0;
    bool first = true;
    if (json_find(answer->data, answer->len, "tenants", &list, &len) != JSON_ARRAY)
        return err_set(err, ERR_INTERNAL, "the server's answer names no tenants");
    struct json j = json_begin(list, len);
    json_enter(&j, '[');
    while (json_next(&j, &first, NULL, NULL) && json_skip(&j, &from))
        failed += !take_tenant(c, from, (size_t)(j.at - from));
    return failed ? err_set(err, ERR_CONFLICT, "%zu tenants of the backup are not restored", failed) : 0;
}

static int run(struct client *c, void *wanted, int argc, char **argv, struct err *err)
{
    struct buf answer = {0};
    bool standard = strcmp(argv[1], "-") == 0;
    FILE *from = standard ? stdin : fopen(argv[1], "r");
    (void)argc;
    if (!from) {
        err_set_errno(err, "cannot read %s", argv[1]);
        return verb_bad_input(err);
    }
    int status = send_file(c, wanted, from, &answer, err);
    if (status == 0) {
        printf("%s\n", buf_cstr(&answer));
        status = take_answer(c, &answer, err);
    }
    if (!standard)
        fclose(from);
    buf_free(&answer);
    return status;
}

int cmd_restore(int argc, char **argv)
{
    struct wanted w = {0};
    const struct option options[] = {
        {"skip", OPTION_FLAG, &w.skip, NULL, "pass over what is lost of their logs; it is written down"}};
    const struct client_verb v = {
        .name = "restore", .options = options, .option_count = 1, .min_arguments = 1, .max_arguments = 1, .run = run};
    return client_verb(&v, &w, argc, argv);
}
