#include "cli/client.h"

#include "base/files.h"
#include "base/json.h"
#include "base/mem.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define CONNECT_SECONDS 5L
#define CALL_SECONDS    300L
#define TOKEN_MAX       4096
#define PAGE_ROWS       1000

static int find_token(struct client *c, struct err *err)
{
    char path[4096];
    struct buf text = {0};
    if (*c->settings.token) {
        c->token = mem_strdup(c->settings.token);
        return 0;
    }
    path_data(&c->settings, "token", path, sizeof path);
    int status = files_read(path, TOKEN_MAX, &text, err);
    if (status < 0 && err->code == ERR_NOT_FOUND)
        err_set(err, ERR_DENIED,
                "no token: set BELLTOWER_TOKEN, or give --data DIR where the platform keeps its own (%s is not there)",
                path);
    while (text.len && (text.data[text.len - 1] == '\n' || text.data[text.len - 1] == '\r'))
        text.len--;
    if (status == 0)
        c->token = mem_strndup(text.data, text.len);
    buf_free(&text);
    return status;
}

/* "http://host:8080/" is "http://host:8080": paths bring their own slash. */
static char *without_slash(const char *url)
{
    size_t len = strlen(url);
    while (len && url[len - 1] == '/')
        len--;
    return mem_strndup(url, len);
}

int client_open(struct client *c, int *argc, char **argv, struct err *err)
{
    *c = (struct client){0};
    if (settings_load(argc, argv, &c->settings, err) < 0)
        return -1;
    c->server = without_slash(c->settings.server);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    c->curl = curl_easy_init();
    return c->curl ? 0 : err_set(err, ERR_INTERNAL, "cannot start libcurl");
}

void client_close(struct client *c)
{
    if (c->curl) {
        curl_easy_cleanup(c->curl);
        curl_global_cleanup();
    }
    free(c->token);
    free(c->server);
    *c = (struct client){0};
}

void client_encode(struct buf *out, const char *s)
{
    for (; *s; s++) {
        unsigned char ch = (unsigned char)*s;
        bool plain =
            (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') || strchr("-._~", ch);
        if (plain)
            buf_add_char(out, (char)ch);
        else
            buf_printf(out, "%%%02X", ch);
    }
}

void client_query(struct buf *url, const char *name, const char *value)
{
    if (!value)
        return;
    buf_printf(url, "%c%s=", strchr(buf_cstr(url), '?') ? '&' : '?', name);
    client_encode(url, value);
}

struct taking {
    CURL *curl;
    struct buf *answer;
    FILE *into; /* of an answer of success; NULL: answer */
};

static size_t take(char *data, size_t size, size_t count, void *context)
{
    const struct taking *t = context;
    long code = 0;
    curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &code);
    if (t->into && code >= 200 && code < 300)
        return fwrite(data, 1, size * count, t->into);
    buf_add(t->answer, data, size * count);
    return size * count;
}

static size_t give(char *data, size_t size, size_t count, void *context)
{
    size_t n = fread(data, 1, size * count, context);
    return n == 0 && ferror((FILE *)context) ? CURL_READFUNC_ABORT : n;
}

/* ---- problems ---- */

static enum err_code code_of(long status)
{
    switch (status) {
    case 401:
    case 403:
        return ERR_DENIED;
    case 404:
        return ERR_NOT_FOUND;
    case 409:
    case 412:
        return ERR_CONFLICT;
    case 400:
    case 413:
    case 415:
    case 422:
        return ERR_INVALID;
    case 429:
    case 502:
    case 503:
    case 504:
        return ERR_UNAVAILABLE;
    default:
        return ERR_INTERNAL;
    }
}

