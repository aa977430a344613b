/* The report message and document (design.md, "Messages"). PURE. */
#ifndef BELLTOWER_BATCH_REPORT_H
#define BELLTOWER_BATCH_REPORT_H

#include "base/buf.h"
#include "coredms/rows.h"

#define REPORT_MESSAGE_MAX (1024 * 1024) /* above, the message carries rows_href instead of rows */

/* Everything up to the rows; rows: the JSON array, or NULL for rows_href. Appended to out. */
void report_write(struct buf *out, const char *tenant, const struct run_row *run, const char *time_period,
                  const char *rows, size_t rows_len);
/* What is published of a stored report: itself, or without its rows. Appended to out. */
void report_message(struct buf *out, const char *tenant, const struct run_row *run, const char *report, size_t len);

#endif
