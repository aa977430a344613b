/* What may come from anybody as a backup: its lines, alone and in their order. */
#include "api/backup/check.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static void check(bool right)
{
    if (!right)
        abort();
}

/* What is read is written so that it is read as the same again. */
static void fuzz_record(const char *line, size_t len)
{
    struct record r, again;
    struct buf one = {0}, two = {0};
    struct err err = {0};
    if (record_read(line, len, &r, &err) < 0) {
        check(err.code == ERR_INVALID && err.text[0]);
        return;
    }
    record_write(&r, &one);
    check(record_read(one.data, one.len - 1, &again, &err) == 0);
    record_write(&again, &two);
    check(one.len == two.len && memcmp(one.data, two.data, one.len) == 0);
    record_free(&r);
    record_free(&again);
    buf_free(&one);
    buf_free(&two);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *at = (const char *)data, *end = at + size;
    struct backup_check c;
    struct err err = {0};
    bool good = true;
    backup_check_begin(&c);
    while (at < end) {
        const char *lf = memchr(at, '\n', (size_t)(end - at));
        size_t len = (size_t)((lf ? lf : end) - at);
        struct record r;
        fuzz_record(at, len);
        if (good && backup_check_line(&c, at, len, &r, &err) == 0)
            record_free(&r);
        else
            good = false;
        at += len + (lf != NULL);
    }
    /* Nobody guesses a SHA-256: what is whole was given as a seed. */
    check(backup_check_complete(&c, &err) == 0 || err.code == ERR_INVALID);
    backup_check_end(&c);
    return 0;
}
