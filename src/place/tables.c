#include "place/tables.h"

#include "place/hash.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

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

int maglev_fill(__u16 *entries, __u32 slots, const struct place_member *members, __u32 count,
		__u32 most)
{
	struct {
		__u32 offset, skip, next, credit;
	} *order = calloc(count, sizeof(*order));
	bool *taken = calloc(slots, sizeof(*taken));
	__u32 filled = 0;

	if (!order || !taken) {
		free(order);
		free(taken);
		return -ENOMEM;
	}
	for (__u32 i = 0; i < count; i++) {
		order[i].offset = place_mix(members[i].hash) % slots;
		order[i].skip = place_mix(members[i].hash ^ PLACE_HASH_START) % (slots - 1) + 1;
		order[i].next = order[i].offset;
	}
	for (;;) {
		for (__u32 i = 0; i < count; i++) {
			order[i].credit += members[i].weight;
			if (order[i].credit < most)
				continue;
			order[i].credit -= most;
			while (taken[order[i].next])
				order[i].next = ((__u64)order[i].next + order[i].skip) % slots;
			taken[order[i].next] = true;
			entries[order[i].next] = i;
			if (++filled == slots)
				goto done;
		}
	}
done:
	free(order);
	free(taken);
	return 0;
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

int place_table_fill(struct place_table *table, const struct place_pool *pool,
		     struct place_member *members, __u32 divisor, const struct place_plan *plan)
{
	__u32 slots = plan->slots ? plan->slots : pool->count <= 512 ? 65537 : 655373;
	__u16 *entries;

	switch (pool->policy) {
	case PLACE_WRR:
		return period_fill(table, pool, members, divisor);
	case PLACE_SH:
	case PLACE_DH:
		return turns_fill(table, pool, members, divisor);
	case PLACE_MAGLEV:
		if (!is_prime(slots) || slots <= pool->up)
			return -EINVAL;
		entries = slots_new(table, slots);
		return entries ? maglev_fill(entries, slots, members, pool->up, pool->weight_most)
			       : -ENOMEM;
	default:
		return 0;
	}
}

__u64 place_policy_window(enum place_policy policy)
{
	(void)policy;
	return 20000000000ull;
}
