#include "ten_nodes.h"

#include "place/tables.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TARGETS = 20000 };

static void build(enum place_policy policy, unsigned int count)
{
	struct place_plan plan = {.policy = policy, .nodes = nodes, .count = count};

	assert_int_equal(place_build(place_world, 0, &plan), 0);
}

/* Target `i` as a caller would describe it. */
static struct place_query query_of(unsigned int i)
{
	return (struct place_query){.target = place_mix(i + 1),
				    .client = place_mix(i + 1000000),
				    .random = place_mix(i + 2000000),
				    .carp = place_mix(i + 3000000),
				    .md5 = place_mix(i + 4000000)};
}

static __s32 choose(unsigned int i)
{
	struct place_query query = query_of(i);

	return place_choose(&query);
}

/* Weights 1, 2, 3, 1, ..., or 1 again. */
static void weigh(bool unevenly)
{
	for (int i = 0; i < NODES; i++)
		nodes[i].weight = unevenly ? 1 + i % 3 : 1;
}

static void names_and_policies_agree(void **state)
{
	(void)state;
	for (int i = 1; i < PLACE_POLICY_COUNT; i++) {
		assert_int_equal(place_policy_by_name(place_policy_name(i)), i);
		assert_non_null(strstr(place_policy_names(), place_policy_name(i)));
	}
	assert_int_equal(place_policy_by_name("none"), -EINVAL);
	assert_null(place_policy_name(PLACE_NONE));
	assert_null(place_policy_name(PLACE_POLICY_COUNT));
}

/* Every id that there can be, and one more. */
static void the_largest_pool_has_4096_nodes(void **state)
{
	enum { MOST = 4096 };
	static const enum place_policy policies[] = {PLACE_RR, PLACE_SH, PLACE_HRW, PLACE_LARD};
	static struct place_node all[MOST + 1];
	static char names[MOST + 1][8];
	struct place_world *world = world_new(1 << 14, 1 << 19, 1 << 10), *before = place_world;
	struct place_plan plan = {.nodes = all, .count = MOST};

	(void)state;
	for (unsigned int i = 0; i <= MOST; i++) {
		snprintf(names[i], sizeof(names[i]), "n%u", i + 1);
		all[i] = (struct place_node){i + 1, names[i], 1, PLACE_UP};
	}
	place_world = world;
	for (unsigned int policy = 0; policy < sizeof(policies) / sizeof(*policies); policy++) {
		bool chosen[MOST + 1] = {false};

		plan.policy = policies[policy];
		assert_int_equal(place_build(world, 0, &plan), 0);
		for (unsigned int i = 0; i < MOST; i++) {
			__s32 node = choose(i);

			assert_in_range(node, 1, MOST);
			chosen[node] = true;
		}
		/* Two that give every node something show that the last one is in as well. */
		assert_true(chosen[MOST] || (plan.policy != PLACE_RR && plan.policy != PLACE_LARD));
	}
	plan.count = MOST + 1;
	assert_int_equal(place_build(world, 0, &plan), -EINVAL);
	place_world = before;
	world_free(world);
}

static void wrong_plans_are_refused(void **state)
{
	struct place_plan plan = {.policy = PLACE_HRW, .nodes = nodes, .count = 3};
	__s32 before;

	(void)state;
	build(PLACE_MAGLEV, 3);
	before = choose(1);
	plan.count = 0;
	assert_int_equal(place_build(place_world, 0, &plan), -EINVAL);
	plan.count = 3;
	nodes[1].weight = 0;
	assert_int_equal(place_build(place_world, 0, &plan), -EINVAL);
	nodes[1].weight = 1;
	nodes[1].id = nodes[0].id;
	assert_int_equal(place_build(place_world, 0, &plan), -EINVAL);
	nodes[1].id = FIRST + 1;
	nodes[1].name = nodes[0].name;
	assert_int_equal(place_build(place_world, 0, &plan), -EINVAL);
	nodes[1].name = names[1];
	assert_int_equal(place_build(place_world, PLACE_POOLS_MAX, &plan), -EINVAL);
	plan.policy = PLACE_MAGLEV;
	plan.slots = 65536;
	assert_int_equal(place_build(place_world, 0, &plan), -EINVAL);
	assert_int_equal(choose(1), before);
}

