#include "measure/page.h"

#include "base/report.h"
#include "measure/paper.h"
#include "measure/workload.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BINS = 24, REVERSALS = 64 };

static const char *const uses[] = {"file", "web", "raw"};
static const char *const use_names[] = {"Files", "Web and database", "Raw TCP"};

/* The paper's figure that a chart of this kind stands beside. */
static const char *means_figures(enum workload_type type)
{
	switch (type) {
	case SAMBA:
		return " (the paper's figures 10 to 14)";
	case WEB:
		return " (the paper's figures 15 and 16)";
	default:
		return "";
	}
}

/* Mean times of a workload: a group for each subject and network, a bar for each memory and
 * vantage.
 */
static void chart_means(struct buffer *out, const struct plan *plan, const struct cells *cells,
			const struct plan_workload *workload, const char *metric)
{
	struct plot *plot = NULL;
	unsigned int series[PLAN_MEMORIES][VANTAGE_COUNT];
	char title[128], axis[64], label[96], network[PLAN_NAME], vantage[PLAN_NAME];

	for (size_t i = 0; i < cells->count && !plot; i++) {
		const struct row *row = cells->list[i].first;

		if (strcmp(row->workload, workload->name) || strcmp(row->metric, metric))
			continue;
		snprintf(title, sizeof(title), "%s: %s%s", workload->name, metric,
			 means_figures((enum workload_type)workload->type));
		snprintf(axis, sizeof(axis), "%s, %s", metric, row->unit);
		plot = plot_new(PLOT_BARS, title, "", axis);
	}
	if (!plot)
		return;
	for (unsigned int m = 0; m < plan->memory_count; m++)
		for (unsigned int v = 0; v < plan->vantage_count; v++) {
			snprintf(label, sizeof(label), "%s, %lu MiB",
				 plan_word(VANTAGE_NAMES, plan->vantages[v], vantage),
				 plan->memories[m] >> 20);
			series[m][v] = plot_series(plot, label);
		}
	for (unsigned int s = 0; s < plan->subject_count; s++)
		for (unsigned int n = 0; n < plan->network_count; n++) {
			unsigned int x;

			plan_word(NETWORK_NAMES, plan->networks[n], network);
			snprintf(label, sizeof(label), "%s %s", plan->subjects[s].name, network);
			x = plot_category(plot, label);
			for (size_t i = 0; i < cells->count; i++) {
				const struct cell *cell = &cells->list[i];
				const struct row *row = cell->first;

				if (!cell->count || strcmp(row->workload, workload->name) ||
				    strcmp(row->metric, metric) ||
				    strcmp(row->subject, plan->subjects[s].name) ||
				    strcmp(row->network, network))
					continue;
				for (unsigned int m = 0; m < plan->memory_count; m++)
					for (unsigned int v = 0; v < plan->vantage_count; v++)
						if (row->memory == plan->memories[m] >> 20 &&
						    !strcmp(row->vantage,
							    plan_word(VANTAGE_NAMES,
								      plan->vantages[v], vantage)))
							plot_interval(plot, series[m][v], x,
								      cell->mean.middle,
								      fmax(cell->mean.low, 0),
								      cell->mean.high);
			}
		}
	report_plot(out, plot);
	plot_free(plot);
}

/* Counts of values in bins, a line for each series. */
struct bins {
	double low, width;
	unsigned int counts[BINS + 1];
};

static void add_bins(struct plot *plot, const char *name, const struct bins *bins)
{
	unsigned int series = plot_series(plot, name);

	for (unsigned int i = 0; i < BINS; i++) {
		plot_point(plot, series, bins->low + i * bins->width, bins->counts[i]);
		plot_point(plot, series, bins->low + (i + 1) * bins->width, bins->counts[i]);
	}
}

/* The distribution of a workload's times on one network with the smallest memory, each subject and
 * vantage a line (the paper's figures 17 to 20). */
static void chart_times(struct buffer *out, const struct plan *plan, const struct cells *cells,
			const struct plan_workload *workload, int network)
{
	double low = INFINITY, high = -INFINITY;
	char word[PLAN_NAME], title[160], name[96];
	struct plot *plot;

	plan_word(NETWORK_NAMES, network, word);
	for (int pass = 0; pass < 2; pass++) {
		if (pass && !(high > 0))
			return;
		if (pass) {
			snprintf(title, sizeof(title),
				 "%s, %s, %lu MiB: how often which time (the paper's figures 17 to "
				 "20)",
				 workload->name, word, plan->memories[0] >> 20);
			plot = plot_new(PLOT_LINES, title, "time, s", "repetitions");
		}
		for (size_t i = 0; i < cells->count; i++) {
			const struct cell *cell = &cells->list[i];
			const struct row *row = cell->first;
			struct bins bins = {.low = low};

			if (cell->count < 2 || strcmp(row->metric, "time") ||
			    strcmp(row->workload, workload->name) || strcmp(row->network, word) ||
			    row->memory != plan->memories[0] >> 20)
				continue;
			bins.width = high > low ? (high - low) / BINS : 1;
			for (size_t j = 0; j < cell->count; j++) {
				double at = (cell->values[j] - low) / bins.width;

				if (!pass) {
					low = fmin(low, cell->values[j]);
					high = fmax(high, cell->values[j]);
				} else {
					bins.counts[at < BINS ? (int)at : BINS - 1]++;
				}
			}
			if (!pass)
				continue;
			snprintf(name, sizeof(name), "%s %s", row->subject, row->vantage);
			add_bins(plot, name, &bins);
		}
	}
	report_plot(out, plot);
	plot_free(plot);
}

