/* app-doc: writes the reference page of the app file to standard output. */
#include "tenants/app/schema_doc.h"

#include <stdbool.h>
#include <stdio.h>

int main(void)
{
    struct buf out = {0};
    schema_doc(&out);
    size_t written = fwrite(out.data, 1, out.len, stdout);
    bool ok = written == out.len && fflush(stdout) == 0;
    buf_free(&out);
    return ok ? 0 : 1;
}
