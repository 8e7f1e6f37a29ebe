/* What the experiment found, beside what the paper printed. */
#ifndef BATON_EXPERIMENT_TABLES_H
#define BATON_EXPERIMENT_TABLES_H

#include <jansson.h>

/* The cell of that structure, policy, workload and number of nodes, or NULL. */
json_t *tables_find(json_t *cells, const char *structure, const char *policy, const char *workload,
		    unsigned int nodes);

/* Prints a table of requests a second and one of the rest for each workload. `nodes` is a list
 * "1,2,4". */
void tables_print(json_t *cells, const char *nodes);

/* Writes the same with the paper's tables and charts as one HTML file; `settings` is a sentence on
 * how it was run. Returns 0 or -errno. */
int tables_write(json_t *cells, const char *nodes, const char *settings, const char *path);

#endif