/* Web requests by ms: what requests.csv holds of one subject and network, inside and outside (the
 * paper's figures 21 to 24). */
struct requests {
	char subject[PLAN_NAME], network[PLAN_NAME], workload[PLAN_NAME];
	unsigned int memory;
	struct bins bins[VANTAGE_COUNT];
	unsigned long count[VANTAGE_COUNT];
};

static struct requests *read_requests(const struct plan *plan, const struct rows *rows,
				      const char *folder, size_t *count)
{
	size_t room = (size_t)plan->subject_count * plan->network_count * PLAN_WORKLOADS;
	struct requests *all = calloc(room, sizeof(*all));
	char path[PATH_MAX], line[512];
	FILE *in;

	snprintf(path, sizeof(path), "%s/requests.csv", folder);
	in = fopen(path, "re");
	*count = 0;
	(void)rows;
	while (all && in && fgets(line, sizeof(line), in)) {
		char subject[PLAN_NAME], network[PLAN_NAME], vantage[PLAN_NAME], work[PLAN_NAME];
		unsigned int memory, repeat, at = 0, bin;
		double start, end, ms;
		unsigned long number;

		if (sscanf(line, "%31[^,],%31[^,],%u,%31[^,],%31[^,],%u,%lu,%lf,%lf", subject,
			   network, &memory, vantage, work, &repeat, &number, &start, &end) != 9 ||
		    memory != plan->memories[0] >> 20)
			continue;
		while (at < *count &&
		       (strcmp(all[at].subject, subject) || strcmp(all[at].network, network) ||
			strcmp(all[at].workload, work)))
			at++;
		if (at == room)
			continue;
		if (at == *count) {
			++*count;
			strcpy(all[at].subject, subject);
			strcpy(all[at].network, network);
			strcpy(all[at].workload, work);
			all[at].memory = memory;
		}
		ms = (end - start) * 1e3;
		bin = ms < BINS ? (unsigned int)fmax(ms, 0) : BINS;
		all[at].bins[strcmp(vantage, "external") == 0].counts[bin]++;
		all[at].count[strcmp(vantage, "external") == 0]++;
	}
	if (in)
		fclose(in);
	return all;
}

static void chart_requests(struct buffer *out, const struct requests *requests)
{
	static const char *const names[] = {"internal", "external"};
	struct plot *plot;
	char title[192];

	snprintf(title, sizeof(title),
		 "%s, %s, %s, %u MiB: requests by ms (the paper's figures 21 to 24)",
		 requests->workload, requests->subject, requests->network, requests->memory);
	plot = plot_new(PLOT_LINES, title, "time of a request, ms", "requests");
	for (int v = 0; v < VANTAGE_COUNT; v++) {
		struct bins bins = requests->bins[v];
		char name[96];

		bins.width = 1;
		if (!requests->count[v])
			continue;
		snprintf(name, sizeof(name), "%s (%u of %lu took %d ms or more)", names[v],
			 bins.counts[BINS], requests->count[v], BINS);
		add_bins(plot, name, &bins);
	}
	report_plot(out, plot);
	plot_free(plot);
}

static void write_cells(struct buffer *out, const struct cells *cells)
{
	static const char columns[] =
		"workload|vantage|metric|subject|network|>MiB|>mean|>95 % from|"
		">to|unit|>n|>outliers|>holes|>guest CPU us|>client CPU us|a";

	report_heading(out, "Means");
	report_table_begin(out, columns);
	for (size_t i = 0; i < cells->count; i++) {
		const struct cell *cell = &cells->list[i];
		const struct row *row = cell->first;

		if (*row->metric)
			report_table_row(
				out, columns,
				"%s|%s|%s|%s|%s|%u|%.4g|%.4g|%.4g|%s|%zu|%zu|%zu|%.4g|%.4g|%s",
				row->workload, row->vantage, row->metric, row->subject,
				row->network, row->memory, cell->mean.middle, cell->mean.low,
				cell->mean.high, row->unit, cell->count, cell->outliers,
				cell->failed, cell->guest_cpu * 1e6, cell->client_cpu * 1e6,
				row->work_unit);
	}
	report_table_end(out);
	report_words(out,
		     "CPU is this host's time a unit of work in the control groups of guest and "
		     "client; interrupts are charged to whoever they interrupt. Outliers (outside "
		     "of Tukey's fences) are kept in the means.");
}

