#include "cli/advice.h"

#include <stddef.h>
#include <string.h>

const char *advice_for(const char *reason)
{
    static const char *const table[][2] = {
        {"not-json", "each message must be JSON objects, or one array of them; if the file is CSV, say --format csv"},
        {"not-csv", "give the line as many cells as the header, quotes closed on the same line, in UTF-8"},
        {"missing-field", "give the field a default, make it optional: true, or say where it is with from:"},
        {"wrong-type", "change the field's type in events.fields, or what the devices send"},
        {"bad-time", "make events.time.format fit what the devices send"},
        {"late", "raise events.time.out_of_orderness, or the window's allowed_lateness; for devices that send their "
                 "backlog, watermark_per"},
        {"ahead", "set the device's clock, or raise events.time.ahead"},
        {"too-large", "raise limits.event or limits.message, or send less at a time"},
        {"too-many-keys", "raise limits.keys, or choose a key with fewer values"},
        {"forged", "control messages come from the platform alone; take `belltower.` off the message's type"},
        {"poison", "give each AMQP header a name, if its detail says that one has none; else reading it killed the "
                   "stream worker, more than once: please report it with its bytes (belltower dead)"},
        {"bad-control", "look at the log of the API: it wrote a control message that the engine does not understand"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (strcmp(table[i][0], reason) == 0)
            return table[i][1];
    }
    return "";
}
