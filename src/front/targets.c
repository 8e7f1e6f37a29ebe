/* Keeps room in the table of targets that central policies remember: when it is nearly full, the
 * quarter that was not asked for the longest is forgotten. */
#include "front/front.h"

#include "base/fail.h"
#include "wire/place.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { TICK_MS = 1000, BATCH = 1024 };

struct targets {
	uv_timer_t timer;
	int map;
	__u32 room;
	uint64_t *used; /* when each was asked for last */
	uint32_t count;
	struct place_target_key keys[BATCH];
	struct place_target values[BATCH];
};

/* Calls `each` for every entry. */
static void walk(struct targets *targets,
		 void (*each)(struct targets *targets, const struct place_target_key *key,
			      const struct place_target *value, uint64_t than),
		 uint64_t than)
{
	__u32 at, next, *from = NULL;

	for (;;) {
		LIBBPF_OPTS(bpf_map_batch_opts, options);
		__u32 count = BATCH;
		int error = bpf_map_lookup_batch(targets->map, from, &next, targets->keys,
						 targets->values, &count, &options);

		if (error && errno != ENOENT)
			return;
		for (__u32 i = 0; i < count; i++)
			each(targets, &targets->keys[i], &targets->values[i], than);
		if (error)
			return;
		at = next;
		from = &at;
	}
}

static void note(struct targets *targets, const struct place_target_key *key,
		 const struct place_target *value, uint64_t than)
{
	(void)key;
	(void)than;
	if (targets->count < targets->room)
		targets->used[targets->count++] = value->used_ns;
}

static void forget(struct targets *targets, const struct place_target_key *key,
		   const struct place_target *value, uint64_t than)
{
	if (value->used_ns <= than)
		bpf_map_delete_elem(targets->map, key);
}

static int by_value(const void *left, const void *right)
{
	uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

	return a < b ? -1 : a > b;
}

static void on_tick(uv_timer_t *timer)
{
	struct targets *targets = timer->data;

	targets->count = 0;
	walk(targets, note, 0);
	if (targets->count < targets->room / 8 * 7)
		return;
	qsort(targets->used, targets->count, sizeof(*targets->used), by_value);
	walk(targets, forget, targets->used[targets->count / 4]);
	log_line(LOG_LEVEL_DEBUG, "%u targets remembered: a quarter was forgotten", targets->count);
}

struct targets *targets_start(struct front *front)
{
	struct bpf_map *map = bpf_object__find_map_by_name(front->object, "place_targets");
	struct targets *targets = calloc(1, sizeof(*targets));

	if (!targets)
		abort();
	targets->map = bpf_map__fd(map);
	targets->room = bpf_map__max_entries(map);
	targets->used = calloc(targets->room, sizeof(*targets->used));
	if (!targets->used)
		abort();
	uv_timer_init(&front->loop, &targets->timer);
	targets->timer.data = targets;
	uv_timer_start(&targets->timer, on_tick, TICK_MS, TICK_MS);
	return targets;
}

static void on_closed(uv_handle_t *handle)
{
	struct targets *targets = handle->data;

	free(targets->used);
	free(targets);
}

void targets_end(struct targets *targets)
{
	uv_close((uv_handle_t *)&targets->timer, on_closed);
}
