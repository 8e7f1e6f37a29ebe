#include "measure/agreement.h"

#include <stdlib.h>
#include <string.h>

/* The plan's workload that does what a reference does, and what both call it. */
static const struct plan_workload *
same_as(const struct plan *plan, const struct plan_workload *reference, const char **metric)
{
	int type = reference->type == IPERF3 ? GOODPUT : ROUND_TRIP;

	*metric = type == GOODPUT ? "rate" : "median";
	for (unsigned int i = 0; i < plan->workload_count; i++) {
		const struct plan_workload *one = &plan->workloads[i];

		if (one->type == type &&
		    (type == ROUND_TRIP || one->direction == reference->direction))
			return one;
	}
	return NULL;
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
	double *copy = malloc(cell->count * sizeof(*copy)), middle;

	if (!copy)
		return 0;
	memcpy(copy, cell->values, cell->count * sizeof(*copy));
	middle = sample_median(copy, cell->count);
	free(copy);
	return middle;
}

unsigned int agreements(const struct cells *cells, const struct plan *plan, struct agreement *list,
			unsigned int room)
{
	unsigned int count = 0;

	for (unsigned int w = 0; w < plan->workload_count; w++) {
		const struct plan_workload *reference = &plan->workloads[w], *own;
		const char *metric;

		if (reference->type != IPERF3 && reference->type != SOCKPERF)
			continue;
		own = same_as(plan, reference, &metric);
		for (size_t t = 0; own && t < cells->count; t++)
			for (size_t o = 0; o < cells->count && count < room; o++) {
				const struct cell *theirs = &cells->list[t],
						  *ours = &cells->list[o];
				struct agreement *found = &list[count];

				if (!is(theirs, reference->name, metric) ||
				    !is(ours, own->name, metric) ||
				    !same_place(theirs->first, ours->first))
					continue;
				*found = (struct agreement){ours, theirs, median(ours),
							    median(theirs), 0};
				if (found->their_median <= 0)
					continue;
				found->apart = found->our_median / found->their_median - 1;
				count++;
			}
	}
	return count;
}
