/* Policies that go by load, and those that remember targets: each by the steps of its source. */
#include "ten_nodes.h"

#include "place/targets.h"

#include <string.h>

static __u64 now;

static void begin(struct place_plan plan, unsigned int count)
{
	plan.nodes = nodes;
	plan.count = count;
	memset(place_world->loads, 0,
	       (PLACE_NODES_MAX + PLACE_POOLS_MAX) * sizeof(*place_world->loads));
	targets_evict(place_world->targets, ~0ull);
	memset(place_world->states, 0, sizeof(*place_world->states));
	now = 1000000000000;
	assert_int_equal(place_build(place_world, 0, &plan), 0);
}

static struct place_query last; /* as the last decision left it */

static __s32 ask(__u64 target, __u32 asker)
{
	last = (struct place_query){.target = place_mix(target + 1),
				    .random = place_mix(now),
				    .now_ns = now,
				    .node = asker};
	return place_choose(&last);
}

static __s32 request(__u64 target)
{
	return ask(target, 0);
}

static unsigned int nodes_of(__u64 target)
{
	struct place_target_key key = {.target = place_mix(target + 1)};
	const struct place_target *found = place_target_find(&key);

	return found ? set_size(found) : 0;
}

static void least_connections(void **state)
{
	(void)state;
	begin((struct place_plan){.policy = PLACE_LC}, 3);
	set_load(101, 5);
	set_load(102, 3);
	set_load(103, 4);
	assert_int_equal(request(1), 102);
	assert_int_equal(request(2), 102);
	assert_int_equal(request(3), 103);
	nodes[0].weight = 4;
	begin((struct place_plan){.policy = PLACE_WLC}, 3);
	nodes[0].weight = 1;
	assert_int_equal(request(1), 101);
	set_load(101, 5);
	set_load(102, 1);
	set_load(103, 2);
	assert_int_equal(request(1), 102);
	assert_int_equal(request(1), 101);
}

static void two_choices_take_the_lesser(void **state)
{
	/* The first node by the upper half, another one by the lower. */
	struct place_query drawn = {.random = 0x60000000ffffffff, .flags = PLACE_PEEK};
	unsigned int most = 0;

	(void)state;
	begin((struct place_plan){.policy = PLACE_P2C}, 4);
	assert_int_equal(place_choose(&drawn), 102); /* and 104, no less loaded */
	set_load(102, 5);
	set_load(104, 5);
	assert_int_equal(place_choose(&drawn), 102);
	set_load(104, 4);
	assert_int_equal(place_choose(&drawn), 104);
	nodes[1].weight = 2;
	begin((struct place_plan){.policy = PLACE_P2C}, 4);
	nodes[1].weight = 1;
	set_load(102, 7);
	set_load(104, 4);
	assert_int_equal(place_choose(&drawn), 102);
	begin((struct place_plan){.policy = PLACE_P2C}, NODES);
	for (unsigned int i = 0; i < 10000; i++, now++)
		assert_in_range(request(i), FIRST, FIRST + NODES - 1);
	for (int i = 0; i < NODES; i++) {
		unsigned int load = place_node_load(FIRST + i);

		most = load > most ? load : most;
	}
	/* log2(log2(10)) + O(1) above the mean; chance alone would be about 50 above. */
	assert_in_range(most, 1000, 1006);
}

static void bounded_loads_are_never_exceeded(void **state)
{
	unsigned int total = 0, passed = 0;

	(void)state;
	begin((struct place_plan){.policy = PLACE_BOUNDED_CH, .bound = 1280}, NODES);
	for (unsigned int i = 0; i < 20000; i++) {
		__s32 node = request(place_mix(i) % (1 + i % 30));
		__u64 load = place_node_load(node), bound;

		total++;
		bound = (5 * total + 4 * NODES - 1) / (4 * NODES);
		assert_in_range(load, 1, bound);
		passed += last.reason == PLACE_REASON_OVERLOAD;
		/* Requests end in some order once there are 200. */
		while (total > 200) {
			__u32 other = FIRST + place_mix(i + total) % NODES;

			for (int k = 0; !place_node_load(other) && k < NODES; k++)
				other = FIRST + (other - FIRST + 1) % NODES;
			finish(other);
			total--;
		}
	}
	assert_true(passed > 0);
}

