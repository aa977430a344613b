/* What a worker has to publish, in order, kept until the broker has confirmed it. PURE: whoever owns the connection
 * sends what outbox_next gives and reports what the broker says. Tags are the broker's: 1, 2, 3 ... per connection, in
 * the order of sending. A lost connection makes everything unconfirmed "to be sent" again; entries found in the queue
 * meanwhile are settled by outbox_settle. */
#ifndef BELLTOWER_BASE_OUTBOX_H
#define BELLTOWER_BASE_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum outbox_kind { OUT_RESULT, OUT_DEAD, OUT_TRIGGER, OUT_REPORT, OUT_TICK };

struct outbox_header {
    const char *name;
    const char *text; /* NULL: number; else NUL-terminated */
    int64_t number;
};
#define OUTBOX_HEADERS 8

struct outbox_message {
    enum outbox_kind kind;
    int64_t number;       /* x-number of results and dead letters; else free for the owner */
    const char *exchange; /* static */
    const char *key, *message_id, *type, *content_type; /* NULL = none; copied */
    struct outbox_header headers[OUTBOX_HEADERS];       /* names static, texts copied */
    size_t header_count;
    const void *body; /* copied */
    size_t len;
};

struct outbox;
struct outbox *outbox_new(void);
void outbox_free(struct outbox **o);

/* Appends a copy; returns its sequence (from 1, rising by one). */
uint64_t outbox_add(struct outbox *o, const struct outbox_message *m);
/* The next message to send, NULL if none; borrowed until the next call. It counts as sent at once, with the next tag.
 */
const struct outbox_message *outbox_next(struct outbox *o);
/* The broker's word; false for a tag never given (nothing changes). A nack makes all that is not confirmed "to be sent"
 * again only through outbox_unsend; outbox_confirm returns true and sets *nacked. */
bool outbox_confirm(struct outbox *o, uint64_t tag, bool multiple, bool ack, bool *nacked);
/* The connection is gone: all that is unconfirmed is to be sent again, tags begin anew. Ticks and markers are dropped:
 * they belong to their moment. */
void outbox_unsend(struct outbox *o);
/* A message of this kind and number is in its queue already: it counts as confirmed. true if it was waiting here. */
bool outbox_settle(struct outbox *o, enum outbox_kind kind, int64_t number);

uint64_t outbox_sequence(const struct outbox *o); /* of the last added; 0 = none yet */
uint64_t outbox_settled(const struct outbox *o);  /* all up to this one are confirmed */
size_t outbox_unsent(const struct outbox *o);
size_t outbox_in_flight(const struct outbox *o); /* sent, not confirmed */
size_t outbox_in_flight_bytes(const struct outbox *o);
size_t outbox_bytes(const struct outbox *o); /* of all that is kept */
size_t outbox_room(const struct outbox *o);  /* bytes allocated for messages, those gone included */
size_t outbox_count(const struct outbox *o);

#endif
