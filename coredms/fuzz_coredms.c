/* What may come from anybody: cursors of listings, and bodies whose columns are read. */
#include "coredms/backend.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static void check(bool right)
{
    if (!right)
        abort();
}

/* What parses is a place that its own text leads back to. */
static void fuzz_cursor(const char *text)
{
    int64_t number, again;
    char *name, *name_again;
    struct err err = {0};
    if (coredms_cursor_parse(text, &number, &name, &err) < 0) {
        check(err.code == ERR_INVALID);
        return;
    }
    char *cursor = coredms_cursor_text(number, name);
    check(coredms_cursor_parse(cursor, &again, &name_again, &err) == 0);
    check(again == number && strcmp(name, name_again) == 0);
    free(name_again);
    free(cursor);
    free(name);
}

/* A column is of the declared type or null. */
static void fuzz_columns(const char *body, size_t len)
{
    struct buf scratch = {0};
    for (int type = VALUE_BOOL; type <= VALUE_STRING; type++) {
        struct value v = coredms_column(body, len, "a", (enum value_type)type, &scratch);
        check(v.type == VALUE_NULL || v.type == (enum value_type)type);
        check(v.type != VALUE_STRING || v.len <= len);
    }
    buf_free(&scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = mem_strndup((const char *)data, size);
    fuzz_cursor(text);
    fuzz_columns((const char *)data, size);
    free(text);
    return 0;
}
