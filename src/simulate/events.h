/* Discrete events: jobs that use resources one after another, each resource serving one at a time
 * in the order of arrival. */
#ifndef BATON_SIMULATE_EVENTS_H
#define BATON_SIMULATE_EVENTS_H

#include <stdbool.h>
#include <stdint.h>

enum { EVENTS_NOTHING = UINT32_MAX };

/* What a job does next: `ns` of a resource's time, or with EVENTS_NOTHING only waiting. */
struct events_step {
	uint32_t resource;
	uint64_t ns;
};

/* Asked at `now` what job `job` does next, its last step being done. False: the job ends. */
typedef bool events_next(void *model, uint32_t job, uint64_t now, struct events_step *step);

/* Runs jobs 0 .. jobs - 1 over `resources` resources, job i beginning at i * `spread` ns, until all
 * have ended. `busy` (one a resource, may be NULL) gets the time each resource was in use. Returns
 * 0 or -ENOMEM. */
int events_run(uint32_t jobs, uint32_t resources, uint64_t spread, events_next *next, void *model,
	       uint64_t *busy);

#endif
