/* `baton simulate kwon2008`: tables 4 to 12 of the paper beside the model's. */
#include "simulate/simulate.h"

#include "base/fail.h"
#include "base/plot.h"
#include "base/table.h"
#include "simulate/kwon.h"
#include "simulate/presets.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { WORKLOADS = 3 };

static const char *const names[WORKLOADS] = {"surge", "unc", "berkeley"};
static const char *const titles[WORKLOADS] = {"SURGE-100", "UNC-2001", "Berkeley-1998"};
static const int servers[KWON_ROWS] = {1, 2, 4, 8, 16};
static const char *const csv[2 * WORKLOADS] = {PRESET_KWON_TABLE4, PRESET_KWON_TABLE5,
					       PRESET_KWON_TABLE6, PRESET_KWON_TABLE7,
					       PRESET_KWON_TABLE8, PRESET_KWON_TABLE9};

struct options {
	const char *fit, *parameters, *figures;
	struct option_list changes;
	bool json;
};

#define AT(member) offsetof(struct options, member)
static const struct option_spec specs[] = {
	{"fit", 'f', OPTION_TEXT, "WORKLOAD",
	 "take what the machines need from this one: surge, unc or berkeley [surge]", AT(fit),
	 "surge|unc|berkeley"},
	{"parameters", 0, OPTION_TEXT, "FILE", "lines of name and value", AT(parameters)},
	{"set", 0, OPTION_LIST, "NAME=VALUE", "change one parameter; may be repeated", AT(changes)},
	{"figures", 0, OPTION_TEXT, "DIR", "write a chart for each workload there", AT(figures)},
	{"json", 'j', OPTION_FLAG, NULL, "one JSON object", AT(json)},
	{NULL},
};

struct outcome {
	struct kwon_machine machine;
	int fitted;
	double bytes[WORKLOADS];
	/* Requests a second and Mbit/s for each workload. */
	kwon_table paper[2 * WORKLOADS], model[2 * WORKLOADS], trivial[WORKLOADS];
};

static int predict(struct outcome *outcome, const struct parameters *parameters)
{
	int error = 0;

	for (int i = 0; i < 2 * WORKLOADS && !error; i++)
		error = kwon_read(csv[i], outcome->paper[i]);
	for (int w = 0; w < WORKLOADS; w++) {
		char name[40];

		snprintf(name, sizeof(name), "%s_bytes", names[w]);
		outcome->bytes[w] = parameter(parameters, name);
	}
	kwon_fit(outcome->paper[2 * outcome->fitted], outcome->paper[2 * outcome->fitted + 1],
		 outcome->bytes[outcome->fitted], &outcome->machine);
	for (int w = 0; w < WORKLOADS && !error; w++) {
		error = kwon_predict(&outcome->machine, parameters, outcome->bytes[w],
				     outcome->model[2 * w]);
		for (int row = 0; row < KWON_ROWS; row++)
			for (int column = 0; column < KWON_COLUMNS; column++)
				outcome->model[2 * w + 1][row][column] =
					outcome->model[2 * w][row][column] * outcome->bytes[w] *
					8e-6;
		kwon_trivial(outcome->paper[2 * w], outcome->trivial[w]);
	}
	return error;
}

/* Tables 10 to 12: how many % the proposed structure is above the other. */
static double gain(const kwon_table table, int row, int column)
{
	return (table[row][column + KWON_POLICIES] / table[row][column] - 1) * 100;
}

static double overall_median(const struct outcome *outcome)
{
	double all[2 * WORKLOADS * KWON_ROWS * KWON_COLUMNS];
	int count = 0;

	for (int i = 0; i < 2 * WORKLOADS; i++)
		for (int row = 0; row < KWON_ROWS; row++)
			for (int column = 0; column < KWON_COLUMNS; column++) {
				double error = fabs(outcome->model[i][row][column] /
							    outcome->paper[i][row][column] -
						    1);
				int at = count++;

				/* Kept in order while it grows. */
				for (; at && all[at - 1] > error; at--)
					all[at] = all[at - 1];
				all[at] = error;
			}
	return (all[count / 2 - 1] + all[count / 2]) / 2;
}

static json_t *table_json(const kwon_table table, int columns, bool gains)
{
	json_t *rows = json_array();

	for (int row = 0; row < KWON_ROWS; row++) {
		json_t *cells = json_array();

		json_array_append_new(cells, json_integer(servers[row]));
		for (int column = 0; column < columns; column++)
			json_array_append_new(cells, json_real(gains ? gain(table, row, column)
								     : table[row][column]));
		json_array_append_new(rows, cells);
	}
	return rows;
}

