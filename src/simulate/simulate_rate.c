/* `baton simulate rate`: how fast and how steadily dual scheduling sees that a target is hot, by
 * the time constant of its rate, by what it waits for to give a node back, and by the gap of 2004.
 *
 * One target, asked for at random (Poisson), each request at a node chosen at random, which asks
 * the dispatcher or, as ds has it, serves alone for 100 ms; requests take no time, so load has no
 * part. Two questions. A step: the rate jumps to `high` times what makes a target hot, stays so for
 * a while, and falls back: when has the set as many nodes as it should, when only one again? A
 * constant rate: how often does the set change although nothing has?
 */
#include "simulate/simulate.h"

#include "base/fail.h"
#include "base/plot.h"
#include "base/random.h"
#include "base/table.h"
#include "place/place.h"
#include "simulate/cluster.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	NODES = 8,
	RUNS = 20,	  /* of each step, with other random numbers */
	STEP_S = 20,	  /* cold before, hot, and cold after, each */
	STEADY_S = 400,	  /* of a constant rate */
	STEADY_FROM = 20, /* of these not looked at: the set is found */
	COLD = 20,	  /* requests a second of a target that is not hot */
	LEVELS = 5,
};

/* Constant rates, as multiples of a hot one. */
static const double levels[LEVELS] = {0.5, 0.9, 1.1, 2.5, 3.0};

static const struct rule {
	enum place_policy policy;
	double decay, gap; /* s */
	double give_back;
} rules[] = {
	{PLACE_DS, 0.1, 0.005, 0.5},	{PLACE_DS, 0.25, 0.005, 0.5},
	{PLACE_DS, 0.5, 0.005, 0.5},	{PLACE_DS, 1, 0.005, 0.5},
	{PLACE_DS, 2, 0.005, 0.5},	{PLACE_DS, 5, 0.005, 0.5},
	{PLACE_DS, 1, 0.005, 0.25},	{PLACE_DS, 1, 0.005, 0.75},
	{PLACE_DS, 1, 0.005, 1},	{PLACE_DS, 1, 0.0025, 0.5},
	{PLACE_DS, 1, 0.01, 0.5},	{PLACE_DS_2004, 1, 0.0025, 0.5},
	{PLACE_DS_2004, 1, 0.005, 0.5}, {PLACE_DS_2004, 1, 0.01, 0.5},
};

enum { RULES = sizeof(rules) / sizeof(rules[0]) };

struct outcome {
	double spread, given_back; /* s after the step until the set was right; NAN: never */
	double most;		   /* nodes it had at most during the hot time */
	double changes[LEVELS];	   /* of the set, a second */
};

struct options {
	uint64_t high, seed;
	const char *figures;
	bool json;
};

#define AT(member) offsetof(struct options, member)
static const struct option_spec specs[] = {
	{"high", 0, OPTION_COUNT, "N", "how many times as often as a hot target [3]", AT(high),
	 NULL, 2, NODES},
	{"seed", 0, OPTION_COUNT, "N", "of the random numbers [1]", AT(seed), NULL, 0, 1e9},
	{"figures", 0, OPTION_TEXT, "DIR", "write rate.svg there, which must exist", AT(figures)},
	{"json", 'j', OPTION_FLAG, NULL, "one JSON object", AT(json)},
	{NULL},
};

#define TARGET 0x5ca1ab1e0ddba11ull

/* NULL before its first request. */
static struct place_target *target_now(void)
{
	const struct place_query query = {.target = TARGET};
	struct place_target_key key = target_key(&query);

	return place_target_find(&key);
}

static unsigned int nodes_now(void)
{
	const struct place_target *target = target_now();

	return target ? set_size(target) : 0;
}

/* A world of `rule`'s own, with nothing remembered. NULL when memory is out. */
static struct place_world *world_of(const struct rule *rule)
{
	const struct place_plan plan = {
		.policy = rule->policy,
		.hot_gap_ns = (uint64_t)llround(rule->gap * 1e9),
		.decay_ns = (uint64_t)llround(rule->decay * 1e9),
		.give_back = (uint32_t)lround(rule->give_back * 1024),
	};

