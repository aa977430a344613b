/* What to do about dead letters, by their reason. */
#ifndef BELLTOWER_CLI_ADVICE_H
#define BELLTOWER_CLI_ADVICE_H

/* One sentence, "" for an unknown reason. */
const char *advice_for(const char *reason);

#endif
