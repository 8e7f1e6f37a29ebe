#include "measure/analysis.h"

#include "base/fail.h"
#include "measure/workload.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b)
{
	const struct row *left = *(const struct row *const *)a,
			 *right = *(const struct row *const *)b;
	int order = strcmp(left->workload, right->workload);

	if (!order)
		order = strcmp(left->metric, right->metric);
	if (!order)
		order = -strcmp(left->vantage, right->vantage);
	if (!order)
		order = strcmp(left->subject, right->subject);
	if (!order)
		order = strcmp(left->network, right->network);
	if (!order)
		order = left->memory < right->memory ? -1 : left->memory > right->memory;
	if (!order)
		order = left < right ? -1 : left > right;
	return order;
}

static double variance(const struct cell *cell)
{
	double squares = 0;

	for (size_t i = 0; i < cell->count; i++)
		squares += (cell->values[i] - cell->mean.middle) *
			   (cell->values[i] - cell->mean.middle);
	return cell->count > 1 ? squares / (double)(cell->count - 1) : 0;
}

/* Failures have no metric: each belongs to every cell of its place. One that was made good by a
 * later try of the same repetition is none. */
static void count_failures(struct cell *cell, const struct rows *rows)
{
	for (size_t i = 0; i < rows->count; i++) {
		const struct row *row = &rows->list[i], *first = cell->first;

		if (row->status != STATUS_FAILED || row->memory != first->memory ||
		    strcmp(row->workload, first->workload) ||
		    strcmp(row->vantage, first->vantage) || strcmp(row->subject, first->subject) ||
		    strcmp(row->network, first->network) || rows_have(rows, row, false))
			continue;
		cell->failed++;
		if (!cell->reason)
			cell->reason = row->reason;
	}
}

void cells_make(struct cells *cells, const struct rows *rows)
{
	const struct row **sorted = calloc(rows->count + 1, sizeof(*sorted));
	size_t used = 0;

	*cells = (struct cells){0};
	if (!sorted)
		out_of_memory();
	for (size_t i = 0; i < rows->count; i++)
		if (rows->list[i].status == STATUS_OK || (rows->list[i].status == STATUS_FAILED &&
							  !rows_have(rows, &rows->list[i], false)))
			sorted[used++] = &rows->list[i];
	qsort(sorted, used, sizeof(*sorted), compare);
	cells->list = calloc(used + 1, sizeof(*cells->list));
	if (!cells->list)
		out_of_memory();
	for (size_t i = 0; i < used;) {
		struct cell *cell = &cells->list[cells->count++];
		double work = 0;
		size_t end = i;

		while (end < used && row_same_cell(sorted[i], sorted[end]))
			end++;
		*cell = (struct cell){.first = sorted[i],
				      .values = calloc(end - i, sizeof(double)),
				      .repeats = calloc(end - i, sizeof(unsigned int))};
		if (!cell->values || !cell->repeats)
			out_of_memory();
		for (; i < end; i++) {
			if (sorted[i]->status != STATUS_OK)
				continue;
			cell->repeats[cell->count] = sorted[i]->repeat;
			cell->values[cell->count++] = sorted[i]->value;
			cell->outliers += sorted[i]->outlier;
			cell->client_cpu += sorted[i]->client_cpu;
			cell->guest_cpu += sorted[i]->guest_cpu;
			work += sorted[i]->work;
		}
		cell->client_cpu = work > 0 ? cell->client_cpu / work : 0;
		cell->guest_cpu = work > 0 ? cell->guest_cpu / work : 0;
		cell->mean = sample_mean(cell->values, cell->count);
		cell->deviation = sqrt(variance(cell));
		count_failures(cell, rows);
	}
	free(sorted);
}

void cells_free(struct cells *cells)
{
	for (size_t i = 0; i < cells->count; i++) {
		free(cells->list[i].values);
		free(cells->list[i].repeats);
	}
	free(cells->list);
	*cells = (struct cells){0};
}

/* The metric that ranks a workload: the one that its kind puts first. */
static bool ranks(const struct row *row, const struct workload_kind *kind)
{
	if (!*row->metric)
		return false;
	if (kind->more)
		return !strcmp(row->metric, "rate");
	return !strcmp(row->metric, kind == &workload_round_trip ? "median" : "time") ||
	       (kind == &workload_round_trip && !strcmp(row->metric, "time"));
}