static void nobody_up_is_said(void **state)
{
	(void)state;
	for (int policy = 1; policy < PLACE_POLICY_COUNT; policy++) {
		nodes[0].state = PLACE_DOWN;
		nodes[1].state = PLACE_DRAIN;
		build(policy, 2);
		assert_int_equal(choose(1), -ENOENT);
	}
	nodes[0].state = nodes[1].state = PLACE_UP;
	place_world->states[0].ready = 0;
	assert_int_equal(choose(1), -ENOENT);
}

/* Whatever the policy: a node that drains or is down gets nothing, all others get something. */
static void only_nodes_that_are_up_are_chosen(void **state)
{
	(void)state;
	nodes[3].state = PLACE_DRAIN;
	nodes[7].state = PLACE_DOWN;
	for (int policy = 1; policy < PLACE_POLICY_COUNT; policy++) {
		unsigned int got[NODES] = {0};

		build(policy, NODES);
		for (unsigned int i = 0; i < TARGETS; i++) {
			__s32 node = choose(i);

			assert_in_range(node, FIRST, FIRST + NODES - 1);
			got[node - FIRST]++;
		}
		for (int i = 0; i < NODES; i++)
			assert_int_equal(!got[i], nodes[i].state != PLACE_UP);
	}
	nodes[3].state = nodes[7].state = PLACE_UP;
}

static void the_order_of_the_list_changes_nothing(void **state)
{
	static const int policies[] = {PLACE_MAGLEV, PLACE_HRW,	   PLACE_DH,  PLACE_MD5,
				       PLACE_MIT_CH, PLACE_MOD_CH, PLACE_CARP};

	(void)state;
	for (size_t p = 0; p < sizeof(policies) / sizeof(*policies); p++) {
		struct place_node turned[NODES];
		struct place_plan plan = {.policy = policies[p], .nodes = turned, .count = NODES};
		__s32 before[1000];

		build(policies[p], NODES);
		for (int i = 0; i < 1000; i++)
			before[i] = choose(i);
		for (int i = 0; i < NODES; i++)
			turned[i] = nodes[NODES - 1 - i];
		assert_int_equal(place_build(place_world, 0, &plan), 0);
		for (int i = 0; i < 1000; i++)
			assert_int_equal(choose(i), before[i]);
	}
}

/* Largest share over the share it should be, by weight. */
static double imbalance(void)
{
	unsigned int got[NODES] = {0};
	double weights = 0, worst = 0;

	for (unsigned int i = 0; i < TARGETS; i++)
		got[choose(i) - FIRST]++;
	for (int i = 0; i < NODES; i++)
		weights += nodes[i].weight;
	for (int i = 0; i < NODES; i++)
		worst = fmax(worst, fabs(got[i] * weights / nodes[i].weight / TARGETS - 1));
	return worst;
}

static void shares_follow_weights(void **state)
{
	static const struct {
		int policy;
		bool weighted;
	} rows[] = {{PLACE_RR, false}, {PLACE_WRR, true},   {PLACE_SH, true},
		    {PLACE_DH, true},  {PLACE_MD5, false},  {PLACE_MAGLEV, true},
		    {PLACE_HRW, true}, {PLACE_MOD_CH, true}};

	(void)state;
	for (size_t r = 0; r < sizeof(rows) / sizeof(*rows); r++) {
		build(rows[r].policy, NODES);
		/* 2,000 each: 10 % is more than four standard deviations of chance. */
		assert_true(imbalance() < 0.10);
		if (!rows[r].weighted)
			continue;
		weigh(true);
		build(rows[r].policy, NODES);
		/* Weight 1 of 19: about 1,000. */
		assert_true(imbalance() < 0.15);
		weigh(false);
	}
}

/* Of the targets of nodes that stay, how many moved when node 5 went; and those of node 5 all did.
 */