/* The mistakes of a problem, one a line, as the compiler-like lines of `check`. */
static void print_mistakes(const struct buf *answer)
{
    const char *list, *from;
    size_t len;
    bool first = true;
    if (json_find(answer->data, answer->len, "errors", &list, &len) != JSON_ARRAY)
        return;
    struct json j = json_begin(list, len);
    struct buf text = {0}, message = {0};
    json_enter(&j, '[');
    while (json_next(&j, &first, NULL, NULL) && json_skip(&j, &from)) {
        size_t one = (size_t)(j.at - from);
        int64_t line = 0, column = 0;
        buf_clear(&text);
        buf_clear(&message);
        json_get_int(from, one, "line", &line);
        json_get_int(from, one, "column", &column);
        if (!json_get_string(from, one, "message", &message))
            json_get_string(from, one, "detail", &message);
        json_get_string(from, one, "suggestion", &text);
        fprintf(stderr, "%lld:%lld: %s", (long long)line, (long long)column, buf_cstr(&message));
        fprintf(stderr, text.len ? "; did you mean `%s`?\n" : "%s\n", buf_cstr(&text));
    }
    buf_free(&text);
    buf_free(&message);
}

static int problem(const struct client_request *r, long status, const struct buf *answer, struct err *err)
{
    struct buf title = {0}, detail = {0};
    bool known = json_get_string(answer->data, answer->len, "title", &title);
    json_get_string(answer->data, answer->len, "detail", &detail);
    if (known) /* the title is general; what is wrong here is in the detail */
        err_set(err, code_of(status), "%s", detail.len ? buf_cstr(&detail) : buf_cstr(&title));
    else
        err_set(err, code_of(status), "%s %s: the server answered %ld", r->method, r->path, status);
    print_mistakes(answer);
    buf_free(&title);
    buf_free(&detail);
    return -1;
}

/* ---- calls ---- */

static struct curl_slist *header(struct curl_slist *list, const char *name, const char *value)
{
    char *line = mem_printf("%s: %s", name, value ? value : "");
    if (value)
        list = curl_slist_append(list, line);
    free(line);
    return list;
}

static struct curl_slist *headers(const struct client *c, const struct client_request *r)
{
    char *bearer = mem_printf("Bearer %s", c->token);
    struct curl_slist *list = header(NULL, "authorization", bearer);
    list = header(list, "content-type", r->content_type);
    list = header(list, "accept", r->accept);
    list = header(list, "if-match", r->if_match);
    list = header(list, "idempotency-key", r->idempotency_key);
    list = curl_slist_append(list, "expect:"); /* no 100-continue: it costs a second */
    free(bearer);
    return list;
}

/* A file's size goes before it; what has none comes in chunks. */
static void prepare_file(struct client *c, FILE *from)
{
    struct stat st;
    bool sized = fstat(fileno(from), &st) == 0 && S_ISREG(st.st_mode);
    curl_easy_setopt(c->curl, CURLOPT_POST, 1L);
    curl_easy_setopt(c->curl, CURLOPT_POSTFIELDSIZE_LARGE, sized ? (curl_off_t)st.st_size : (curl_off_t)-1);
    curl_easy_setopt(c->curl, CURLOPT_READFUNCTION, give);
    curl_easy_setopt(c->curl, CURLOPT_READDATA, from);
}

static void prepare(struct client *c, const struct client_request *r, const char *url, struct curl_slist *list,
                    struct taking *taking)
{
    curl_easy_reset(c->curl);
    curl_easy_setopt(c->curl, CURLOPT_URL, url);
    curl_easy_setopt(c->curl, CURLOPT_CUSTOMREQUEST, r->method);
    curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, list);
    curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, taking);
    curl_easy_setopt(c->curl, CURLOPT_CONNECTTIMEOUT, CONNECT_SECONDS);
    curl_easy_setopt(c->curl, CURLOPT_TIMEOUT, r->from || r->into ? 0L : CALL_SECONDS);
    curl_easy_setopt(c->curl, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(c->curl, CURLOPT_NOSIGNAL, 1L);
    if (r->from) {
        prepare_file(c, r->from);
        return;
    }
    if (!r->body && strcmp(r->method, "GET") == 0)
        return;
    curl_easy_setopt(c->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->len);
    curl_easy_setopt(c->curl, CURLOPT_POSTFIELDS, r->body ? r->body : "");
}