static void lard_follows_its_thresholds(void **state)
{
	(void)state;
	begin((struct place_plan){.policy = PLACE_LARD, .low = 25, .high = 65}, 3);
	assert_int_equal(request(1), 101);
	assert_int_equal(last.reason, PLACE_REASON_ASSIGNED);
	assert_int_equal(request(1), 101);
	assert_int_equal(last.reason, PLACE_REASON_HIT);
	set_load(101, 65);
	assert_int_equal(request(1), 101); /* not above T_high */
	set_load(101, 66);
	set_load(102, 25);
	set_load(103, 25);
	assert_int_equal(request(1), 101); /* nobody below T_low */
	set_load(101, 66);
	set_load(103, 24);
	assert_int_equal(request(1), 103);
	assert_int_equal(last.reason, PLACE_REASON_OVERLOAD);
	assert_int_equal(request(1), 103); /* and stays there */
	set_load(103, 130);
	set_load(101, 70);
	set_load(102, 80);
	assert_int_equal(request(1), 101); /* 2 T_high */
	assert_int_equal(nodes_of(1), 1);
}

static void lard_2004_follows_its_costs(void **state)
{
	(void)state;
	begin((struct place_plan){.policy = PLACE_LARD_2004}, 3);
	assert_int_equal(request(1), 101);
	set_load(101, 79);
	assert_int_equal(request(1), 101);
	set_load(102, 10);
	set_load(103, 9);
	assert_int_equal(request(1), 103); /* 101 has 80 */
	assert_int_equal(request(1), 103);
	set_load(101, 90);
	set_load(102, 85);
	set_load(103, 95);
	assert_int_equal(request(1), 102); /* all invalid: the least loaded */
}

static void lard_r_grows_and_shrinks(void **state)
{
	(void)state;
	begin((struct place_plan){.policy = PLACE_LARD_R, .window_ns = 20000000000ull}, 4);
	assert_int_equal(request(1), 101);
	set_load(101, 66);
	assert_int_equal(request(1), 102);
	assert_int_equal(nodes_of(1), 2);
	set_load(101, 3);
	set_load(102, 66);
	assert_int_equal(request(1), 101); /* the less loaded one of the set */
	now += 20000000000ull;
	assert_int_equal(request(1), 101);
	assert_int_equal(nodes_of(1), 2);
	now += 1;
	assert_int_equal(request(1), 101); /* still for more than K: the most loaded one goes */
	assert_int_equal(nodes_of(1), 1);
	set_load(102, 0);
	assert_int_equal(request(1), 101);
}

static void a_node_that_goes_is_replaced(void **state)
{
	static const int policies[] = {PLACE_LBLC,	PLACE_LBLCR,  PLACE_LARD,
				       PLACE_LARD_2004, PLACE_LARD_R, PLACE_DS,
				       PLACE_DS_2004,	PLACE_HT_RR,  PLACE_TLS_AFFINITY};

	(void)state;
	for (size_t p = 0; p < sizeof(policies) / sizeof(*policies); p++) {
		struct place_plan plan = {.policy = policies[p], .nodes = nodes, .count = NODES};
		__s32 before[200];

		begin(plan, NODES);
		for (int i = 0; i < 200; i++, now += 100000000)
			before[i] = request(i);
		nodes[4].state = PLACE_DOWN;
		assert_int_equal(place_build(place_world, 0, &plan), 0);
		for (int i = 0; i < 200; i++, now += 100000000) {
			__s32 node = request(i);

			if (before[i] == FIRST + 4)
				assert_int_not_equal(node, FIRST + 4);
			else
				assert_int_equal(node, before[i]);
		}
		nodes[4].state = PLACE_UP;
	}
}

/* Linux' lblcr: a node is overloaded beyond its share while another has less than half its own. */
static void lblcr_known_steps(void **state)
{
	(void)state;
	begin((struct place_plan){.policy = PLACE_LBLCR, .high = 10}, 3);
	assert_int_equal(request(1), 101);
	set_load(101, 11);
	set_load(102, 5);
	set_load(103, 5);
	assert_int_equal(request(1), 101); /* 5 is not less than half of 10 */
	set_load(103, 4);
	set_load(101, 11);
	assert_int_equal(request(1), 103);
	assert_int_equal(nodes_of(1), 2);
	set_load(101, 4);
	set_load(103, 6);
	assert_int_equal(request(1), 101);
	now += 86400000000001ull;
	assert_int_equal(request(1), 101);
	assert_int_equal(nodes_of(1), 1);
	begin((struct place_plan){.policy = PLACE_LBLC, .high = 10}, 3);
	assert_int_equal(request(1), 101);
	set_load(101, 11);
	assert_int_equal(request(1), 102);
	set_load(101, 0);
	assert_int_equal(request(1), 102);
	assert_int_equal(nodes_of(1), 1);
}