static json_t *error_json(const kwon_table model, const kwon_table paper)
{
	double front_median, as_median, front, as;

	front = kwon_error(model, paper, 0, KWON_POLICIES, &front_median);
	as = kwon_error(model, paper, KWON_POLICIES, KWON_COLUMNS, &as_median);
	return json_pack("{s:f, s:f, s:f, s:f}", "front_mean", front, "front_median", front_median,
			 "as_mean", as, "as_median", as_median);
}

static void print_json(const struct outcome *outcome)
{
	json_t *tables = json_object(), *papers = json_object(), *errors = json_object();
	json_t *trivial = json_object(), *all;
	char number[12];

	for (int i = 0; i < 2 * WORKLOADS; i++) {
		snprintf(number, sizeof(number), "%d", 4 + i);
		json_object_set_new(tables, number,
				    table_json(outcome->model[i], KWON_COLUMNS, false));
		json_object_set_new(papers, number,
				    table_json(outcome->paper[i], KWON_COLUMNS, false));
		json_object_set_new(errors, number,
				    error_json(outcome->model[i], outcome->paper[i]));
	}
	for (int w = 0; w < WORKLOADS; w++) {
		snprintf(number, sizeof(number), "%d", 10 + w);
		json_object_set_new(tables, number,
				    table_json(outcome->model[2 * w], KWON_POLICIES, true));
		json_object_set_new(papers, number,
				    table_json(outcome->paper[2 * w], KWON_POLICIES, true));
		json_object_set_new(trivial, names[w],
				    error_json(outcome->trivial[w], outcome->paper[2 * w]));
	}
	all = json_pack("{s:s, s:{s:f, s:f, s:f, s:f}, s:o, s:o, s:o, s:o, s:f}", "fitted_on",
			names[outcome->fitted], "machine", "read_us",
			outcome->machine.read_ns / 1e3, "serve_us", outcome->machine.serve_ns / 1e3,
			"relay_ns_per_byte", outcome->machine.relay_byte_ns, "front_mbit",
			outcome->machine.front_mbit, "tables", tables, "paper", papers, "errors",
			errors, "trivial_errors", trivial, "median_absolute_error",
			overall_median(outcome));
	json_dumpf(all, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(5));
	putchar('\n');
	json_decref(all);
}

static void print_table(const char *title, const kwon_table model, const kwon_table paper,
			bool gains)
{
	struct table *table =
		gains ? table_new(">servers|>RR|>MD5|>MIT_CH|>CARP|>MOD_CH|>HT_RR")
		      : table_new(">servers|>RR|>MD5|>MIT_CH|>CARP|>MOD_CH|>HT_RR|>AS-RR|>AS-MD5|"
				  ">AS-MIT_CH|>AS-CARP|>AS-MOD_CH|>AS-HT_RR");
	int columns = gains ? KWON_POLICIES : KWON_COLUMNS;

	printf("\n%s: model (paper)\n", title);
	for (int row = 0; row < KWON_ROWS; row++) {
		struct buffer line = BUFFER_EMPTY;

		buffer_format(&line, "%d", servers[row]);
		for (int column = 0; column < columns; column++)
			buffer_format(&line, "|%.0f (%.0f)",
				      gains ? gain(model, row, column) : model[row][column],
				      gains ? gain(paper, row, column) : paper[row][column]);
		table_row(table, "%s", line.data);
		buffer_release(&line);
	}
	table_print(table, stdout);
}

