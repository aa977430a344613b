#include "api/answer_stream.h"

#include <string.h>

static int send_bytes(struct request *r, const struct buf *out, struct err *err)
{
    if (!r->stream_broken && r->source.write && r->source.write(r->source.context, out->data, out->len))
        return 0;
    r->stream_broken = true;
    return err_set(err, ERR_UNAVAILABLE, "the answer is no longer taken");
}

int stream_begin(struct request *r, const char *content_type, struct err *err)
{
    struct buf out = {0};
    r->status = 200;
    r->streamed = true;
    buf_printf(&out, "HTTP/1.1 200 %s\r\nX-Request-Id: %s\r\nCache-Control: no-store\r\nContent-Type: %s\r\n",
               status_text(200), r->id, content_type);
    if (r->takes_chunks)
        buf_add_str(&out, "Transfer-Encoding: chunked\r\n");
    buf_add(&out, r->headers.data, r->headers.len);
    buf_add_str(&out, "X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n");
    int status = send_bytes(r, &out, err);
    buf_free(&out);
    return status;
}

int stream_add(struct request *r, const void *p, size_t len, struct err *err)
{
    struct buf out = {0};
    if (strcmp(r->method, "HEAD") == 0 || len == 0)
        return 0;
    if (r->takes_chunks)
        buf_printf(&out, "%zx\r\n", len);
    buf_add(&out, p, len);
    if (r->takes_chunks)
        buf_add_str(&out, "\r\n");
    int status = send_bytes(r, &out, err);
    buf_free(&out);
    return status;
}

void stream_end(struct request *r, bool whole)
{
    static const char last[] = "0\r\n\r\n";
    const struct buf out = {.data = (char *)last, .len = sizeof last - 1};
    struct err err;
    if (!whole)
        r->stream_broken = true;
    else if (r->takes_chunks && strcmp(r->method, "HEAD") != 0 && send_bytes(r, &out, &err) < 0)
        return;
}
