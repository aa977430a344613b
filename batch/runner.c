#include "batch/runner.h"

#include "base/clock.h"
#include "base/thread.h"
#include "batch/query.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define IDLE_MS 10000 /* then the thread ends and its memory is free */

static const struct app_job *find_job(const struct app *app, const char *name)
{
    for (size_t i = 0; i < app->job_count; i++)
        if (strcmp(app->jobs[i].name, name) == 0)
            return &app->jobs[i];
    return NULL;
}

/* A version is one text for as long as this worker's generation. */
static int load_app(struct runner *r, struct err *err)
{
    char *text;
    size_t len;
    uint32_t version = r->run.version;
    struct app_diags diags;
    if (r->app && r->version == version)
        return 0;
    app_free(&r->app);
    if (registry_get_app(r->store, r->tenant, version, &text, &len, &r->version, err) < 0)
        return -1;
    r->app = app_load(text, len, r->tenant, &diags);
    if (!r->app)
        err_set(err, ERR_INVALID, "version %u of the app does not load any more: line %u: %s", version,
                diags.list[0].line, diags.list[0].message);
    app_diags_free(&diags);
    free(text);
    return r->app ? 0 : -1;
}

static int compute(struct runner *r, struct err *err)
{
    if (load_app(r, err) < 0)
        return -1;
    const struct app_job *job = find_job(r->app, r->run.job);
    if (!job)
        return err_set(err, ERR_NOT_FOUND, "version %u of the app has no job %s", r->run.version, r->run.job);
    int64_t limit = job->limit != APP_OFF ? job->limit : r->settings->job_limit;
    struct query q = {.store = r->store,
                      .app = r->app,
                      .job = job,
                      .run = &r->run,
                      .deadline_mono_ms = clock_mono_ms() + limit,
                      .cancel = &r->cancel};
    return query_report(&q, &r->report, err);
}

static void let_go(struct runner *r)
{
    coredms_close(&r->store);
    app_free(&r->app);
}

static void answer(struct runner *r)
{
    uint64_t one = 1;
    r->failed = (!r->store && coredms_open(r->settings->coredms, r->tenant, COREDMS_BEGUN, &r->store, &r->err) < 0) ||
                compute(r, &r->err) < 0;
    if (r->failed) /* whatever it was, the next query begins anew */
        let_go(r);
    if (write(r->done_fd, &one, sizeof one) != (ssize_t)sizeof one)
        abort();
}

/* With the lock held: true once there is a query, false when the thread shall end. */
static bool next_query(struct runner *r)
{
    int64_t at = clock_mono_ms() + r->idle_ms;
    const struct timespec until = {.tv_sec = at / 1000, .tv_nsec = at % 1000 * 1000000};
    while (!r->asked && !r->closing)
        if (pthread_cond_timedwait(&r->changed, &r->lock, &until) == ETIMEDOUT && !r->asked)
            return false;
    bool asked = r->asked && !r->closing;
    r->asked = false;
    return asked;
}

static void *thread_main(void *context)
{
    struct runner *r = context;
    pthread_mutex_lock(&r->lock);
    while (next_query(r)) {
        pthread_mutex_unlock(&r->lock);
        answer(r);
        pthread_mutex_lock(&r->lock);
    }
    let_go(r);
    r->left = true;
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

int runner_open(struct runner *r, const struct settings *s, const char *tenant, struct err *err)
{
    pthread_condattr_t attributes;
    *r = (struct runner){.settings = s, .tenant = tenant, .idle_ms = IDLE_MS};
    pthread_mutex_init(&r->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&r->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    r->done_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return r->done_fd < 0 ? err_set_errno(err, "cannot make an eventfd") : 0;
}

static int start_thread(struct runner *r, struct err *err)
{
    r->started = thread_start(&r->thread, thread_main, r, "the run", err) == 0;
    return r->started ? 0 : -1;
}

static void join(struct runner *r)
{
    if (r->started)
        pthread_join(r->thread, NULL);
    r->started = r->left = false;
}

int runner_start(struct runner *r, const struct run_row *run, uint64_t op, struct err *err)
{
    run_row_free(&r->run);
    run_row_copy(&r->run, run);
    buf_clear(&r->report);
    r->op = op;
    atomic_store(&r->cancel, false);
    pthread_mutex_lock(&r->lock);
    bool there = r->started && !r->left;
    r->asked = true;
    pthread_cond_signal(&r->changed);
    pthread_mutex_unlock(&r->lock);
    if (there)
        return 0;
    join(r);
    if (start_thread(r, err) == 0)
        return 0;
    r->asked = false;
    return -1;
}

void runner_cancel(struct runner *r)
{
    atomic_store(&r->cancel, true);
}

bool runner_ended(struct runner *r)
{
    uint64_t count;
    return read(r->done_fd, &count, sizeof count) == (ssize_t)sizeof count;
}

void runner_close(struct runner *r)
{
    runner_cancel(r);
    pthread_mutex_lock(&r->lock);
    r->closing = true;
    pthread_cond_signal(&r->changed);
    pthread_mutex_unlock(&r->lock);
    join(r);
    pthread_cond_destroy(&r->changed);
    pthread_mutex_destroy(&r->lock);
    run_row_free(&r->run);
    buf_free(&r->report);
    close(r->done_fd);
}