static void write_holes(struct buffer *out, const struct cells *cells)
{
	static const char columns[] = "subject|network|>MiB|vantage|workload|>failed|why";
	bool any = false;

	for (size_t i = 0; i < cells->count; i++) {
		const struct cell *cell = &cells->list[i];
		const struct row *row = cell->first;

		if (!cell->failed || *row->metric)
			continue;
		if (!any) {
			report_heading(out, "Holes");
			report_table_begin(out, columns);
		}
		any = true;
		report_table_row(out, columns, "%s|%s|%u|%s|%s|%zu|%s", row->subject, row->network,
				 row->memory, row->vantage, row->workload, cell->failed,
				 cell->reason);
	}
	if (any)
		report_table_end(out);
}

static void write_ranks(struct buffer *out, const struct plan *plan, const struct cells *cells)
{
	static const char columns[] = ">rank|internal|>times the best|distinct from the one before|"
				      "the paper's|external|>times the best|distinct|the paper's";
	struct choice *inside = calloc(CHOICES_MAX, sizeof(*inside)),
		      *outside = calloc(CHOICES_MAX, sizeof(*outside));

	report_heading(out, "Ranks (the paper's table 3 beside them)");
	report_words(out,
		     "Each subject with its best network and memory. A score is the geometric "
		     "mean over the use's workloads of the value over the best one's; intervals "
		     "are of 95 %%. Who chooses by external performance alone takes the external "
		     "column for both.");
	for (int use = 0; use < 3 && inside && outside; use++) {
		unsigned int inner = rank(cells, plan, uses[use], INTERNAL, true, inside),
			     outer = rank(cells, plan, uses[use], EXTERNAL, true, outside);
		const char *const *paper[2] = {paper_ranks(uses[use], 0),
					       paper_ranks(uses[use], 1)};

		if (!inner && !outer)
			continue;
		report_words(out, "%s:", use_names[use]);
		report_table_begin(out, columns);
		for (unsigned int i = 0; i < inner || i < outer; i++) {
			char cells_of[2][256] = {"|||", "|||"};

			for (int v = 0; v < 2; v++) {
				const struct choice *choice = v ? &outside[i] : &inside[i];

				if (i < (v ? outer : inner))
					snprintf(cells_of[v], sizeof(cells_of[v]),
						 "%s|%.3g (%.3g to %.3g)|%s|%s", choice->name,
						 choice->score.middle, choice->score.low,
						 choice->score.high,
						 !i		    ? ""
						 : choice->distinct ? "yes"
								    : "no",
						 paper[v] && i < PAPER_RANKS ? paper[v][i] : "");
			}
			report_table_row(out, columns, "%u|%s|%s", i + 1, cells_of[0], cells_of[1]);
		}
		report_table_end(out);
	}
	free(inside);
	free(outside);
}

static void write_finding(struct buffer *out, const struct plan *plan, const struct cells *cells)
{
	struct reversal list[REVERSALS];

	report_heading(out, "Does the order from inside differ from the order from outside?");
	for (int use = 0; use < 3; use++) {
		unsigned int pairs,
			certain = 0,
			count = reversals(cells, plan, uses[use], list, REVERSALS, &pairs);

		if (!pairs)
			continue;
		for (unsigned int i = 0; i < count; i++)
			certain += list[i].certain;
		report_words(out,
			     "%s: of %u pairs of choices %u are reversed, %u of them "
			     "distinguishably.",
			     use_names[use], pairs, count, certain);
		for (unsigned int i = 0; i < count && i < 8; i++)
			report_words(out,
				     "%s is better than %s inside by a factor of %.3g, and worse "
				     "outside by %.3g%s.",
				     list[i].better, list[i].worse, list[i].inside,
				     1 / list[i].outside,
				     list[i].certain ? "" : " (not distinguishable)");
	}
}

