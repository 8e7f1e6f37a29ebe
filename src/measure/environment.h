/* The circumstances of a measurement, as OUTPUT/environment.json. */
#ifndef BATON_MEASURE_ENVIRONMENT_H
#define BATON_MEASURE_ENVIRONMENT_H

#include "measure/run.h"

/* Writes it; each start of a run adds itself to its list "runs". Returns 0 or EXIT_FAILED with a
 * line on stderr. */
int environment_write(const struct plan *plan, const struct run_options *options);

#endif
