/* Keys as bytes whose order (memcmp) is the order of their values (value_compare, column by column). PURE. */
#ifndef BELLTOWER_STREAM_ENGINE_KEY_H
#define BELLTOWER_STREAM_ENGINE_KEY_H

#include "base/buf.h"
#include "base/value.h"

/* Appends one column: null, bool, int or string. */
void key_put(struct buf *out, const struct value *v);
/* Reads `count` columns. Strings point into `strings` (cleared first). false: the bytes are no such key. */
bool key_get(const char *bytes, size_t len, struct value *values, size_t count, struct buf *strings);
/* The JSON array of the values, without spaces; replaces text. */
void key_text(const struct value *values, size_t count, struct buf *text);

#endif
