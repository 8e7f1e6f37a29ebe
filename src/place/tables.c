#include "place/tables.h"

#include "place/hash.h"
#include "place/ring.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum {
	RING_POINTS = 160, /* of the lightest node */
	RING_POINTS_MAX = 1 << 17,
	EVEN_BITS = 16,
	EVEN_SLOTS = 1 << EVEN_BITS,
};

/* Room for `slots` 16-bit entries in whole words. */
static __u16 *slots_new(struct place_table *table, __u32 slots)
{
	table->slots = slots;
	table->words = (slots + PLACE_SLOTS_PER_WORD - 1) / PLACE_SLOTS_PER_WORD;
	table->data = calloc(table->words, sizeof(__u64));
	return (__u16 *)table->data;
}

static bool is_prime(__u32 n)
{
	for (__u32 i = 2; (__u64)i * i <= n; i++)
		if (!(n % i))
			return false;
	return n > 1;
}

int maglev_fill(__u16 *entries, __u32 slots, struct maglev_order *orders, __u32 count, __u32 most)
{
	bool *taken = calloc(slots, sizeof(*taken));
	__u32 filled = 0;

	if (!taken)
		return -ENOMEM;
	for (;;) {
		for (__u32 i = 0; i < count; i++) {
			struct maglev_order *order = &orders[i];

			order->credit += order->weight;
			if (order->credit < most)
				continue;
			order->credit -= most;
			while (taken[order->next])
				order->next = ((__u64)order->next + order->skip) % slots;
			taken[order->next] = true;
			entries[order->next] = i;
			if (++filled == slots)
				goto done;
		}
	}
done:
	free(taken);
	return 0;
}

static int permutations_fill(struct place_table *table, const struct place_pool *pool,
			     const struct place_member *members, __u32 slots)
{
	struct maglev_order *orders = calloc(pool->up, sizeof(*orders));
	__u16 *entries = slots_new(table, slots);
	int error = -ENOMEM;

	if (orders && entries) {
		for (__u32 i = 0; i < pool->up; i++) {
			orders[i].next = place_mix(members[i].hash) % slots;
			orders[i].skip =
				place_mix(members[i].hash ^ PLACE_HASH_START) % (slots - 1) + 1;
			orders[i].weight = members[i].weight;
		}
		error = maglev_fill(entries, slots, orders, pool->up, pool->weight_most);
	}
	free(orders);
	return error;
}

/* nginx's smooth weighted round robin, one period of it. */
static int period_fill(struct place_table *table, const struct place_pool *pool,
		       const struct place_member *members, __u32 divisor)
{
	__u64 total = pool->weight_total / divisor;
	__s64 *current = calloc(pool->up, sizeof(*current));
	__u32 *weights = calloc(pool->up, sizeof(*weights));
	__u32 sum = 0;
	__u16 *entries;

	if (!current || !weights)
		goto failed;
	for (__u32 i = 0; i < pool->up; i++) {
		__u64 weight = members[i].weight / divisor;

		/* Rounded so that the period fits; nobody gets nothing. */
		if (total > PLACE_PERIOD_MAX)
			weight = (weight * (PLACE_PERIOD_MAX - pool->up) + total / 2) / total;
		weights[i] = weight ? weight : 1;
		sum += weights[i];
	}
	entries = slots_new(table, sum);
	if (!entries)
		goto failed;
	for (__u32 turn = 0; turn < sum; turn++) {
		__u32 best = 0;

		for (__u32 i = 0; i < pool->up; i++) {
			current[i] += weights[i];
			if (current[i] > current[best])
				best = i;
		}
		current[best] -= sum;
		entries[turn] = best;
	}
	free(current);
	free(weights);
	return 0;
failed:
	free(current);
	free(weights);
	return -ENOMEM;
}

/* Each node as often in turn as it weighs, over and over: LVS's assignment of sh and dh. */
static int turns_fill(struct place_table *table, const struct place_pool *pool,
		      const struct place_member *members, __u32 divisor)
{
	__u16 *entries = slots_new(table, PLACE_HASH_SLOTS);
	__u32 most = PLACE_HASH_SLOTS / pool->up;
	__u64 total = pool->weight_total / divisor;

	if (!entries)
		return -ENOMEM;
	for (__u32 slot = 0; slot < PLACE_HASH_SLOTS;) {
		for (__u32 i = 0; i < pool->up && slot < PLACE_HASH_SLOTS; i++) {
			__u64 times = members[i].weight / divisor;

			if (total > PLACE_HASH_SLOTS)
				times = times * PLACE_HASH_SLOTS / total;
			if (!times)
				times = 1;
			if (times > most)
				times = most;
			while (times-- && slot < PLACE_HASH_SLOTS)
				entries[slot++] = i;
		}
	}
	return 0;
}

