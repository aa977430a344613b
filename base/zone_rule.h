/* The POSIX TZ text that ends a TZif file ("EET-2EEST,M3.5.0/3,M10.5.0/4"): the zone's rule for all times behind its
 * table. PURE. */
#ifndef BELLTOWER_BASE_ZONE_RULE_H
#define BELLTOWER_BASE_ZONE_RULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum zone_rule_kind { ZONE_RULE_JULIAN, ZONE_RULE_DAY, ZONE_RULE_MONTH };

struct zone_rule_date {
    enum zone_rule_kind kind;
    int day;         /* Jn: 1..365, February 29 never counted; n: 0..365; Mm.w.d: 0..6, 0 = Sunday */
    int month, week; /* Mm.w.d */
    int32_t seconds; /* local time of day of the change; may be negative or beyond a day */
};

struct zone_rule {
    int32_t standard, daylight; /* seconds east of UTC */
    bool has_daylight;
    struct zone_rule_date start, end; /* of daylight time, each in the time then in force */
};

bool zone_rule_parse(const char *text, size_t len, struct zone_rule *rule);

/* The stretch of one offset that holds the instant: [*from, *to) in UTC seconds; without daylight time it is all of
 * time. */
void zone_rule_segment(const struct zone_rule *rule, int64_t utc, int64_t *from, int64_t *to, int32_t *offset);

#endif
