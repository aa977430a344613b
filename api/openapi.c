#include "api/openapi.h"
#include "api/problem.h"

#include "base/json.h"

#include <stdio.h>
#include <string.h>

/* The words of a list like "a/b c/d", one by one. */
static bool next_word(const char **list, char word[80])
{
    *list += strspn(*list, " ");
    size_t len = strcspn(*list, " ");
    snprintf(word, 80, "%.*s", (int)len, *list);
    *list += len;
    return len > 0;
}

static void media(struct buf *out, const char *types, const char *schema)
{
    char word[80];
    json_w_name(out, "content");
    json_w_open(out, '{');
    while (next_word(&types, word)) {
        bool object = strcmp(word, "application/json") == 0 || strcmp(word, "application/problem+json") == 0;
        json_w_name(out, word);
        buf_printf(out, "{\"schema\":%s}", object ? schema : "{\"type\":\"string\"}");
    }
    json_w_close(out, '}');
}

/* ---- parameters ---- */

static void parameter(struct buf *out, const char *name, const char *in, const char *type, const char *help)
{
    json_w_open(out, '{');
    put_text(out, "name", name);
    put_text(out, "in", in);
    put_text(out, "description", help);
    put_bool(out, "required", strcmp(in, "path") == 0);
    json_w_name(out, "schema");
    buf_printf(out, "{\"type\":\"%s\"}", type);
    json_w_close(out, '}');
}

static void path_parameters(struct buf *out, const char *pattern)
{
    char name[40];
    for (const char *p = pattern; (p = strchr(p, '{')); p++) {
        snprintf(name, sizeof name, "%.*s", (int)strcspn(p + 1, "}"), p + 1);
        parameter(out, name, "path", "string", strcmp(name, "tenant") == 0 ? "tenant_id" : name);
    }
}

static void parameters(struct buf *out, const struct route *r)
{
    json_w_name(out, "parameters");
    json_w_open(out, '[');
    path_parameters(out, r->pattern);
    for (const struct route_parameter *p = r->parameters; p && p->name; p++)
        parameter(out, p->name, p->in, p->type, p->help);
    json_w_close(out, ']');
}

/* ---- answers ---- */

static bool may_say(const struct route *r, enum problem_kind kind)
{
    bool tenant = strstr(r->pattern, "{tenant}") != NULL, changes = strcmp(r->method, "GET") != 0;
    switch (kind) {
    case PROBLEM_INVALID_REQUEST:
        return true;
    case PROBLEM_UNAUTHENTICATED:
    case PROBLEM_FORBIDDEN:
        return r->who != WHO_ANYONE;
    case PROBLEM_NOT_FOUND:
        return tenant || strchr(r->pattern, '{');
    case PROBLEM_CONFLICT:
        return changes || strstr(r->pattern, "/report");
    case PROBLEM_PRECONDITION_FAILED:
        return strcmp(r->method, "PUT") == 0;
    case PROBLEM_TOO_SLOW:
    case PROBLEM_TOO_LARGE:
    case PROBLEM_UNSUPPORTED_TYPE:
    case PROBLEM_UNPROCESSABLE:
        return r->takes != NULL;
    case PROBLEM_UNAVAILABLE:
        return r->who != WHO_ANYONE || strstr(r->pattern, "ready");
    case PROBLEM_FULL:
        return changes && r->who != WHO_ANYONE;
    default:
        return false;
    }
}

static void answer_of_success(struct buf *out, const struct route_answer *a)
{
    char status[8];
    snprintf(status, sizeof status, "%d", a->status);
    json_w_name(out, status);
    json_w_open(out, '{');
    put_text(out, "description", a->help);
    if (*a->type)
        media(out, a->type, "{\"type\":\"object\"}");
    json_w_close(out, '}');
}

static void answers(struct buf *out, const struct route *r)
{
    json_w_name(out, "responses");
    json_w_open(out, '{');
    for (const struct route_answer *a = r->answers; a->status; a++)
        answer_of_success(out, a);
    for (int i = 0; i < PROBLEM_KIND_COUNT; i++) {
        char status[8];
        if (!may_say(r, (enum problem_kind)i))
            continue;
        snprintf(status, sizeof status, "%d", problems[i].status);
        json_w_name(out, status);
        buf_printf(out, "{\"$ref\":\"#/components/responses/%s\"}", problems[i].slug);
    }
    json_w_close(out, '}');
}

/* ---- a call ---- */

/* Two addresses may share a handler; an operation's id is unique. */
static int earlier_ones(const struct route *routes, size_t i)
{
    int n = 0;
    for (size_t k = 0; k < i; k++)
        n += strcmp(routes[k].name, routes[i].name) == 0;
    return n;
}

