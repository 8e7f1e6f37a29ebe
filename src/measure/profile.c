#include "measure/profile.h"

#include "base/fail.h"
#include "measure/analysis.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The cell of a type of workload from outside; NULL if it was not measured. */
static const struct cell *find(const struct cells *cells, const struct plan *plan,
			       enum workload_type type, const char *subject, const char *network,
			       uint64_t memory)
{
	for (unsigned int w = 0; w < plan->workload_count; w++) {
		const struct plan_workload *workload = &plan->workloads[w];

		if (workload->type != (int)type || (type == GOODPUT && workload->direction != GET))
			continue;
		for (size_t i = 0; i < cells->count; i++) {
			const struct row *row = cells->list[i].first;

			if (cells->list[i].count && !strcmp(row->workload, workload->name) &&
			    !strcmp(row->metric, type == ROUND_TRIP ? "median" : "rate") &&
			    !strcmp(row->vantage, "external") && !strcmp(row->subject, subject) &&
			    !strcmp(row->network, network) && row->memory == memory >> 20)
				return &cells->list[i];
		}
	}
	return NULL;
}

int profile_print(const struct plan *plan, const char *folder, const char *subject,
		  const char *network, uint64_t memory)
{
	const struct cell *calls, *stream, *trips;
	struct rows rows = {0};
	struct cells cells;
	unsigned int line;
	int error = rows_read(&rows, folder, &line);

	if (error) {
		rows_free(&rows);
		return failed_errno(error, "%s/times.csv", folder);
	}
	cells_make(&cells, &rows);
	calls = find(&cells, plan, CONNECT, subject, network, memory);
	stream = find(&cells, plan, GOODPUT, subject, network, memory);
	trips = find(&cells, plan, ROUND_TRIP, subject, network, memory);
	if (!calls || !stream || calls->guest_cpu <= 0)
		error = failed(
			"measure: %s has no 'connect' and 'goodput' (get) of %s, %s, %lu MiB "
			"from outside; measure them first",
			folder, subject, network, memory >> 20);
	else
		printf("# %s, %s, %lu MiB, seen from outside; means of %zu and %zu measurements.\n"
		       "hit_us %.4g\t# this host's CPU for a connection answered\n"
		       "link_mbit %.6g\t# goodput from the guest\n",
		       subject, network, memory >> 20, calls->count, stream->count,
		       calls->guest_cpu * 1e6, stream->mean.middle);
	if (!error && trips)
		printf("rtt_us %.4g\t# round trip of 64 bytes; of %zu medians\n",
		       sample_median(trips->values, trips->count), trips->count);
	cells_free(&cells);
	rows_free(&rows);
	return error;
}
