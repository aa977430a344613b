/* The text of a stream's results. What is the same in all of them, and in all of one window, is written once. PURE. */
#ifndef BELLTOWER_STREAM_ENGINE_RESULT_TEXT_H
#define BELLTOWER_STREAM_ENGINE_RESULT_TEXT_H

#include "base/buf.h"
#include "tenants/app/app.h"

struct result_text {
    size_t names;      /* how many fields come first */
    struct buf fixed;  /* the names of those, each with what stands before and behind it; then what follows the last */
    size_t *ends;      /* of each of these texts in it, names + 1 */
    struct buf window; /* from the window's start up to the revision */
    struct buf id;     /* the message id from behind the key's hash up to the revision, without the generation */
    int64_t end;       /* of the window that `window` and `id` are of; INT64_MIN: none yet */
};

void result_text_init(struct result_text *r, const struct app *app, const struct app_stream *s);
void result_text_free(struct result_text *r);

/* Makes it ready for results of the window that ends at `end`. */
void result_text_window(struct result_text *r, const struct app_stream *s, int64_t end);
/* The body of a result of that window into b, which is cleared first. columns: the values of the fields. */
void result_text_body(const struct result_text *r, const struct value *columns, uint32_t revision, struct buf *b);

#endif
