#include "bench/baselines.h"

#include <simdjson.h>

using namespace simdjson;

namespace {
template <typename Document> uint64_t read_one(Document &&doc)
{
    uint64_t sum = 0;
    int64_t station, datapoint;
    double value, threshold;
    bool active;
    std::string_view time;
    ondemand::object o;
    if (doc.get_object().get(o) || o.find_field("station_id").get(station) ||
        o.find_field("datapoint_id").get(datapoint) || o.find_field("event_time").get(time) ||
        o.find_field("value").get(value) || o.find_field("valueThreshold").get(threshold) ||
        o.find_field("isActive").get(active))
        return 0;
    sum += static_cast<uint64_t>(station + datapoint) + time.size() + static_cast<uint64_t>(value + threshold) + active;
    return sum;
}
}

uint64_t baseline_simdjson(const char *text, const size_t *begin, size_t count)
{
    ondemand::parser parser;
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        ondemand::document doc;
        size_t len = begin[i + 1] - begin[i];
        if (parser.iterate(text + begin[i], len, len + SIMDJSON_PADDING).get(doc))
            return 0;
        sum += read_one(doc);
    }
    return sum;
}

uint64_t baseline_simdjson_lines(const char *text, const size_t *begin, size_t count)
{
    ondemand::parser parser;
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        ondemand::document_stream docs;
        size_t len = begin[i + 1] - begin[i];
        if (parser.iterate_many(text + begin[i], len, 1 << 20).get(docs))
            return 0;
        for (auto doc : docs)
            sum += read_one(doc);
    }
    return sum;
}