static double moved_needlessly(int policy, unsigned int *lost)
{
	static __s32 before[TARGETS];
	unsigned int moved = 0, kept = 0;

	build(policy, NODES);
	for (unsigned int i = 0; i < TARGETS; i++)
		before[i] = choose(i);
	nodes[4].state = PLACE_DOWN;
	build(policy, NODES);
	*lost = 0;
	for (unsigned int i = 0; i < TARGETS; i++) {
		__s32 now = choose(i);

		assert_int_not_equal(now, FIRST + 4);
		if (before[i] == FIRST + 4) {
			++*lost;
		} else {
			kept++;
			moved += now != before[i];
		}
	}
	nodes[4].state = PLACE_UP;
	return (double)moved / kept;
}

static void a_node_that_goes_moves_what_is_promised(void **state)
{
	unsigned int lost;

	(void)state;
	assert_true(moved_needlessly(PLACE_HRW, &lost) == 0);
	assert_in_range(lost, TARGETS / NODES * 85 / 100, TARGETS / NODES * 115 / 100);
	assert_true(moved_needlessly(PLACE_MIT_CH, &lost) == 0);
	assert_true(moved_needlessly(PLACE_CARP, &lost) == 0);
	assert_in_range(lost, TARGETS / NODES * 85 / 100, TARGETS / NODES * 115 / 100);
	assert_true(moved_needlessly(PLACE_MAGLEV, &lost) < 0.01);
	assert_true(moved_needlessly(PLACE_MOD_CH, &lost) < 0.05);
	assert_true(moved_needlessly(PLACE_MD5, &lost) > 0.8);
}

/* The definition in plain words, against the policy; nodes of different weight. */
static void carp_by_its_definition(void **state)
{
	__u32 hashes[NODES];
	double factors[NODES], product = 1, last = 0, total = 0;

	(void)state;
	for (int i = 0; i < NODES; i++) {
		__u32 h = 0;

		/* Ascending, as the draft wants them. */
		nodes[i].weight = 1 + i / 3;
		total += nodes[i].weight;
		for (const char *at = names[i]; *at; at++)
			h += (h << 19 | h >> 13) + (unsigned char)*at;
		h += h * 0x62531965u;
		hashes[i] = h << 21 | h >> 11;
	}
	for (int k = 0; k < NODES; k++) {
		double p = nodes[k].weight / total, n = NODES - k;

		factors[k] =
			pow(n * (p - last) / product + (k ? pow(factors[k - 1], n) : 0), 1 / n);
		product *= factors[k];
		last = p;
	}
	build(PLACE_CARP, NODES);
	for (unsigned int i = 0; i < TARGETS; i++) {
		struct place_query query = query_of(i);
		double best = 0, second = 0;
		int winner = 0;

		for (int k = 0; k < NODES; k++) {
			__u32 x = query.carp ^ hashes[k];

			x += x * 0x62531965u;
			x = x << 21 | x >> 11;
			if (x * factors[k] > best) {
				second = best;
				best = x * factors[k];
				winner = k;
			} else {
				second = fmax(second, x * factors[k]);
			}
		}
		/* Where two are one in 32 bits either is right. */
		if (best - second > 4)
			assert_int_equal(place_choose(&query), FIRST + winner);
	}
	for (int i = 0; i < NODES; i++)
		nodes[i].weight = 1;
}

static __u64 name_hash(int node)
{
	return place_hash_bytes(PLACE_HASH_START, names[node], strlen(names[node]));
}

/* Karger's circle in plain words: of all points the first one at or behind the target. */
static void ring_by_its_definition(void **state)
{
	(void)state;
	weigh(true);
	build(PLACE_MIT_CH, NODES);
	for (unsigned int i = 0; i < 1000; i++) {
		__u64 target = query_of(i).target, nearest = ~0ull;
		int owner = 0;

		for (int n = 0; n < NODES; n++)
			for (__u64 k = 0; k < 160 * nodes[n].weight; k++) {
				__u64 point = place_mix(name_hash(n) + k * PLACE_HASH_START);
				__u64 way = (point | 0xffff) - target;

				if (way < nearest) {
					nearest = way;
					owner = n;
				}
			}
		assert_int_equal(choose(i), FIRST + owner);
	}
	weigh(false);
}

