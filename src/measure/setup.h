/* What stands around all guests of a run: their image, control groups, the network's namespaces. */
#ifndef BATON_MEASURE_SETUP_H
#define BATON_MEASURE_SETUP_H

#include "measure/run.h"

/* Makes it for the run `name`, whose folder for files of its own is `scratch`; builds the image if
 * the plan needs one and there is none. `*image` is what keeps other runs off it, or -1. Returns 0,
 * or non-zero with a line on stderr; setup_remove in either case. */
int setup_make(const struct plan *plan, const struct run_options *options, const char *name,
	       const char *scratch, int *image);

/* Takes a guest's files away, with their folder; mounts on it stay untouched. */
void setup_clear(const char *scratch);

/* Takes it away, the scratch folder too. */
void setup_remove(const char *name, const char *scratch, int image);

#endif