	return cluster_new(&plan, NODES, 1 << 10);
}

/* The nodes between two questions: ds lets one that has a hot target serve it for 100 ms without
 * asking, and say then how many those were. */
struct askers {
	double asked[NODES + 1]; /* when it asked last */
	uint32_t alone[NODES + 1];
};

static bool serves_alone(struct askers *askers, uint32_t node, double now)
{
	const struct place_pool *pool = place_pool_at(0);
	const struct place_target *target = target_now();

	if (pool->policy != PLACE_DS || !target || !set_has(target, node) ||
	    target->rate < ds_hot(pool) || now - askers->asked[node] >= DS_ASK_NS / 1e9)
		return false;
	askers->alone[node]++;
	return true;
}

/* The next request of a Poisson stream of `rate` a second after `now` (s): placed and done. Returns
 * its time. */
static double ask(struct random_state *random, struct askers *askers, double now, double rate)
{
	struct place_query query = {.target = TARGET};
	__s32 node;

	query.node = 1 + (uint32_t)random_below(random, NODES);
	query.random = random_next(random);
	now += -log1p(-random_unit(random)) / rate;
	query.now_ns = (uint64_t)(now * 1e9) + 1;
	if (serves_alone(askers, query.node, now))
		return now;
	query.alone = askers->alone[query.node];
	askers->alone[query.node] = 0;
	askers->asked[query.node] = now;
	node = place_choose(&query);
	if (node > 0)
		cluster_done((uint32_t)node);
	return now;
}

/* One step up and down. What is never reached counts as the whole time. */
static void step(struct random_state *random, const struct rule *rule, double high,
		 struct outcome *sum)
{
	struct askers askers = {0};
	unsigned int wanted = (unsigned int)ceil(high), now_nodes, most = 0;
	double now = 0, spread = STEP_S, back = STEP_S, hot = high / rule->gap;

	while (now < STEP_S)
		now = ask(random, &askers, now, COLD);
	while (now < 2 * STEP_S) {
		now = ask(random, &askers, now, hot);
		now_nodes = nodes_now();
		if (now_nodes > most)
			most = now_nodes;
		if (now_nodes >= wanted && spread >= STEP_S)
			spread = now - STEP_S;
	}
	while (now < 3 * STEP_S) {
		now = ask(random, &askers, now, COLD);
		if (nodes_now() <= 1 && back >= STEP_S)
			back = now - 2 * STEP_S;
	}
	sum->spread += spread / RUNS;
	sum->given_back += back / RUNS;
	sum->most += (double)most / RUNS;
}

static double changes_a_second(struct random_state *random, double rate)
{
	struct askers askers = {0};
	unsigned int before = 0, changes = 0;
	double now = 0;

	while (now < STEADY_S) {
		now = ask(random, &askers, now, rate);
		changes += now > STEADY_FROM && nodes_now() != before;
		before = nodes_now();
	}
	return (double)changes / (STEADY_S - STEADY_FROM);
}

/* Returns 0 or -ENOMEM. */
static int study(const struct rule *rule, const struct options *options, struct outcome *outcome)
{
	struct random_state random;
	struct place_world *world;

	*outcome = (struct outcome){0};
	random_seed(&random, options->seed);
	for (int i = 0; i < RUNS + LEVELS; i++) {
		world = world_of(rule);
		if (!world)
			return -ENOMEM;
		if (i < RUNS)
			step(&random, rule, (double)options->high, outcome);
		else
			outcome->changes[i - RUNS] =
				changes_a_second(&random, levels[i - RUNS] / rule->gap);
		world_free(world);
	}
	return 0;
}

