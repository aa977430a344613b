/* The table of all calls, and what is made of it. */
#ifndef BELLTOWER_API_ROUTES_H
#define BELLTOWER_API_ROUTES_H

#include "api/router.h"

extern const struct route routes[];
extern const size_t route_count;

/* The handlers, in handlers/. */
route_handler handle_tenants_add, handle_tenants_list, handle_tenant_show, handle_tenant_remove, handle_tenant_pause,
    handle_tenant_resume, handle_tenant_rewind, handle_tenant_token, handle_tenant_credentials, handle_tenant_backup,
    handle_backup, handle_restore, handle_app_show, handle_app_put, handle_events_upload, handle_events_end,
    handle_events_time, handle_results_list, handle_jobs_list, handle_runs_start, handle_runs_list, handle_run_show,
    handle_run_report, handle_triggers_list, handle_dead_letters_list, handle_healthz, handle_readyz, handle_version,
    handle_metrics, handle_openapi, handle_problem_page, handle_dashboard;

#endif
