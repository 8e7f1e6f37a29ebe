#include "control/target_clock.h"

#include "base/clock.h"
#include "base/fail.h"
#include "wire/place.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	TICK_MS = 100,
	ROUND_TICKS = 16, /* of a table more than half full */
	CALM_TICKS = 10,  /* of one that isn't, the hand moves so seldom */
	/* Going over the buckets of an empty table takes milliseconds, and it does not fill in
	 * seconds. */
	EMPTY_TICKS = 80,
	EMPTY_SHARE = 64, /* of the room: less than 1 / so much counts as empty */
	BATCH = 4096,
	/* Ages in steps of an eighth of a power of two. */
	AGE_STEPS = 8,
	AGES = 64 * AGE_STEPS,
};

struct target_clock {
	uv_timer_t timer;
	int map;
	uint32_t room;
	uint32_t at; /* the hand: the batch look-up's place in the table, while `going` */
	bool going;
	unsigned int ticks;
	uint32_t seen, gone;	   /* in this round */
	uint32_t count, forgotten; /* of the last one */
	uint64_t began_ns;	   /* this round: ages are as of then */
	uint64_t forget_ns;	   /* what was asked for last before this goes in this round */
	uint32_t ages[AGES];	   /* how many of each age this round has left */
	struct place_target_key keys[BATCH];
	struct place_target values[BATCH];
};

struct target_clock *target_clock_new(struct bpf_object *object)
{
	struct bpf_map *map = bpf_object__find_map_by_name(object, "place_targets");
	struct target_clock *clock = calloc(1, sizeof(*clock));

	if (!clock || !map)
		out_of_memory();
	clock->map = bpf_map__fd(map);
	clock->room = bpf_map__max_entries(map);
	return clock;
}

void target_clock_free(struct target_clock *clock)
{
	free(clock);
}

int target_clock_look(const struct target_clock *clock, const struct place_target_key *key,
		      struct place_target *target)
{
	return bpf_map_lookup_elem(clock->map, key, target) ? -errno : 0;
}

static unsigned int age_step(uint64_t age)
{
	unsigned int power;

	if (age < AGE_STEPS)
		return (unsigned int)age;
	power = 63 - (unsigned int)__builtin_clzll(age);
	return power * AGE_STEPS + (unsigned int)(age >> (power - 3) & (AGE_STEPS - 1));
}

static uint64_t step_begin(unsigned int step)
{
	unsigned int power = step / AGE_STEPS;

	return power < 3 ? step : (AGE_STEPS + (uint64_t)step % AGE_STEPS) << (power - 3);
}

static void look_at(struct target_clock *clock, const struct place_target_key *key,
		    const struct place_target *target)
{
	uint64_t began = clock->began_ns, used = target->used_ns;

	if (used < clock->forget_ns && !bpf_map_delete_elem(clock->map, key)) {
		clock->gone++;
		return;
	}
	clock->seen++;
	clock->ages[age_step(began > used ? began - used : 0)]++;
}

/* A round has ended: what is the next one to forget? From seven eighths on so much that three
 * quarters are left, oldest first, in whole steps of age. */
static void end_round(struct target_clock *clock)
{
	uint32_t over = 0;

	clock->forget_ns = 0;
	if (clock->seen >= clock->room / 8 * 7)
		over = clock->seen - clock->room / 4 * 3;
	for (unsigned int step = AGES; over && step-- > 1;) {
		over -= clock->ages[step] < over ? clock->ages[step] : over;
		clock->forget_ns = clock->began_ns - step_begin(step);
	}
	clock->count = clock->seen;
	clock->forgotten = clock->gone;
	clock->seen = 0;
	clock->gone = 0;
	clock->going = false;
	memset(clock->ages, 0, sizeof(clock->ages));
}

bool target_clock_step(struct target_clock *clock, uint32_t entries)
{
	if (!clock->going)
		clock->began_ns = clock_now();
	for (uint32_t done = 0; done < entries;) {
		LIBBPF_OPTS(bpf_map_batch_opts, options);
		__u32 count = BATCH, next;
		int error =
			bpf_map_lookup_batch(clock->map, clock->going ? &clock->at : NULL, &next,
					     clock->keys, clock->values, &count, &options);

		if (error && errno != ENOENT) {
			clock->going = false;
			return false;
		}
		for (__u32 i = 0; i < count; i++)
			look_at(clock, &clock->keys[i], &clock->values[i]);
		if (error) {
			end_round(clock);
			return true;
		}
		clock->at = next;
		clock->going = true;
		done += count;
	}
	return false;
}

uint32_t target_clock_count(const struct target_clock *clock)
{
	return clock->count;
}

uint32_t target_clock_forgotten(const struct target_clock *clock)
{
	return clock->forgotten;
}

static void on_tick(uv_timer_t *timer)
{
	struct target_clock *clock = timer->data;

	bool empty = !clock->going && clock->count < clock->room / EMPTY_SHARE;

	if (clock->count <= clock->room / 2 && clock->ticks++ % (empty ? EMPTY_TICKS : CALM_TICKS))
		return;
	target_clock_step(clock, clock->room / ROUND_TICKS);
}

void target_clock_start(struct target_clock *clock, uv_loop_t *loop)
{
	uv_timer_init(loop, &clock->timer);
	clock->timer.data = clock;
	uv_timer_start(&clock->timer, on_tick, TICK_MS, TICK_MS);
}

static void on_closed(uv_handle_t *handle)
{
	target_clock_free(handle->data);
}

void target_clock_end(struct target_clock *clock)
{
	uv_close((uv_handle_t *)&clock->timer, on_closed);
}
