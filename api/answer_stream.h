/* An answer that is sent as it is made, for what must not fill the memory: the head, then pieces, then the end. What
 * fails in the middle ends the connection, so that nobody takes a part for the whole. */
#ifndef BELLTOWER_API_ANSWER_STREAM_H
#define BELLTOWER_API_ANSWER_STREAM_H

#include "api/request.h"

/* Sends the head. ERR_UNAVAILABLE: nobody is there to take it. */
int stream_begin(struct request *r, const char *content_type, struct err *err) MUSTCHECK;
/* Does nothing for HEAD. ERR_UNAVAILABLE: nobody takes it any more. */
int stream_add(struct request *r, const void *p, size_t len, struct err *err) MUSTCHECK;
/* whole: all of it was made; else the connection is broken off. */
void stream_end(struct request *r, bool whole);

#endif
