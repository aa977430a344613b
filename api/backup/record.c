#include "api/backup/record.h"

#include "base/base64.h"
#include "base/json.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

enum field_kind {
    FIELD_INT,    /* int64_t */
    FIELD_COUNT,  /* uint64_t, at most INT64_MAX */
    FIELD_BITS,   /* uint64_t, written as the int64 of the same bits */
    FIELD_SMALL,  /* uint32_t */
    FIELD_FLAG,   /* bool */
    FIELD_TEXT,   /* char *, no NULs */
    FIELD_NULL,   /* char *, may be null */
    FIELD_CHOICE, /* an enum, by its name */
    FIELD_DATA    /* struct buf, base64 */
};

struct field {
    const char *name;
    enum field_kind kind;
    size_t offset;
    const char *const *names; /* of FIELD_CHOICE, ends with NULL */
};

static const char *const tenant_states[] = {"creating", "running", "paused", "removing", NULL};
static const char *const run_states[] = {"queued", "running", "done", "failed", "skipped", NULL};
static const char *const run_causes[] = {"on-demand", "trigger", "schedule", NULL};
static const char *const skip_reasons[] = {"poison", "overtaken", "gap", "new-log", NULL};

#define AT(member) offsetof(struct record, member)
#define FIELD(name, kind, member)                                                                                      \
    {                                                                                                                  \
        name, kind, AT(member), NULL                                                                                   \
    }
#define CHOICE(name, member, list)                                                                                     \
    {                                                                                                                  \
        name, FIELD_CHOICE, AT(member), list                                                                           \
    }
#define END                                                                                                            \
    {                                                                                                                  \
        NULL, FIELD_INT, 0, NULL                                                                                       \
    }
#define RUN_FIELDS                                                                                                     \
    FIELD("run", FIELD_TEXT, run.id), FIELD("job", FIELD_TEXT, run.job), CHOICE("cause", run.cause, run_causes),       \
        CHOICE("state", run.state, run_states), FIELD("generation", FIELD_COUNT, run.generation),                      \
        FIELD("version", FIELD_SMALL, run.version), FIELD("from", FIELD_INT, run.from),                                \
        FIELD("to", FIELD_INT, run.to), FIELD("after_number", FIELD_INT, run.after_number),                            \
        FIELD("wait_until_ms", FIELD_INT, run.wait_until_ms), FIELD("created_ms", FIELD_INT, run.created_ms),          \
        FIELD("started_ms", FIELD_INT, run.started_ms), FIELD("ended_ms", FIELD_INT, run.ended_ms),                    \
        FIELD("complete", FIELD_FLAG, run.complete), FIELD("published", FIELD_FLAG, run.published),                    \
        FIELD("row_count", FIELD_INT, run.row_count), FIELD("request", FIELD_NULL, run.request),                       \
        FIELD("error", FIELD_NULL, run.error)

static const struct field backup_fields[] = {
    FIELD("format", FIELD_TEXT, format), FIELD("version", FIELD_COUNT, format_version),
    FIELD("created_ms", FIELD_INT, created_ms), FIELD("belltower", FIELD_TEXT, belltower), END};
static const struct field tenant_fields[] = {FIELD("tenant", FIELD_TEXT, tenant.tenant),
                                             FIELD("title", FIELD_NULL, tenant.title),
                                             CHOICE("state", tenant.state, tenant_states),
                                             FIELD("generation", FIELD_COUNT, tenant.generation),
                                             FIELD("version", FIELD_SMALL, tenant.version),
                                             FIELD("published", FIELD_COUNT, published),
                                             FIELD("token_hash", FIELD_NULL, tenant.token_hash),
                                             FIELD("created_ms", FIELD_INT, tenant.created_ms),
                                             FIELD("changed_ms", FIELD_INT, tenant.changed_ms),
                                             FIELD("rewind_generation", FIELD_COUNT, tenant.rewind.generation),
                                             FIELD("rewind_to_ms", FIELD_INT, tenant.rewind.to_ms),
                                             FIELD("rewind_to_offset", FIELD_INT, tenant.rewind.to_offset),
                                             FIELD("rewind_base_epoch", FIELD_COUNT, tenant.rewind.base_epoch),
                                             FIELD("rewind_base_number", FIELD_COUNT, tenant.rewind.base_number),
                                             FIELD("rewind_version", FIELD_SMALL, tenant.rewind.version),
                                             FIELD("rewind_at_ms", FIELD_INT, tenant.rewind.at_ms),
                                             FIELD("rewind_log_generation", FIELD_COUNT, tenant.rewind.log_generation),
                                             FIELD("rewind_published", FIELD_FLAG, tenant.rewind.published),
                                             END};
