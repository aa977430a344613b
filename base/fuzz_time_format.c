/* The first line is a format, the rest a text. A time that parses must be written and read back as itself. */
#include "base/time_format.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data, *line = size ? memchr(text, '\n', size) : NULL;
    struct time_format f;
    struct err err;
    int64_t ms, back;
    char out[32];
    if (!line || time_format_compile(text, (size_t)(line - text), &f, &err) < 0)
        return 0;
    if (!time_format_parse(&f, line + 1, size - (size_t)(line + 1 - text), &ms))
        return 0;
    if (ms < 0 || ms > TIME_MAX_MS || !time_parse_rfc3339(out, time_rfc3339(ms, out), &back) || back != ms)
        abort();
    return 0;
}
