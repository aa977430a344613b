/* What the tests of the app loader share. */
#ifndef BELLTOWER_TENANTS_APP_TEST_APP_H
#define BELLTOWER_TENANTS_APP_TEST_APP_H

#include "base/files_fixture.h"
#include "tenants/app/app.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))

static inline struct app *load(const char *text, struct app_diags *diags)
{
    return app_load(text, strlen(text), NULL, diags);
}

static inline struct app *load_good(const char *text)
{
    struct app_diags diags;
    struct app *app = load(text, &diags);
    if (!app || diags.count) {
        struct buf out = {0};
        app_diags_text(&diags, "app.yaml", text, strlen(text), &out);
        fail_msg("%s", buf_cstr(&out));
    }
    app_diags_free(&diags);
    return app;
}

/* A small app, of which the cases below change one line. */
static const char base[] = "tenant: t\n"                                                          /* 1 */
                           "events:\n"                                                            /* 2 */
                           "  time: { field: at, format: unix }\n"                                /* 3 */
                           "  fields:\n"                                                          /* 4 */
                           "    id: int\n"                                                        /* 5 */
                           "    v: float\n"                                                       /* 6 */
                           "    s: { type: string, optional: true }\n"                            /* 7 */
                           "streams:\n"                                                           /* 8 */
                           "  - name: a\n"                                                        /* 9 */
                           "    where: v > 3\n"                                                   /* 10 */
                           "    key: [id]\n"                                                      /* 11 */
                           "    window: { tumbling: 5m }\n"                                       /* 12 */
                           "    select: { n: count(), top: max(v) }\n"                            /* 13 */
                           "triggers:\n"                                                          /* 14 */
                           "  - { name: t1, on: a, when: n > 3, cooldown: 10m, run: j }\n"        /* 15 */
                           "jobs:\n"                                                              /* 16 */
                           "  - name: j\n"                                                        /* 17 */
                           "    from: a\n"                                                        /* 18 */
                           "    range: 1h\n"                                                      /* 19 */
                           "    by: [id]\n"                                                       /* 20 */
                           "    select: { n: sum(n) }\n"                                          /* 21 */
                           "limits: { event: 1KiB }\n"                                            /* 22 */
                           "tests:\n"                                                             /* 23 */
                           "  - { name: one, events: [{ id: 1, v: 4 }], results: [{ n: 1 }] }\n"; /* 24 */

static inline void replace(struct buf *out, const char *old, const char *new)
{
    const char *at = strstr(base, old);
    if (!at)
        fail_msg("the base app has no \"%s\"", old);
    buf_add(out, base, (size_t)(at - base));
    buf_add_str(out, new);
    buf_add_str(out, at + strlen(old));
    buf_cstr(out);
}

#endif