static const struct field app_fields[] = {FIELD("version", FIELD_COUNT, version), FIELD("text", FIELD_DATA, data), END};
static const struct field request_fields[] = {RUN_FIELDS, END};
static const struct field checkpoint_fields[] = {FIELD("kept", FIELD_FLAG, kept),
                                                 FIELD("state_epoch", FIELD_COUNT, head.state_epoch),
                                                 FIELD("number", FIELD_COUNT, head.number),
                                                 FIELD("generation", FIELD_COUNT, head.generation),
                                                 FIELD("bytes", FIELD_COUNT, head.bytes),
                                                 FIELD("offset", FIELD_INT, head.offset),
                                                 FIELD("message_hash", FIELD_BITS, head.message_hash),
                                                 FIELD("saved_ms", FIELD_INT, head.saved_ms),
                                                 FIELD("info", FIELD_TEXT, head.info),
                                                 END};
static const struct field data_fields[] = {FIELD("data", FIELD_DATA, data), END};
static const struct field skip_fields[] = {FIELD("generation", FIELD_COUNT, skip.generation),
                                           FIELD("from", FIELD_INT, skip.from),
                                           FIELD("to", FIELD_INT, skip.to),
                                           CHOICE("reason", skip.reason, skip_reasons),
                                           FIELD("at_ms", FIELD_INT, skip.at_ms),
                                           END};
static const struct field schedule_fields[] = {FIELD("job", FIELD_TEXT, job), FIELD("latest_to", FIELD_INT, latest_to),
                                               END};
static const struct field source_fields[] = {
    FIELD("generation", FIELD_COUNT, source.generation), FIELD("offset", FIELD_INT, source.offset),
    FIELD("number", FIELD_INT, source.number), FIELD("stored_ms", FIELD_INT, source.stored_ms), END};
static const struct field result_fields[] = {FIELD("stream", FIELD_TEXT, result.stream),
                                             FIELD("key", FIELD_TEXT, result.key),
                                             FIELD("window_start", FIELD_INT, result.window_start),
                                             FIELD("window_end", FIELD_INT, result.window_end),
                                             FIELD("generation", FIELD_COUNT, result.generation),
                                             FIELD("revision", FIELD_SMALL, result.revision),
                                             FIELD("number", FIELD_INT, result.number),
                                             FIELD("first_offset", FIELD_INT, result.first_offset),
                                             FIELD("last_offset", FIELD_INT, result.last_offset),
                                             FIELD("withdrawn", FIELD_FLAG, result.withdrawn),
                                             FIELD("body", FIELD_TEXT, result.body),
                                             END};
static const struct field run_fields[] = {RUN_FIELDS, FIELD("report_bytes", FIELD_COUNT, report_bytes), END};
static const struct field end_fields[] = {FIELD("tenant", FIELD_TEXT, name), FIELD("records", FIELD_COUNT, records),
                                          FIELD("sha256", FIELD_TEXT, checksum), END};
static const struct field left_out_fields[] = {FIELD("tenant", FIELD_TEXT, name), FIELD("reason", FIELD_TEXT, reason),
                                               END};
static const struct field complete_fields[] = {FIELD("tenants", FIELD_COUNT, tenants),
                                               FIELD("sha256", FIELD_TEXT, checksum), END};

