/* docs/app-file.md, written from the schema's table. */
#ifndef BELLTOWER_TENANTS_APP_SCHEMA_DOC_H
#define BELLTOWER_TENANTS_APP_SCHEMA_DOC_H

#include "base/buf.h"

void schema_doc(struct buf *out); /* Markdown, appended */

#endif
