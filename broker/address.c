#include "broker/address.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct part {
    const char *p;
    size_t len;
};

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static int decode(struct part in, const char *what, char *out, size_t size, struct err *err)
{
    size_t n = 0;
    for (size_t i = 0; i < in.len; i++) {
        int c = (unsigned char)in.p[i];
        if (c == '%') {
            if (i + 2 >= in.len || hex(in.p[i + 1]) < 0 || hex(in.p[i + 2]) < 0)
                return err_set(err, ERR_INVALID, "broker address: %s has a %% without two hex digits", what);
            c = hex(in.p[i + 1]) * 16 + hex(in.p[i + 2]);
            i += 2;
        }
        if (c == 0 || n + 1 >= size)
            return err_set(err, ERR_INVALID, "broker address: %s is too long or holds a NUL", what);
        out[n++] = (char)c;
    }
    out[n] = 0;
    return 0;
}

/* Cuts `rest` at the first (or last) c: what is before goes to *head and true is returned. */
static bool cut(struct part *rest, char c, bool last, struct part *head)
{
    const char *at = last ? memrchr(rest->p, c, rest->len) : memchr(rest->p, c, rest->len);
    if (!at)
        return false;
    *head = (struct part){rest->p, (size_t)(at - rest->p)};
    rest->len -= head->len + 1;
    rest->p = at + 1;
    return true;
}

static int parse_port(struct part port, struct broker_address *a, struct err *err)
{
    char text[8], *end;
    if (decode(port, "the port", text, sizeof text, err) < 0)
        return -1;
    long n = strtol(text, &end, 10);
    if (end == text || *end || n < 1 || n > 65535)
        return err_set(err, ERR_INVALID, "broker address: \"%s\" is no port number", text);
    a->port = (int)n;
    return 0;
}

static int parse_login(struct part login, struct broker_address *a, struct err *err)
{
    struct part user;
    if (!cut(&login, ':', false, &user))
        return decode(login, "the user", a->user, sizeof a->user, err);
    return decode(user, "the user", a->user, sizeof a->user, err) < 0
               ? -1
               : decode(login, "the password", a->password, sizeof a->password, err);
}

int broker_address_parse(const char *text, size_t len, struct broker_address *a, struct err *err)
{
    struct part rest = {text, len}, head, host;
    *a = (struct broker_address){.vhost = "/"};
    a->tls = len > 8 && memcmp(text, "amqps://", 8) == 0;
    if (!a->tls && !(len > 7 && memcmp(text, "amqp://", 7) == 0))
        return err_set(err, ERR_INVALID, "broker address: it must begin with amqp:// or amqps://");
    a->port = a->tls ? 5671 : 5672;
    rest.p += a->tls ? 8 : 7;
    rest.len -= a->tls ? 8 : 7;
    struct part authority = rest;
    if (cut(&rest, '/', false, &authority)) {
        if (rest.len && decode(rest, "the vhost", a->vhost, sizeof a->vhost, err) < 0)
            return -1;
    }
    if (cut(&authority, '@', true, &head) && parse_login(head, a, err) < 0)
        return -1;
    if (cut(&authority, ':', true, &host)) {
        if (parse_port(authority, a, err) < 0)
            return -1;
    } else {
        host = authority;
    }
    if (host.len == 0)
        return err_set(err, ERR_INVALID, "broker address: the host is missing");
    return decode(host, "the host", a->host, sizeof a->host, err);
}

bool broker_address_next(const char **rest, const char **text, size_t *len)
{
    while (**rest == ',' || **rest == ' ')
        (*rest)++;
    if (!**rest)
        return false;
    *text = *rest;
    *len = strcspn(*rest, ", ");
    *rest += *len;
    return true;
}
