/* rest-doc: writes docs/rest.md to standard output. */
#include "api/openapi.h"
#include "api/routes.h"

#include <stdio.h>

int main(void)
{
    struct buf out = {0};
    rest_markdown(routes, route_count, &out);
    fwrite(out.data, 1, out.len, stdout);
    buf_free(&out);
    return 0;
}
