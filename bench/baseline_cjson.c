#include "bench/baselines.h"

#include <cjson/cJSON.h>

uint64_t baseline_cjson(const char *text, const size_t *begin, size_t count)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        cJSON *doc = cJSON_ParseWithLength(text + begin[i], begin[i + 1] - begin[i]);
        sum += doc != NULL;
        cJSON_Delete(doc);
    }
    return sum;
}
