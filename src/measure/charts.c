#include "measure/charts.h"

#include "base/report.h"
#include "measure/workload.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BINS = 24 };

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

static struct requests *read_requests(const struct plan *plan, const char *folder, size_t *count)
{
	size_t room = (size_t)plan->subject_count * plan->network_count * PLAN_WORKLOADS;
	struct requests *all = calloc(room, sizeof(*all));
	char path[PATH_MAX], line[512];
	FILE *in;

	snprintf(path, sizeof(path), "%s/requests.csv", folder);
	in = fopen(path, "re");
	*count = 0;
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

void charts_write(struct buffer *out, const struct plan *plan, const struct cells *cells,
		  const char *folder)
{
	struct requests *requests;
	size_t count;

	for (unsigned int w = 0; w < plan->workload_count; w++) {
		static const char *const metrics[] = {"time",  "rate", "median", "fetch", "unpack",
						      "share", "web",  "run",	 NULL};

		for (const char *const *metric = metrics; *metric; metric++)
			chart_means(out, plan, cells, &plan->workloads[w], *metric);
	}
	for (unsigned int w = 0; w < plan->workload_count; w++)
		for (unsigned int n = 0; n < plan->network_count; n++)
			if (plan->workloads[w].type == SAMBA)
				chart_times(out, plan, cells, &plan->workloads[w],
					    plan->networks[n]);
	requests = read_requests(plan, folder, &count);
	for (size_t i = 0; i < count; i++)
		chart_requests(out, &requests[i]);
	free(requests);
}
