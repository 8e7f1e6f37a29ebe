#include "measure/report.h"

#include "base/fail.h"
#include "base/table.h"
#include "measure/agreement.h"
#include "measure/analysis.h"
#include "measure/page.h"
#include "measure/paper.h"
#include "measure/workload.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { REVERSALS = 64, AGREEMENTS = 256 };

static const char *const uses[] = {"file", "web", "raw"};

static void print_pair(struct table *table, struct table *cost, const struct row *row)
{
	if (table)
		table_print(table, stdout);
	if (!cost)
		return;
	printf("CPU of the host, us a %s\n", row->work_unit);
	table_print(cost, stdout);
}

/* The CPU of a repetition is the same for all its metrics, so it stands below the first one. */
static void print_cells(const struct cells *cells)
{
	struct table *table = NULL, *cost = NULL;
	const struct row *last = NULL, *workload = NULL;

	for (size_t i = 0; i < cells->count; i++) {
		const struct cell *cell = &cells->list[i];
		const struct row *row = cell->first;
		char holes[32] = "";

		if (!*row->metric)
			continue;
		if (!last || strcmp(last->workload, row->workload) ||
		    strcmp(last->metric, row->metric) || strcmp(last->vantage, row->vantage)) {
			print_pair(table, cost, last);
			if (!workload || strcmp(workload->workload, row->workload))
				workload = row;
			cost = *row->work_unit && !strcmp(workload->metric, row->metric)
				       ? table_new("subject|network|>MiB|>guest|>client")
				       : NULL;
			printf("\n%s, %s, %s (%s)\n", row->workload, row->vantage, row->metric,
			       row->unit);
			table = table_new("subject|network|>MiB|>mean|>95 % from|>to|>sd|>n|>out|"
					  "holes");
			last = row;
		}
		if (cell->failed)
			snprintf(holes, sizeof(holes), "%zu", cell->failed);
		if (table)
			table_row(table, "%s|%s|%u|%.4g|%.4g|%.4g|%.3g|%zu|%zu|%s", row->subject,
				  row->network, row->memory, cell->mean.middle, cell->mean.low,
				  cell->mean.high, cell->deviation, cell->count, cell->outliers,
				  holes);
		if (cost)
			table_row(cost, "%s|%s|%u|%.4g|%.4g", row->subject, row->network,
				  row->memory, cell->guest_cpu * 1e6, cell->client_cpu * 1e6);
	}
	print_pair(table, cost, last);
}

static void print_holes(const struct cells *cells)
{
	bool any = false;

	for (size_t i = 0; i < cells->count; i++) {
		const struct cell *cell = &cells->list[i];
		const struct row *row = cell->first;

		if (!cell->failed || *row->metric)
			continue;
		if (!any)
			printf("\nHoles: what failed, and why first\n");
		any = true;
		printf("  %s %s %u MiB %s %s: %zu; %s\n", row->subject, row->network, row->memory,
		       row->vantage, row->workload, cell->failed, cell->reason);
	}
}

static void print_ranks(const struct cells *cells, const struct plan *plan)
{
	struct choice *choices = calloc(CHOICES_MAX, sizeof(*choices));

	for (int use = 0; use < 3 && choices; use++)
		for (int vantage = 0; vantage < 2; vantage++) {
			const char *const *paper = paper_ranks(uses[use], vantage);
			unsigned int count =
				rank(cells, plan, uses[use], (enum vantage)vantage, true, choices);
			struct table *table;

			if (!count)
				continue;
			printf("\nRanks: %s, %s%s\n(score: times the best; apart: told from the "
			       "one before)\n",
			       uses[use], vantage ? "external" : "internal",
			       vantage ? ": what a choice by it alone goes by" : "");
			table = table_new(">rank|choice|>score|>95 % from|>to|apart|in the paper");
			for (unsigned int i = 0; i < count && table; i++)
				table_row(table, "%u|%s|%.3g|%.3g|%.3g|%s|%s", i + 1,
					  choices[i].name, choices[i].score.middle,
					  choices[i].score.low, choices[i].score.high,
					  !i			? ""
					  : choices[i].distinct ? "yes"
								: "no",
					  paper && i < PAPER_RANKS ? paper[i] : "");
			if (table)
				table_print(table, stdout);
		}
	free(choices);
}