/* Rendezvous in plain words: the largest number wins, with weights the least -log(u) / w. */
static void hrw_by_its_definition(void **state)
{
	(void)state;
	for (int uneven = 0; uneven < 2; uneven++) {
		weigh(uneven);
		build(PLACE_HRW, NODES);
		for (unsigned int i = 0; i < TARGETS; i++) {
			double best = INFINITY, second = INFINITY;
			int winner = 0;

			for (int n = 0; n < NODES; n++) {
				__u64 u = place_mix(query_of(i).target ^ name_hash(n));
				double score = (64 - log2((double)u)) / nodes[n].weight;

				second = fmin(second, fmax(score, best));
				if (score < best)
					winner = n;
				best = fmin(best, score);
			}
			/* Where the logarithm's 0.2 % decide, either is right. */
			if (best < second * 0.99)
				assert_int_equal(choose(i), FIRST + winner);
		}
	}
	weigh(false);
}

/* LVS's table: the nodes in turn, each as often as it weighs. */
static void dh_and_sh_by_their_definition(void **state)
{
	int turn[3 * NODES], turns = 0;

	(void)state;
	weigh(true);
	for (int n = 0; n < NODES; n++)
		for (unsigned int k = 0; k < nodes[n].weight; k++)
			turn[turns++] = FIRST + n;
	build(PLACE_DH, NODES);
	for (unsigned int i = 0; i < TARGETS; i++)
		assert_int_equal(choose(i), turn[(place_mix(query_of(i).target) >> 50) % turns]);
	build(PLACE_SH, NODES);
	for (unsigned int i = 0; i < TARGETS; i++)
		assert_int_equal(choose(i), turn[(place_mix(query_of(i).client) >> 50) % turns]);
	weigh(false);
}

static void rr_takes_turns(void **state)
{
	(void)state;
	build(PLACE_RR, NODES);
	place_world->states[0].turn = 0;
	for (int i = 0; i < 3 * NODES; i++)
		assert_int_equal(choose(0), FIRST + i % NODES);
}

static void ring_shares_are_fair(void **state)
{
	(void)state;
	build(PLACE_MIT_CH, NODES);
	/* 160 points each: 8 % is one standard deviation. */
	assert_true(imbalance() < 0.30);
	weigh(true);
	build(PLACE_MIT_CH, NODES);
	assert_true(imbalance() < 0.35);
	build(PLACE_CARP, NODES);
	assert_true(imbalance() < 0.35);
	weigh(false);
}

static void hrw_weight_moves_only_towards_it(void **state)
{
	static __s32 before[TARGETS];

	(void)state;
	build(PLACE_HRW, NODES);
	for (unsigned int i = 0; i < TARGETS; i++)
		before[i] = choose(i);
	nodes[2].weight = 3;
	build(PLACE_HRW, NODES);
	for (unsigned int i = 0; i < TARGETS; i++) {
		__s32 now = choose(i);

		if (now != before[i])
			assert_int_equal(now, FIRST + 2);
	}
	nodes[2].weight = 1;
}

static void logarithm_is_near(void **state)
{
	(void)state;
	for (__u64 i = 1; i < 100000; i++) {
		__u64 x = place_mix(i);
		double exact = -(log2((double)x) - 64) * 4294967296.0;

		assert_true(fabs(place_log2_below(x) - exact) <= 2 + exact * 0.003);
	}
	assert_true(place_log2_below(1) == 64ull << 32);
	assert_true(place_log2_below(1ull << 63) == 1ull << 32);
}

/* The smooth order for weights 5, 1, 1, as nginx's change that brought it tells: a a b a c a a. */
static void wrr_is_smooth(void **state)
{
	static const int order[] = {101, 101, 102, 101, 103, 101, 101};

	(void)state;
	nodes[0].weight = 5;
	build(PLACE_WRR, 3);
	place_world->states[0].turn = 0;
	for (int i = 0; i < 21; i++)
		assert_int_equal(choose(0), order[i % 7]);
	nodes[0].weight = 1;
}

static void looking_takes_no_turn(void **state)
{
	struct place_query query = {.flags = PLACE_PEEK};

	(void)state;
	build(PLACE_RR, NODES);
	assert_int_equal(place_choose(&query), place_choose(&query));
	query.flags = 0;
	assert_int_not_equal(place_choose(&query), place_choose(&query));
}

