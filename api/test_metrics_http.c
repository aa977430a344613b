#include "api/metrics_http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const struct route route = {.method = "GET", .pattern = "/v1/tenants/{tenant}"};

static void counts_into_buckets(void **state)
{
    struct metrics_http *m = metrics_http_new();
    struct buf out = {0};
    static const int64_t times_us[] = {0, 1000, 1001, 2500, 9999999, 10000001, 90000000};
    (void)state;
    for (size_t i = 0; i < sizeof times_us / sizeof *times_us; i++)
        metrics_http_add(m, &route, 200, times_us[i]);
    metrics_http_add(m, &route, 404, 5);
    metrics_http_add(m, NULL, 404, 5);
    metrics_http_write(m, &out);
    static const char *const lines[] = {
        "# TYPE belltower_api_request_duration_seconds histogram\n",
        "_bucket{method=\"GET\",route=\"/v1/tenants/{tenant}\",status=\"200\",le=\"0.001\"} 2\n",
        "_bucket{method=\"GET\",route=\"/v1/tenants/{tenant}\",status=\"200\",le=\"0.0025\"} 4\n",
        "_bucket{method=\"GET\",route=\"/v1/tenants/{tenant}\",status=\"200\",le=\"5\"} 4\n",
        "_bucket{method=\"GET\",route=\"/v1/tenants/{tenant}\",status=\"200\",le=\"10\"} 5\n",
        "_bucket{method=\"GET\",route=\"/v1/tenants/{tenant}\",status=\"200\",le=\"+Inf\"} 7\n",
        "_count{method=\"GET\",route=\"/v1/tenants/{tenant}\",status=\"200\"} 7\n",
        "_sum{method=\"GET\",route=\"/v1/tenants/{tenant}\",status=\"200\"} 110.004501\n",
        "_count{method=\"GET\",route=\"/v1/tenants/{tenant}\",status=\"404\"} 1\n",
        "_count{method=\"\",route=\"none\",status=\"404\"} 1\n"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        if (!strstr(buf_cstr(&out), lines[i]))
            fail_msg("missing: %s in\n%s", lines[i], out.data);
    buf_free(&out);
    metrics_http_free(&m);
}

static void keeps_a_bounded_number_of_series(void **state)
{
    struct metrics_http *m = metrics_http_new();
    struct buf out = {0};
    size_t n = 0;
    (void)state;
    for (int status = 0; status < 5000; status++)
        metrics_http_add(m, &route, status, 1);
    metrics_http_write(m, &out);
    for (const char *p = buf_cstr(&out); (p = strstr(p, "_count{")); p++)
        n++;
    assert_true(n > 100 && n < 1000);
    buf_free(&out);
    metrics_http_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_into_buckets),
        cmocka_unit_test(keeps_a_bounded_number_of_series),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
