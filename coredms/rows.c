/* What the stores share: rows, cursors, columns of a body. */
#include "coredms/backend.h"

#include "base/json.h"
#include "base/mem.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void tenant_row_free(struct tenant_row *row)
{
    free(row->tenant);
    free(row->title);
    free(row->token_hash);
    *row = (struct tenant_row){0};
}

void checkpoint_head_free(struct checkpoint_head *head)
{
    free(head->info);
    *head = (struct checkpoint_head){0};
}

void checkpoint_heads_free(struct checkpoint_head *heads, size_t count)
{
    for (size_t i = 0; i < count; i++)
        checkpoint_head_free(&heads[i]);
    free(heads);
}

void checkpoint_info_int(const struct checkpoint_head *head, const char *name, int64_t *value)
{
    if (head->info)
        (void)json_get_int(head->info, strlen(head->info), name, value);
}

void run_row_free(struct run_row *row)
{
    free(row->tenant);
    free(row->id);
    free(row->job);
    free(row->request);
    free(row->error);
    *row = (struct run_row){0};
}

const char *run_state_name(int state)
{
    static const char *const names[RUN_STATE_COUNT] = {"queued", "running", "done", "failed", "skipped"};
    return state >= 0 && state < RUN_STATE_COUNT ? names[state] : "?";
}

const char *skip_reason_name(int reason)
{
    static const char *const names[SKIP_REASON_COUNT] = {"poison", "overtaken", "gap", "new-log"};
    return reason >= 0 && reason < SKIP_REASON_COUNT ? names[reason] : "?";
}

const char *run_cause_name(int cause)
{
    static const char *const names[] = {"on-demand", "trigger", "schedule"};
    return cause >= 0 && cause < 3 ? names[cause] : "?";
}

/* ---- cursors: "<number> <text>" in hex ---- */

char *coredms_cursor_text(int64_t number, const char *text)
{
    static const char digits[] = "0123456789abcdef";
    char *plain = mem_printf("%" PRId64 " %s", number, text);
    size_t len = strlen(plain);
    char *out = mem_alloc(2 * len + 1);
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)plain[i];
        out[2 * i] = digits[c >> 4];
        out[2 * i + 1] = digits[c & 15];
    }
    out[2 * len] = 0;
    free(plain);
    return out;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* false: not hex of non-zero bytes of valid UTF-8. */
static bool unhex(const char *hex, char *out)
{
    char *p = out;
    for (; hex[0]; hex += 2) {
        int high = hex_digit(hex[0]), low = high < 0 ? -1 : hex_digit(hex[1]);
        if (low < 0 || (high == 0 && low == 0))
            return false;
        *p++ = (char)(high << 4 | low);
    }
    *p = 0;
    return utf8_valid(out, (size_t)(p - out));
}

/* The whole text is one decimal number. */
static bool parse_number(const char *text, int64_t *number)
{
    char *end;
    size_t digits = strspn(text + (*text == '-'), "0123456789");
    if (digits == 0 || text[(*text == '-') + digits])
        return false;
    errno = 0;
    *number = strtoll(text, &end, 10);
    return errno == 0;
}

int coredms_cursor_parse(const char *cursor, int64_t *number, char **text, struct err *err)
{
    char *plain = mem_alloc(strlen(cursor) / 2 + 2);
    char *space = unhex(cursor, plain) ? strchr(plain, ' ') : NULL;
    if (space)
        *space = 0;
    if (!space || !parse_number(plain, number)) {
        free(plain);
        return err_set(err, ERR_INVALID, "cursor: not one of ours; leave it out to begin anew");
    }
    *text = mem_strdup(space + 1);
    free(plain);
    return 0;
}

/* ---- columns ---- */

static struct value number_column(const char *token, size_t len, enum value_type type)
{
    struct value v = {.type = type};
    if (type == VALUE_INT ? json_int(token, len, &v.i) : type == VALUE_FLOAT && json_float(token, len, &v.f))
        return v;
    return (struct value){.type = VALUE_NULL};
}

struct value coredms_column(const char *body, size_t len, const char *name, enum value_type type, struct buf *scratch)
{
    const char *token;
    size_t token_len;
    enum json_type found = json_find(body, len, name, &token, &token_len);
    if (found == JSON_NUMBER)
        return number_column(token, token_len, type);
    if (type == VALUE_BOOL && (found == JSON_TRUE || found == JSON_FALSE))
        return (struct value){.type = VALUE_BOOL, .b = found == JSON_TRUE};
    if (type != VALUE_STRING || found != JSON_STRING)
        return (struct value){.type = VALUE_NULL};
    buf_clear(scratch);
    scratch->len = json_unescape(token + 1, token_len - 2, buf_reserve(scratch, token_len));
    return (struct value){.type = VALUE_STRING, .s = scratch->data, .len = (uint32_t)scratch->len};
}

enum value_type coredms_agg_type(const struct history_agg *agg)
{
    if (agg->kind == AGG_COUNT)
        return VALUE_INT;
    return agg->kind == AGG_AVG ? VALUE_FLOAT : agg->type;
}

void run_row_copy(struct run_row *to, const struct run_row *from)
{
    *to = *from;
    to->tenant = mem_strdup(from->tenant);
    to->id = mem_strdup(from->id);
    to->job = mem_strdup(from->job);
    to->request = mem_strdup(from->request);
    to->error = mem_strdup(from->error);
}