int client_call(struct client *c, const struct client_request *r, struct buf *answer, long *status, struct err *err)
{
    long code = 0;
    if (!c->token && find_token(c, err) < 0)
        return -1;
    char *url = mem_printf("%s%s", c->server, r->path);
    struct curl_slist *list = headers(c, r);
    buf_clear(answer);
    struct taking taking = {c->curl, answer, r->into};
    prepare(c, r, url, list, &taking);
    CURLcode result = curl_easy_perform(c->curl);
    curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &code);
    curl_slist_free_all(list);
    free(url);
    if (status)
        *status = code;
    if (result == CURLE_WRITE_ERROR)
        return err_set(err, ERR_FULL, "what the server answers cannot be written: %s", strerror(errno));
    if (result != CURLE_OK && r->into && code == 200)
        return err_set(err, ERR_UNAVAILABLE, "the API broke off its answer (%s): its log says why",
                       curl_easy_strerror(result));
    if (result != CURLE_OK)
        return err_set(err, ERR_UNAVAILABLE,
                       "the API at %s is not there (%s): start the platform with `belltower up`, or give --server",
                       c->server, curl_easy_strerror(result));
    return code >= 200 && code < 300 ? 0 : problem(r, code, answer, err);
}

int client_get(struct client *c, const char *path, struct buf *answer, struct err *err)
{
    const struct client_request r = {.method = "GET", .path = path, .accept = "application/json"};
    return client_call(c, &r, answer, NULL, err);
}

/* ---- lists ---- */

/* Gives the elements of an array, at most `limit`; how many. *more: there are others. */
static size_t each_row(const char *list, size_t len, size_t limit, client_row *each, void *context, bool *more)
{
    struct json j = json_begin(list, len);
    bool first = true;
    const char *from;
    size_t count = 0;
    json_enter(&j, '[');
    while (json_next(&j, &first, NULL, NULL) && json_skip(&j, &from)) {
        if (count == limit) {
            *more = true;
            break;
        }
        each(context, from, (size_t)(j.at - from));
        count++;
    }
    return count;
}

static void page_url(struct buf *url, const char *path, size_t left, struct buf *cursor)
{
    buf_clear(url);
    buf_printf(url, "%s%climit=%zu", path, strchr(path, '?') ? '&' : '?', left < PAGE_ROWS ? left : (size_t)PAGE_ROWS);
    if (cursor->len) {
        buf_add_str(url, "&cursor=");
        client_encode(url, buf_cstr(cursor));
    }
}

int client_each(struct client *c, const char *path, const char *member, size_t limit, client_row *each, void *context,
                bool *more, struct err *err)
{
    struct buf answer = {0}, next = {0}, url = {0};
    size_t left = limit ? limit : SIZE_MAX;
    bool cut = false;
    int status;
    do {
        const char *list;
        size_t len;
        page_url(&url, path, left, &next);
        status = client_get(c, buf_cstr(&url), &answer, err);
        if (status == 0 && json_find(answer.data, answer.len, member, &list, &len) != JSON_ARRAY)
            status = err_set(err, ERR_INTERNAL, "the server's answer to %s has no list \"%s\"", path, member);
        if (status == 0)
            left -= each_row(list, len, left, each, context, &cut);
        buf_clear(&next);
        if (status == 0)
            json_get_string(answer.data, answer.len, "next", &next);
    } while (status == 0 && next.len && left);
    if (more)
        *more = cut || next.len;
    buf_free(&answer);
    buf_free(&next);
    buf_free(&url);
    return status;
}

static void append_row(void *rows, const char *row, size_t len)
{
    json_w_raw(rows, row, len);
}

int client_list(struct client *c, const char *path, const char *member, size_t limit, struct buf *rows, bool *more,
                struct err *err)
{
    json_w_open(rows, '[');
    int status = client_each(c, path, member, limit, append_row, rows, more, err);
    json_w_close(rows, ']');
    return status;
}