static void write_choice(struct buffer *out, const struct plan *plan, const struct cells *cells)
{
	static const char columns[] = ">rank|choice|>times the best|distinct from the one before";
	struct choice *choices = calloc(CHOICES_MAX, sizeof(*choices));
	unsigned int count = choices ? weigh(cells, plan, &plan->weights, choices) : 0;

	report_heading(out, "One choice by weights");
	report_words(out, "Internal %u, external %u; files %u, web %u.", plan->weights.internal,
		     plan->weights.external, plan->weights.file, plan->weights.web);
	if (!count)
		report_words(out, "No choice has results for all that has weight.");
	else
		report_words(out, "Recommended: %s%s", choices[0].name,
			     count > 1 ? "" : ", alone.");
	if (count > 1)
		report_words(out, "The margin to %s is %.1f %%, %s.", choices[1].name,
			     (choices[1].score.middle - 1) * 100,
			     choices[1].distinct ? "distinguishable" : "not distinguishable");
	if (count) {
		report_table_begin(out, columns);
		for (unsigned int i = 0; i < count; i++)
			report_table_row(out, columns, "%u|%s|%.3g (%.3g to %.3g)|%s", i + 1,
					 choices[i].name, choices[i].score.middle,
					 choices[i].score.low, choices[i].score.high,
					 !i		       ? ""
					 : choices[i].distinct ? "yes"
							       : "no");
		report_table_end(out);
	}
	free(choices);
}

/* The paper's section 4.2: by what a virtual machine is admitted. */
static void write_checklist(struct buffer *out, const struct plan *plan)
{
	static const char columns[] =
		"subject|x86|hosts: Windows, Linux|guest: Linux|free software|"
		"near native|minimal installation";
	static const char *const kinds[] = {
		"yes|both|yes|yes, GPL|no: every instruction is translated|yes",
		"yes|Linux|yes|yes, GPL|yes, with the processor's help|yes",
		"yes|Linux|yes|yes, GPL|nearly: system calls are intercepted|yes",
		"yes|Linux|yes|yes, part of Linux|it is native|yes",
		"yes|both|yes|yes, GPL but for extensions|yes, with the processor's help|no: by "
		"hand",
		"any|any|yes|depends|depends|depends",
		"no guest|||||",
	};

	report_heading(out, "Who is admitted (the paper's list)");
	report_table_begin(out, columns);
	for (unsigned int i = 0; i < plan->subject_count; i++)
		report_table_row(out, columns, "%s|%s", plan->subjects[i].name,
				 kinds[plan->subjects[i].kind]);
	report_table_end(out);
}

static void write_environment(struct buffer *out, const char *folder, const struct rows *rows)
{
	char path[PATH_MAX];
	double low = INFINITY, high = 0;
	json_t *all, *host;

	snprintf(path, sizeof(path), "%s/environment.json", folder);
	all = json_load_file(path, 0, NULL);
	host = json_object_get(all, "host");
	for (size_t i = 0; i < rows->count; i++) {
		low = fmin(low, rows->list[i].load);
		high = fmax(high, rows->list[i].load);
	}
	if (host)
		report_words(out,
			     "Host: %s, %d processors, %.1f GB, Linux %s. Load of the machine "
			     "while measuring: %.1f to %.1f.",
			     json_string_value(json_object_get(host, "processor")),
			     (int)json_integer_value(json_object_get(host, "processors")),
			     (double)json_integer_value(json_object_get(host, "memory")) / 1e9,
			     json_string_value(json_object_get(host, "kernel")), low, high);
	report_words(out,
		     "Caches: %s. Raw values: times.csv, report.csv (with outliers marked), "
		     "requests.csv; circumstances: environment.json.",
		     all ? json_string_value(json_object_get(all, "caches")) : "not known");
	json_decref(all);
}

int page_write(const struct plan *plan, const struct rows *rows, const struct cells *cells,
	       const char *folder)
{
	struct buffer out = BUFFER_EMPTY;
	struct requests *requests;
	char path[PATH_MAX];
	size_t count;

	report_begin(&out, "Networks between hosts, guests and strangers");
	write_environment(&out, folder, rows);
	write_finding(&out, plan, cells);
	write_choice(&out, plan, cells);
	write_ranks(&out, plan, cells);
	write_checklist(&out, plan);
	report_heading(&out, "What the paper states");
	for (const char *const *line = paper_statements; *line; line++)
		report_words(&out, "%s", *line);
	report_heading(&out, "Charts");
	for (unsigned int w = 0; w < plan->workload_count; w++) {
		static const char *const metrics[] = {"time",  "rate", "median", "fetch", "unpack",
						      "share", "web",  "run",	 NULL};

		for (const char *const *metric = metrics; *metric; metric++)
			chart_means(&out, plan, cells, &plan->workloads[w], *metric);
	}
	for (unsigned int w = 0; w < plan->workload_count; w++)
		for (unsigned int n = 0; n < plan->network_count; n++)
			if (plan->workloads[w].type == SAMBA)
				chart_times(&out, plan, cells, &plan->workloads[w],
					    plan->networks[n]);
	requests = read_requests(plan, rows, folder, &count);
	for (size_t i = 0; i < count; i++)
		chart_requests(&out, &requests[i]);
	free(requests);
	write_holes(&out, cells);
	write_cells(&out, cells);
	snprintf(path, sizeof(path), "%s/report.html", folder);
	return report_write(&out, path);
}