static void print_finding(const struct cells *cells, const struct plan *plan)
{
	struct reversal list[REVERSALS];

	printf("\nDoes the order from inside differ from the order from outside?\n"
	       "(how many times as good inside, outside; *: told apart in both)\n");
	for (int use = 0; use < 3; use++) {
		unsigned int pairs,
			certain = 0,
			count = reversals(cells, plan, uses[use], list, REVERSALS, &pairs);

		if (!pairs)
			continue;
		for (unsigned int i = 0; i < count; i++)
			certain += list[i].certain;
		printf("  %s: %u of %u pairs are reversed, %u of them distinguishably%s\n",
		       uses[use], count, pairs, certain,
		       certain ? ": yes"
		       : count ? ": not shown"
			       : ": no");
		for (unsigned int i = 0; i < count && i < 5; i++)
			printf("    %s over %s: %.3g, %.3g%s\n", list[i].better, list[i].worse,
			       list[i].inside, list[i].outside, list[i].certain ? " *" : "");
	}
}

static void print_agreement(const struct cells *cells, const struct plan *plan)
{
	struct agreement *list = calloc(AGREEMENTS, sizeof(*list));
	unsigned int count = list ? agreements(cells, plan, list, AGREEMENTS) : 0;
	struct table *table = NULL;

	if (count) {
		printf("\nBeside others' programs: medians; ours over theirs in pairs (Hodges and "
		       "Lehmann);\nwhether all of the interval is within %.0f %%\n",
		       AGREEMENT_WITHIN * 100);
		table = table_new("subject|network|vantage|theirs|unit|>ours|>theirs|>ratio|>95 % "
				  "from|>to|>pairs|within");
	}
	for (unsigned int i = 0; i < count && table; i++) {
		const struct row *row = list[i].theirs->first;

		table_row(table, "%s|%s|%s|%s|%s|%.4g|%.4g|%.3f|%.3f|%.3f|%zu|%s", row->subject,
			  row->network, row->vantage, row->workload, row->unit, list[i].our_median,
			  list[i].their_median, list[i].ratio.middle, list[i].ratio.low,
			  list[i].ratio.high, list[i].pairs,
			  agreement_word(agreement_verdict(&list[i].ratio)));
	}
	if (table)
		table_print(table, stdout);
	free(list);
}

/* [middle, low, high]; null for a bound that there is none of. */
static json_t *interval(const struct interval *interval)
{
	return json_pack("[f, o, o]", interval->middle,
			 isfinite(interval->high) ? json_real(interval->low) : json_null(),
			 isfinite(interval->high) ? json_real(interval->high) : json_null());
}

static json_t *json_agreement(const struct cells *cells, const struct plan *plan)
{
	struct agreement *found = calloc(AGREEMENTS, sizeof(*found));
	unsigned int count = found ? agreements(cells, plan, found, AGREEMENTS) : 0;
	json_t *list = json_array();

	for (unsigned int i = 0; i < count; i++) {
		const struct row *row = found[i].theirs->first;

		json_array_append_new(
			list,
			json_pack("{s:s, s:s, s:i, s:s, s:s, s:f, s:f, s:i, s:o, s:s}", "subject",
				  row->subject, "network", row->network, "memory", (int)row->memory,
				  "vantage", row->vantage, "reference", row->workload, "ours",
				  found[i].our_median, "theirs", found[i].their_median, "pairs",
				  (int)found[i].pairs, "ratio", interval(&found[i].ratio), "within",
				  agreement_word(agreement_verdict(&found[i].ratio))));
	}
	free(found);
	return list;
}

static void print_choice(const struct cells *cells, const struct plan *plan)
{
	struct choice *choices = calloc(CHOICES_MAX, sizeof(*choices));
	unsigned int count = choices ? weigh(cells, plan, &plan->weights, choices) : 0;

	if (count) {
		printf("\nBy weights (internal %u, external %u; file %u, web %u):\n  %s",
		       plan->weights.internal, plan->weights.external, plan->weights.file,
		       plan->weights.web, choices[0].name);
		if (count > 1)
			printf(", %.1f %% ahead of %s, %s", (choices[1].score.middle - 1) * 100,
			       choices[1].name,
			       choices[1].distinct ? "distinct" : "not distinguishable");
		printf("\n");
	} else {
		printf("\nBy weights: no choice has results for all that has weight\n");
	}
	free(choices);
}

static json_t *json_choices(const struct choice *choices, unsigned int count)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < count; i++)
		json_array_append_new(
			list, json_pack("{s:s, s:s, s:o, s:b}", "name", choices[i].name, "subject",
					choices[i].subject, "score", interval(&choices[i].score),
					"distinct", choices[i].distinct));
	return list;
}

