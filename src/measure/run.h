/* Carries out a plan: rounds of guests in random order, in each the workloads in random order. */
#ifndef BATON_MEASURE_RUN_H
#define BATON_MEASURE_RUN_H

#include "measure/plan.h"

struct run_options {
	const char *plan_path; /* for messages and the record */
	const char *output;    /* the folder of results; made if need be */
	const char *image;     /* the image's folder */
	const char *mirror;    /* where an image is built from */
	uint64_t repeats;      /* at most so many of each; 0: as planned */
	uint64_t requests;     /* web: at most so many a repetition; 0: as planned */
	bool retry;	       /* holes of an earlier run are tried again */
	bool quiet;
};

/* Shortens the plan as the options say. */
void run_shorten(struct plan *plan, const struct run_options *options);

/* Measures what is not in the output folder yet. Failures of guests and workloads are rows of the
 * results and don't end it. Returns 0, or EXIT_FAILED with a line on stderr. */
int run_plan(const struct plan *plan, const struct run_options *options);

#endif
