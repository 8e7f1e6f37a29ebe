/* What a decision costs in the kernel: every policy with 16, 256 and 4,095 nodes, in ns, less what
 * the same program costs without a pool. Rounds are interleaved, the median of them is shown. No
 * test: `meson test --benchmark` or the program itself. Needs root. */
#include "place.skel.h"

#include "base/fail.h"
#include "base/table.h"
#include "place/build.h"

#include <bpf/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { SIZES = 3, ROUNDS = 5, NODES = 4095, EMPTY = 63 };

static const unsigned int sizes[SIZES] = {16, 256, NODES};

static void *map_memory(struct bpf_map *map)
{
	return mmap(NULL, (size_t)bpf_map__value_size(map) * bpf_map__max_entries(map),
		    PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);
}

/* ns of one run. */
static double cost(struct place_bpf *skeleton, unsigned int pool, int repeat)
{
	unsigned char frame[64] = {0};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame, .data_size_in = sizeof(frame),
		    .repeat = repeat);

	skeleton->bss->cost_pool = pool;
	if (bpf_prog_test_run_opts(bpf_program__fd(skeleton->progs.place_cost), &options))
		exit(failed("place_speed: the program can't be run"));
	return options.duration;
}

static int compare(const void *a, const void *b)
{
	const double *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

int main(void)
{
	static struct place_node nodes[NODES];
	static char names[NODES][16];
	static double costs[PLACE_POLICY_COUNT][SIZES][ROUNDS], empty[ROUNDS];
	struct place_bpf *skeleton = place_bpf__open_and_load();
	struct place_world world = {0};
	struct table *table = table_new("policy|>16 nodes|>256 nodes|>4,095 nodes");

	if (!skeleton)
		return failed("place_speed: the programs don't load");
	world.pools = map_memory(skeleton->maps.place_pools);
	world.members = map_memory(skeleton->maps.place_members);
	world.table = map_memory(skeleton->maps.place_table);
	world.states = map_memory(skeleton->maps.place_state);
	world.loads = map_memory(skeleton->maps.place_loads);
	world.members_room = bpf_map__max_entries(skeleton->maps.place_members);
	world.table_room = bpf_map__max_entries(skeleton->maps.place_table);
	for (unsigned int i = 0; i < NODES; i++) {
		snprintf(names[i], sizeof(names[i]), "node%u", i + 1);
		nodes[i] = (struct place_node){i + 1, names[i], 1, PLACE_UP};
	}
	for (int round = 0; round < ROUNDS; round++)
		for (int size = 0; size < SIZES; size++)
			for (int policy = 1; policy < PLACE_POLICY_COUNT; policy++) {
				struct place_plan plan = {.policy = policy, .nodes = nodes};

				plan.count = sizes[size];
				if (place_build(&world, 0, &plan))
					return failed("place_speed: no room for %u nodes",
						      sizes[size]);
				cost(skeleton, 0, 2000);
				costs[policy][size][round] = cost(skeleton, 0, 10000);
				empty[round] = cost(skeleton, EMPTY, 10000);
			}
	qsort(empty, ROUNDS, sizeof(double), compare);
	for (int policy = 1; policy < PLACE_POLICY_COUNT; policy++) {
		for (int size = 0; size < SIZES; size++)
			qsort(costs[policy][size], ROUNDS, sizeof(double), compare);
		table_row(table, "%s|%.0f|%.0f|%.0f", place_policy_name(policy),
			  costs[policy][0][ROUNDS / 2] - empty[ROUNDS / 2],
			  costs[policy][1][ROUNDS / 2] - empty[ROUNDS / 2],
			  costs[policy][2][ROUNDS / 2] - empty[ROUNDS / 2]);
	}
	table_print(table, stdout);
	place_bpf__destroy(skeleton);
	return EXIT_DONE;
}
