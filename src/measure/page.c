#include "measure/page.h"

#include "base/report.h"
#include "measure/agreement.h"
#include "measure/charts.h"
#include "measure/finding.h"
#include "measure/paper.h"
#include "measure/workload.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const use_names[] = {"Files", "Web and database", "Raw TCP"};

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
	static const char columns[] =
		">rank|choice|>times the best|distinct from the one before|the paper's";
	struct choice *choices = calloc(CHOICES_MAX, sizeof(*choices));

	report_heading(out, "Ranks (the paper's table 3 beside them)");
	report_words(out,
		     "Each subject with its best network and memory. A score is the geometric "
		     "mean over the use's workloads and their repetitions, relative to the best; "
		     "intervals are of 95 %%. Who chooses by external performance alone takes the "
		     "external order for both.");
	for (int use = 0; use < FINDING_USES && choices; use++)
		for (int v = 0; v < VANTAGE_COUNT; v++) {
			unsigned int count = rank(cells, plan, finding_uses[use], (enum vantage)v,
						  true, choices);
			const char *const *paper = paper_ranks(finding_uses[use], v);

			if (!count)
				continue;
			report_words(out, "%s, %s:", use_names[use],
				     v == EXTERNAL ? "external" : "internal");
			report_table_begin(out, columns);
			for (unsigned int i = 0; i < count; i++)
				report_table_row(out, columns, "%u|%s|%.3g (%.3g to %.3g)|%s|%s",
						 i + 1, choices[i].name, choices[i].score.middle,
						 choices[i].score.low, choices[i].score.high,
						 !i		       ? ""
						 : choices[i].distinct ? "yes"
								       : "no",
						 paper && i < PAPER_RANKS ? paper[i] : "");
			report_table_end(out);
		}
	free(choices);
}

static void write_agreement(struct buffer *out, const struct plan *plan, const struct cells *cells)
{
	static const char columns[] = "subject|network|vantage|theirs|unit|>ours|>theirs|>ratio|"
				      ">95 % from|>to|>pairs|within";
	struct agreement *list = calloc(AGREEMENTS_MAX, sizeof(*list));
	unsigned int count = list ? agreements(cells, plan, list, AGREEMENTS_MAX) : 0;

	if (count) {
		report_heading(out, "Beside others' programs");
		report_words(out,
			     "Medians, and ours over theirs in pairs (Hodges and Lehmann, with "
			     "Wilcoxon's interval); whether all of the interval is within %.0f %%.",
			     AGREEMENT_WITHIN * 100);
		report_table_begin(out, columns);
	}
	for (unsigned int i = 0; i < count; i++) {
		const struct row *row = list[i].theirs->first;

		report_table_row(out, columns, "%s|%s|%s|%s|%s|%.4g|%.4g|%.3f|%.3f|%.3f|%zu|%s",
				 row->subject, row->network, row->vantage, row->workload, row->unit,
				 list[i].our_median, list[i].their_median, list[i].ratio.middle,
				 list[i].ratio.low, list[i].ratio.high, list[i].pairs,
				 agreement_word(agreement_verdict(&list[i].ratio)));
	}
	if (count)
		report_table_end(out);
	free(list);
}

static void write_standings(struct buffer *out, const struct finding *finding, const char *name)
{
	static const char columns[] = "choice|>rank inside|>from|>to|>rank outside|>from|>to";

	if (!finding->count)
		return;
	report_words(out, "%s, %u MiB: %u of %u pairs are told apart inside, %u outside.", name,
		     finding->memory, finding->told[INTERNAL], finding->pairs,
		     finding->told[EXTERNAL]);
	report_table_begin(out, columns);
	for (unsigned int i = 0; i < finding->count; i++) {
		const struct standing *one = &finding->standings[i];

		report_table_row(out, columns, "%s|%u|%u|%u|%u|%u|%u", one->name,
				 one->in[INTERNAL].rank, one->in[INTERNAL].first,
				 one->in[INTERNAL].last, one->in[EXTERNAL].rank,
				 one->in[EXTERNAL].first, one->in[EXTERNAL].last);
	}
	report_table_end(out);
	for (unsigned int i = 0; i < finding->reversed; i++) {
		const struct reversal *one = &finding->reversals[i];

		if (one->certain)
			report_words(out,
				     "%s is %.3g times (%.3g to %.3g) as good as %s inside, and "
				     "%.3g times (%.3g to %.3g) outside.",
				     one->better->name, one->inside.middle, one->inside.low,
				     one->inside.high, one->worse->name, one->outside.middle,
				     one->outside.low, one->outside.high);
	}
}

static void write_finding(struct buffer *out, const struct plan *plan, const struct cells *cells)
{
	report_heading(out, "Does the order from inside differ from the order from outside?");
	for (unsigned int m = 0; m < plan->memory_count; m++) {
		struct finding findings[FINDING_USES];
		struct buffer text = BUFFER_EMPTY;

		for (int use = 0; use < FINDING_USES; use++)
			finding_make(&findings[use], cells, plan, finding_uses[use],
				     (unsigned int)(plan->memories[m] >> 20));
		finding_sentence(findings, &text);
		report_words(out, "%s", text.data);
		buffer_release(&text);
		for (int use = 0; use < FINDING_USES; use++) {
			write_standings(out, &findings[use], use_names[use]);
			finding_free(&findings[use]);
		}
	}
	report_words(out,
		     "A rank is from one more than those told better to as many as are not told "
		     "worse. Pairs are told apart by Welch's test on logarithms, at 5 %% for all "
		     "pairs of an order together (Holm); ratios have intervals of 95 %%, each by "
		     "itself.");
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
	char path[PATH_MAX];

	report_begin(&out, "Networks between hosts, guests and strangers");
	write_environment(&out, folder, rows);
	write_finding(&out, plan, cells);
	write_choice(&out, plan, cells);
	write_ranks(&out, plan, cells);
	write_agreement(&out, plan, cells);
	write_checklist(&out, plan);
	report_heading(&out, "What the paper states");
	for (const char *const *line = paper_statements; *line; line++)
		report_words(&out, "%s", *line);
	report_heading(&out, "Charts");
	charts_write(&out, plan, cells, folder);
	write_holes(&out, cells);
	write_cells(&out, cells);
	snprintf(path, sizeof(path), "%s/report.html", folder);
	return report_write(&out, path);
}