static void hash_table_turns(void **state)
{
	struct place_query query = {.now_ns = 1};
	__s32 first;

	(void)state;
	begin((struct place_plan){.policy = PLACE_HT_RR}, 3);
	query.target = 5ull << 50;
	first = place_choose(&query);
	assert_int_equal(first, 101);
	query.target = 6ull << 50;
	assert_int_equal(place_choose(&query), 102);
	query.target = 7ull << 50;
	assert_int_equal(place_choose(&query), 103);
	query.target = 5ull << 50 | 12345; /* the same bucket */
	assert_int_equal(place_choose(&query), first);
}

/* A request that is over at once. */
static __s32 served(__u64 target)
{
	__s32 node = request(target);

	finish((__u32)node);
	return node;
}

static void affinity_ends_with_the_window(void **state)
{
	unsigned int moved = 0;
	__s32 before[300];

	(void)state;
	begin((struct place_plan){.policy = PLACE_TLS_AFFINITY, .window_ns = 1000000000}, NODES);
	for (int i = 0; i < 300; i++)
		before[i] = served(i);
	now += 999999999;
	for (int i = 299; i >= 0; i--)
		assert_int_equal(served(i), before[i]);
	now += 1;
	for (int i = 299; i >= 0; i--)
		moved += served(i) != before[i];
	assert_true(moved > 0);
	for (int i = 0; i < NODES; i++)
		before[i] = 0;
	/* Evenly: each window begins with turns. */
	now += 1000000000;
	for (int i = 0; i < 300; i++)
		before[served(i) - FIRST]++;
	for (int i = 0; i < NODES; i++)
		assert_int_equal(before[i], 30);
}

/* A pair whose node has more than T_high, while another one has nothing, goes there and stays. */
static void affinity_yields_to_overload(void **state)
{
	__s32 node, other;

	(void)state;
	begin((struct place_plan){.policy = PLACE_TLS_AFFINITY, .high = 10, .low = 2}, NODES);
	node = request(7);
	for (int i = 1; i <= 10; i++)
		assert_int_equal(request(7), node);
	other = request(7);
	assert_int_not_equal(other, node);
	for (int i = 0; i < 11; i++)
		finish(node);
	for (int i = 1; i < 10; i++)
		assert_int_equal(request(7), other);
}

/* 1,000 requests a second for one target are five times 200. */
static void ds_gives_and_takes_back(void **state)
{
	unsigned int most = 0;

	(void)state;
	begin((struct place_plan){.policy = PLACE_DS}, NODES);
	for (int i = 0; i < 4000; i++) {
		finish(request(1));
		now += 1000000;
		most = nodes_of(1) > most ? nodes_of(1) : most;
	}
	assert_in_range(most, 4, 6);
	assert_int_equal(nodes_of(1), most);
	for (int i = 0; i < 30; i++) {
		finish(request(1));
		now += 100000000;
	}
	assert_int_equal(nodes_of(1), 1);
	/* 50 a second are LARD's. */
	for (int i = 0; i < 500; i++) {
		finish(request(2));
		now += 20000000;
	}
	assert_int_equal(nodes_of(2), 1);
}

static void ds_2004_goes_by_the_gap(void **state)
{
	(void)state;
	begin((struct place_plan){.policy = PLACE_DS_2004}, 4);
	assert_int_equal(ask(1, 103), 101); /* LARD: the least loaded */
	now += 5000000;
	assert_int_equal(ask(1, 103), 101); /* not below 5 ms */
	now += 4999999;
	assert_int_equal(ask(1, 103), 103); /* hot, and the asker has room */
	assert_int_equal(last.reason, PLACE_REASON_HOT);
	assert_int_equal(nodes_of(1), 2);
	set_load(103, 80);
	now += 1000000;
	assert_int_equal(ask(1, 103), 102); /* asker full: least outside the set */
	assert_int_equal(nodes_of(1), 3);
	now += 6000000;
	assert_int_not_equal(ask(1, 103), 103);
	assert_int_equal(nodes_of(1), 1); /* cold: given back */
}

