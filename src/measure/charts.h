/* The report's charts, which stand beside the paper's figures 10 to 24. */
#ifndef BATON_MEASURE_CHARTS_H
#define BATON_MEASURE_CHARTS_H

#include "measure/analysis.h"

/* Adds means of every workload, distributions of times, and web requests by ms (from
 * FOLDER/requests.csv). */
void charts_write(struct buffer *out, const struct plan *plan, const struct cells *cells,
		  const char *folder);

#endif
