#include "simulate/hits.h"

#include "base/histogram.h"
#include "base/random.h"
#include "simulate/cache.h"
#include "simulate/cluster.h"
#include "simulate/events.h"

#include <errno.h>
#include <stdlib.h>

enum phase { PHASE_PLACE, PHASE_LOOK, PHASE_SEND, PHASE_DONE };

struct job {
	uint64_t begun;
	uint32_t object, node;
	enum phase phase;
};

struct run {
	const struct workload *trace;
	const struct hits_setting *setting;
	struct hits_result *result;
	struct caches *caches;
	struct job *jobs;
	uint64_t *node_requests, *node_bytes;
	struct histogram *times;
	struct random_state random;
	size_t next;
	uint64_t end;
};

/* Resources: a processor and a link for each node. */
static bool next_step(void *model, uint32_t index, uint64_t now, struct events_step *step)
{
	struct run *run = model;
	struct job *job = &run->jobs[index];
	const struct workload_object *object;
	uint64_t size;

	if (job->phase == PHASE_DONE) {
		cluster_done(job->node);
		histogram_add(run->times, now - job->begun);
		run->end = now;
		job->phase = PHASE_PLACE;
	}
	if (job->phase == PHASE_PLACE) {
		if (run->next == run->trace->count)
			return false;
		job->object = run->trace->requests[run->next++];
		job->begun = now;
		job->node = cluster_place(&run->trace->objects[job->object], index,
					  random_next(&run->random), now, 0, 0);
		if (run->setting->placements)
			fprintf(run->setting->placements, "%s,%u,%zu,node%u\n",
				place_policy_name(run->setting->policy), run->setting->nodes,
				run->next, job->node);
		job->phase = PHASE_LOOK;
		*step = (struct events_step){2 * (job->node - 1), run->setting->hit_ns};
		return true;
	}
	object = &run->trace->objects[job->object];
	size = object->size;
	if (job->phase == PHASE_LOOK) {
		run->result->requests++;
		run->result->bytes += size;
		run->node_requests[job->node - 1]++;
		run->node_bytes[job->node - 1] += size;
		job->phase = PHASE_SEND;
		if (!caches_use(run->caches, job->node - 1, job->object, size)) {
			run->result->origin_bytes += size;
			*step = (struct events_step){EVENTS_NOTHING, run->setting->miss_ns};
			return true;
		}
		run->result->hits++;
	}
	job->phase = PHASE_DONE;
	*step = (struct events_step){2 * (job->node - 1) + 1, size * run->setting->byte_ns};
	return true;
}

static double most_over_mean(const uint64_t *counts, uint32_t nodes)
{
	uint64_t most = 0, sum = 0;

	for (uint32_t i = 0; i < nodes; i++) {
		sum += counts[i];
		most = counts[i] > most ? counts[i] : most;
	}
	return sum ? (double)most * nodes / sum : 1;
}

/* Which objects another node has after one in the middle has gone. */
static int moved_count(struct run *run, struct place_world *world, const struct place_plan *plan)
{
	const struct workload *trace = run->trace;
	uint32_t nodes = run->setting->nodes, gone = nodes / 2 + 1, moved = 0, needlessly = 0;
	uint32_t *before = calloc(trace->object_count, sizeof(*before)), others = 0;
	int error;

	run->result->moved = run->result->moved_needlessly = -1;
	if (!before)
		return -ENOMEM;
	error = 0;
	/* What depends on the client as well gives an object no node of its own. */
	if (nodes < 2 || place_policy_wants(plan->policy) & PLACE_WANT_CLIENT ||
	    !(place_policy_wants(plan->policy) &
	      (PLACE_WANT_TARGET | PLACE_WANT_CARP | PLACE_WANT_MD5)))
		goto out;
	for (uint32_t i = 0; i < trace->object_count; i++)
		before[i] = cluster_place(&trace->objects[i], 0, 0, run->end, 0, PLACE_PEEK);
	error = cluster_build(world, plan, nodes, gone);
	if (error)
		goto out;
	for (uint32_t i = 0; i < trace->object_count; i++) {
		uint32_t node = cluster_place(&trace->objects[i], 0, 0, run->end, 0, PLACE_PEEK);

		moved += node != before[i];
		others += before[i] != gone;
		needlessly += before[i] != gone && node != before[i];
	}
	run->result->moved = (double)moved / trace->object_count;
	run->result->moved_needlessly = others ? (double)needlessly / others : 0;
out:
	free(before);
	return error;
}

int hits_run(const struct workload *trace, const struct hits_setting *setting,
	     struct hits_result *result)
{
	struct place_plan plan = {.policy = setting->policy};
	uint32_t jobs = setting->clients * setting->nodes;
	struct run run = {.trace = trace, .setting = setting, .result = result};
	struct place_world *world;
	int error = -ENOMEM;

	*result = (struct hits_result){0};
	random_seed(&run.random, setting->seed);
	world = cluster_new(&plan, setting->nodes, trace->object_count + 20000);
	run.caches = caches_new(setting->nodes, setting->cache);
	run.jobs = calloc(jobs, sizeof(*run.jobs));
	run.node_requests = calloc(setting->nodes, sizeof(uint64_t));
	run.node_bytes = calloc(setting->nodes, sizeof(uint64_t));
	run.times = histogram_new();
	if (!world || !run.caches || !run.jobs || !run.node_requests || !run.node_bytes ||
	    !run.times)
		goto out;
	error = events_run(jobs, 2 * setting->nodes, 0, next_step, &run, NULL);
	if (error)
		goto out;
	result->most_requests = most_over_mean(run.node_requests, setting->nodes);
	result->most_bytes = most_over_mean(run.node_bytes, setting->nodes);
	result->seconds = run.end / 1e9;
	result->mean_ms = histogram_mean(run.times) / 1e6;
	result->p99_ms = histogram_at(run.times, 0.99) / 1e6;
	error = moved_count(&run, world, &plan);
out:
	world_free(world);
	place_world = NULL;
	caches_free(run.caches);
	free(run.jobs);
	free(run.node_requests);
	free(run.node_bytes);
	free(run.times);
	return error;
}