/* The mean of the logarithms of a cell's values, and that mean's variance. */
static void logarithm(const struct cell *cell, double *mean, double *spread)
{
	double squares = 0;

	*mean = *spread = 0;
	for (size_t i = 0; i < cell->count; i++)
		*mean += log(cell->values[i]) / (double)cell->count;
	for (size_t i = 0; i < cell->count; i++)
		squares += (log(cell->values[i]) - *mean) * (log(cell->values[i]) - *mean);
	if (cell->count > 1)
		*spread = squares / (double)(cell->count - 1) / (double)cell->count;
}

/* A repetition that took no time at all was not measured. */
static bool positive(const struct cell *cell)
{
	for (size_t i = 0; i < cell->count; i++)
		if (cell->values[i] <= 0)
			return false;
	return cell->count > 0;
}

static const struct cell *find(const struct cells *cells, const struct plan *plan,
			       const struct plan_workload *workload, const char *vantage,
			       const struct plan_subject *subject, int network, uint64_t memory)
{
	char word[PLAN_NAME];

	(void)plan;
	plan_word(NETWORK_NAMES, network, word);
	for (size_t i = 0; i < cells->count; i++) {
		const struct cell *cell = &cells->list[i];
		const struct row *row = cell->first;

		if (cell->count && row->memory == memory >> 20 && !strcmp(row->network, word) &&
		    !strcmp(row->subject, subject->name) && !strcmp(row->vantage, vantage) &&
		    !strcmp(row->workload, workload->name) &&
		    ranks(row, workload_kind(workload->type)))
			return cell;
	}
	return NULL;
}

/* The score of one place: its logarithm summed over the use's workloads, each with equal weight.
 * Returns whether there is no hole. */
static bool score(const struct cells *cells, const struct plan *plan, const char *use,
		  const char *vantage, const struct plan_subject *subject, int network,
		  uint64_t memory, struct choice *choice)
{
	double sum = 0, spread = 0, pieces = 0;
	unsigned int count = 0;
	char word[PLAN_NAME];

	choice->samples = SIZE_MAX;
	for (unsigned int i = 0; i < plan->workload_count; i++) {
		const struct plan_workload *workload = &plan->workloads[i];
		const struct workload_kind *kind = workload_kind(workload->type);
		const struct cell *cell;
		double mean, part;

		if (strcmp(kind->use, use))
			continue;
		cell = find(cells, plan, workload, vantage, subject, network, memory);
		if (!cell || !positive(cell))
			return false;
		logarithm(cell, &mean, &part);
		sum += kind->more ? -mean : mean;
		spread += part;
		if (cell->count > 1)
			pieces += part * part / (double)(cell->count - 1);
		if (cell->count < choice->samples)
			choice->samples = cell->count;
		count++;
	}
	if (!count)
		return false;
	plan_word(NETWORK_NAMES, network, word);
	snprintf(choice->name, sizeof(choice->name), "%s (%s, %lu)", subject->name, word,
		 memory >> 20);
	snprintf(choice->subject, sizeof(choice->subject), "%s", subject->name);
	choice->memory = (unsigned int)(memory >> 20);
	choice->logs[0] = sum / count;
	choice->logs[1] = spread / count / count;
	choice->freedom = pieces > 0 ? spread * spread / pieces : 0;
	return true;
}

static int by_score(const void *a, const void *b)
{
	const struct choice *left = a, *right = b;

	return left->logs[0] < right->logs[0] ? -1 : left->logs[0] > right->logs[0];
}

/* Welch's t of the difference of two choices' logarithms: its degrees of freedom, the standard
 * error in *error. Returns 0 where there is none. */
static double welch(const struct choice *a, const struct choice *b, double *error)
{
	double spread = a->logs[1] + b->logs[1];

	if (a->samples < 2 || b->samples < 2 || spread <= 0)
		return 0;
	*error = sqrt(spread);
	return fmax(spread * spread /
			    (a->logs[1] * a->logs[1] / fmax(a->freedom, 1) +
			     b->logs[1] * b->logs[1] / fmax(b->freedom, 1)),
		    1);
}

double choices_chance(const struct choice *a, const struct choice *b)
{
	double error, freedom = welch(a, b, &error);

	return freedom > 0 ? sample_tails((a->logs[0] - b->logs[0]) / error, freedom) : 1;
}

