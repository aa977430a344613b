/* One HTTP request and its answer, independent of the server's library: handlers see nothing else. A request belongs to
 * one thread. Texts of the request are borrowed until its end. */
#ifndef BELLTOWER_API_REQUEST_H
#define BELLTOWER_API_REQUEST_H

#include "api/api.h"
#include "base/buf.h"
#include "base/err.h"
#include "coredms/coredms.h"

#define REQUEST_ID_SIZE  17
#define PARAMETERS_MAX   2
#define PARAMETER_SIZE   208
#define REQUEST_BODY_MAX (64 * 1024) /* of JSON bodies that are no data */

struct route;

/* Where the request comes from; a test has one of its own. */
struct request_source {
    void *context;
    const char *(*header)(void *context, const char *name); /* NULL = missing */
    /* Bytes of the body: > 0, 0 at its proper end, -1 with *err (ERR_INVALID cut short, ERR_TIMEOUT too slow). */
    long (*read)(void *context, void *p, size_t len, struct err *err);
    bool (*write)(void *context, const void *p, size_t len); /* for answer_stream.h alone; NULL = it cannot */
};

struct request {
    struct api *api;
    struct request_source source;
    char id[REQUEST_ID_SIZE];
    const char *method, *path, *query;               /* path and query as sent; query "" if none */
    const struct route *route;                       /* NULL until found */
    char parameters[PARAMETERS_MAX][PARAMETER_SIZE]; /* what the pattern's braces matched, decoded */
    bool platform;                                   /* the platform's token was given */
    bool has_tenant;
    struct tenant_row tenant; /* of a path with {tenant} */
    uint64_t body_bytes;      /* read so far */
    bool takes_chunks;        /* the client knows HTTP/1.1 */

    int status; /* of the answer; 0 = none yet */
    const char *content_type;
    bool streamed, stream_broken; /* answer_stream.h has sent it; but not all of it */
    struct buf headers;           /* whole lines, each with CR LF */
    struct buf body;
};

static inline const char *request_parameter(const struct request *r, int index)
{
    return r->parameters[index];
}
const char *request_header(const struct request *r, const char *name);
/* The media type of Content-Type without parameters, in lower case; "" if missing. */
void request_content_type(const struct request *r, char out[80]);
/* The client prefers CSV over JSON (Accept). */
bool request_wants_csv(const struct request *r);

/* A query parameter, decoded into out (replaced, NUL-terminated); false if it is missing. The first of its name counts.
 */
bool request_query(const struct request *r, const char *name, struct buf *out);
/* Calls each with all of them, decoded. -1 with ERR_INVALID for a malformed one or what `each` says. */
typedef int query_each(void *context, const char *name, const char *value, size_t len, struct err *err);
int request_query_each(const struct request *r, query_each *each, void *context, struct err *err) MUSTCHECK;
/* ?name=true|false, 1|0 or nothing behind the name (true). ERR_INVALID otherwise. */
int request_flag(const struct request *r, const char *name, bool *value, struct err *err) MUSTCHECK;
/* ?limit=N within 1..max. */
int request_limit(const struct request *r, size_t fallback, size_t max, size_t *value, struct err *err) MUSTCHECK;
/* Refuses query parameters that the route's table does not name, so that a misspelt one is not silently ignored. */
int request_check_query(const struct request *r, struct err *err) MUSTCHECK;

/* The whole body, appended. ERR_TOO_LARGE beyond max. */
int request_read_all(struct request *r, size_t max, struct buf *out, struct err *err) MUSTCHECK;
long request_read(struct request *r, void *p, size_t len, struct err *err) MUSTCHECK;

/* ---- the answer ---- */
void answer_header(struct request *r, const char *name, const char *fmt, ...) PRINTF(3, 4);
/* The body is what the handler wrote into r->body. */
void answer(struct request *r, int status, const char *content_type);
void answer_json(struct request *r, int status);
const char *status_text(int status);

void request_end(struct request *r);

/* JSON helpers of the handlers. */
void put_text(struct buf *b, const char *name, const char *text); /* NULL: null */
void put_number(struct buf *b, const char *name, int64_t value);
void put_bool(struct buf *b, const char *name, bool value);
void put_time(struct buf *b, const char *name, int64_t ms); /* <= 0: null */

#endif
