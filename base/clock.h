/* Clocks: the only place that asks the kernel for the time. Milliseconds. */
#ifndef BELLTOWER_BASE_CLOCK_H
#define BELLTOWER_BASE_CLOCK_H

#include <stdint.h>

int64_t clock_wall_ms(void); /* UTC since 1970 */
int64_t clock_mono_ms(void); /* monotonic, from an arbitrary point */
int64_t clock_mono_us(void);
/* Unpredictable bytes (getrandom); ends the process if the kernel has none. */
void random_bytes(void *p, unsigned len);

#endif
