/* What the files in this directory hold, as text: the maker writes it beside each file, the test compares. */
#ifndef BELLTOWER_TESTS_FORMATS_H
#define BELLTOWER_TESTS_FORMATS_H

#include "base/wire/contract.h"

/* One line per field, appended. */
void describe_control(const struct control *c, struct buf *out);
void describe_page(const struct status_page *page, struct buf *out);

#endif
