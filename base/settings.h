/* The platform's settings: one table makes the setting, its environment variable, its flag, its help and
 * docs/settings.md. Order of strength: flag, then environment, then belltower.yaml, then default. */
#ifndef BELLTOWER_BASE_SETTINGS_H
#define BELLTOWER_BASE_SETTINGS_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

/* who gets a setting in its environment: a worker never sees the administrator's address or the platform's token */
enum settings_for {
    FOR_SUPERVISOR = 1,
    FOR_API = 2,
    FOR_STREAM = 4,
    FOR_BATCH = 8,
    FOR_PROVISION = 16,
    FOR_COMMAND = 32
};
#define FOR_WORKERS (FOR_STREAM | FOR_BATCH)
#define FOR_ALL     (FOR_SUPERVISOR | FOR_API | FOR_WORKERS | FOR_PROVISION | FOR_COMMAND)

/* field, type (text or duration), name, default, for, help */
#define SETTINGS_TABLE(S)                                                                                              \
    S(listen, text, "listen", "127.0.0.1:8080", FOR_SUPERVISOR | FOR_API, "address of the REST API and the dashboard") \
    S(data, text, "data", "", FOR_ALL,                                                                                 \
      "directory of all data; default /var/lib/belltower for root, else ~/.local/share/belltower")                     \
    S(coredms, text, "coredms", "", FOR_ALL,                                                                           \
      "the store: sqlite:DIR or mongodb://...; default sqlite: in the data directory")                                 \
    S(broker, text, "broker", "amqp://127.0.0.1:5672/belltower", FOR_ALL,                                              \
      "RabbitMQ; several addresses separated by commas are tried in turn")                                             \
    S(management, text, "management", "http://127.0.0.1:15672", FOR_SUPERVISOR | FOR_PROVISION,                        \
      "RabbitMQ's management API, with the administrator's user and password (http://user:password@host:port; "        \
      "default guest)")                                                                                                \
    S(token, text, "token", "", FOR_SUPERVISOR | FOR_API | FOR_COMMAND,                                                \
      "the platform's token; made and kept in the data directory when unset")                                          \
    S(server, text, "server", "", FOR_COMMAND, "address of the API for the command; default: the listen address")      \
    S(log, text, "log_file", "", FOR_SUPERVISOR, "file to append the log to; default: standard error")                 \
    S(checkpoint_interval, duration, "checkpoint_interval", "1s", FOR_SUPERVISOR | FOR_STREAM,                         \
      "how often a stream worker saves its state")                                                                     \
    S(job_limit, duration, "job_limit", "10m", FOR_SUPERVISOR | FOR_BATCH, "how long one run of a job may take")       \
    S(retention_events, duration, "retention.events", "7d",                                                            \
      FOR_SUPERVISOR | FOR_PROVISION | FOR_STREAM | FOR_API | FOR_COMMAND, "how long the log of events is kept")       \
    S(retention_results, duration, "retention.results", "7d", FOR_SUPERVISOR | FOR_PROVISION | FOR_STREAM,             \
      "how long results stay in their queue")                                                                          \
    S(retention_reports, duration, "retention.reports", "7d", FOR_SUPERVISOR | FOR_PROVISION,                          \
      "how long reports stay in their queue")                                                                          \
    S(retention_dead, duration, "retention.dead", "2d", FOR_SUPERVISOR | FOR_PROVISION,                                \
      "how long dead letters stay in their queue")                                                                     \
    S(segment_bytes, text, "segment_bytes", "", FOR_SUPERVISOR | FOR_PROVISION,                                        \
      "size of a log segment; default: by the retention")

typedef const char *settings_text;
typedef int64_t settings_duration; /* ms */

struct settings {
#define SETTINGS_FIELD(field, type, name, def, who, help) settings_##type field;
    SETTINGS_TABLE(SETTINGS_FIELD)
#undef SETTINGS_FIELD
};

/* Reads them: takes known flags (--name VALUE, --name=VALUE, with - for . and _) out of argv (what is left stays, *argc
 * shrinks), the environment (BELLTOWER_NAME), the file --config or BELLTOWER_CONFIG or ./belltower.yaml or
 * /etc/belltower/belltower.yaml. Texts live until the process ends. ERR_INVALID names the setting and where it came
 * from. */
int settings_load(int *argc, char **argv, struct settings *s, struct err *err) MUSTCHECK;
/* "NAME=value" strings for the environment of a child of that kind; *count of them; the caller frees all. */
char **settings_environment(const struct settings *s, enum settings_for who, size_t *count);
/* The table as --help shows it, and as docs/settings.md. */
void settings_help(enum settings_for who, struct buf *out);
void settings_markdown(struct buf *out);
void settings_flags(enum settings_for who, struct buf *out); /* "--data --broker ", for a shell's completion */

/* Files under the data directory. */
void path_tenant(const struct settings *s, const char *tenant, const char *file, char *out,
                 size_t size); /* DATA/tenants/acme/FILE */
void path_data(const struct settings *s, const char *file, char *out, size_t size);

/* A broker user and password, kept in a file of mode 0600: written by belltower-provision, read by the process they are
 * for. */
struct credentials {
    char user[128], password[128];
};
int credentials_read(const char *path, struct credentials *c, struct err *err) MUSTCHECK;
int credentials_write(const char *path, const struct credentials *c, struct err *err) MUSTCHECK;

#endif
