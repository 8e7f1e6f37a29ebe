/* Time. Durations and instants are nanoseconds in a uint64_t. */
#ifndef BATON_BASE_CLOCK_H
#define BATON_BASE_CLOCK_H

#include <stdint.h>

#define NS_PER_US 1000ull
#define NS_PER_MS 1000000ull
#define NS_PER_S  1000000000ull

/* CLOCK_MONOTONIC: what bpf_ktime_get_ns() reads. */
uint64_t clock_now(void);

/* CLOCK_REALTIME. */
uint64_t clock_wall(void);

/* "2026-11-21T13:00:00.123Z" for an instant of CLOCK_REALTIME; `text` holds 32 bytes. Returns text.
 */
char *clock_text(uint64_t wall, char *text);

#endif
