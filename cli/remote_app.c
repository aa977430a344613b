#include "cli/remote_app.h"

struct app *remote_app_load(const char *tenant, const char *text, size_t len, struct err *err)
{
    struct app_diags diags;
    struct app *app = app_load(text, len, tenant, &diags);
    app_diags_free(&diags);
    if (!app)
        err_set(err, ERR_INVALID, "the app of %s does not load: belltower check names its mistakes", tenant);
    return app;
}

struct app *remote_app(struct client *c, const char *tenant, struct err *err)
{
    struct buf path = {0}, text = {0};
    buf_add_str(&path, "/v1/tenants/");
    client_encode(&path, tenant);
    buf_add_str(&path, "/app");
    const struct client_request r = {.method = "GET", .path = buf_cstr(&path)};
    struct app *app =
        client_call(c, &r, &text, NULL, err) == 0 ? remote_app_load(tenant, text.data, text.len, err) : NULL;
    buf_free(&path);
    buf_free(&text);
    return app;
}
