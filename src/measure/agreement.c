#include "measure/agreement.h"

#include "base/fail.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const struct plan_workload *agreement_partner(const struct plan *plan,
					      const struct plan_workload *reference)
{
	int type = reference->type == IPERF3 ? GOODPUT : ROUND_TRIP;

	if (reference->type != IPERF3 && reference->type != SOCKPERF)
		return NULL;
	for (unsigned int i = 0; i < plan->workload_count; i++) {
		const struct plan_workload *one = &plan->workloads[i];

		if (one->type == type &&
		    (type == ROUND_TRIP || one->direction == reference->direction))
			return one;
	}
	return NULL;
}

enum agreement_verdict agreement_verdict(const struct interval *ratio)
{
	double low = 1 - AGREEMENT_WITHIN, high = 1 + AGREEMENT_WITHIN;

	if (ratio->low >= low && ratio->high <= high)
		return AGREE;
	return ratio->high < low || ratio->low > high ? APART : UNDECIDED;
}

const char *agreement_word(enum agreement_verdict verdict)
{
	static const char *const words[] = {"yes", "no", "open"};

	return words[verdict];
}

static bool is(const struct cell *cell, const char *workload, const char *metric)
{
	return cell->count && !strcmp(cell->first->workload, workload) &&
	       !strcmp(cell->first->metric, metric);
}

static bool same_place(const struct row *a, const struct row *b)
{
	return a->memory == b->memory && !strcmp(a->subject, b->subject) &&
	       !strcmp(a->network, b->network) && !strcmp(a->vantage, b->vantage);
}

static double median(const struct cell *cell)
{
	double *copy = calloc(cell->count, sizeof(*copy)), middle;

	if (!copy)
		out_of_memory();
	memcpy(copy, cell->values, cell->count * sizeof(*copy));
	middle = sample_median(copy, cell->count);
	free(copy);
	return middle;
}

/* What is a hole with one of them is no pair. */
static void pair(struct agreement *found)
{
	const struct cell *ours = found->ours, *theirs = found->theirs;
	double *logs = calloc(ours->count, sizeof(*logs));
	struct interval shift;

	if (!logs)
		out_of_memory();
	for (size_t i = 0; i < ours->count; i++)
		for (size_t j = 0; j < theirs->count; j++)
			if (ours->repeats[i] == theirs->repeats[j] && ours->values[i] > 0 &&
			    theirs->values[j] > 0)
				logs[found->pairs++] = log(ours->values[i] / theirs->values[j]);
	shift = sample_shift(logs, found->pairs);
	found->ratio = (struct interval){exp(shift.middle), exp(shift.low), exp(shift.high)};
	free(logs);
}

unsigned int agreements(const struct cells *cells, const struct plan *plan, struct agreement *list,
			unsigned int room)
{
	unsigned int count = 0;

	for (unsigned int w = 0; w < plan->workload_count; w++) {
		const struct plan_workload *reference = &plan->workloads[w],
					   *own = agreement_partner(plan, reference);
		const char *metric = reference->type == IPERF3 ? "rate" : "median";

		for (size_t t = 0; own && t < cells->count; t++)
			for (size_t o = 0; o < cells->count && count < room; o++) {
				const struct cell *theirs = &cells->list[t],
						  *ours = &cells->list[o];

				if (!is(theirs, reference->name, metric) ||
				    !is(ours, own->name, metric) ||
				    !same_place(theirs->first, ours->first))
					continue;
				list[count] = (struct agreement){.ours = ours,
								 .theirs = theirs,
								 .our_median = median(ours),
								 .their_median = median(theirs)};
				pair(&list[count]);
				count += list[count].pairs > 0;
			}
	}
	return count;
}
