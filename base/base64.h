/* Base64 (RFC 4648, with padding). PURE. */
#ifndef BELLTOWER_BASE_BASE64_H
#define BELLTOWER_BASE_BASE64_H

#include "base/buf.h"

#include <stdbool.h>

void base64_encode(const void *p, size_t len, struct buf *out); /* appends */
/* Appends; false (out unchanged) if the text is not exactly base64 with padding. */
bool base64_decode(const char *text, size_t len, struct buf *out);

#endif
