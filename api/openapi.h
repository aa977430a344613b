/* The contract, made of the table of calls: OpenAPI 3.1, and docs/rest.md. PURE. */
#ifndef BELLTOWER_API_OPENAPI_H
#define BELLTOWER_API_OPENAPI_H

#include "api/router.h"

void openapi_write(const struct route *routes, size_t count, struct buf *out);
void rest_markdown(const struct route *routes, size_t count, struct buf *out);

#endif
