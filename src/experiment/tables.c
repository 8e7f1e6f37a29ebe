#include "experiment/tables.h"
#include "base/report.h"
#include "base/table.h"
#include "experiment/cases.h"
#include "experiment/ratios.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COUNTS_MOST = 16 };

static double number(json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

static bool is(json_t *cell, const char *key, const char *value)
{
	return !strcmp(json_string_value(json_object_get(cell, key)), value);
}

json_t *tables_find(json_t *cells, const char *structure, const char *policy, const char *workload,
		    unsigned int nodes)
{
	json_t *cell;
	size_t i;

	json_array_foreach (cells, i, cell)
		if (is(cell, "structure", structure) && is(cell, "policy", policy) &&
		    is(cell, "workload", workload) && (unsigned int)number(cell, "nodes") == nodes)
			return cell;
	return NULL;
}

static int counts_of(const char *list, unsigned int counts[COUNTS_MOST])
{
	int count = 0;

	while (*list && count < COUNTS_MOST) {
		counts[count++] = (unsigned int)strtoul(list, (char **)&list, 10);
		list += *list == ',';
	}
	return count;
}

/* A pure hash can't do more than round robin by the mean over the largest node's load. 0: unknown.
 */
static double bound(json_t *cells, json_t *cell)
{
	json_t *rr = tables_find(cells, json_string_value(json_object_get(cell, "structure")), "rr",
				 json_string_value(json_object_get(cell, "workload")),
				 (unsigned int)number(cell, "nodes"));

	return rr ? number(rr, "requests_per_second") * number(cell, "load") : 0;
}

static bool any(json_t *cells, const char *workload)
{
	json_t *cell;
	size_t i;

	json_array_foreach (cells, i, cell)
		if (is(cell, "workload", workload))
			return true;
	return false;
}

/* A row: ours, and behind it in parentheses the paper's. */
static bool rate_row(json_t *cells, const struct experiment_case *which, const char *workload,
		     const unsigned int *counts, int count, bool mbit, char *row, size_t room)
{
	bool found = false;
	int length = snprintf(row, room, "%s %s", which->structure, which->policy);

	for (int i = 0; i < count; i++) {
		json_t *cell =
			tables_find(cells, which->structure, which->policy, workload, counts[i]);
		double paper = paper_value(workload, which->paper, counts[i], mbit);

		length += snprintf(row + length, room - (size_t)length, "|");
		if (!cell)
			continue;
		found = true;
		if (mbit)
			length += snprintf(row + length, room - (size_t)length, "%.1f",
					   number(cell, "mbit_per_second"));
		else
			length += snprintf(row + length, room - (size_t)length, "%.0f±%.0f",
					   number(cell, "requests_per_second"),
					   number(cell, "spread"));
		if (paper >= 0)
			length += snprintf(row + length, room - (size_t)length, " (%.0f)", paper);
	}
	return found;
}

static void detail_row(json_t *cells, json_t *cell, char *row, size_t room)
{
	double most = bound(cells, cell);
	char stored[16], origin[16], reached[48] = "";

	if (most > 0 && !is(cell, "policy", "rr"))
		snprintf(reached, sizeof(reached), "%.0f, %.2f", most,
			 number(cell, "requests_per_second") / most);
	snprintf(row, room,
		 "%s %s|%.0f|%.0f|%.1f|%.0f|%.0f|%.3f|%s|%.2f|%s|%.3f|%.1f|%.1f|%.3f|%s|%.0f",
		 json_string_value(json_object_get(cell, "structure")),
		 json_string_value(json_object_get(cell, "policy")), number(cell, "nodes"),
		 number(cell, "requests_per_second"), number(cell, "mbit_per_second"),
		 number(cell, "p50_us") / 1000, number(cell, "p99_us") / 1000,
		 number(cell, "hit_ratio"), text_bytes(number(cell, "stored_bytes"), stored),
		 number(cell, "copies"), text_bytes(number(cell, "origin_bytes"), origin),
		 number(cell, "front_cpu"), number(cell, "front_us"), number(cell, "front_mbit"),
		 number(cell, "node_cpu"), reached, number(cell, "errors"));
}

#define DETAILS                                                                                    \
	"|>nodes|>requests/s|>Mbit/s|>p50 ms|>p99 ms|>hits|>stored|>copies|>from origin|>front "   \
	"CPU|>front us|>front sends Mbit/s|>node CPU|>bound, reached|>errors"

static const char *const workloads[] = {"surge", "website", "web07", NULL};

static void columns_of(const unsigned int *counts, int count, char *columns, size_t room)
{
	int length = 0;

	*columns = 0;
	for (int i = 0; i < count; i++)
		length += snprintf(columns + length, room - (size_t)length, "|>%u", counts[i]);
}

static void print_ratio(void *context, const char *text)
{
	table_row(context, "%s", text);
}

void tables_print(json_t *cells, const char *nodes)
{
	unsigned int counts[COUNTS_MOST];
	int count = counts_of(nodes, counts);
	char columns[256], row[1024];
	struct table *table;
	json_t *cell;
	size_t i;

	columns_of(counts, count, columns, sizeof(columns));
	for (const char *const *workload = workloads; *workload; workload++) {
		if (!any(cells, *workload))
			continue;
		printf("\n%s: requests/s by nodes, the paper's in parentheses\n", *workload);
		table = table_new(columns);
		for (const struct experiment_case *which = experiment_cases; which->structure;
		     which++)
			if (rate_row(cells, which, *workload, counts, count, false, row,
				     sizeof(row)))
				table_row(table, "%s", row);
		table_print(table, stdout);
		printf("\n%s\n", ratios_heading);
		table = table_new(columns);
		ratios_rows(cells, *workload, counts, count, print_ratio, table);
		table_print(table, stdout);
		printf("\n");
		table = table_new(DETAILS);
		json_array_foreach (cells, i, cell) {
			if (!is(cell, "workload", *workload))
				continue;
			detail_row(cells, cell, row, sizeof(row));
			table_row(table, "%s", row);
		}
		table_print(table, stdout);
	}
}

static void write_rates(struct buffer *out, json_t *cells, const char *workload,
			const unsigned int *counts, int count, bool mbit)
{
	char columns[256], row[1024];

	columns_of(counts, count, columns, sizeof(columns));
	report_words(out, "%s by number of nodes, the paper's figures in parentheses",
		     mbit ? "Mbit/s" : "Requests a second");
	report_table_begin(out, columns);
	for (const struct experiment_case *which = experiment_cases; which->structure; which++)
		if (rate_row(cells, which, workload, counts, count, mbit, row, sizeof(row)))
			report_table_row(out, columns, "%s", row);
	report_table_end(out);
}

struct ratios_out {
	struct buffer *out;
	const char *columns;
};

static void write_ratio(void *context, const char *text)
{
	struct ratios_out *to = context;

	report_table_row(to->out, to->columns, "%s", text);
}

static void write_ratios(struct buffer *out, json_t *cells, const char *workload,
			 const unsigned int *counts, int count)
{
	char columns[256];
	struct ratios_out to = {out, columns};

	columns_of(counts, count, columns, sizeof(columns));
	report_words(out, "%s", ratios_heading);
	report_table_begin(out, columns);
	ratios_rows(cells, workload, counts, count, write_ratio, &to);
	report_table_end(out);
}

static void write_chart(struct buffer *out, json_t *cells, const char *workload,
			const unsigned int *counts, int count)
{
	struct plot *plot = plot_new(PLOT_LINES, workload, "nodes", "requests/s");

	for (const struct experiment_case *which = experiment_cases; which->structure; which++) {
		int series = -1;
		char name[64];

		for (int i = 0; i < count; i++) {
			json_t *cell = tables_find(cells, which->structure, which->policy, workload,
						   counts[i]);

			if (!cell)
				continue;
			snprintf(name, sizeof(name), "%s %s", which->structure, which->policy);
			if (series < 0)
				series = (int)plot_series(plot, name);
			plot_point(plot, (unsigned int)series, counts[i],
				   number(cell, "requests_per_second"));
		}
	}
	report_plot(out, plot);
	plot_free(plot);
}

int tables_write(json_t *cells, const char *nodes, const char *settings, const char *path)
{
	unsigned int counts[COUNTS_MOST];
	int count = counts_of(nodes, counts);
	struct buffer out = BUFFER_EMPTY;
	char row[1024];
	json_t *cell;
	size_t i;

	report_begin(&out, "A proxy cluster with layer-7 placement, after Kwon, Kwak and Chung");
	report_words(&out, "%s", settings);
	for (const char *const *workload = workloads; *workload; workload++) {
		if (!any(cells, *workload))
			continue;
		report_heading(&out, *workload);
		write_chart(&out, cells, *workload, counts, count);
		write_rates(&out, cells, *workload, counts, count, false);
		write_rates(&out, cells, *workload, counts, count, true);
		write_ratios(&out, cells, *workload, counts, count);
		report_words(&out, "Cell by cell. ± is twice the standard error, by the scatter of "
				   "the run's twelfths. Who is full: a node's processes at their "
				   "share of a CPU (node CPU), or the cable of the front, where "
				   "answers cross it (front sends). Bound: as above.");
		report_table_begin(&out, DETAILS);
		json_array_foreach (cells, i, cell) {
			if (!is(cell, "workload", *workload))
				continue;
			detail_row(cells, cell, row, sizeof(row));
			report_table_row(&out, DETAILS, "%s", row);
		}
		report_table_end(&out);
	}
	return report_write(&out, path);
}