static const struct {
    const char *name;
    const struct field *fields;
} types[RECORD_TYPE_COUNT] = {
    [RECORD_BACKUP] = {"backup", backup_fields},
    [RECORD_TENANT] = {"tenant", tenant_fields},
    [RECORD_APP] = {"app", app_fields},
    [RECORD_REQUEST] = {"request", request_fields},
    [RECORD_CHECKPOINT] = {"checkpoint", checkpoint_fields},
    [RECORD_CHUNK] = {"chunk", data_fields},
    [RECORD_SKIP] = {"skip", skip_fields},
    [RECORD_SCHEDULE] = {"schedule", schedule_fields},
    [RECORD_SOURCE] = {"source", source_fields},
    [RECORD_RESULT] = {"result", result_fields},
    [RECORD_RUN] = {"run", run_fields},
    [RECORD_REPORT] = {"report", data_fields},
    [RECORD_END] = {"end", end_fields},
    [RECORD_LEFT_OUT] = {"left-out", left_out_fields},
    [RECORD_COMPLETE] = {"complete", complete_fields},
};

const char *record_type_name(enum record_type type)
{
    return types[type].name;
}

static void *member(struct record *r, const struct field *f)
{
    return (char *)r + f->offset;
}

static const void *member_of(const struct record *r, const struct field *f)
{
    return (const char *)r + f->offset;
}

/* Every text and buffer is in the table of some type, so that all are freed by walking it; a member that two types
 * share is NULL at the second time. */
void record_free(struct record *r)
{
    for (int type = 0; type < RECORD_TYPE_COUNT; type++)
        for (const struct field *f = types[type].fields; f->name; f++) {
            if (f->kind != FIELD_TEXT && f->kind != FIELD_NULL)
                continue;
            char **text = member(r, f);
            free(*text);
            *text = NULL;
        }
    buf_free(&r->data);
    *r = (struct record){0};
}

/* ---- writing ---- */

static void write_field(const struct record *r, const struct field *f, struct buf *out)
{
    const void *p = member_of(r, f);
    switch (f->kind) {
    case FIELD_INT:
    case FIELD_BITS:
        json_w_int(out, *(const int64_t *)p);
        break;
    case FIELD_COUNT:
        json_w_uint(out, *(const uint64_t *)p);
        break;
    case FIELD_SMALL:
        json_w_uint(out, *(const uint32_t *)p);
        break;
    case FIELD_FLAG:
        json_w_bool(out, *(const bool *)p);
        break;
    case FIELD_TEXT:
    case FIELD_NULL:
        json_w_str(out, *(char *const *)p);
        break;
    case FIELD_CHOICE:
        json_w_str(out, f->names[*(const unsigned *)p]);
        break;
    case FIELD_DATA:
        buf_add_char(out, '"');
        base64_encode(((const struct buf *)p)->data, ((const struct buf *)p)->len, out);
        buf_add_char(out, '"');
        break;
    }
}

void record_write(const struct record *r, struct buf *out)
{
    json_w_open(out, '{');
    json_w_name(out, "type");
    json_w_str(out, types[r->type].name);
    for (const struct field *f = types[r->type].fields; f->name; f++) {
        json_w_name(out, f->name);
        write_field(r, f, out);
    }
    json_w_close(out, '}');
    buf_add_char(out, '\n');
}

/* ---- reading ---- */

static bool read_choice(const struct field *f, const struct buf *text, unsigned *choice)
{
    for (unsigned i = 0; f->names[i]; i++)
        if (strlen(f->names[i]) == text->len && memcmp(f->names[i], text->data, text->len) == 0) {
            *choice = i;
            return true;
        }
    return false;
}

/* The string token's content in `text`. */
static bool read_text(const struct field *f, const struct buf *text, void *p)
{
    if (f->kind == FIELD_CHOICE)
        return read_choice(f, text, p);
    if (f->kind == FIELD_DATA)
        return text->len <= BACKUP_LINE_BYTES && base64_decode(text->data ? text->data : "", text->len, p);
    if (memchr(text->data ? text->data : "", 0, text->len))
        return false;
    *(char **)p = mem_strndup(text->data ? text->data : "", text->len);
    return true;
}

static bool read_number(const struct field *f, const char *token, size_t len, void *p)
{
    int64_t i;
    if (!json_int(token, len, &i))
        return false;
    switch (f->kind) {
    case FIELD_INT:
    case FIELD_BITS:
        *(int64_t *)p = i;
        return true;
    case FIELD_COUNT:
        *(uint64_t *)p = (uint64_t)i;
        return i >= 0;
    case FIELD_SMALL:
        *(uint32_t *)p = (uint32_t)i;
        return i >= 0 && i <= UINT32_MAX;
    default:
        return false;
    }
}

