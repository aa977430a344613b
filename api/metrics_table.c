#include "api/metrics_table.h"

#define FAMILY_ROW(id, name, type, labels, by, help) [id] = {name, type, labels, by, help},
const struct family families[METRIC_FAMILY_COUNT] = {METRIC_FAMILIES(FAMILY_ROW)};

/* In a help: backslash and line feed escaped; in a label's value the quote too. */
static void escaped(struct buf *out, const char *text, bool quote)
{
    for (; *text; text++) {
        if (*text == '\\' || (quote && *text == '"'))
            buf_add_char(out, '\\');
        if (*text == '\n')
            buf_add_str(out, "\\n");
        else
            buf_add_char(out, *text);
    }
}

static void header(struct buf *out, const struct family *f)
{
    buf_printf(out, "# HELP %s ", f->name);
    escaped(out, f->help, false);
    buf_printf(out, "\n# TYPE %s %s\n", f->name, f->type);
}

static struct family of_slot(enum metric_slot slot)
{
    const struct metric *m = &metrics[slot];
    return (struct family){m->name, m->kind == COUNTER ? "counter" : "gauge", "tenant", role_name((int)m->role),
                           m->help};
}

void family_header(struct buf *out, enum metric_family family)
{
    header(out, &families[family]);
}

void slot_header(struct buf *out, enum metric_slot slot)
{
    const struct family f = of_slot(slot);
    header(out, &f);
}

void metrics_label(struct buf *out, const char *name, const char *value)
{
    buf_printf(out, "%s%s=\"", out->data[out->len - 1] == '{' ? "" : ",", name);
    escaped(out, value, true);
    buf_add_char(out, '"');
}

/* ---- docs/metrics.md ---- */

static void markdown_labels(struct buf *out, const char *labels)
{
    if (!*labels)
        return;
    buf_add_char(out, '`');
    for (; *labels; labels++)
        if (*labels == ' ')
            buf_add_str(out, "`, `");
        else
            buf_add_char(out, *labels);
    buf_add_char(out, '`');
}

static void markdown_row(struct buf *out, const struct family *f)
{
    buf_printf(out, "| `%s` | %s | ", f->name, f->type);
    markdown_labels(out, f->labels);
    buf_printf(out, " | %s | %s |\n", f->by, f->help);
}

void metrics_markdown(struct buf *out)
{
    buf_add_str(out, "# Metrics\n\nWhat `/metrics` says (Prometheus' text format, no token). The numbers of stream and "
                     "batch workers come from their status pages: a hung or dead worker still shows its last "
                     "state. This page is generated.\n\n"
                     "| metric | type | labels | said by | what |\n|---|---|---|---|---|\n");
    for (int i = 0; i < METRIC_COUNT; i++) {
        const struct family f = of_slot((enum metric_slot)i);
        markdown_row(out, &f);
    }
    for (int i = 0; i < METRIC_FAMILY_COUNT; i++)
        markdown_row(out, &families[i]);
}
