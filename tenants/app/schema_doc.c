#include "tenants/app/schema_doc.h"
#include "base/duration.h"
#include "tenants/app/schema.h"

#include <string.h>

static const char intro[] =
    "# The app file\n"
    "\n"
    "<!-- Made from the table in tenants/app/schema.c. Do not edit: `build/bin/app-doc > docs/app-file.md` writes it "
    "anew. "
    "-->\n"
    "\n"
    "A tenant's app is one YAML file: what its devices send, the windowed queries over it (streams), the rules on "
    "their results "
    "(triggers) and the reports (jobs). Complete, commented ones: [examples/acme/app.yaml](../examples/acme/app.yaml), "
    "[examples/globex/app.yaml](../examples/globex/app.yaml). `belltower check APP` answers all mistakes at once, with "
    "line and column, and runs "
    "the file's own tests.\n"
    "\n"
    "## Writing it\n"
    "- YAML in UTF-8, one document, at most 256 KiB and 32 levels deep. No anchors, aliases or tags; no key twice.\n"
    "- Unknown keys are mistakes.\n"
    "- A *duration* is written `250ms`, `30s`, `5m`, `1h30m`, `7d`; a *size* `65536`, `64KiB`, `1MiB`; a *number* is "
    "decimal, without leading zeros; "
    "a *bool* is `true` or `false`, nothing else.\n"
    "- An *expression* is written as plain text; [expressions.md](expressions.md) has the grammar.\n"
    "- Names of streams, triggers and jobs: `[a-z][a-z0-9_-]{0,63}`. Names of fields and columns: "
    "`[A-Za-z_][A-Za-z0-9_]{0,63}`, and none of "
    "`and or not in is null true false`.\n"
    "- A result has its key's fields and its selected columns, and says of itself `tenant_id`, `stream`, "
    "`window_start`, `window_end`, `revision`: "
    "no other column may have these names. In a report `time_period`, `tenant_id`, `job` and `run` are taken.\n";

struct section {
    const char *path, *title, *text;
};

static const struct section sections[] = {
    {"", "The whole file", ""},
    {"events", "`events`", ""},
    {"events.time", "`events.time`",
     "In a pattern, `%Y %m %d %H %M %S %f %z %Z %j %b %e %p %I %y %T %F %%` are known (`%f`: one to nine digits of a "
     "fraction; `%z`: `+02:00`, `+0200` "
     "or `Z`; `%Z`: `UTC`). Without `%z` a time is UTC. The whole text must match, the date must exist, years run from "
     "1970 to 9999; else the "
     "event is set aside as `bad-time`. `unix` and `unix_ms` take a number (`unix` may "
     "have a fraction, `unix_ms` is whole); in JSON a text of one is `wrong-type`.\n"},
    {"events.fields.*", "A field as a mapping",
     "`station_id: int` is short for `station_id: { type: int }`. `int` takes numbers whose value is whole and fits 64 "
     "bits (`121`, `121.0`, `1e3`), `float` any finite "
     "number, `bool` true or false, `string` a text; anything else sets the event aside as `wrong-type`.\n"},
    {"streams[]", "`streams`", "Each entry is a mapping:\n"},
    {"streams[].window", "`window` of a stream",
     "Either `{ tumbling: 5m }` or `{ sliding: 10m, every: 1m }`. An event belongs to each window that holds its "
     "time.\n"},
    {"triggers[]", "`triggers`",
     "Each entry is a mapping. A trigger fires at most once for a key and window. A `cooldown` that is not longer than "
     "the window has no effect, and is warned of.\n"},
    {"jobs[]", "`jobs`",
     "Each entry is a mapping. A job takes the results of the windows that begin in its time, each in its highest "
     "revision. `count` and `sum` over a stream with sliding "
     "windows are refused, as they would count each event several times; a window that does not divide the job's time "
     "is warned of. A job without `schedule` runs by a "
     "trigger or on demand.\n"},
    {"limits", "`limits`", ""},
    {"tests[]", "`tests`",
     "Each entry is a mapping. Each event is one message, and the data ends with an end tick, so that all windows "
     "close. Plain `true`, `false`, `null` and numbers are "
     "themselves, anything else is a text.\n"},
};

static void add_cell(struct buf *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '|')
            buf_add_char(out, '\\');
        buf_add_char(out, *text);
    }
}

static void add_limit(struct buf *out, const struct schema_row *row, int64_t n)
{
    char text[48];
    if (row->type == SCHEMA_SIZE)
        buf_printf(out, "%lld%s", (long long)(n >= 1 << 20 ? n >> 20 : n), n >= 1 << 20 ? "MiB" : "");
    else if (row->type == SCHEMA_INT)
        buf_printf(out, "%lld", (long long)n);
    else
        buf_add(out, text, duration_text(n, text));
}

static void add_type(struct buf *out, const struct schema_row *row)
{
    buf_add_str(out, row->words ? "one of" : schema_type_name(row->type));
    for (size_t i = 0; row->words && row->words[i]; i++)
        buf_printf(out, " `%s`", row->words[i]);
    bool ranged = row->type == SCHEMA_SIZE || row->type == SCHEMA_INT || row->type == SCHEMA_DURATION ||
                  row->type == SCHEMA_DURATION_OR_OFF;
    if (!ranged)
        return;
    buf_add_str(out, ", ");
    add_limit(out, row, row->min);
    buf_add_str(out, " to ");
    add_limit(out, row, row->max);
}

static void add_row(struct buf *out, const struct schema_row *row)
{
    buf_printf(out, "| `%s` | ", row->key);
    add_type(out, row);
    buf_add_str(out, " | ");
    if (row->required)
        buf_add_str(out, "required");
    else if (row->default_text)
        buf_printf(out, "`%s`", row->default_text);
    buf_add_str(out, " | ");
    add_cell(out, row->help);
    buf_add_str(out, " |\n");
}

void schema_doc(struct buf *out)
{
    buf_add_str(out, intro);
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++) {
        buf_printf(out, "\n## %s\n%s%s| key | type | default | |\n|---|---|---|---|\n", sections[i].title,
                   sections[i].text, *sections[i].text ? "\n" : "");
        for (size_t r = 0; r < schema_row_count; r++)
            if (!strcmp(schema_rows[r].in, sections[i].path))
                add_row(out, &schema_rows[r]);
    }
}
