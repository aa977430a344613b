/* rest-doc: writes the pages of docs/ that come from the API's tables to standard output: rest (also without a word),
 * metrics. */
#include "api/metrics_table.h"
#include "api/openapi.h"
#include "api/routes.h"

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    const char *page = argc > 1 ? argv[1] : "rest";
    struct buf out = {0};
    if (strcmp(page, "rest") == 0)
        rest_markdown(routes, route_count, &out);
    else if (strcmp(page, "metrics") == 0)
        metrics_markdown(&out);
    else
        return 2;
    fwrite(out.data, 1, out.len, stdout);
    buf_free(&out);
    return 0;
}
