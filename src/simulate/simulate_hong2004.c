/* `baton simulate hong2004`: figures 14 and 15 of the paper, as far as its text tells them. */
#include "simulate/simulate.h"

#include "base/fail.h"
#include "base/plot.h"
#include "base/table.h"
#include "simulate/farm.h"
#include "simulate/presets.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { POLICIES = 2, NODES = 4, THREADS_MAX = 16 };

static const enum place_policy policies[POLICIES] = {PLACE_LARD_2004, PLACE_DS_2004};
static const char *const labels[POLICIES] = {"LARD", "DS"};
static const unsigned int nodes[NODES] = {4, 8, 12, 16};

struct options {
	const char *parameters, *figures;
	struct option_list changes;
	uint64_t most;
	bool json;
};

#define AT(member) offsetof(struct options, member)
static const struct option_spec specs[] = {
	{"threads", 't', OPTION_COUNT, "N",
	 "as many clients at most, from 2000 in steps of 1000, or of more above 16000 [7000]",
	 AT(most), NULL, 2000, 1000000},
	{"parameters", 0, OPTION_TEXT, "FILE", "lines of name and value", AT(parameters)},
	{"set", 0, OPTION_LIST, "NAME=VALUE", "change one parameter; may be repeated", AT(changes)},
	{"figures", 0, OPTION_TEXT, "DIR", "write figure14.svg and figure15.svg there",
	 AT(figures)},
	{"json", 'j', OPTION_FLAG, NULL, "one JSON object", AT(json)},
	{NULL},
};

struct outcome {
	unsigned int threads[THREADS_MAX], count;
	struct farm_result results[POLICIES][NODES][THREADS_MAX];
};

