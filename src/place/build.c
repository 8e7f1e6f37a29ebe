#include "place/build.h"

#include "place/hash.h"
#include "place/tables.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name;
	__u32 wants;
} policies[] = {
#define X(constant, name, wants, text) [PLACE_##constant] = {name, wants},
	PLACE_POLICIES(X)
#undef X
};

int place_policy_by_name(const char *name)
{
	for (int i = 1; i < PLACE_POLICY_COUNT; i++)
		if (!strcmp(policies[i].name, name))
			return i;
	return -EINVAL;
}

static bool is_policy(unsigned int policy)
{
	return policy > PLACE_NONE && policy < PLACE_POLICY_COUNT;
}

const char *place_policy_name(enum place_policy policy)
{
	return is_policy(policy) ? policies[policy].name : NULL;
}

__u32 place_policy_wants(enum place_policy policy)
{
	return is_policy(policy) ? policies[policy].wants : 0;
}

const char *place_policy_names(void)
{
#define X(constant, name, wants, text) "|" name
	return (PLACE_POLICIES(X)) + 1;
#undef X
}

/* Those that take targets first, each part by name as people count: node2 before node10. */
static int compare_nodes(const void *a, const void *b)
{
	const struct place_node *left = a, *right = b;
	bool left_up = left->state == PLACE_UP, right_up = right->state == PLACE_UP;

	if (left_up != right_up)
		return right_up - left_up;
	return strverscmp(left->name, right->name);
}

static int compare_ids(const void *a, const void *b)
{
	const struct place_node *left = a, *right = b;

	return (left->id > right->id) - (left->id < right->id);
}

static int compare_names(const void *a, const void *b)
{
	const struct place_node *left = a, *right = b;

	return strcmp(left->name, right->name);
}

/* A sorted copy of the plan's nodes, checked; to be freed. */
static int sorted_nodes(const struct place_plan *plan, struct place_node **result)
{
	struct place_node *nodes;
	size_t bytes;

	*result = NULL;
	if (!is_policy(plan->policy) || !plan->count || plan->count > PLACE_POOL_MEMBERS_MAX)
		return -EINVAL;
	bytes = plan->count * sizeof(*nodes);
	nodes = malloc(bytes);
	if (!nodes)
		return -ENOMEM;
	memcpy(nodes, plan->nodes, bytes);
	for (__u32 i = 0; i < plan->count; i++)
		if (!nodes[i].id || nodes[i].id >= PLACE_NODES_MAX || !nodes[i].weight ||
		    nodes[i].weight > 65535 || !nodes[i].name || nodes[i].state < PLACE_UP ||
		    nodes[i].state > PLACE_DOWN)
			goto invalid;
	qsort(nodes, plan->count, sizeof(*nodes), compare_ids);
	for (__u32 i = 1; i < plan->count; i++)
		if (nodes[i].id == nodes[i - 1].id)
			goto invalid;
	qsort(nodes, plan->count, sizeof(*nodes), compare_names);
	for (__u32 i = 1; i < plan->count; i++)
		if (!strcmp(nodes[i].name, nodes[i - 1].name))
			goto invalid;
	qsort(nodes, plan->count, sizeof(*nodes), compare_nodes);
	*result = nodes;
	return 0;
invalid:
	free(nodes);
	return -EINVAL;
}

/* First fit among what the pools' copies lie in, those that hold and those that held before: a
 * program may still be at work on one of these while the next pool is built. Only that of pool
 * `self` is given up. Returns the place or -ENOSPC. */