static void print_text(const struct outcome *outcome)
{
	struct table *table =
		table_new("workload|>one front, mean %|>AS-, mean %|>AS-, median %|>trivial: one "
			  "front|>trivial: AS-|fitted");
	char title[96];

	for (int i = 0; i < 2 * WORKLOADS; i++) {
		snprintf(title, sizeof(title), "Table %d, %s, %s", 4 + i, titles[i / 2],
			 i % 2 ? "Mbit/s" : "requests/s");
		print_table(title, outcome->model[i], outcome->paper[i], false);
	}
	for (int w = 0; w < WORKLOADS; w++) {
		snprintf(title, sizeof(title), "Table %d, %s, gain in %%", 10 + w, titles[w]);
		print_table(title, outcome->model[2 * w], outcome->paper[2 * w], true);
	}
	printf("\nA server reads a request in %.0f us, serves it in %.0f us, relays a byte in %.0f "
	       "ns; the front passes %.1f Mbit/s.\n",
	       outcome->machine.read_ns / 1e3, outcome->machine.serve_ns / 1e3,
	       outcome->machine.relay_byte_ns, outcome->machine.front_mbit);
	printf("Errors of requests/s; the trivial predictor knows each workload's own one-server "
	       "figures, the model only those of %s:\n",
	       titles[outcome->fitted]);
	for (int w = 0; w < WORKLOADS; w++) {
		const double(*paper)[KWON_COLUMNS] = outcome->paper[2 * w];
		double median, as = kwon_error(outcome->model[2 * w], paper, 6, 12, &median);

		table_row(table, "%s|%.1f|%.1f|%.1f|%.1f|%.1f|%s", titles[w],
			  100 * kwon_error(outcome->model[2 * w], paper, 0, 6, NULL), 100 * as,
			  100 * median, 100 * kwon_error(outcome->trivial[w], paper, 0, 6, NULL),
			  100 * kwon_error(outcome->trivial[w], paper, 6, 12, NULL),
			  w == outcome->fitted ? "yes" : "no");
	}
	table_print(table, stdout);
	printf("Median error of all cells of tables 4 to 9: %.1f %%\n",
	       100 * overall_median(outcome));
}

/* Requests a second over servers: the model as lines, the paper as a series of its own beside each.
 */
static int figures_write(const char *folder, const struct outcome *outcome)
{
	static const struct {
		int column;
		const char *name;
	} lines[] = {{0, "RR"}, {1, "MD5"}, {6, "AS-RR"}, {7, "AS-MD5"}};
	char path[4096], name[64];
	int error = 0;

	if (mkdir(folder, 0777) && errno != EEXIST)
		return failed_errno(errno, "simulate: %s", folder);
	for (int i = 0; i < 2 * WORKLOADS && !error; i++) {
		struct plot *plot = plot_new(PLOT_LINES, titles[i / 2], "servers",
					     i % 2 ? "Mbit/s" : "requests/s");

		plot_log_x(plot);
		plot_log_y(plot);
		for (size_t l = 0; l < sizeof(lines) / sizeof(*lines); l++)
			for (int paper = 0; paper < 2; paper++) {
				unsigned int series;

				snprintf(name, sizeof(name), "%s, %s", lines[l].name,
					 paper ? "paper" : "model");
				series = plot_series(plot, name);
				for (int row = 0; row < KWON_ROWS; row++)
					plot_point(
						plot, series, servers[row],
						(paper ? outcome->paper[i]
						       : outcome->model[i])[row][lines[l].column]);
			}
		snprintf(path, sizeof(path), "%s/kwon2008-%s-%s.svg", folder, names[i / 2],
			 i % 2 ? "mbit" : "requests");
		error = plot_write(plot, path);
		plot_free(plot);
		if (error)
			return failed_errno(error, "simulate: %s", path);
	}
	return 0;
}

static int run(const struct command *self, int argc, char **argv)
{
	struct options options = {.fit = "surge"};
	struct buffer reason = BUFFER_EMPTY;
	struct parameters parameters;
	struct outcome *outcome;
	int error;

	command_parse(self, argc, argv, &options);
	if (parameters_read(&parameters, PRESET_KWON, options.parameters, &options.changes,
			    &reason)) {
		error = misused("simulate: %s", reason.data);
		buffer_release(&reason);
		return error;
	}
	outcome = calloc(1, sizeof(*outcome));
	if (!outcome)
		return failed("simulate: out of memory");
	while (strcmp(names[outcome->fitted], options.fit))
		outcome->fitted++;
	error = predict(outcome, &parameters);
	if (error)
		error = failed_errno(error, "simulate kwon2008");
	else if (options.json)
		print_json(outcome);
	else
		print_text(outcome);
	if (!error && options.figures)
		error = figures_write(options.figures, outcome);
	free(outcome);
	return error;
}

const struct command simulate_kwon2008 = {
	.name = "kwon2008",
	.operands = "",
	.summary = "A proxy cluster of 2008: one layer-7 front against layer 7 on every server",
	.description =
		"Tables 4 to 12 of Kwon, Kwak and Chung 2008, the model's cells beside the "
		"paper's. What the machines need is fitted on one workload and judged on the "
		"other two, beside a trivial predictor. docs/simulation.md says what was "
		"assumed.",
	.options = specs,
	.run = run,
};
