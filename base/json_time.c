#include "base/json.h"
#include "base/time_format.h"

void json_w_time(struct buf *b, int64_t ms)
{
    char text[32];
    size_t len = time_rfc3339(ms, text);
    json_w_string(b, text, len);
}