static int simulate(struct outcome *outcome, const struct parameters *parameters)
{
	unsigned int repeats = parameter(parameters, "repeats"), done = 0;
	struct workload files;
	int error =
		workload_zipf(&files, parameter(parameters, "files"), parameter(parameters, "zipf"),
			      1000000, parameter(parameters, "file_bytes"), 1);

	for (unsigned int p = 0; p < POLICIES; p++)
		for (unsigned int n = 0; n < NODES; n++)
			for (unsigned int t = 0; t < outcome->count; t++) {
				struct farm_result *sum = &outcome->results[p][n][t], one;

				for (unsigned int r = 0; r < repeats && !error; r++) {
					error = farm_run(parameters, &files, policies[p], nodes[n],
							 outcome->threads[t], 1 + r, &one);
					sum->per_second += one.per_second / repeats;
					sum->mean_ms += one.mean_ms / repeats;
					sum->p99_ms += one.p99_ms / repeats;
					sum->hits += one.hits / repeats;
					sum->handed += one.handed / repeats;
					sum->alone += one.alone / repeats;
					sum->balance += one.balance / repeats;
					sum->processor += one.processor / repeats;
					sum->dispatcher += one.dispatcher / repeats;
				}
				if (isatty(STDERR_FILENO))
					fprintf(stderr, "\r%u of %u ", ++done,
						POLICIES * NODES * outcome->count);
			}
	if (isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
	workload_release(&files);
	return error;
}

/* The paper's statements in numbers. */
struct claim {
	const char *name, *paper;
	double model;
	bool holds;
};

enum { CLAIMS = 5 };

static void judge(const struct outcome *outcome, struct claim claims[CLAIMS])
{
	unsigned int last = outcome->count - 1, cells = 0;
	double gain = 0, least[POLICIES], most[POLICIES];
	const struct farm_result(*lard)[THREADS_MAX] = outcome->results[0];
	const struct farm_result(*ds)[THREADS_MAX] = outcome->results[1];

	for (unsigned int n = 0; n < NODES; n++)
		for (unsigned int t = 0; t < outcome->count; t++, cells++)
			gain += ds[n][t].per_second / lard[n][t].per_second - 1;
	for (unsigned int p = 0; p < POLICIES; p++) {
		least[p] = INFINITY;
		most[p] = 0;
		for (unsigned int n = 0; n < NODES; n++) {
			least[p] = fmin(least[p], outcome->results[p][n][last].mean_ms);
			most[p] = fmax(most[p], outcome->results[p][n][last].mean_ms);
		}
	}
	gain /= cells;
	claims[0] =
		(struct claim){"DS above LARD in all, %", "at least 35", gain * 100, gain >= 0.35};
	claims[1] = (struct claim){"DS over LARD, 4 nodes and most threads", "more than 4",
				   ds[0][last].per_second / lard[0][last].per_second,
				   ds[0][last].per_second > 4 * lard[0][last].per_second};
	claims[2] = (struct claim){"LARD's response time over nodes, most over least",
				   "nearly flat", most[0] / least[0], most[0] < 1.5 * least[0]};
	claims[3] = (struct claim){"DS's response time over nodes, most over least", "not flat",
				   most[1] / least[1], most[1] >= 1.5 * least[1]};
	claims[4] = (struct claim){"DS with 4 nodes over DS with 16, connections/s", "above 1",
				   ds[0][last].per_second / ds[NODES - 1][last].per_second,
				   ds[0][last].per_second > ds[NODES - 1][last].per_second};
}

static void print_json(const struct outcome *outcome, const struct claim claims[CLAIMS])
{
	json_t *rows = json_array(), *list = json_array(), *all;

	for (unsigned int p = 0; p < POLICIES; p++)
		for (unsigned int n = 0; n < NODES; n++)
			for (unsigned int t = 0; t < outcome->count; t++) {
				const struct farm_result *r = &outcome->results[p][n][t];

				json_array_append_new(
					rows,
					json_pack("{s:s, s:i, s:i, s:f, s:f, s:f, s:f, s:f, s:f, "
						  "s:f, s:f, s:f}",
						  "policy", labels[p], "nodes", (int)nodes[n],
						  "threads", (int)outcome->threads[t],
						  "connections_per_second", r->per_second,
						  "mean_ms", r->mean_ms, "p99_ms", r->p99_ms,
						  "hit_ratio", r->hits, "handed_off", r->handed,
						  "decided_alone", r->alone, "most_over_mean",
						  r->balance, "processor", r->processor,
						  "dispatcher", r->dispatcher));
			}
	for (int i = 0; i < CLAIMS; i++)
		json_array_append_new(list,
				      json_pack("{s:s, s:s, s:f, s:b}", "claim", claims[i].name,
						"paper", claims[i].paper, "model", claims[i].model,
						"holds", claims[i].holds));
	all = json_pack("{s:o, s:o}", "rows", rows, "claims", list);
	json_dumpf(all, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(5));
	putchar('\n');
	json_decref(all);
}

static void print_text(const struct outcome *outcome, const struct claim claims[CLAIMS])
{
	struct table *table =
		table_new("policy|>nodes|>threads|>connections/s|>mean ms|>p99 ms|>hits %|>handed "
			  "%|>alone %|>max/mean|>node busy %|>dispatcher busy %");

	for (unsigned int p = 0; p < POLICIES; p++)
		for (unsigned int n = 0; n < NODES; n++)
			for (unsigned int t = 0; t < outcome->count; t++) {
				const struct farm_result *r = &outcome->results[p][n][t];

				table_row(table,
					  "%s|%u|%u|%.0f|%.1f|%.1f|%.1f|%.1f|%.1f|%.2f|%.0f|%.0f",
					  labels[p], nodes[n], outcome->threads[t], r->per_second,
					  r->mean_ms, r->p99_ms, 100 * r->hits, 100 * r->handed,
					  100 * r->alone, r->balance, 100 * r->processor,
					  100 * r->dispatcher);
			}
	table_print(table, stdout);
	putchar('\n');
	table = table_new("what the paper states|paper|>model|");
	for (int i = 0; i < CLAIMS; i++)
		table_row(table, "%s|%s|%.2f|%s", claims[i].name, claims[i].paper, claims[i].model,
			  claims[i].holds ? "holds" : "does not hold");
	table_print(table, stdout);
}

static int figures_write(const char *folder, const struct outcome *outcome)
{
	int error = 0;

	if (mkdir(folder, 0777) && errno != EEXIST)
		return failed_errno(errno, "simulate: %s", folder);
	for (int figure = 14; figure <= 15 && !error; figure++) {
		struct plot *plot = plot_new(
			PLOT_LINES, figure == 14 ? "Connections a second" : "Response time",
			"threads", figure == 14 ? "connections/s" : "mean, ms");
		char path[4096], name[32];

		for (unsigned int p = 0; p < POLICIES; p++)
			for (unsigned int n = 0; n < NODES; n++) {
				unsigned int series;

				snprintf(name, sizeof(name), "%s, %u nodes", labels[p], nodes[n]);
				series = plot_series(plot, name);
				for (unsigned int t = 0; t < outcome->count; t++) {
					const struct farm_result *r = &outcome->results[p][n][t];

					plot_point(plot, series, outcome->threads[t],
						   figure == 14 ? r->per_second : r->mean_ms);
				}
			}
		snprintf(path, sizeof(path), "%s/figure%d.svg", folder, figure);
		error = plot_write(plot, path);
		plot_free(plot);
		if (error)
			return failed_errno(error, "simulate: %s", path);
	}
	return 0;
}

static int run(const struct command *self, int argc, char **argv)
{
	struct options options = {.most = 7000};
	struct buffer reason = BUFFER_EMPTY;
	struct parameters parameters;
	struct claim claims[CLAIMS];
	struct outcome *outcome;
	unsigned int step;
	int error;

	command_parse(self, argc, argv, &options);
	if (parameters_read(&parameters, PRESET_HONG, options.parameters, &options.changes,
			    &reason)) {
		error = misused("simulate: %s", reason.data);
		buffer_release(&reason);
		return error;
	}
	outcome = calloc(1, sizeof(*outcome));
	if (!outcome)
		return failed("simulate: out of memory");
	step = 1000;
	while ((options.most - 2000) / step >= THREADS_MAX)
		step *= 2;
	for (unsigned int t = 2000; t <= options.most; t += step)
		outcome->threads[outcome->count++] = t;
	error = simulate(outcome, &parameters);
	if (error) {
		error = failed_errno(error, "simulate hong2004");
	} else {
		judge(outcome, claims);
		if (options.json)
			print_json(outcome, claims);
		else
			print_text(outcome, claims);
		if (options.figures)
			error = figures_write(options.figures, outcome);
	}
	free(outcome);
	return error;
}

const struct command simulate_hong2004 = {
	.name = "hong2004",
	.operands = "",
	.summary = "A handoff cluster of 2004: LARD against dual scheduling",
	.description = "Figures 14 and 15 of Hong and Noh 2004. Their curves are lost; what their "
		       "text states of them is compared with the model, and said to hold or not. "
		       "docs/simulation.md says what was assumed and why a claim fails.",
	.options = specs,
	.run = run,
};
