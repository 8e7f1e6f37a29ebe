/* Discrete events: jobs that use resources one after another, each resource serving one at a time
 * in the order of arrival. */
#ifndef BATON_SIMULATE_ENGINE_H
#define BATON_SIMULATE_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

enum { ENGINE_NOTHING = UINT32_MAX };

/* What a job does next: `ns` of a resource's time, or with ENGINE_NOTHING only waiting. */
struct engine_step {
	uint32_t resource;
	uint64_t ns;
};

/* Asked at `now` what job `job` does next, its last step being done. False: the job ends. */
typedef bool engine_next(void *model, uint32_t job, uint64_t now, struct engine_step *step);

/* Runs jobs 0 .. jobs - 1 over `resources` resources, job i beginning at i * `spread` ns, until all
 * have ended. `busy` (one a resource, may be NULL) gets the time each resource was in use. Returns
 * 0 or -ENOMEM. */
int engine_run(uint32_t jobs, uint32_t resources, uint64_t spread, engine_next *next, void *model,
	       uint64_t *busy);

#endif
