/* Addresses and queries as anybody may send them: what the router takes for a parameter is of its characters. */
#include "api/routes.h"

#include "tenants/app/app.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    struct route_match m;
    memcpy(text, data, size);
    text[size] = 0;
    char *query = strchr(text, '?');
    if (query)
        *query++ = 0;
    route_find(routes, route_count, "GET", text, &m);
    if (m.route && strstr(m.route->pattern, "{tenant}") &&
        !app_tenant_name_ok(m.parameters[0], strlen(m.parameters[0])))
        abort();
    if (m.route && strstr(m.route->pattern, "{run}") && !run_id_ok(m.parameters[1], strlen(m.parameters[1])))
        abort();
    struct request r = {.query = query ? query : "", .route = m.route};
    struct err err;
    struct buf value = {0};
    bool flag;
    size_t limit;
    (void)request_query(&r, "a", &value);
    if (request_limit(&r, 1, 100, &limit, &err) == 0 && (limit < 1 || limit > 100))
        abort();
    if (request_flag(&r, "b", &flag, &err) < 0)
        (void)flag;
    if (m.route && request_check_query(&r, &err) < 0 && err.code != ERR_INVALID)
        abort();
    buf_free(&value);
    free(text);
    return 0;
}