static void operation(struct buf *out, const struct route *r, int earlier)
{
    char method[8], id[60];
    size_t n = 0;
    for (; r->method[n] && n < sizeof method - 1; n++)
        method[n] = (char)(r->method[n] + ('a' - 'A'));
    method[n] = 0;
    snprintf(id, sizeof id, earlier ? "%s_%d" : "%s", r->name, earlier + 1);
    json_w_name(out, method);
    json_w_open(out, '{');
    put_text(out, "operationId", id);
    put_text(out, "summary", r->summary);
    parameters(out, r);
    if (r->takes) {
        json_w_name(out, "requestBody");
        json_w_open(out, '{');
        media(out, r->takes, "{}");
        json_w_close(out, '}');
    }
    answers(out, r);
    if (r->who == WHO_ANYONE)
        buf_add_str(out, ",\"security\":[]");
    json_w_close(out, '}');
}

static bool first_of_pattern(const struct route *routes, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (strcmp(routes[k].pattern, routes[i].pattern) == 0)
            return false;
    return true;
}

static void paths(const struct route *routes, size_t count, struct buf *out)
{
    json_w_name(out, "paths");
    json_w_open(out, '{');
    for (size_t i = 0; i < count; i++) {
        if (!first_of_pattern(routes, i))
            continue;
        json_w_name(out, routes[i].pattern);
        json_w_open(out, '{');
        for (size_t k = i; k < count; k++)
            if (strcmp(routes[k].pattern, routes[i].pattern) == 0)
                operation(out, &routes[k], earlier_ones(routes, k));
        json_w_close(out, '}');
    }
    json_w_close(out, '}');
}

static void components(struct buf *out)
{
    static const char schema[] =
        "{\"type\":\"object\",\"required\":[\"type\",\"title\",\"status\"],\"properties\":{"
        "\"type\":{\"type\":\"string\"},\"title\":{\"type\":\"string\"},\"status\":{\"type\":\"integer\"},"
        "\"detail\":{\"type\":\"string\"},\"instance\":{\"type\":\"string\"},"
        "\"errors\":{\"type\":\"array\",\"items\":{\"type\":\"object\"}}}}";
    json_w_name(out, "components");
    json_w_open(out, '{');
    buf_printf(out, "\"schemas\":{\"Problem\":%s}", schema);
    buf_add_str(out, ",\"securitySchemes\":{\"token\":{\"type\":\"http\",\"scheme\":\"bearer\"}}");
    json_w_name(out, "responses");
    json_w_open(out, '{');
    for (int i = 0; i < PROBLEM_KIND_COUNT; i++) {
        json_w_name(out, problems[i].slug);
        json_w_open(out, '{');
        put_text(out, "description", problems[i].title);
        media(out, "application/problem+json", "{\"$ref\":\"#/components/schemas/Problem\"}");
        json_w_close(out, '}');
    }
    json_w_close(out, '}');
    json_w_close(out, '}');
}

void openapi_write(const struct route *routes, size_t count, struct buf *out)
{
    json_w_open(out, '{');
    put_text(out, "openapi", "3.1.0");
    json_w_name(out, "info");
    buf_add_str(out, "{\"title\":\"Belltower\",\"version\":\"" BELLTOWER_VERSION "\"}");
    buf_add_str(out, ",\"security\":[{\"token\":[]}]");
    paths(routes, count, out);
    components(out);
    json_w_close(out, '}');
}

/* ---- docs/rest.md ---- */

static void markdown_call(const struct route *r, struct buf *out)
{
    static const char *const who[] = {"anyone", "the platform's token or the tenant's", "the platform's token"};
    buf_printf(out, "### `%s %s`\n%s. For %s.\n\n", r->method, r->pattern, r->summary, who[r->who]);
    if (r->takes)
        buf_printf(out, "- body: `%s`\n", r->takes);
    for (const struct route_parameter *p = r->parameters; p && p->name; p++)
        buf_printf(out, "- %s `%s` (%s): %s\n", p->in, p->name, p->type, p->help);
    for (const struct route_answer *a = r->answers; a->status; a++)
        buf_printf(out, "- %d%s%s%s: %s\n", a->status, *a->type ? " `" : "", a->type, *a->type ? "`" : "", a->help);
    buf_add_str(out, "\n");
}

void rest_markdown(const struct route *routes, size_t count, struct buf *out)
{
    buf_add_str(
        out,
        "# REST\n\nMade from the table in `api/routes.c` by `rest-doc`; the server answers the same as OpenAPI 3.1 "
        "at `/v1/openapi.json`.\n\nTokens go into `Authorization: Bearer TOKEN`. Times are RFC 3339, UTC; durations "
        "as in the app file (`5m`). Lists take `limit` and `cursor` and answer `next` while there is more. "
        "`Accept: text/csv` gives CSV where it is named. Errors are RFC 9457 problems, of the types below.\n\n"
        "## Calls\n\n");
    for (size_t i = 0; i < count; i++)
        markdown_call(&routes[i], out);
    buf_add_str(out, "## Problems\n\n| type | status | what it means |\n|---|---|---|\n");
    for (int i = 0; i < PROBLEM_KIND_COUNT; i++)
        buf_printf(out, "| `" PROBLEM_BASE "%s` | %d | %s. %s |\n", problems[i].slug, problems[i].status,
                   problems[i].title, problems[i].help);
}
