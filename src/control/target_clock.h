/* Keeps room in the kernel's table of targets (`place_targets`), which central policies remember
 * and which refuses what is new when it is full: a clock. Its hand goes round the table; where that
 * has become nearly full, it forgets on its next round what was not asked for the longest. */
#ifndef BATON_CONTROL_TARGET_CLOCK_H
#define BATON_CONTROL_TARGET_CLOCK_H

#include <bpf/libbpf.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct place_target;
struct place_target_key;
struct target_clock;

/* For the table of this object, which must outlive it. Never NULL. */
struct target_clock *target_clock_new(struct bpf_object *object);
void target_clock_free(struct target_clock *clock);

/* A copy of what the kernel remembers of a target. Returns 0, or -ENOENT: nothing. */
int target_clock_look(const struct target_clock *clock, const struct place_target_key *key,
		      struct place_target *target);

/* Moves the hand over `entries` targets or a few more. Returns whether that has ended a round. */
bool target_clock_step(struct target_clock *clock, uint32_t entries);

/* Targets that the last whole round has left in the table, and those it has forgotten. */
uint32_t target_clock_count(const struct target_clock *clock);
uint32_t target_clock_forgotten(const struct target_clock *clock);

/* Runs it from the loop. The end frees it, from the loop. */
void target_clock_start(struct target_clock *clock, uv_loop_t *loop);
void target_clock_end(struct target_clock *clock);

#endif
