/* The workloads: a log in the order of requests, and the files that it asks for. */
#ifndef BATON_EXPERIMENT_WORKLOAD_H
#define BATON_EXPERIMENT_WORKLOAD_H

#include <stddef.h>

/* Makes FOLDER/NAME.tsv and FOLDER/NAME/ with its files, unless both are there. `name`:
 *   surge    100 files of SURGE's laws in SURGE's order (preset kwon2008);
 *   website  share/traces/website-2015.tsv, without objects over 256 KB;
 *   web07    share/traces/web07.ids, the first 20,000 requests; the trace has no sizes, so they are
 *            lognormal (sigma 1.35, mean 14 KB: Berkeley's in the paper), drawn by object.
 * Returns 0, or an exit code with a line on stderr. */
int workload_make(const char *folder, const char *name);

#endif
