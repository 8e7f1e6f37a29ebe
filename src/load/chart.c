/* `baton load chart`: the latencies of several runs in one picture. */
#include "load/load.h"

#include "base/fail.h"
#include "base/plot.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define APART 1.02

struct chart_options {
	const char *title;
};

/* Adds one run as a series. Returns 0 or an exit code. */
static int add_run(struct plot *plot, const char *operand)
{
	const char *equals = strchr(operand, '=');
	const char *path = equals ? equals + 1 : operand;
	json_error_t error;
	json_t *run = json_load_file(path, 0, &error), *spectrum, *point;
	double x = 0, y = 0;
	unsigned int series;
	char name[64];
	size_t i;

	if (!run)
		return failed("%s:%d: %s", path, error.line, error.text);
	spectrum = json_object_get(run, "spectrum");
	if (!json_is_array(spectrum) || !json_array_size(spectrum)) {
		json_decref(run);
		return failed("%s: no latencies; a file that 'baton load ... --json' wrote is "
			      "needed",
			      path);
	}
	snprintf(name, sizeof(name), "%.*s", equals ? (int)(equals - operand) : 60, operand);
	series = plot_series(plot, name);
	json_array_foreach (spectrum, i, point) {
		double share = json_number_value(json_array_get(point, 0));
		double value = json_number_value(json_array_get(point, 1)) / 1e3;

		/* What can't be told apart on paper is left out. */
		if (share >= 1 || (1 / (1 - share) < x * APART && value < y * APART))
			continue;
		x = 1 / (1 - share);
		y = value;
		plot_point(plot, series, x, y);
	}
	json_decref(run);
	return 0;
}

static int run(const struct command *self, int argc, char **argv)
{
	struct chart_options options = {.title = "Latency"};
	int first = command_parse(self, argc, argv, &options), result = 0;
	struct plot *plot;

	if (argc - first < 2)
		return misused("a picture and one or more runs are needed, see '%s --help'",
			       command_path());
	plot = plot_new(PLOT_LINES, options.title, "1 request in so many is slower", "ms");
	plot_log_x(plot);
	plot_log_y(plot);
	for (int i = first + 1; i < argc && !result; i++)
		result = add_run(plot, argv[i]);
	if (!result) {
		result = plot_write(plot, argv[first]);
		if (result)
			result = failed_errno(result, "%s", argv[first]);
	}
	plot_free(plot);
	return result;
}

const struct command load_chart = {
	.name = "chart",
	.operands = "SVG NAME=FILE...",
	.summary = "Draw the latencies of several runs in one picture",
	.description = "FILE is what a run printed with --json; NAME is for the legend.",
	.options =
		(const struct option_spec[]){
			{"title", 0, OPTION_TEXT, "TEXT", "of the picture [Latency]",
			 offsetof(struct chart_options, title)},
			{NULL},
		},
	.run = run,
};
