/* What the experiment's cells say of one another: which structure does how many times as much. */
#ifndef BATON_EXPERIMENT_RATIOS_H
#define BATON_EXPERIMENT_RATIOS_H

#include <jansson.h>

/* The heading of the table, and its first column; one column for each number of nodes follows. */
extern const char *const ratios_heading;

/* Calls `row` with each line of the table, its columns separated by '|': the ratios of requests a
 * second that the workload's cells allow for the `count` numbers of nodes, the paper's in
 * parentheses. */
void ratios_rows(json_t *cells, const char *workload, const unsigned int *counts, int count,
		 void (*row)(void *context, const char *text), void *context);

#endif
