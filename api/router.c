#include "api/router.h"

#include "tenants/app/app.h"

#include <ctype.h>
#include <string.h>

bool route_takes(const struct route *route, const char *query_parameter)
{
    for (const struct route_parameter *p = route->parameters; p && p->name; p++)
        if (strcmp(p->in, "query") == 0 && strcmp(p->name, query_parameter) == 0)
            return true;
    return false;
}

/* ---- parameters ---- */

static bool of_characters(const char *s, size_t len, const char *others)
{
    if (len == 0 || len > 200)
        return false;
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)s[i]) && !(s[i] && strchr(others, s[i])))
            return false;
    return true;
}

bool run_id_ok(const char *id, size_t len)
{
    return of_characters(id, len, "._:~+-");
}

static bool name_ok(const char *name, size_t len)
{
    return of_characters(name, len, "_-");
}

static const struct kind {
    const char *name;
    bool (*ok)(const char *s, size_t len);
} kinds[] = {{"{tenant}", app_tenant_name_ok}, {"{job}", name_ok}, {"{run}", run_id_ok}, {"{kind}", name_ok}};

static const struct kind *kind_of(const char *segment, size_t len)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strlen(kinds[i].name) == len && memcmp(kinds[i].name, segment, len) == 0)
            return &kinds[i];
    return NULL;
}

/* ---- segments ---- */

static int hex(char c)
{
    return isdigit((unsigned char)c) ? c - '0' : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10 : -1;
}

enum outcome { MATCHES, DIFFERS, MALFORMED };

static enum outcome decode_segment(const char *p, size_t len, char out[PARAMETER_SIZE], size_t *out_len)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        char c = p[i];
        if (c == '%') {
            if (i + 2 >= len || hex(p[i + 1]) < 0 || hex(p[i + 2]) < 0)
                return MALFORMED;
            c = (char)(hex(p[i + 1]) * 16 + hex(p[i + 2]));
            i += 2;
        }
        if (!c)
            return MALFORMED;
        if (n + 1 == PARAMETER_SIZE)
            return DIFFERS;
        out[n++] = c;
    }
    out[n] = 0;
    *out_len = n;
    return MATCHES;
}

static enum outcome match_pattern(const char *pattern, const char *path, struct route_match *m)
{
    int index = 0;
    while (*pattern == '/' && *path == '/') {
        size_t want = strcspn(++pattern, "/"), got = strcspn(++path, "/"), len;
        const struct kind *kind = kind_of(pattern, want);
        if (kind) {
            char *out = m->parameters[index++];
            enum outcome o = decode_segment(path, got, out, &len);
            if (o != MATCHES)
                return o;
            if (!kind->ok(out, len))
                return DIFFERS;
        } else if (want != got || memcmp(pattern, path, want) != 0) {
            return DIFFERS;
        }
        pattern += want;
        path += got;
    }
    return !*pattern && !*path ? MATCHES : DIFFERS;
}

static void allow(struct route_match *m, const char *method)
{
    size_t len = strlen(m->allow);
    const char *get = strcmp(method, "GET") == 0 ? ", HEAD" : "";
    if (len + strlen(method) + 9 < sizeof m->allow) {
        if (len)
            strcat(m->allow, ", ");
        strcat(m->allow, method);
        strcat(m->allow, get);
    }
}

void route_find(const struct route *routes, size_t count, const char *method, const char *path, struct route_match *m)
{
    *m = (struct route_match){0};
    const char *wanted = strcmp(method, "HEAD") == 0 ? "GET" : method;
    struct route_match try;
    for (size_t i = 0; i < count; i++) {
        memset(try.parameters, 0, sizeof try.parameters);
        enum outcome o = match_pattern(routes[i].pattern, path, &try);
        m->bad |= o == MALFORMED;
        if (o != MATCHES)
            continue;
        allow(m, routes[i].method);
        if (m->route || strcmp(routes[i].method, wanted) != 0)
            continue;
        m->route = &routes[i];
        memcpy(m->parameters, try.parameters, sizeof m->parameters);
    }
}
