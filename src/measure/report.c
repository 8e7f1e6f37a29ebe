#include "measure/report.h"

#include "base/fail.h"
#include "base/table.h"
#include "measure/agreement.h"
#include "measure/analysis.h"
#include "measure/finding.h"
#include "measure/page.h"
#include "measure/paper.h"
#include "measure/workload.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

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

	for (int use = 0; use < FINDING_USES && choices; use++)
		for (int vantage = 0; vantage < 2; vantage++) {
			const char *const *paper = paper_ranks(finding_uses[use], vantage);
			unsigned int count = rank(cells, plan, finding_uses[use],
						  (enum vantage)vantage, true, choices);
			struct table *table;

			if (!count)
				continue;
			printf("\nRanks: %s, %s%s\n(score: times the best; apart: told from the "
			       "one before)\n",
			       finding_uses[use], vantage ? "external" : "internal",
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

/* [middle, low, high]; null for a bound that there is none of. */
static json_t *interval(const struct interval *interval)
{
	return json_pack("[f, o, o]", interval->middle,
			 isfinite(interval->high) ? json_real(interval->low) : json_null(),
			 isfinite(interval->high) ? json_real(interval->high) : json_null());
}

/* "2", or "2 to 4" where it can't be said better. */
static const char *rank_words(unsigned int first, unsigned int last, char text[32])
{
	if (first == last)
		snprintf(text, 32, "%u", first);
	else
		snprintf(text, 32, "%u to %u", first, last);
	return text;
}

static void print_finding(const struct cells *cells, const struct plan *plan)
{
	printf("\nDoes the order from inside differ from the order from outside?\n");
	for (unsigned int m = 0; m < plan->memory_count; m++) {
		struct finding findings[FINDING_USES];
		struct buffer text = BUFFER_EMPTY;

		for (int use = 0; use < FINDING_USES; use++)
			finding_make(&findings[use], cells, plan, finding_uses[use],
				     (unsigned int)(plan->memories[m] >> 20));
		finding_sentence(findings, &text);
		printf("%s\n", text.data);
		buffer_release(&text);
		for (int use = 0; use < FINDING_USES; use++) {
			struct finding *found = &findings[use];
			struct table *table =
				found->count ? table_new("choice|>inside|>can be|>outside|>can be")
					     : NULL;
			char inside[32], outside[32];

			if (table)
				printf("%s: ranks, and what they can be\n", found->use);
			for (unsigned int i = 0; i < found->count && table; i++) {
				const struct standing *one = &found->standings[i];

				table_row(table, "%s|%u|%s|%u|%s", one->name,
					  one->in[INTERNAL].rank,
					  rank_words(one->in[INTERNAL].first,
						     one->in[INTERNAL].last, inside),
					  one->in[EXTERNAL].rank,
					  rank_words(one->in[EXTERNAL].first,
						     one->in[EXTERNAL].last, outside));
			}
			if (table)
				table_print(table, stdout);
			finding_free(found);
		}
	}
}

static json_t *json_finding(const struct finding *finding)
{
	static const char *const verdicts[] = {"not measured", "differs", "the same", "not shown"};
	json_t *pairs = json_array(), *standings = json_array();

	for (unsigned int i = 0; i < finding->count; i++) {
		const struct standing *one = &finding->standings[i];

		json_array_append_new(standings,
				      json_pack("{s:s, s:[i, i, i], s:[i, i, i]}", "name",
						one->name, "inside", one->in[INTERNAL].rank,
						one->in[INTERNAL].first, one->in[INTERNAL].last,
						"outside", one->in[EXTERNAL].rank,
						one->in[EXTERNAL].first, one->in[EXTERNAL].last));
	}
	for (unsigned int i = 0; i < finding->reversed; i++) {
		const struct reversal *one = &finding->reversals[i];

		json_array_append_new(pairs,
				      json_pack("{s:s, s:s, s:o, s:o, s:b}", "better_inside",
						one->better->name, "worse_inside", one->worse->name,
						"inside", interval(&one->inside), "outside",
						interval(&one->outside), "certain", one->certain));
	}
	return json_pack("{s:s, s:i, s:i, s:i, s:i, s:o, s:o}", "verdict",
			 verdicts[finding->verdict], "pairs", finding->pairs, "told_inside",
			 finding->told[INTERNAL], "told_outside", finding->told[EXTERNAL],
			 "told_both", finding->told_both, "ranks", standings, "reversed", pairs);
}

/* By memory in MiB: a finding for each use, and the sentence. */
static json_t *json_findings(const struct cells *cells, const struct plan *plan)
{
	json_t *all = json_object();

	for (unsigned int m = 0; m < plan->memory_count; m++) {
		struct finding findings[FINDING_USES];
		struct buffer text = BUFFER_EMPTY;
		json_t *one = json_object();
		char memory[24];

		for (int use = 0; use < FINDING_USES; use++) {
			finding_make(&findings[use], cells, plan, finding_uses[use],
				     (unsigned int)(plan->memories[m] >> 20));
			json_object_set_new(one, finding_uses[use], json_finding(&findings[use]));
		}
		finding_sentence(findings, &text);
		json_object_set_new(one, "sentence", json_string(text.data));
		for (int use = 0; use < FINDING_USES; use++)
			finding_free(&findings[use]);
		buffer_release(&text);
		snprintf(memory, sizeof(memory), "%lu", plan->memories[m] >> 20);
		json_object_set_new(all, memory, one);
	}
	return all;
}

static void print_agreement(const struct cells *cells, const struct plan *plan)
{
	struct agreement *list = calloc(AGREEMENTS_MAX, sizeof(*list));
	unsigned int count = list ? agreements(cells, plan, list, AGREEMENTS_MAX) : 0;
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

static json_t *json_agreement(const struct cells *cells, const struct plan *plan)
{
	struct agreement *found = calloc(AGREEMENTS_MAX, sizeof(*found));
	unsigned int count = found ? agreements(cells, plan, found, AGREEMENTS_MAX) : 0;
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
	json_t *list = json_array(), *holes = json_array(), *ranks = json_object(), *environment,
	       *all;
	struct choice *choices = calloc(CHOICES_MAX, sizeof(*choices));
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
	for (int use = 0; use < FINDING_USES && choices; use++) {
		json_t *both = json_object();

		for (int vantage = 0; vantage < 2; vantage++) {
			count = rank(cells, plan, finding_uses[use], (enum vantage)vantage, true,
				     choices);
			json_object_set_new(both, vantage ? "external" : "internal",
					    json_choices(choices, count));
		}
		json_object_set_new(ranks, finding_uses[use], both);
	}
	count = choices ? weigh(cells, plan, &plan->weights, choices) : 0;
	snprintf(path, sizeof(path), "%s/environment.json", folder);
	environment = json_load_file(path, 0, NULL);
	all = json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "plan", plan->name, "cells",
			list, "holes", holes, "agreement", json_agreement(cells, plan), "ranks",
			ranks, "orders", json_findings(cells, plan), "choice",
			json_choices(choices, count), "environment",
			environment ? environment : json_null());
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
