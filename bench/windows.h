/* The flow of events that latency is measured by: what closes a window, and what comes of it. */
#ifndef BELLTOWER_BENCH_WINDOWS_H
#define BELLTOWER_BENCH_WINDOWS_H

#include <stdint.h>

#define FIRST_MS   INT64_C(1767225600000)
#define WINDOW_MS  1000
#define PER_SECOND 10 /* windows */
#define KEYS       20 /* so many results a window */
#define PREFETCH   500
#define CLOSES     "closes" /* in the event that ends window i: i */

#endif
