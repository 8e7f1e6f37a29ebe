/* What a decision costs in the kernel: every policy with 16, 256 and 4,096 nodes, in ns, less what
 * the same program costs without a pool; of policies that remember targets also what a target costs
 * that is new to them. Rounds are interleaved, the median of them is shown, and for the decisions
 * the least and the most. No test: `meson test --benchmark` or the program itself. Needs root. */
#include "place.skel.h"

#include "base/fail.h"
#include "base/table.h"
#include "place/build.h"

#include <bpf/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { SIZES = 3, ROUNDS = 7, NODES = 4096, EMPTY = 63, TARGETS = 1000, DECISIONS = 10000 };

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

/* All targets are new again. */
static void forget(const struct place_bpf *skeleton)
{
	int map = bpf_map__fd(skeleton->maps.place_targets);
	struct place_target_key key;

	while (!bpf_map_get_next_key(map, NULL, &key))
		bpf_map_delete_elem(map, &key);
}

/* What is measured of a policy with so many nodes, a value a round. */
struct costs {
	double decision[ROUNDS], new_target[ROUNDS];
};

static void measure(struct place_bpf *skeleton, struct place_world *world, unsigned int policy,
		    unsigned int count, int round, struct place_node *nodes, struct costs *costs)
{
	struct place_plan plan = {.policy = policy, .nodes = nodes, .count = count};

	if (place_build(world, 0, &plan))
		exit(failed("place_speed: no room for %u nodes", count));
	forget(skeleton);
	costs->new_target[round] = cost(skeleton, 0, TARGETS);
	cost(skeleton, 0, 2 * TARGETS);
	costs->decision[round] = cost(skeleton, 0, DECISIONS);
}

static double middle(double values[ROUNDS])
{
	qsort(values, ROUNDS, sizeof(double), compare);
	return values[ROUNDS / 2];
}

/* "median|least-most", less `empty`. */
static void decision_text(struct costs *costs, double empty, char text[48])
{
	double median = middle(costs->decision);

	snprintf(text, 48, "%.0f|%.0f-%.0f", median - empty, costs->decision[0] - empty,
		 costs->decision[ROUNDS - 1] - empty);
}

static void print(struct costs costs[PLACE_POLICY_COUNT][SIZES], double empty)
{
	struct table *table = table_new("policy|>16 nodes|>|>256 nodes|>|>4,096 nodes|>|>new: 16|"
					">256|>4,096");

	for (int policy = 1; policy < PLACE_POLICY_COUNT; policy++) {
		char decisions[SIZES][48], fresh[SIZES][24];

		for (int size = 0; size < SIZES; size++) {
			decision_text(&costs[policy][size], empty, decisions[size]);
			if (place_policy_wants(policy) & PLACE_WANT_CENTRAL)
				snprintf(fresh[size], sizeof(fresh[size]), "%.0f",
					 middle(costs[policy][size].new_target) - empty);
			else
				strcpy(fresh[size], "-");
		}
		table_row(table, "%s|%s|%s|%s|%s|%s|%s", place_policy_name(policy), decisions[0],
			  decisions[1], decisions[2], fresh[0], fresh[1], fresh[2]);
	}
	table_print(table, stdout);
}

int main(void)
{
	static struct place_node nodes[NODES];
	static char names[NODES][16];
	static struct costs costs[PLACE_POLICY_COUNT][SIZES];
	static double empty[ROUNDS];
	struct place_bpf *skeleton = place_bpf__open_and_load();
	struct place_world world = {0};

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
	for (int round = 0; round < ROUNDS; round++) {
		empty[round] = cost(skeleton, EMPTY, DECISIONS);
		for (int size = 0; size < SIZES; size++)
			for (int policy = 1; policy < PLACE_POLICY_COUNT; policy++)
				measure(skeleton, &world, policy, sizes[size], round, nodes,
					&costs[policy][size]);
	}
	print(costs, middle(empty));
	place_bpf__destroy(skeleton);
	return EXIT_DONE;
}
