/* The kernel's choices beside the host's: the same world, the same queries, policy by policy, from
 * an XDP program and from a tc program. Needs root. */
#include "../unit/unit.h"

#include "place.skel.h"

#include "bpf/target.h"
#include "place/build.h"
#include "place/hash.h"
#include "place/place.h"

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { NODES = 20, QUERIES = 10000 };

struct frame {
	unsigned char head[14];
	struct place_query query;
} __attribute__((packed));

static struct place_bpf *skeleton;
static struct place_world *host, kernel;

static void *map_memory(struct bpf_map *map)
{
	size_t bytes = (size_t)bpf_map__value_size(map) * bpf_map__max_entries(map);
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);

	assert_ptr_not_equal(memory, MAP_FAILED);
	return memory;
}

static int setup(void **state)
{
	(void)state;
	skeleton = place_bpf__open_and_load();
	assert_non_null(skeleton);
	kernel.pools = map_memory(skeleton->maps.place_pools);
	kernel.members = map_memory(skeleton->maps.place_members);
	kernel.table = map_memory(skeleton->maps.place_table);
	kernel.states = map_memory(skeleton->maps.place_state);
	kernel.loads = map_memory(skeleton->maps.place_loads);
	kernel.members_room = bpf_map__max_entries(skeleton->maps.place_members);
	kernel.table_room = bpf_map__max_entries(skeleton->maps.place_table);
	host = world_new(kernel.members_room, kernel.table_room, PLACE_TARGETS_ROOM);
	return host ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	world_free(host);
	place_bpf__destroy(skeleton);
	return 0;
}

static __s32 kernel_choose(struct bpf_program *program, const struct place_query *query,
			   __u32 *reason)
{
	struct frame frame = {.query = *query};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = &frame, .data_size_in = sizeof(frame));

	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(program), &options), 0);
	*reason = skeleton->bss->reason;
	return skeleton->bss->chosen;
}

static void compare(struct bpf_program *program, int policy, bool weighted)
{
	static char names[NODES][16];
	static struct place_node nodes[NODES];
	struct place_plan plan = {.policy = policy, .nodes = nodes, .count = NODES};

	for (int i = 0; i < NODES; i++) {
		snprintf(names[i], sizeof(names[i]), "n%d", i);
		nodes[i] = (struct place_node){i + 1, names[i], weighted ? 1 + i % 4 : 1,
					       i == 13 ? PLACE_DOWN : PLACE_UP};
	}
	assert_int_equal(place_build(&kernel, 5, &plan), 0);
	assert_int_equal(place_build(host, 5, &plan), 0);
	place_world = host;
	for (int i = 0; i < QUERIES; i++) {
		/* Popular and rare targets, time going on by about 1 ms a query. */
		struct place_query query = {.target = place_mix(place_mix(i) % (1 + i % 500)),
					    .client = place_mix(i % 77),
					    .random = place_mix(i + 1),
					    .now_ns = 1000000000ull + i * 1000000ull,
					    .pool = 5,
					    .node = i % 3 ? 0 : 1 + i % NODES};
		__s32 here, there;
		__u32 reason;

		query.carp = query.target;
		query.md5 = query.target >> 7;
		there = kernel_choose(program, &query, &reason);
		here = place_choose(&query);
		if (here != there || reason != query.reason)
			fail_msg("%s, query %d: %d for reason %u on the host, %d for %u in the "
				 "kernel",
				 place_policy_name(policy), i, here, query.reason, there, reason);
		assert_in_range(here, 1, NODES);
		/* Every 40th time some work is done. */
		if (i % 40)
			continue;
		for (int node = 1; node <= NODES; node++) {
			host->loads[node].handed += host->loads[node].charged > (unsigned int)node;
			kernel.loads[node].handed = host->loads[node].handed;
		}
	}
}

static void xdp_chooses_as_the_host(void **state)
{
	(void)state;
	for (int policy = 1; policy < PLACE_POLICY_COUNT; policy++)
		compare(skeleton->progs.place_xdp, policy, false);
}

static void tc_chooses_as_the_host(void **state)
{
	(void)state;
	for (int policy = 1; policy < PLACE_POLICY_COUNT; policy++)
		compare(skeleton->progs.place_tc, policy, true);
}

static void hashes_are_the_host_s(void **state)
{
	struct target_text text = {
		.host_at = 0, .host_length = 11, .path_at = 16, .path_length = 70};
	static struct scratch scratch;
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = scratch.bytes, .data_size_in = 128);

	(void)state;
	for (int round = 0; round < 100; round++) {
		for (int i = 0; i < 128; i++)
			scratch.bytes[i] = place_mix(round * 128 + i);
		assert_int_equal(bpf_prog_test_run_opts(
					 bpf_program__fd(skeleton->progs.place_target), &options),
				 0);
		assert_int_equal(options.retval, XDP_PASS);
		assert_true(skeleton->bss->target == text_hash(&scratch, &text));
		assert_int_equal(skeleton->bss->carp, text_carp(&scratch, &text));
		assert_int_equal(skeleton->bss->md5, text_md5(&scratch, &text));
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(hashes_are_the_host_s),
	cmocka_unit_test(xdp_chooses_as_the_host),
	cmocka_unit_test(tc_chooses_as_the_host),
};

int main(void)
{
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, setup, teardown);
}
