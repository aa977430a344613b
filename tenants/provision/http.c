#include "tenants/provision/http.h"

#include "broker/address.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

#define CALL_SECONDS    20L
#define CONNECT_SECONDS 5L
#define ANSWER_MAX      2000

struct answer {
    char text[ANSWER_MAX];
    size_t len;
};

static int curl_error(const char *what, const char *base, CURLcode code, struct err *err)
{
    return err_set(err, ERR_UNAVAILABLE, "RabbitMQ's management API at %s: cannot %s: %s", base, what,
                   curl_easy_strerror(code));
}

static int part_of(CURLU *url, CURLUPart part, const char *fallback, char *out, size_t size)
{
    char *value = NULL;
    CURLUcode code = curl_url_get(url, part, &value, CURLU_URLDECODE);
    int n = snprintf(out, size, "%s", code == CURLUE_OK ? value : fallback);
    curl_free(value);
    return n < (int)size ? 0 : -1;
}

static int parse_management(struct http *h, const char *management, struct err *err)
{
    CURLU *url = curl_url();
    char *base = NULL;
    bool ok = url && curl_url_set(url, CURLUPART_URL, management, 0) == CURLUE_OK &&
              part_of(url, CURLUPART_USER, "guest", h->user, sizeof h->user) == 0 &&
              part_of(url, CURLUPART_PASSWORD, "guest", h->password, sizeof h->password) == 0 &&
              curl_url_set(url, CURLUPART_USER, NULL, 0) == CURLUE_OK &&
              curl_url_set(url, CURLUPART_PASSWORD, NULL, 0) == CURLUE_OK &&
              curl_url_get(url, CURLUPART_URL, &base, 0) == CURLUE_OK;
    if (ok)
        snprintf(h->base, sizeof h->base, "%s", base);
    curl_free(base);
    curl_url_cleanup(url);
    if (!ok)
        return err_set(err, ERR_INVALID, "setting management: no address of the form http://user:password@host:port");
    size_t len = strlen(h->base);
    if (len && h->base[len - 1] == '/')
        h->base[len - 1] = 0;
    return 0;
}

int http_open(struct http *h, const char *management, const char *broker, char *vhost, size_t vhost_size,
              struct err *err)
{
    struct broker_address address;
    const char *rest = broker, *text;
    size_t len;
    if (!broker_address_next(&rest, &text, &len))
        return err_set(err, ERR_INVALID, "setting broker: no address");
    if (broker_address_parse(text, len, &address, err) < 0 || parse_management(h, management, err) < 0)
        return -1;
    snprintf(vhost, vhost_size, "%s", address.vhost);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    h->curl = curl_easy_init();
    return h->curl ? 0 : err_set(err, ERR_INTERNAL, "cannot start libcurl");
}

void http_close(struct http *h)
{
    if (h->curl)
        curl_easy_cleanup(h->curl);
    h->curl = NULL;
    curl_global_cleanup();
}

static size_t take(char *data, size_t size, size_t count, void *context)
{
    struct answer *a = context;
    size_t len = size * count, room = ANSWER_MAX - 1 - a->len;
    size_t n = len < room ? len : room;
    memcpy(a->text + a->len, data, n);
    a->len += n;
    a->text[a->len] = 0;
    return len; /* what does not fit is read and dropped */
}

static int judge(const struct http *h, const struct plan_call *call, long status, const struct answer *a,
                 struct err *err)
{
    if (status >= 200 && status < 300)
        return 0;
    if (status == 404 && strcmp(call->method, "DELETE") == 0)
        return 0;
    if (status == 401 || status == 403)
        return err_set(
            err, ERR_DENIED,
            "RabbitMQ's management API at %s refuses user %s (%ld): give an administrator in the setting management",
            h->base, h->user, status);
    if (status >= 500)
        return err_set(err, ERR_UNAVAILABLE, "RabbitMQ's management API: %s %s: %ld %s", call->method, call->path,
                       status, a->text);
    return err_set(err, ERR_INTERNAL, "RabbitMQ's management API: %s %s: %ld %s", call->method, call->path, status,
                   a->text);
}

int http_call(struct http *h, const struct plan_call *call, struct err *err)
{
    struct answer answer = {0};
    char url[2048], error[CURL_ERROR_SIZE] = "";
    long status = 0;
    struct curl_slist *headers = curl_slist_append(NULL, "content-type: application/json");
    snprintf(url, sizeof url, "%s%s", h->base, call->path);
    curl_easy_reset(h->curl);
    curl_easy_setopt(h->curl, CURLOPT_URL, url);
    curl_easy_setopt(h->curl, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(h->curl, CURLOPT_CUSTOMREQUEST, call->method);
    curl_easy_setopt(h->curl, CURLOPT_USERNAME, h->user);
    curl_easy_setopt(h->curl, CURLOPT_PASSWORD, h->password);
    curl_easy_setopt(h->curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(h->curl, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(h->curl, CURLOPT_WRITEDATA, &answer);
    curl_easy_setopt(h->curl, CURLOPT_ERRORBUFFER, error);
    curl_easy_setopt(h->curl, CURLOPT_TIMEOUT, CALL_SECONDS);
    curl_easy_setopt(h->curl, CURLOPT_CONNECTTIMEOUT, CONNECT_SECONDS);
    curl_easy_setopt(h->curl, CURLOPT_NOSIGNAL, 1L);
    if (call->body)
        curl_easy_setopt(h->curl, CURLOPT_POSTFIELDS, call->body);
    CURLcode code = curl_easy_perform(h->curl);
    curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &status);
    curl_slist_free_all(headers);
    return code == CURLE_OK ? judge(h, call, status, &answer, err) : curl_error("reach it", h->base, code, err);
}