static void a_node_serves_alone_what_is_hot_and_its_own(void **state)
{
	struct place_query query = {.target = 7, .node = 103, .scope = 103};

	(void)state;
	begin((struct place_plan){.policy = PLACE_DS_2004}, 4);
	query.now_ns = now;
	assert_int_equal(place_alone(&query), 0); /* never given */
	assert_int_equal(place_own(&query), 0);
	query.now_ns += 1000000;
	assert_int_equal(place_alone(&query), 103);
	assert_int_equal(query.reason, PLACE_REASON_HOT);
	query.node = query.scope = 102;
	assert_int_equal(place_alone(&query), 0); /* another node's memory */
	query.node = query.scope = 103;
	query.now_ns += 6000000;
	assert_int_equal(place_alone(&query), 0); /* cold: asks, and forgets */
	query.now_ns += 1000000;
	assert_int_equal(place_alone(&query), 0);
	assert_int_equal(place_own(&query), 0);
	set_load(103, 80);
	query.now_ns += 1000000;
	assert_int_equal(place_alone(&query), 0); /* full */
}

static void a_full_table_still_places(void **state)
{
	struct place_world *world = world_new(100, 4096, 10), *before = place_world;

	(void)state;
	assert_non_null(world);
	place_world = world;
	begin((struct place_plan){.policy = PLACE_LARD}, 4);
	for (int i = 0; i < 100; i++)
		assert_in_range(request(i), 101, 104);
	assert_int_equal(targets_count(world->targets), 10);
	assert_int_equal(targets_evict(world->targets, ~0ull), 10);
	assert_int_equal(targets_count(world->targets), 0);
	place_world = before;
	world_free(world);
}

static void looking_remembers_nothing(void **state)
{
	(void)state;
	for (int policy = 1; policy < PLACE_POLICY_COUNT; policy++) {
		struct place_query query = {.target = 99, .now_ns = 5, .flags = PLACE_PEEK};

		begin((struct place_plan){.policy = policy}, 4);
		assert_in_range(place_choose(&query), 101, 104);
		assert_int_equal(targets_count(place_world->targets), 0);
		for (int i = 0; i < 4; i++)
			assert_int_equal(place_node_load(101 + i), 0);
	}
}

static void sets_keep_what_they_are_given(void **state)
{
	struct place_target target = {0};

	(void)state;
	for (unsigned int i = 1; i <= PLACE_SET_MAX; i++) {
		assert_false(set_has(&target, i * 250));
		set_add(&target, i * 250, i);
		assert_true(set_has(&target, i * 250));
		assert_int_equal(set_size(&target), i);
		assert_int_equal(target.changed_ns, i);
	}
	set_add(&target, 4095, 99);
	assert_false(set_has(&target, 4095));
	for (unsigned int i = 1; i <= PLACE_SET_MAX; i += 3) {
		set_remove(&target, i * 250, 100);
		assert_false(set_has(&target, i * 250));
	}
	assert_int_equal(set_size(&target), PLACE_SET_MAX - 6);
	set_only(&target, 5, 101);
	assert_int_equal(set_size(&target), 1);
	assert_int_equal(set_node(&target, 0), 5);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(least_connections),
	cmocka_unit_test(two_choices_take_the_lesser),
	cmocka_unit_test(bounded_loads_are_never_exceeded),
	cmocka_unit_test(lard_follows_its_thresholds),
	cmocka_unit_test(lard_2004_follows_its_costs),
	cmocka_unit_test(lard_r_grows_and_shrinks),
	cmocka_unit_test(a_node_that_goes_is_replaced),
	cmocka_unit_test(lblcr_known_steps),
	cmocka_unit_test(hash_table_turns),
	cmocka_unit_test(affinity_ends_with_the_window),
	cmocka_unit_test(affinity_yields_to_overload),
	cmocka_unit_test(ds_gives_and_takes_back),
	cmocka_unit_test(ds_2004_goes_by_the_gap),
	cmocka_unit_test(a_node_serves_alone_what_is_hot_and_its_own),
	cmocka_unit_test(a_full_table_still_places),
	cmocka_unit_test(looking_remembers_nothing),
	cmocka_unit_test(sets_keep_what_they_are_given),
};

int main(void)
{
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, setup, teardown);
}