static bool is_textual(enum field_kind kind)
{
    return kind == FIELD_TEXT || kind == FIELD_NULL || kind == FIELD_CHOICE || kind == FIELD_DATA;
}

static bool read_string_value(struct json *j, const struct field *f, void *p)
{
    const char *raw;
    size_t len;
    bool escaped;
    struct buf text = {0};
    if (!json_string(j, &raw, &len, &escaped))
        return false;
    char *to = buf_reserve(&text, len + 1);
    if (escaped)
        text.len = json_unescape(raw, len, to);
    else
        buf_add(&text, raw, len);
    bool good = read_text(f, &text, p);
    buf_free(&text);
    return good;
}

static bool read_value(struct json *j, const struct field *f, void *p)
{
    const char *from;
    enum json_type type = json_peek(j);
    if (type == JSON_STRING)
        return is_textual(f->kind) && read_string_value(j, f, p);
    if (!json_skip(j, &from))
        return false;
    if (type == JSON_NULL)
        return f->kind == FIELD_NULL;
    if (type == JSON_TRUE || type == JSON_FALSE) {
        if (f->kind == FIELD_FLAG)
            *(bool *)p = type == JSON_TRUE;
        return f->kind == FIELD_FLAG;
    }
    return type == JSON_NUMBER && read_number(f, from, (size_t)(j->at - from), p);
}

static bool find_type(const char *line, size_t len, enum record_type *type)
{
    struct buf name = {0};
    bool found = false;
    if (json_get_string(line, len, "type", &name))
        for (int i = 0; i < RECORD_TYPE_COUNT && !found; i++)
            if (strcmp(types[i].name, buf_cstr(&name)) == 0 && strlen(types[i].name) == name.len) {
                *type = (enum record_type)i;
                found = true;
            }
    buf_free(&name);
    return found;
}

static const struct field *find_field(enum record_type type, const char *name, size_t len)
{
    for (const struct field *f = types[type].fields; f->name; f++)
        if (json_name_is(name, len, f->name))
            return f;
    return NULL;
}

static int read_fields(struct json *j, struct record *r, struct err *err)
{
    const char *name, *ignored;
    size_t len;
    bool first = true;
    uint64_t seen = 0;
    const struct field *fields = types[r->type].fields;
    json_enter(j, '{');
    while (json_next(j, &first, &name, &len)) {
        if (json_name_is(name, len, "type")) {
            if (!json_skip(j, &ignored))
                break;
            continue;
        }
        const struct field *f = find_field(r->type, name, len);
        uint64_t bit = f ? UINT64_C(1) << (f - fields) : 0;
        if (!f || (seen & bit))
            return err_set(err, ERR_INVALID, "a %s record has %s field %.*s", types[r->type].name,
                           f ? "twice the" : "the unknown", len < 60 ? (int)len : 60, name);
        seen |= bit;
        if (!read_value(j, f, member(r, f)))
            return err_set(err, ERR_INVALID, "a %s record: %s is not what it must be", types[r->type].name, f->name);
    }
    for (const struct field *f = fields; f->name; f++)
        if (!(seen & UINT64_C(1) << (f - fields)))
            return err_set(err, ERR_INVALID, "a %s record has no %s", types[r->type].name, f->name);
    r->result.body_len = r->result.body ? strlen(r->result.body) : 0;
    return 0;
}

int record_read(const char *line, size_t len, struct record *r, struct err *err)
{
    struct json j = json_begin(line, len);
    const char *why = "it is no object";
    *r = (struct record){0};
    if (json_peek(&j) != JSON_OBJECT || !json_valid(line, len, &why))
        return err_set(err, ERR_INVALID, "a line is no record: %s", why ? why : "it is no object");
    if (!find_type(line, len, &r->type))
        return err_set(err, ERR_INVALID, "a record of no known type");
    if (read_fields(&j, r, err) == 0)
        return 0;
    record_free(r);
    return -1;
}