static int compare_points(const void *a, const void *b)
{
	const __u64 *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

/* Karger's ring: so many points for a node as it weighs, at hashes of its name and the point's
 * number. Two points on one place would be in the order of member indices, which a change of others
 * may turn; with 2^48 places that hardly happens. */
static int ring_fill(struct place_table *table, const struct place_pool *pool,
		     const struct place_member *members, __u32 divisor)
{
	__u64 total = pool->weight_total / divisor, each = RING_POINTS;
	__u32 at = 0;

	if (total * each > RING_POINTS_MAX)
		each = RING_POINTS_MAX / total;
	/* Weights too far apart for the room: the lightest one has a single point. */
	if (!each)
		each = 1;
	table->slots = table->words = total * each;
	table->data = calloc(table->words, sizeof(__u64));
	if (!table->data)
		return -ENOMEM;
	for (__u32 i = 0; i < pool->up; i++)
		for (__u64 k = 0; k < members[i].weight / divisor * each; k++)
			table->data[at++] = (place_mix(members[i].hash + k * PLACE_HASH_START) &
					     ~(__u64)PLACE_POINT_MEMBER) |
					    i;
	qsort(table->data, table->words, sizeof(__u64), compare_points);
	return 0;
}

/* The ring with even shares: slots in a fixed order, each to the first node at or behind its place
 * that has room. The order leaps over the circle so that the rest that nobody near has room for is
 * spread. */
static int even_fill(struct place_table *table, const struct place_pool *pool,
		     const struct place_member *members, __u32 divisor)
{
	struct place_table ring = {0};
	__u64 *room = calloc(pool->up, sizeof(*room)), given = 0;
	__u16 *entries = NULL;
	int error = ring_fill(&ring, pool, members, divisor);

	if (!error && room)
		entries = slots_new(table, EVEN_SLOTS);
	if (!entries) {
		free(room);
		free(ring.data);
		return -ENOMEM;
	}
	for (__u32 i = 0; i < pool->up; i++) {
		room[i] = EVEN_SLOTS * (__u64)members[i].weight / pool->weight_total;
		given += room[i];
	}
	/* What rounding has left over: one each, from the first on. */
	for (__u32 i = 0; given < EVEN_SLOTS; i = (i + 1) % pool->up, given++)
		room[i]++;
	for (__u32 step = 0; step < EVEN_SLOTS; step++) {
		__u32 slot = step * 40503u % EVEN_SLOTS, low = 0, high = ring.slots;
		__u64 place = (__u64)slot << (64 - EVEN_BITS);

		while (low < high) {
			__u32 middle = (low + high) / 2;

			if ((ring.data[middle] | PLACE_POINT_MEMBER) < place)
				low = middle + 1;
			else
				high = middle;
		}
		while (!room[ring.data[low % ring.slots] & PLACE_POINT_MEMBER])
			low = (low + 1) % ring.slots;
		entries[slot] = ring.data[low % ring.slots] & PLACE_POINT_MEMBER;
		room[entries[slot]]--;
	}
	free(room);
	free(ring.data);
	return 0;
}

/* Member index + 1 by node id, for policies that remember ids. */
static int ids_fill(struct place_table *table, const struct place_pool *pool,
		    const struct place_member *members)
{
	__u16 *entries = slots_new(table, PLACE_NODES_MAX);

	if (!entries)
		return -ENOMEM;
	for (__u32 i = 0; i < pool->count; i++)
		entries[members[i].node] = i + 1;
	return 0;
}

int place_table_fill(struct place_table *table, const struct place_pool *pool,
		     struct place_member *members, __u32 divisor, const struct place_plan *plan)
{
	__u32 slots = plan->slots ? plan->slots : pool->count <= 512 ? 65537 : 655373;

	switch (pool->policy) {
	case PLACE_WRR:
		return period_fill(table, pool, members, divisor);
	case PLACE_SH:
	case PLACE_DH:
		return turns_fill(table, pool, members, divisor);
	case PLACE_MAGLEV:
		if (!is_prime(slots) || slots <= pool->up)
			return -EINVAL;
		return permutations_fill(table, pool, members, slots);
	case PLACE_MIT_CH:
	case PLACE_BOUNDED_CH:
		return ring_fill(table, pool, members, divisor);
	case PLACE_MOD_CH:
		return even_fill(table, pool, members, divisor);
	case PLACE_CARP:
		return carp_factors(members, pool->up);
	default:
		return pool->wants & PLACE_WANT_CENTRAL ? ids_fill(table, pool, members) : 0;
	}
}

__u64 place_policy_window(enum place_policy policy)
{
	switch (policy) {
	case PLACE_LBLCR:
		return 86400000000000ull;
	case PLACE_TLS_AFFINITY:
		return 300000000000ull;
	default:
		return 20000000000ull;
	}
}