static void pools_do_not_meet(void **state)
{
	struct place_plan plan = {.policy = PLACE_MAGLEV, .nodes = nodes, .count = NODES};
	struct place_query query = query_of(7);
	__s32 node;

	(void)state;
	build(PLACE_MAGLEV, NODES);
	node = choose(7);
	for (int round = 0; round < 40; round++)
		for (int pool = 1; pool < 6; pool++) {
			plan.count = 1 + (pool + round) % NODES;
			assert_int_equal(place_build(place_world, pool, &plan), 0);
		}
	assert_int_equal(choose(7), node);
	query.pool = 3;
	node = place_choose(&query);
	assert_in_range(node, FIRST, FIRST + NODES - 1);
	/* More than there is room for. */
	for (int pool = 6; pool < 64; pool++) {
		int error = place_build(place_world, pool, &plan);

		assert_true(error == 0 || error == -ENOSPC);
	}
	assert_int_equal(place_choose(&query), node);
}

/* RFC 1321, A.5. */
static void md5_known_answers(void **state)
{
	static const struct {
		const char *text, *end; /* the digest's last eight digits */
	} rows[] = {{"", "ecf8427e"},
		    {"a", "69772661"},
		    {"abc", "28e17f72"},
		    {"message digest", "aaf161d0"},
		    {"abcdefghijklmnopqrstuvwxyz", "ca67e13b"}};

	(void)state;
	for (size_t r = 0; r < sizeof(rows) / sizeof(*rows); r++) {
		__u32 block[16] = {0};
		struct md5 md5;
		char low[9];

		memcpy(block, rows[r].text, strlen(rows[r].text));
		((unsigned char *)block)[strlen(rows[r].text)] = 0x80;
		block[14] = strlen(rows[r].text) * 8;
		md5_start(&md5);
		md5_block(&md5, &block);
		snprintf(low, sizeof(low), "%08x", md5_low(&md5));
		assert_string_equal(low, rows[r].end);
	}
}

/* Table 1 of the Maglev paper: offsets and skips (3, 4), (0, 2), (3, 1) and seven slots; then
 * without the second backend. */
static void maglev_fills_the_paper_s_table(void **state)
{
	static const __u16 before[] = {1, 0, 1, 0, 2, 2, 0}, after[] = {0, 0, 0, 0, 1, 1, 1};
	struct maglev_order three[] = {{3, 4, 1, 0}, {0, 2, 1, 0}, {3, 1, 1, 0}};
	struct maglev_order two[] = {{3, 4, 1, 0}, {3, 1, 1, 0}};
	__u16 entries[7];

	(void)state;
	assert_int_equal(maglev_fill(entries, 7, three, 3, 1), 0);
	assert_memory_equal(entries, before, sizeof(before));
	assert_int_equal(maglev_fill(entries, 7, two, 2, 1), 0);
	assert_memory_equal(entries, after, sizeof(after));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(names_and_policies_agree),
	cmocka_unit_test(wrong_plans_are_refused),
	cmocka_unit_test(nobody_up_is_said),
	cmocka_unit_test(only_nodes_that_are_up_are_chosen),
	cmocka_unit_test(the_order_of_the_list_changes_nothing),
	cmocka_unit_test(shares_follow_weights),
	cmocka_unit_test(a_node_that_goes_moves_what_is_promised),
	cmocka_unit_test(carp_by_its_definition),
	cmocka_unit_test(ring_by_its_definition),
	cmocka_unit_test(hrw_by_its_definition),
	cmocka_unit_test(dh_and_sh_by_their_definition),
	cmocka_unit_test(rr_takes_turns),
	cmocka_unit_test(ring_shares_are_fair),
	cmocka_unit_test(hrw_weight_moves_only_towards_it),
	cmocka_unit_test(logarithm_is_near),
	cmocka_unit_test(the_largest_pool_has_4096_nodes),
	cmocka_unit_test(wrr_is_smooth),
	cmocka_unit_test(looking_takes_no_turn),
	cmocka_unit_test(pools_do_not_meet),
	cmocka_unit_test(md5_known_answers),
	cmocka_unit_test(maglev_fills_the_paper_s_table),
};

int main(void)
{
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, setup, teardown);
}