static long find_room(const struct place_world *world, __u32 self, __u32 need, __u32 room,
		      bool members)
{
	__u32 at = 0;

	/* Each turn steps over one extent, so it ends after as many turns as there are copies. */
	for (bool moved = true; moved;) {
		moved = false;
		for (__u32 i = 0; i < 2 * PLACE_POOLS_MAX; i++) {
			const struct place_state *state = &world->states[i / 2];
			const struct place_pool *pool = &world->pools[i];
			__u32 from = members ? pool->members_at : pool->table_at;
			__u32 count = members ? pool->count : pool->table_words;

			if (!state->ready || !count || at + need <= from || at >= from + count ||
			    (i / 2 == self && (i & 1) != (state->active & 1)))
				continue;
			at = from + count;
			moved = true;
		}
	}
	return need <= room && at <= room - need ? (long)at : -ENOSPC;
}

static __u32 gcd(__u32 a, __u32 b)
{
	while (b) {
		__u32 rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

int place_build(struct place_world *world, __u32 pool_id, const struct place_plan *plan)
{
	struct place_table table = {0};
	struct place_pool pool = {0};
	struct place_member *members = NULL;
	struct place_node *nodes = NULL;
	struct place_state *state;
	__u32 divisor = 0;
	long at;
	int error;

	if (pool_id >= PLACE_POOLS_MAX)
		return -EINVAL;
	error = sorted_nodes(plan, &nodes);
	if (error)
		return error;
	error = -ENOMEM;
	members = calloc(plan->count, sizeof(*members));
	if (!members)
		goto out;
	pool.policy = plan->policy;
	pool.wants = policies[plan->policy].wants;
	pool.count = plan->count;
	pool.flags = PLACE_EVEN;
	pool.low = plan->low ? plan->low : 25;
	pool.high = plan->high ? plan->high : 65;
	pool.limit = plan->limit ? plan->limit : 80;
	pool.bound = plan->bound ? plan->bound : 1280;
	pool.hot_gap_ns = plan->hot_gap_ns ? plan->hot_gap_ns : 5000000;
	pool.decay_ns = plan->decay_ns ? plan->decay_ns : 500000000;
	pool.step_ns = plan->step_ns ? plan->step_ns : 250000000;
	pool.give_back = plan->give_back ? plan->give_back : 512;
	pool.window_ns = plan->window_ns ? plan->window_ns : place_policy_window(plan->policy);
	for (__u32 i = 0; i < plan->count; i++) {
		members[i].hash =
			place_hash_bytes(PLACE_HASH_START, nodes[i].name, strlen(nodes[i].name));
		members[i].node = nodes[i].id;
		members[i].weight = nodes[i].weight;
		members[i].state = nodes[i].state;
		members[i].carp = carp_member_hash(nodes[i].name);
		if (nodes[i].state != PLACE_UP)
			continue;
		pool.up++;
		pool.weight_total += nodes[i].weight;
		divisor = gcd(divisor, nodes[i].weight);
		if (nodes[i].weight > pool.weight_most)
			pool.weight_most = nodes[i].weight;
		if (nodes[i].weight != nodes[0].weight)
			pool.flags &= ~PLACE_EVEN;
	}
	error = pool.up ? place_table_fill(&table, &pool, members, divisor, plan) : 0;
	if (error)
		goto out;

	state = &world->states[pool_id];
	error = at = find_room(world, pool_id, pool.count, world->members_room, true);
	if (at < 0)
		goto out;
	pool.members_at = at;
	error = at = find_room(world, pool_id, table.words, world->table_room, false);
	if (at < 0)
		goto out;
	pool.table_at = at;
	pool.table_words = table.words;
	pool.slots = table.slots;
	pool.version = world->pools[2 * pool_id + (state->active & 1)].version + 1;
	memcpy(world->members + pool.members_at, members, pool.count * sizeof(*members));
	if (table.words)
		memcpy(world->table + pool.table_at, table.data, table.words * sizeof(__u64));
	world->pools[2 * pool_id + !(state->active & 1)] = pool;
	__atomic_store_n(&state->active, !(state->active & 1), __ATOMIC_RELEASE);
	__atomic_store_n(&state->ready, 1, __ATOMIC_RELEASE);
	error = 0;
out:
	free(table.data);
	free(members);
	free(nodes);
	return error;
}
