/* What the paper printed: bytes that each of three receivers stored (Park, Sung and Kim, tables 1
 * and 2), by the length of the run. */
#ifndef BATON_DISTRIBUTION_PAPER_H
#define BATON_DISTRIBUTION_PAPER_H

#include <stdint.h>

enum { RECEIVERS = 3, PAPER_RUNS = 16 };

struct paper_run {
	unsigned int seconds;
	uint64_t bytes[RECEIVERS];
	int doubtful; /* receiver whose cell looks like a slip, or -1 */
};

extern const struct paper_run paper_runs[PAPER_RUNS];

/* By how much the busiest of the receivers is above their mean: max/mean - 1. `without` is left out
 * (-1: none). 0 when nothing was received. */
double imbalance_of(const uint64_t bytes[RECEIVERS], int without);

#endif