static json_t *json_report(const struct cells *cells, const struct plan *plan, const char *folder)
{
	json_t *list = json_array(), *holes = json_array(), *ranks = json_object(),
	       *findings = json_object(), *environment, *all;
	struct choice *choices = calloc(CHOICES_MAX, sizeof(*choices));
	struct reversal turned[REVERSALS];
	char path[PATH_MAX];
	unsigned int count;

	for (size_t i = 0; i < cells->count; i++) {
		const struct cell *cell = &cells->list[i];
		const struct row *row = cell->first;

		if (!*row->metric) {
			json_array_append_new(
				holes, json_pack("{s:s, s:s, s:i, s:s, s:s, s:i, s:s}", "subject",
						 row->subject, "network", row->network, "memory",
						 (int)row->memory, "vantage", row->vantage,
						 "workload", row->workload, "count",
						 (int)cell->failed, "reason", cell->reason));
			continue;
		}
		json_array_append_new(
			list,
			json_pack(
				"{s:s, s:s, s:i, s:s, s:s, s:s, s:s, s:o, s:f, s:i, s:i, s:i, s:f, "
				"s:f, s:s}",
				"subject", row->subject, "network", row->network, "memory",
				(int)row->memory, "vantage", row->vantage, "workload",
				row->workload, "metric", row->metric, "unit", row->unit, "mean",
				interval(&cell->mean), "deviation", cell->deviation, "n",
				(int)cell->count, "outliers", (int)cell->outliers, "holes",
				(int)cell->failed, "guest_cpu_us", cell->guest_cpu * 1e6,
				"client_cpu_us", cell->client_cpu * 1e6, "work_unit",
				row->work_unit));
	}
	for (int use = 0; use < 3 && choices; use++) {
		json_t *both = json_object(), *pairs = json_array();
		unsigned int of;

		for (int vantage = 0; vantage < 2; vantage++) {
			count = rank(cells, plan, uses[use], (enum vantage)vantage, true, choices);
			json_object_set_new(both, vantage ? "external" : "internal",
					    json_choices(choices, count));
		}
		json_object_set_new(ranks, uses[use], both);
		count = reversals(cells, plan, uses[use], turned, REVERSALS, &of);
		for (unsigned int i = 0; i < count; i++)
			json_array_append_new(
				pairs, json_pack("{s:s, s:s, s:f, s:f, s:b}", "better_inside",
						 turned[i].better, "worse_inside", turned[i].worse,
						 "inside", turned[i].inside, "outside",
						 turned[i].outside, "certain", turned[i].certain));
		json_object_set_new(findings, uses[use],
				    json_pack("{s:i, s:o}", "pairs", (int)of, "reversed", pairs));
	}
	count = choices ? weigh(cells, plan, &plan->weights, choices) : 0;
	snprintf(path, sizeof(path), "%s/environment.json", folder);
	environment = json_load_file(path, 0, NULL);
	all = json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "plan", plan->name, "cells",
			list, "holes", holes, "agreement", json_agreement(cells, plan), "ranks",
			ranks, "orders", findings, "choice", json_choices(choices, count),
			"environment", environment ? environment : json_null());
	free(choices);
	return all;
}

static int write_csv(const struct rows *rows, const char *folder)
{
	struct buffer out = BUFFER_EMPTY;
	char path[PATH_MAX];
	int error;

	/* The rows as measured, with the mark of outliers in front. */
	buffer_text(&out, "outlier,");
	row_header(&out);
	for (size_t i = 0; i < rows->count; i++) {
		buffer_text(&out, rows->list[i].outlier ? "1," : "0,");
		row_write(&rows->list[i], &out);
	}
	snprintf(path, sizeof(path), "%s/report.csv", folder);
	error = file_write_whole(path, out.data, out.length, 0644);
	buffer_release(&out);
	return error;
}

int report_make(const struct plan *plan, const char *folder, bool json)
{
	struct rows rows = {0};
	struct cells cells;
	char path[PATH_MAX];
	unsigned int line;
	json_t *all;
	int error = rows_read(&rows, folder, &line);

	if (error == -EINVAL)
		error = failed("%s/times.csv:%u: is no row of a measurement; take it out", folder,
			       line);
	else if (error)
		error = failed_errno(error, "%s/times.csv", folder);
	else if (!rows.count)
		error = failed("%s: has no measurements; run a plan into it first", folder);
	if (error)
		goto free_rows;
	rows_mark(&rows);
	cells_make(&cells, &rows);
	all = json_report(&cells, plan, folder);
	snprintf(path, sizeof(path), "%s/report.json", folder);
	if (json_dump_file(all, path, JSON_INDENT(1)) || write_csv(&rows, folder) ||
	    page_write(plan, &rows, &cells, folder)) {
		error = failed("measure: can't write the report into %s", folder);
	} else if (json) {
		json_dumpf(all, stdout, JSON_INDENT(1));
		putchar('\n');
	} else {
		print_cells(&cells);
		print_holes(&cells);
		print_agreement(&cells, plan);
		print_ranks(&cells, plan);
		print_finding(&cells, plan);
		print_choice(&cells, plan);
		printf("\n%s/report.html has the charts and the paper's figures\n", folder);
	}
	json_decref(all);
	cells_free(&cells);
free_rows:
	rows_free(&rows);
	return error;
}
