#include "api/routes.h"

#define YAML     "application/yaml text/yaml application/x-yaml text/plain application/octet-stream"
#define JSON     "application/json"
#define JSON_CSV "application/json text/csv"
#define NDJSON   "application/x-ndjson"
#define UPLOAD   "application/json application/x-ndjson text/csv"
#define PARAMETERS(...)                                                                                                \
    (const struct route_parameter[])                                                                                   \
    {                                                                                                                  \
        __VA_ARGS__,                                                                                                   \
        {                                                                                                              \
            0                                                                                                          \
        }                                                                                                              \
    }
#define ANSWERS(...)                                                                                                   \
    (const struct route_answer[])                                                                                      \
    {                                                                                                                  \
        __VA_ARGS__,                                                                                                   \
        {                                                                                                              \
            0                                                                                                          \
        }                                                                                                              \
    }
#define ROW(row_name, row_method, row_pattern, row_who, ...)                                                           \
    {                                                                                                                  \
        .name = #row_name, .handler = handle_##row_name, .method = row_method, .pattern = row_pattern, .who = row_who, \
        __VA_ARGS__                                                                                                    \
    }

#define DRY_RUN                                                                                                        \
    {                                                                                                                  \
        "dry_run", "query", "boolean", "only check: nothing is changed"                                                \
    }
#define LIMIT                                                                                                          \
    {                                                                                                                  \
        "limit", "query", "integer", "so many at most"                                                                 \
    }
#define CURSOR                                                                                                         \
    {                                                                                                                  \
        "cursor", "query", "string", "what `next` of the page before said"                                             \
    }

