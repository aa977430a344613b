/* Parts of belltower send: the file's lines into messages (send_source.c), messages to the broker (send_link.c), what
 * people see meanwhile (progress.c). */
#ifndef BELLTOWER_CLI_SEND_H
#define BELLTOWER_CLI_SEND_H

#include "base/csv.h"
#include "base/outbox.h"
#include "base/pieces.h"
#include "base/settings.h"
#include "broker/link.h"
#include "tenants/app/app.h"

/* ---- the source ---- */
struct send_source {
    const struct app *app; /* for the types of CSV cells, what rows must hold, and --realtime; NULL = none */
    bool csv, guessed;     /* guessed: nobody said that it is ndjson */
    struct csv *header;    /* of a CSV file, once its first line was read */
    uint64_t rows, rejected;
    uint64_t fitting;        /* rows with all that the app needs, looked for until the first of them */
    char first_missing[300]; /* what the first of the others lacks */
    char first_reason[200];  /* why the first row was rejected, with its line */
    struct buf body;         /* of the message being made */
    int64_t first_time;      /* event time of the first row of the piece; INT64_MIN = unknown */
};
/* The message of a piece into source->body; empty if no row is left. ERR_INVALID: the header is none or lacks a column
 * that the app needs; the first line is no JSON though its format was guessed. */
int send_convert(struct send_source *source, const struct piece *piece, struct err *err) MUSTCHECK;
/* At the end of the file. ERR_INVALID: there was nothing to send, or nothing of it is of use to the app. */
int send_source_judge(const struct send_source *source, struct err *err) MUSTCHECK;
void send_source_free(struct send_source *source);

/* ---- the link ---- */
struct send_link {
    const char *address, *user, *password;
    int64_t wait_ms; /* for the broker, at the beginning and after each loss */
    struct link *link;
    struct outbox *outbox;
    bool blocked, lost, returned;
    struct err why;
    uint64_t reconnects;
};
int send_link_open(struct send_link *l, struct err *err) MUSTCHECK;
void send_link_close(struct send_link *l);
/* Sends and takes confirms; with until_done waits for all of them, else only until there is room again. Reconnects by
 * itself and sends again what is not confirmed, under the same message ids. */
int send_link_run(struct send_link *l, bool until_done, void (*tick)(void *context), void *context,
                  struct err *err) MUSTCHECK;

/* ---- progress ---- */
struct progress {
    bool terminal;
    int64_t began_ms, shown_ms;  /* mono */
    uint64_t bytes, total_bytes; /* total 0 = unknown */
    uint64_t events;
};
void progress_begin(struct progress *p, uint64_t total_bytes);
void progress_show(struct progress *p, bool last);

#endif
