/* A dispatcher's table of targets: more than a million fit, and the ones that nobody asks for any
 * more make room for new ones. Needs root. */
#include "run.h"

#include "place.skel.h"

#include "control/target_clock.h"
#include "place/build.h"
#include "place/hash.h"
#include "place/world.h"

#include <stdlib.h>
#include <sys/mman.h>

enum { NODES = 16, MANY = 1200000, POOL = 1 };

static void *map_memory(struct bpf_map *map)
{
	size_t bytes = (size_t)bpf_map__value_size(map) * bpf_map__max_entries(map);
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);

	assert_ptr_not_equal(memory, MAP_FAILED);
	return memory;
}

static void ask(const struct place_bpf *skeleton, __u32 requests)
{
	unsigned char data[64] = {0};
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = data, .data_size_in = sizeof(data),
		    .repeat = (int)requests);

	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(skeleton->progs.place_cost), &run),
			 0);
}

/* One whole round of the hand. */
static void turn_round(struct target_clock *clock)
{
	while (!target_clock_step(clock, 1 << 20))
		;
}

static __u64 node_of(const struct place_bpf *skeleton, __u64 number)
{
	struct place_target_key key = {.target = place_mix(number), .pool = POOL};
	struct place_target target;

	if (bpf_map_lookup_elem(bpf_map__fd(skeleton->maps.place_targets), &key, &target))
		return 0;
	return target.nodes[0];
}

static void a_million_targets(void **state)
{
	struct place_node nodes[NODES];
	struct place_plan plan = {.policy = PLACE_LARD, .nodes = nodes, .count = NODES};
	struct place_world world = {0}, *before = place_world;
	struct place_bpf *skeleton = place_bpf__open();
	struct target_clock *clock;
	char names[NODES][8];
	__u32 room;

	(void)state;
	assert_non_null(skeleton);
	assert_int_equal(
		bpf_map__set_max_entries(skeleton->maps.place_targets, PLACE_TARGETS_DISPATCHER),
		0);
	assert_int_equal(place_bpf__load(skeleton), 0);
	room = bpf_map__max_entries(skeleton->maps.place_targets);
	assert_true(room / 8 * 7 > 1000000);
	world.pools = map_memory(skeleton->maps.place_pools);
	world.members = map_memory(skeleton->maps.place_members);
	world.table = map_memory(skeleton->maps.place_table);
	world.states = map_memory(skeleton->maps.place_state);
	world.loads = map_memory(skeleton->maps.place_loads);
	world.members_room = bpf_map__max_entries(skeleton->maps.place_members);
	world.table_room = bpf_map__max_entries(skeleton->maps.place_table);
	place_world = &world;
	for (int i = 0; i < NODES; i++) {
		snprintf(names[i], sizeof(names[i]), "n%d", i + 1);
		nodes[i] = (struct place_node){(__u32)i + 1, names[i], 1, PLACE_UP};
	}
	assert_int_equal(place_build(&world, POOL, &plan), 0);
	skeleton->bss->cost_pool = POOL;
	skeleton->data->cost_targets = MANY;
	clock = target_clock_new(skeleton->obj);
	/* A million and some are all remembered: no round forgets any. */
	ask(skeleton, 1000000);
	turn_round(clock);
	turn_round(clock);
	assert_int_equal(target_clock_count(clock), 1000000);
	assert_int_equal(target_clock_forgotten(clock), 0);
	ask(skeleton, MANY - 1000000);
	for (__u64 number = 0; number < MANY; number += 1009)
		assert_in_range(node_of(skeleton, number), 1, NODES);
	/* Now it is nearly full; those are asked for again that came first. */
	skeleton->bss->turn = 0;
	ask(skeleton, 100000);
	turn_round(clock);
	assert_int_equal(target_clock_count(clock), MANY);
	turn_round(clock);
	assert_true(target_clock_forgotten(clock) >= MANY - room / 4 * 3);
	assert_true(target_clock_count(clock) >= 100000);
	assert_int_equal(target_clock_count(clock) + target_clock_forgotten(clock), MANY);
	for (__u64 number = 0; number < 100000; number += 101)
		assert_in_range(node_of(skeleton, number), 1, NODES);
	assert_int_equal(node_of(skeleton, 100000), 0); /* the oldest of all */
	turn_round(clock);
	assert_int_equal(target_clock_forgotten(clock), 0);
	target_clock_free(clock);
	place_world = before;
	place_bpf__destroy(skeleton);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_million_targets),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
