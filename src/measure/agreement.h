/* Our goodput and round trips beside those of iperf3 and sockperf at the same place. */
#ifndef BATON_MEASURE_AGREEMENT_H
#define BATON_MEASURE_AGREEMENT_H

#include "measure/analysis.h"

/* Both at one place: subject, network, memory and vantage are those of the cells. Values are the
 * medians of the repetitions: on a machine that has other work a few of them are far off, on either
 * side, and say nothing about how we measure. */
struct agreement {
	const struct cell *ours, *theirs;
	double our_median, their_median;
	double apart; /* ours over theirs, less 1 */
};

/* Finds up to `room` of them: each reference workload of the plan with the first of ours that does
 * the same. Returns how many. */
unsigned int agreements(const struct cells *cells, const struct plan *plan, struct agreement *list,
			unsigned int room);

#endif
