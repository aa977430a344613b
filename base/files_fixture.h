/* Files that tests keep; tests run in the source's directory. */
#ifndef BELLTOWER_BASE_FILES_FIXTURE_H
#define BELLTOWER_BASE_FILES_FIXTURE_H

#include "base/files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* The whole file appended to out, with a NUL behind it that does not count. */
static inline void read_whole(const char *path, struct buf *out)
{
    struct err err;
    if (files_read(path, SIZE_MAX, out, &err) < 0)
        fail_msg("%s: run this test in the source's directory", err.text);
    buf_cstr(out);
}

#endif