const struct route routes[] = {
    ROW(tenants_add, "POST", "/v1/tenants", WHO_PLATFORM,
        .summary =
            "Onboard a tenant: the body is its app file. Registry, broker objects and user, workers. The token and "
            "the broker credentials are answered once",
        .takes = YAML, .parameters = PARAMETERS(DRY_RUN),
        .answers = ANSWERS({201, JSON, "onboarded; `Location` is the tenant"}, {200, JSON, "dry run: it is valid"})),
    ROW(tenants_list, "GET", "/v1/tenants", WHO_PLATFORM,
        .summary = "All tenants with their states; how many messages found no queue",
        .parameters = PARAMETERS(LIMIT, CURSOR), .answers = ANSWERS({200, JSON, "the tenants by name"})),
    ROW(tenant_show, "GET", "/v1/tenants/{tenant}", WHO_TENANT,
        .summary =
            "One tenant: desired and actual state, workers, lag, watermark, counters, open windows, commonest dead "
            "letters with an example",
        .answers = ANSWERS({200, JSON, "the tenant"})),
    ROW(tenant_remove, "DELETE", "/v1/tenants/{tenant}", WHO_PLATFORM,
        .summary = "Remove a tenant: its workers end, its broker objects and data go",
        .parameters = PARAMETERS({"keep_data", "query", "boolean", "results, runs and reports stay in the store"}),
        .answers = ANSWERS({204, "", "removed"}, {202, JSON, "its workers take their time; it goes on by itself"})),
    ROW(app_show, "GET", "/v1/tenants/{tenant}/app", WHO_TENANT, .summary = "The app file, with its version as ETag",
        .parameters = PARAMETERS({"version", "query", "integer", "an earlier version"},
                                 {"If-None-Match", "header", "string", "304 if it is still this ETag"}),
        .answers = ANSWERS({200, "application/yaml", "the file"}, {304, "", "not changed"})),
    ROW(app_put, "PUT", "/v1/tenants/{tenant}/app", WHO_TENANT,
        .summary =
            "Replace the app file: a new version, which takes effect at its place in the log. The same text again "
            "changes nothing",
        .takes = YAML,
        .parameters =
            PARAMETERS(DRY_RUN, {"If-Match", "header", "string", "only if the present version has this ETag"}),
        .answers =
            ANSWERS({200, JSON, "the version now, in the log; with dry_run `plan`: what is kept, begins anew, ends"},
                    {202, JSON, "the version is kept, and goes into the log when the broker is back"})),
    ROW(tenant_pause, "POST", "/v1/tenants/{tenant}/pause", WHO_TENANT,
        .summary = "Stop its workers; events go on being taken into the log",
        .answers = ANSWERS({200, JSON, "its state"})),
    ROW(tenant_resume, "POST", "/v1/tenants/{tenant}/resume", WHO_TENANT,
        .summary = "Start its workers again, parked ones too",
        .parameters = PARAMETERS({"skip", "query", "boolean",
                                  "pass over what is lost of the log (overtaken by retention, a gap, a log made anew): "
                                  "written down, and left out from then on"},
                                 {"anew", "query", "boolean",
                                  "begin anew what is missing of its checkpoint and its history in the store; it must "
                                  "be paused. `begun` in the answer says which"}),
        .answers = ANSWERS({200, JSON, "its state"})),
    ROW(tenant_rewind, "POST", "/v1/tenants/{tenant}/rewind", WHO_TENANT,
        .summary = "Read the retained log again under the present app: {\"to\": TIME or OFFSET}. Results of windows "
                   "that start "
                   "at or after it are given again under the same ids with a higher generation; those that no longer "
                   "exist are "
                   "withdrawn",
        .takes = JSON, .answers = ANSWERS({202, JSON, "its new generation; where reading begins"})),
    ROW(tenant_token, "POST", "/v1/tenants/{tenant}/token", WHO_TENANT,
        .summary = "A new token, answered once; the old one is void", .answers = ANSWERS({200, JSON, "the token"})),
    ROW(tenant_credentials, "POST", "/v1/tenants/{tenant}/credentials", WHO_TENANT,
        .summary =
            "Provision it again: its broker objects, users and permissions are as they must be, and the password "
            "of its broker user is a new one, answered once",
        .answers = ANSWERS({200, JSON, "the broker credentials"})),
    ROW(tenant_backup, "GET", "/v1/tenants/{tenant}/backup", WHO_PLATFORM,
        .summary = "A backup of one tenant, made while it runs: its app, checkpoints, results, runs and reports",
        .answers = ANSWERS({200, NDJSON, "the backup; its last line says that it is whole"})),
    ROW(backup, "GET", "/v1/backup", WHO_PLATFORM,
        .summary = "A backup of all tenants, made while they run. One that cannot be saved is left out: a `left-out` "
                   "record in it has the reason",
        .answers = ANSWERS({200, NDJSON, "the backup; its last line says that it is whole"})),
    ROW(restore, "POST", "/v1/restore", WHO_PLATFORM,
        .summary =
            "Put back the tenants of a backup, each whole or not at all. They go on from their checkpoints in the "
            "log; their broker credentials are new and answered once",
        .takes = NDJSON,
        .parameters = PARAMETERS({"skip", "query", "boolean",
                                  "pass over what is lost of the log, e.g. one that was made anew: written down, and "
                                  "left out from then on"}),
        .answers = ANSWERS({200, JSON, "`tenants`: what became of each; one that is there already stays as it is"})),
    ROW(events_upload, "POST", "/v1/tenants/{tenant}/events", WHO_TENANT,
        .summary =
            "Upload events as JSON (an object, several, or an array), newline-delimited JSON or CSV with a header "
            "row. Answered when the broker has confirmed: how many were accepted, and what was rejected, with line "
            "and reason. With an Idempotency-Key the same upload again counts nothing twice",
        .takes = UPLOAD,
        .parameters = PARAMETERS({"end", "query", "boolean", "the data ends with it: all open windows close"},
                                 {"Idempotency-Key", "header", "string", "[A-Za-z0-9._-]{1,57}"}),
        .answers = ANSWERS({200, JSON, "accepted, rejected, the first 100 errors"})),
    ROW(events_end, "POST", "/v1/tenants/{tenant}/events/end", WHO_TENANT,
        .summary = "End the data: all open windows close", .answers = ANSWERS({200, JSON, "it is in the log"})),
    ROW(events_time, "POST", "/v1/tenants/{tenant}/events/time", WHO_TENANT,
        .summary = "Set the highest event time, after a false one got in: {\"highest\": TIME}", .takes = JSON,
        .answers = ANSWERS({200, JSON, "it is in the log"})),
    ROW(results_list, "GET", "/v1/tenants/{tenant}/results", WHO_TENANT,
        .summary =
            "Stored results by the start of their windows. Other parameters are values of the stream's key fields",
        .parameters = PARAMETERS(
            {"stream", "query", "string", "of this stream, also of one that the app has no longer; all if missing"},
            {"from", "query", "string", "windows that start at or after it (RFC 3339)"},
            {"to", "query", "string", "windows that start before it (RFC 3339)"},
            {"ids", "query", "boolean", "each row has its `message_id`, which `belltower explain` takes"}, LIMIT,
            CURSOR),
        .any_query = true, .answers = ANSWERS({200, JSON_CSV, "`results`, and `next` if there are more"})),
    ROW(jobs_list, "GET", "/v1/tenants/{tenant}/jobs", WHO_TENANT, .summary = "The jobs of its app",
        .answers = ANSWERS({200, JSON, "the jobs"})),
    ROW(runs_start, "POST", "/v1/tenants/{tenant}/jobs/{job}/runs", WHO_TENANT,
        .summary =
            "Run a job on demand: an optional JSON body (or the query) with `range`, or `from` and `to`, and `until`",
        .takes = JSON,
        .parameters =
            PARAMETERS({"range", "query", "string", "so far back, e.g. 12h"},
                       {"from", "query", "string", "windows that start at or after it (RFC 3339)"},
                       {"to", "query", "string", "windows that start before it (RFC 3339)"},
                       {"until", "query", "string", "what the range is counted back from (RFC 3339)"},
                       {"wait", "query", "string",
                        "wait so long for the report, e.g. 30s; at most 60s. Where 16 calls of the tenant wait "
                        "already, or 64 in all, the run is answered at once, with `Retry-After`"},
                       {"Idempotency-Key", "header", "string", "the run's id: the same again gives the same run"}),
        .answers = ANSWERS({202, JSON, "the run; `Location` is where it can be watched"},
                           {200, JSON_CSV, "with wait: the report itself"})),
    ROW(runs_list, "GET", "/v1/tenants/{tenant}/runs", WHO_TENANT, .summary = "Runs, newest first",
        .parameters = PARAMETERS(
            {"job", "query", "string", "of this job"}, {"cause", "query", "string", "on-demand, trigger or schedule"},
            {"state", "query", "string", "requested, queued, running, done, failed or skipped"}, LIMIT, CURSOR),
        .answers = ANSWERS({200, JSON, "`runs`, and `next` if there are more"})),
    ROW(run_show, "GET", "/v1/tenants/{tenant}/runs/{run}", WHO_TENANT, .summary = "One run",
        .answers = ANSWERS({200, JSON, "the run"})),
    ROW(run_report, "GET", "/v1/tenants/{tenant}/runs/{run}/report", WHO_TENANT,
        .summary = "The report of a run; 409 while it is not done", .answers = ANSWERS({200, JSON_CSV, "the report"})),
    ROW(triggers_list, "GET", "/v1/tenants/{tenant}/triggers", WHO_TENANT, .summary = "What fired, newest first",
        .parameters = PARAMETERS({"job", "query", "string", "that started this job"}, LIMIT, CURSOR),
        .answers = ANSWERS({200, JSON, "`triggers`, and `next` if there are more"})),
    ROW(dead_letters_list, "GET", "/v1/tenants/{tenant}/dead-letters", WHO_TENANT,
        .summary = "What was set aside, newest first, with reasons",
        .parameters = PARAMETERS({"reason", "query", "string", "of this reason"}, LIMIT),
        .answers = ANSWERS({200, JSON, "`dead_letters`"})),
    ROW(openapi, "GET", "/v1/openapi.json", WHO_ANYONE, .summary = "This contract as OpenAPI 3.1",
        .answers = ANSWERS({200, JSON, "the contract"})),
    ROW(problem_page, "GET", "/v1/problems/{kind}", WHO_ANYONE,
        .summary = "What a type of problem means, and what to do", .answers = ANSWERS({200, "text/plain", "in words"})),
    ROW(version, "GET", "/version", WHO_ANYONE, .summary = "The version",
        .answers = ANSWERS({200, JSON, "the version"})),
    ROW(version, "GET", "/v1/version", WHO_ANYONE, .summary = "The version",
        .answers = ANSWERS({200, JSON, "the version"})),
    ROW(healthz, "GET", "/healthz", WHO_ANYONE, .summary = "Alive", .answers = ANSWERS({200, "text/plain", "ok"})),
    ROW(readyz, "GET", "/readyz", WHO_ANYONE,
        .summary = "Ready: broker, store and supervisor, one line each; 503 if one is away",
        .answers = ANSWERS({200, "text/plain", "all are there"})),
    ROW(healthz, "GET", "/-/healthy", WHO_ANYONE, .summary = "The same as /healthz, by Prometheus' name",
        .answers = ANSWERS({200, "text/plain", "ok"})),
    ROW(readyz, "GET", "/-/ready", WHO_ANYONE, .summary = "The same as /readyz, by Prometheus' name",
        .answers = ANSWERS({200, "text/plain", "all are there"})),
    ROW(metrics, "GET", "/metrics", WHO_ANYONE, .summary = "Metrics for Prometheus",
        .answers = ANSWERS({200, "text/plain", "exposition format 0.0.4"})),
    ROW(dashboard, "GET", "/", WHO_ANYONE, .summary = "The dashboard; it asks for a token",
        .answers = ANSWERS({200, "text/html", "a page"})),
};
const size_t route_count = sizeof routes / sizeof *routes;
