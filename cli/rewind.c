/* belltower rewind: read a tenant's retained log again. */
#include "cli/client.h"
#include "cli/verbs.h"

#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct wanted {
    const char *to;
};

static int check(void *wanted, int argc, char **argv, struct err *err)
{
    const struct wanted *w = wanted;
    (void)argc;
    (void)argv;
    if (w->to)
        return 0;
    return err_set(err, ERR_INVALID, "rewind needs --to TIME (2026-01-31T12:00:00Z) or --to OFFSET");
}

static void write_body(const char *to, struct buf *body)
{
    json_w_open(body, '{');
    json_w_name(body, "to");
    if (*to && strspn(to, "0123456789") == strlen(to))
        json_w_raw(body, to, strlen(to));
    else
        json_w_str(body, to);
    json_w_close(body, '}');
}

static int run(struct client *c, void *wanted, int argc, char **argv, struct err *err)
{
    const struct wanted *w = wanted;
    struct buf path = {0}, body = {0}, answer = {0};
    (void)argc;
    write_body(w->to, &body);
    buf_add_str(&path, "/v1/tenants/");
    client_encode(&path, argv[1]);
    buf_add_str(&path, "/rewind");
    const struct client_request r = {.method = "POST",
                                     .path = buf_cstr(&path),
                                     .content_type = "application/json",
                                     .body = body.data,
                                     .len = body.len};
    int status = client_call(c, &r, &answer, NULL, err);
    if (status == 0) {
        printf("%s\n", buf_cstr(&answer));
        fprintf(stderr, "%s reads its log again; belltower status %s shows how far it is\n", argv[1], argv[1]);
    }
    buf_free(&path);
    buf_free(&body);
    buf_free(&answer);
    return status;
}

int cmd_rewind(int argc, char **argv)
{
    struct wanted w = {0};
    const struct option options[] = {
        {"to", OPTION_TEXT, &w.to, "TIME|OFFSET",
         "windows that start at or after it, or that hold nothing of what is before that offset, are computed again"},
    };
    const struct client_verb v = {.name = "rewind",
                                  .options = options,
                                  .option_count = sizeof options / sizeof *options,
                                  .min_arguments = 1,
                                  .max_arguments = 1,
                                  .check = check,
                                  .run = run};
    return client_verb(&v, &w, argc, argv);
}
