#include "batch/runner.h"

#include "base/clock.h"
#include "batch/query.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static const struct app_job *find_job(const struct app *app, const char *name)
{
    for (size_t i = 0; i < app->job_count; i++)
        if (strcmp(app->jobs[i].name, name) == 0)
            return &app->jobs[i];
    return NULL;
}

static int load_app(struct coredms *store, const char *tenant, uint32_t version, struct app **app, struct err *err)
{
    char *text;
    size_t len;
    uint32_t found;
    struct app_diags diags;
    if (registry_get_app(store, tenant, version, &text, &len, &found, err) < 0)
        return -1;
    *app = app_load(text, len, tenant, &diags);
    if (!*app)
        err_set(err, ERR_INVALID, "version %u of the app does not load any more: line %u: %s", version,
                diags.list[0].line, diags.list[0].message);
    app_diags_free(&diags);
    free(text);
    return *app ? 0 : -1;
}

static int compute(struct runner *r, struct coredms *store, struct err *err)
{
    struct app *app;
    if (load_app(store, r->tenant, r->run.version, &app, err) < 0)
        return -1;
    const struct app_job *job = find_job(app, r->run.job);
    int status = -1;
    if (!job) {
        err_set(err, ERR_NOT_FOUND, "version %u of the app has no job %s", r->run.version, r->run.job);
    } else {
        int64_t limit = job->limit != APP_OFF ? job->limit : r->settings->job_limit;
        struct query q = {.store = store,
                          .app = app,
                          .job = job,
                          .run = &r->run,
                          .deadline_mono_ms = clock_mono_ms() + limit,
                          .cancel = &r->cancel};
        status = query_report(&q, &r->report, err);
    }
    app_free(&app);
    return status;
}

static void *thread_main(void *context)
{
    struct runner *r = context;
    struct coredms *store = NULL;
    uint64_t one = 1;
    r->failed = coredms_open(r->settings->coredms, r->tenant, COREDMS_READS, &store, &r->err) < 0 ||
                compute(r, store, &r->err) < 0;
    coredms_close(&store);
    if (write(r->done_fd, &one, sizeof one) != (ssize_t)sizeof one)
        abort();
    return NULL;
}

int runner_open(struct runner *r, const struct settings *s, const char *tenant, struct err *err)
{
    *r = (struct runner){.settings = s, .tenant = tenant};
    r->done_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return r->done_fd < 0 ? err_set_errno(err, "cannot make an eventfd") : 0;
}

int runner_start(struct runner *r, const struct run_row *run, uint64_t op, struct err *err)
{
    sigset_t all, old;
    run_row_free(&r->run);
    run_row_copy(&r->run, run);
    buf_clear(&r->report);
    r->op = op;
    atomic_store(&r->cancel, false);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old); /* signals are the main thread's */
    int code = pthread_create(&r->thread, NULL, thread_main, r);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (code != 0)
        return err_set(err, ERR_UNAVAILABLE, "cannot start a thread for the run: %s", strerror(code));
    r->started = true;
    return 0;
}

void runner_cancel(struct runner *r)
{
    atomic_store(&r->cancel, true);
}

bool runner_ended(struct runner *r)
{
    uint64_t count;
    if (!r->started || read(r->done_fd, &count, sizeof count) != (ssize_t)sizeof count)
        return false;
    pthread_join(r->thread, NULL);
    r->started = false;
    return true;
}

void runner_close(struct runner *r)
{
    runner_cancel(r);
    if (r->started)
        pthread_join(r->thread, NULL);
    run_row_free(&r->run);
    buf_free(&r->report);
    close(r->done_fd);
}
