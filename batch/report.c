#include "batch/report.h"

#include "base/json.h"

void report_write(struct buf *out, const char *tenant, const struct run_row *run, const char *time_period,
                  const char *rows, size_t rows_len)
{
    json_w_open(out, '{');
    json_w_name(out, "tenant_id");
    json_w_str(out, tenant);
    json_w_name(out, "job");
    json_w_str(out, run->job);
    json_w_name(out, "run");
    json_w_str(out, run->id);
    json_w_name(out, "time_period");
    json_w_str(out, time_period);
    json_w_name(out, "from");
    json_w_time(out, run->from);
    json_w_name(out, "to");
    json_w_time(out, run->to);
    json_w_name(out, "complete");
    json_w_bool(out, run->complete);
    json_w_name(out, "row_count");
    json_w_int(out, run->row_count);
    if (rows) {
        json_w_name(out, "rows");
        json_w_raw(out, rows, rows_len);
    } else {
        struct buf href = {0};
        buf_printf(&href, "/v1/tenants/%s/runs/%s/report", tenant, run->id);
        json_w_name(out, "rows_href");
        json_w_string(out, href.data, href.len);
        buf_free(&href);
    }
    json_w_close(out, '}');
}

void report_message(struct buf *out, const char *tenant, const struct run_row *run, const char *report, size_t len)
{
    if (len <= REPORT_MESSAGE_MAX) {
        buf_add(out, report, len);
        return;
    }
    struct buf period = {0};
    json_get_string(report, len, "time_period", &period);
    report_write(out, tenant, run, buf_cstr(&period), NULL, 0);
    buf_free(&period);
}
