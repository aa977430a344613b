/* An upload's bytes to messages: cut into pieces by the raw bytes alone, then each line judged; what is right of a
 * piece is one message. Memory is bounded. PURE. */
#ifndef BELLTOWER_API_UPLOAD_H
#define BELLTOWER_API_UPLOAD_H

#include "base/csv.h"
#include "base/pieces.h"
#include "tenants/app/app.h"

#define UPLOAD_ERRORS_MAX 100
#define UPLOAD_JSON_MAX   (16 * 1024 * 1024) /* an array is read whole before any of it is sent */

enum upload_format { UPLOAD_JSON, UPLOAD_NDJSON, UPLOAD_CSV };

struct upload_error {
    uint64_t line;      /* of the body, from 1 */
    const char *reason; /* as of dead letters */
    char detail[200];
};

/* number: of the piece, rising; lines: objects in body, one a line. -1 with *err ends the upload. */
typedef int upload_send(void *context, uint64_t number, const struct buf *body, uint64_t lines, struct err *err);

struct upload {
    const struct app *app;
    enum upload_format format;
    bool numbered; /* the number of a piece is its sequence, so a piece is at most one message */
    upload_send *send;
    void *context;
    uint64_t accepted, rejected; /* accepted: sent */
    struct upload_error errors[UPLOAD_ERRORS_MAX];
    size_t error_count;
    /* private */
    struct pieces pieces;
    struct csv *csv;
    struct buf whole, message, row;
    uint64_t lines; /* in message */
};

void upload_begin(struct upload *u);
/* ERR_INVALID: the whole is not what it should be (no CSV header, no JSON); ERR_TOO_LARGE; or what `send` said. */
int upload_add(struct upload *u, const void *p, size_t len, struct err *err) MUSTCHECK;
int upload_end(struct upload *u, struct err *err) MUSTCHECK;
void upload_free(struct upload *u);

/* By the media type; false: it is none of an upload. */
bool upload_format_of(const char *type, enum upload_format *format);

#endif
