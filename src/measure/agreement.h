/* Our goodput and round trips beside those of iperf3 and sockperf at the same place. A repetition
 * of theirs is measured next to the same repetition of ours (measure/order.h), so the two are a
 * pair that met the same machine. */
#ifndef BATON_MEASURE_AGREEMENT_H
#define BATON_MEASURE_AGREEMENT_H

#include "measure/analysis.h"

/* Both at one place: subject, network, memory and vantage are those of the cells. */
struct agreement {
	const struct cell *ours, *theirs;
	double our_median, their_median;
	size_t pairs;
	struct interval ratio; /* ours over theirs, from the pairs' logarithms (sample_shift) */
};

enum { AGREEMENTS_MAX = 256 };

/* The share by which both may be apart and still agree. */
#define AGREEMENT_WITHIN 0.05

enum agreement_verdict { AGREE, APART, UNDECIDED };

/* Whether the whole interval lies within AGREEMENT_WITHIN of 1, or outside of it, or neither. */
enum agreement_verdict agreement_verdict(const struct interval *ratio);
const char *agreement_word(enum agreement_verdict verdict);

/* The plan's workload that does what `reference` (iperf3, sockperf) does, NULL if there is none or
 * `reference` is ours itself. */
const struct plan_workload *agreement_partner(const struct plan *plan,
					      const struct plan_workload *reference);

/* Finds up to `room` of them: each reference workload of the plan with its partner. Returns how
 * many. */
unsigned int agreements(const struct cells *cells, const struct plan *plan, struct agreement *list,
			unsigned int room);

#endif