struct interval choices_ratio(const struct choice *a, const struct choice *b)
{
	double error, freedom = welch(a, b, &error), middle = b->logs[0] - a->logs[0],
		      half = freedom > 0 ? sample_student(freedom) * error : INFINITY;

	return (struct interval){exp(middle), exp(middle - half), exp(middle + half)};
}

/* Sorts, and gives scores relative to the best. */
static void settle(struct choice *choices, unsigned int count)
{
	qsort(choices, count, sizeof(*choices), by_score);
	for (unsigned int i = 0; i < count; i++) {
		struct choice *choice = &choices[i];
		double half = choice->samples > 1 && choice->logs[1] > 0
				      ? sample_student(fmax(choice->freedom, 1)) *
						sqrt(choice->logs[1])
				      : 0,
		       middle = choice->logs[0] - choices[0].logs[0];

		choice->score =
			(struct interval){exp(middle), exp(middle - half), exp(middle + half)};
		choice->distinct = i && choices_chance(&choices[i - 1], choice) < 0.05;
	}
}

static unsigned int keep_best(struct choice *choices, unsigned int count)
{
	unsigned int kept = 0;

	for (unsigned int i = 0; i < count; i++) {
		bool seen = false;

		for (unsigned int j = 0; j < kept; j++)
			seen |= !strcmp(choices[j].subject, choices[i].subject);
		if (!seen)
			choices[kept++] = choices[i];
	}
	return kept;
}

unsigned int rank(const struct cells *cells, const struct plan *plan, const char *use,
		  enum vantage vantage, bool best, struct choice *choices)
{
	unsigned int count = 0;
	char word[PLAN_NAME];

	plan_word(VANTAGE_NAMES, (int)vantage, word);
	for (unsigned int s = 0; s < plan->subject_count; s++)
		for (unsigned int n = 0; n < plan->network_count; n++)
			for (unsigned int m = 0; m < plan->memory_count; m++) {
				if (count == CHOICES_MAX)
					break;
				choices[count] = (struct choice){0};
				count += score(cells, plan, use, word, &plan->subjects[s],
					       plan->networks[n], plan->memories[m],
					       &choices[count]);
			}
	settle(choices, count);
	if (best) {
		count = keep_best(choices, count);
		settle(choices, count);
	}
	return count;
}

unsigned int weigh(const struct cells *cells, const struct plan *plan,
		   const struct plan_weights *weights, struct choice *choices)
{
	static const char *const uses[] = {"file", "web"};
	const double vantages[] = {weights->internal, weights->external},
		     shares[] = {weights->file, weights->web};
	double whole = (vantages[0] + vantages[1]) * (shares[0] + shares[1]);
	struct choice *parts = calloc(CHOICES_MAX, sizeof(*parts));
	unsigned int count = 0, wanted = 0, kept = 0;
	unsigned int *found = calloc(CHOICES_MAX, sizeof(*found));

	if (!parts || !found)
		out_of_memory();
	for (int use = 0; use < 2; use++)
		for (int vantage = 0; vantage < 2; vantage++) {
			double weight = vantages[vantage] * shares[use] / whole;
			unsigned int got;

			if (weight <= 0)
				continue;
			wanted++;
			got = rank(cells, plan, uses[use], (enum vantage)vantage, false, parts);
			for (unsigned int i = 0; i < got; i++) {
				unsigned int at = 0;

				while (at < count && strcmp(choices[at].name, parts[i].name))
					at++;
				if (at == count) {
					choices[count] = parts[i];
					choices[count].logs[0] = choices[count].logs[1] = 0;
					choices[count].freedom = 0;
					count++;
				}
				found[at]++;
				choices[at].logs[0] += weight * parts[i].logs[0];
				choices[at].logs[1] += weight * weight * parts[i].logs[1];
				if (parts[i].samples < choices[at].samples)
					choices[at].samples = parts[i].samples;
				/* The least of the parts' freedoms errs to the careful side. */
				if (!choices[at].freedom || parts[i].freedom < choices[at].freedom)
					choices[at].freedom = parts[i].freedom;
			}
		}
	/* What is missing somewhere can't be compared. */
	for (unsigned int i = 0; i < count; i++)
		if (found[i] == wanted)
			choices[kept++] = choices[i];
	settle(choices, kept);
	free(found);
	free(parts);
	return kept;
}