static void print_text(const struct options *options, const struct outcome *outcomes)
{
	struct table *table = table_new("policy|>time constant s|>hot above /s|>give back below|"
					">spread s|>most nodes|>back s|>0.5|>0.9|>1.1|>2.5|>3.0");

	printf("The rate steps from %d/s to %lu times a hot one and back; means of %d runs. Behind "
	       "it: "
	       "changes of\nthe set a second at a constant rate, which is so many times a hot "
	       "one.\n\n",
	       COLD, options->high, RUNS);
	for (int i = 0; i < RULES; i++) {
		const struct rule *rule = &rules[i];
		const struct outcome *o = &outcomes[i];
		bool ds = rule->policy == PLACE_DS;
		char decay[16] = "-", back[16] = "-";

		if (ds) {
			snprintf(decay, sizeof(decay), "%g", rule->decay);
			snprintf(back, sizeof(back), "%g", rule->give_back);
		}
		table_row(table, "%s|%s|%.0f|%s|%.2f|%.1f|%.2f|%.2f|%.2f|%.2f|%.2f|%.2f",
			  place_policy_name(rule->policy), decay, 1 / rule->gap, back, o->spread,
			  o->most, o->given_back, o->changes[0], o->changes[1], o->changes[2],
			  o->changes[3], o->changes[4]);
	}
	table_print(table, stdout);
}

static void print_json(const struct outcome *outcomes)
{
	json_t *rows = json_array(), *all;

	for (int i = 0; i < RULES; i++) {
		json_t *changes = json_object();
		char level[16];

		for (int k = 0; k < LEVELS; k++) {
			snprintf(level, sizeof(level), "%.1f", levels[k]);
			json_object_set_new(changes, level, json_real(outcomes[i].changes[k]));
		}
		json_array_append_new(
			rows,
			json_pack("{s:s, s:f, s:f, s:f, s:f, s:f, s:f, s:o}", "policy",
				  place_policy_name(rules[i].policy), "time_constant_s",
				  rules[i].decay, "hot_per_second", 1 / rules[i].gap, "give_back",
				  rules[i].give_back, "spread_s", outcomes[i].spread, "most_nodes",
				  outcomes[i].most, "given_back_s", outcomes[i].given_back,
				  "changes_per_second", changes));
	}
	all = json_pack("{s:o}", "rows", rows);
	json_dumpf(all, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(5));
	putchar('\n');
	json_decref(all);
}

/* Quick against steady, by the time constant: what the choice is about. */
static int figure_write(const char *folder, const struct outcome *outcomes)
{
	struct plot *plot = plot_new(PLOT_LINES, "The rate's time constant", "time constant, s",
				     "s; changes a second");
	unsigned int spread = plot_series(plot, "until spread, s"),
		     back = plot_series(plot, "until given back, s"),
		     changes = plot_series(plot, "changes/s at 1.1 times a hot rate");
	char path[4096];
	int error;

	plot_log_x(plot);
	for (int i = 0; i < RULES; i++) {
		if (rules[i].policy != PLACE_DS || rules[i].give_back != 0.5 ||
		    rules[i].gap != 0.005)
			continue;
		plot_point(plot, spread, rules[i].decay, outcomes[i].spread);
		plot_point(plot, back, rules[i].decay, outcomes[i].given_back);
		plot_point(plot, changes, rules[i].decay, outcomes[i].changes[2]);
	}
	snprintf(path, sizeof(path), "%s/rate.svg", folder);
	error = plot_write(plot, path);
	plot_free(plot);
	return error ? failed_errno(error, "simulate: %s", path) : 0;
}

static int run(const struct command *self, int argc, char **argv)
{
	struct options options = {.high = 3, .seed = 1};
	struct outcome outcomes[RULES];
	int error = 0;

	command_parse(self, argc, argv, &options);
	for (int i = 0; i < RULES && !error; i++)
		error = study(&rules[i], &options, &outcomes[i]);
	if (error)
		return failed_errno(error, "simulate rate");
	if (options.json)
		print_json(outcomes);
	else
		print_text(&options, outcomes);
	return options.figures ? figure_write(options.figures, outcomes) : EXIT_DONE;
}

const struct command simulate_rate = {
	.name = "rate",
	.operands = "",
	.summary = "How fast and how steadily dual scheduling sees hot targets",
	.description =
		"One target at random times, with the policy's own code: how long its set of "
		"nodes takes to grow and to shrink when the rate jumps, and how often it changes "
		"while the rate is constant, by the time constant of the rate, by when a node is "
		"given back, and by the gap of ds-2004.",
	.options = specs,
	.run = run,
};
