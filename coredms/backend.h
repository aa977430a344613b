/* Inside of coredms/: what a store implements, and what the stores share. Nothing outside of coredms/ includes this.
 *
 * A backend's functions have the very types of coredms.h. coredms.c checks the arguments that come from outside (names,
 * limits, what the handle may write) before it calls them. */
#ifndef BELLTOWER_COREDMS_BACKEND_H
#define BELLTOWER_COREDMS_BACKEND_H

#include "coredms/coredms.h"

#define COREDMS_CALLS(CALL)                                                                                            \
    CALL(coredms_ping)                                                                                                 \
    CALL(coredms_block_ms)                                                                                             \
    CALL(coredms_inspect)                                                                                              \
    CALL(coredms_idle)                                                                                                 \
    CALL(registry_add)                                                                                                 \
    CALL(registry_get)                                                                                                 \
    CALL(registry_list)                                                                                                \
    CALL(registry_generation)                                                                                          \
    CALL(registry_set_state)                                                                                           \
    CALL(registry_set_token)                                                                                           \
    CALL(registry_add_app)                                                                                             \
    CALL(registry_get_app)                                                                                             \
    CALL(registry_app_published)                                                                                       \
    CALL(registry_app_unpublished)                                                                                     \
    CALL(registry_rewind)                                                                                              \
    CALL(registry_rewind_published)                                                                                    \
    CALL(registry_restore)                                                                                             \
    CALL(registry_drop)                                                                                                \
    CALL(coredms_purge)                                                                                                \
    CALL(checkpoint_raise)                                                                                             \
    CALL(checkpoint_head)                                                                                              \
    CALL(checkpoint_load)                                                                                              \
    CALL(checkpoint_save)                                                                                              \
    CALL(checkpoint_keep)                                                                                              \
    CALL(checkpoint_kept)                                                                                              \
    CALL(checkpoint_forget)                                                                                            \
    CALL(skip_add)                                                                                                     \
    CALL(skip_list)                                                                                                    \
    CALL(history_raise)                                                                                                \
    CALL(history_source)                                                                                               \
    CALL(history_put)                                                                                                  \
    CALL(history_withdraw)                                                                                             \
    CALL(history_query)                                                                                                \
    CALL(history_next_stream)                                                                                          \
    CALL(history_latest)                                                                                               \
    CALL(history_group)                                                                                                \
    CALL(history_expire)                                                                                               \
    CALL(run_insert)                                                                                                   \
    CALL(run_update)                                                                                                   \
    CALL(run_get)                                                                                                      \
    CALL(run_report)                                                                                                   \
    CALL(run_list)                                                                                                     \
    CALL(run_pending)                                                                                                  \
    CALL(run_last_scheduled)                                                                                           \
    CALL(request_add)                                                                                                  \
    CALL(request_get)                                                                                                  \
    CALL(request_list)                                                                                                 \
    CALL(request_drop)

#define COREDMS_BACKEND_VERSION 3 /* raised with every change of this struct or of a struct of coredms.h */

struct coredms_backend {
    unsigned version; /* first, so that a module of another build is told apart before anything else is read */
    int (*open)(const char *uri, const char *tenant, unsigned writes, struct coredms **db, struct err *err);
    void (*close)(struct coredms *db);
#define COREDMS_MEMBER(name) __typeof__(name) *name;
    COREDMS_CALLS(COREDMS_MEMBER)
#undef COREDMS_MEMBER
};

/* What an operator does about a tenant's data that is damaged or gone, once the tenant is paused; docs/operations.md
 * tells it step by step. */
#define COREDMS_MEND "put a good copy back, restore from a backup, or begin it anew; see docs/operations.md"

/* Each backend's handle begins with this. */
struct coredms {
    const struct coredms_backend *backend;
    char *tenant; /* NULL = registry alone */
    unsigned writes;
};

extern const struct coredms_backend coredms_sqlite_backend;
/* The symbol of that type which libbelltower-mongodb.so defines. */
#define COREDMS_MONGODB_SYMBOL "coredms_mongodb_backend"

/* Loads the module once per process; it stays loaded. */
int coredms_load_module(const struct coredms_backend **backend, struct err *err) MUSTCHECK;

/* A cursor: where a listing goes on, as opaque text of [0-9a-f] for URLs. free() */
char *coredms_cursor_text(int64_t number, const char *text);
/* Of what may come from anybody. *text NUL-terminated, the caller's to free. ERR_INVALID. */
int coredms_cursor_parse(const char *cursor, int64_t *number, char **text, struct err *err) MUSTCHECK;

/* What an aggregate gives, by its kind and its argument's type. */
enum value_type coredms_agg_type(const struct history_agg *agg);

#endif
