#include "simulate/farm.h"

#include "base/histogram.h"
#include "base/random.h"
#include "place/place.h"
#include "simulate/cache.h"
#include "simulate/cluster.h"
#include "simulate/events.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define START_NS 3600000000000ull /* of the policies' clock, so that nothing looks recent at 0 */

/* What comes next for a thread. */
enum phase {
	PHASE_THINK,
	PHASE_CONNECT,
	PHASE_READ,
	PHASE_ASK,
	PHASE_DISPATCH,
	PHASE_ANSWER,
	PHASE_GIVE,
	PHASE_TAKE,
	PHASE_SERVE,
	PHASE_DISK,
	PHASE_LINK,
	PHASE_FORWARD,
	PHASE_END,
};

struct thread {
	uint64_t begun;
	uint32_t object;
	uint16_t first, node; /* ids */
	enum phase phase;
	uint32_t told; /* what the question says of decisions alone */
	bool alone, hit;
};

struct farm {
	const struct parameters *parameters;
	const struct workload *files;
	struct caches *caches;
	struct thread *threads;
	struct histogram *times;
	struct random_state random;
	uint64_t *served;
	uint64_t warm_ns, end_ns, last_ns, turns, next, hits, handed, alone, answered;
	enum place_policy policy;
	uint32_t nodes;
	/* Parameters that every event needs. */
	double think_ns, alpha, byte_ns, link_byte_ns, disk_byte_ns;
	uint64_t accept, ask, dispatch, network, give, take, serve, forward, disk;
};

/* Resources: processor, link and disk of each node, then the dispatcher's processor. */
static uint32_t processor(uint32_t node)
{
	return 3 * (node - 1);
}

static uint32_t link_of(uint32_t node)
{
	return 3 * (node - 1) + 1;
}

static uint32_t disk_of(uint32_t node)
{
	return 3 * (node - 1) + 2;
}

static uint64_t thinks(struct farm *farm)
{
	/* Pareto with the wanted mean, cut at 100 times that. */
	double least = farm->think_ns * (farm->alpha - 1) / farm->alpha;

	return fmin(least * pow(random_unit(&farm->random), -1 / farm->alpha),
		    100 * farm->think_ns);
}

static struct place_query query_of(const struct farm *farm, const struct thread *thread,
				   uint64_t now)
{
	const struct workload_object *object = &farm->files->objects[thread->object];

	return (struct place_query){.target = object->target,
				    .carp = object->carp,
				    .md5 = object->md5,
				    .now_ns = now + START_NS,
				    .node = thread->first};
}

static void finish(struct farm *farm, struct thread *thread, uint64_t now)
{
	cluster_done(thread->node);
	if (now < farm->warm_ns || now >= farm->end_ns)
		return;
	farm->answered++;
	farm->served[thread->node - 1]++;
	farm->handed += thread->node != thread->first;
	farm->alone += thread->alone;
	farm->hits += thread->hit;
	histogram_add(farm->times, now - thread->begun);
}

static bool next_step(void *model, uint32_t index, uint64_t now, struct events_step *step)
{
	struct farm *farm = model;
	struct thread *thread = &farm->threads[index];
	const struct workload_object *object = &farm->files->objects[thread->object];
	struct place_query query;

	farm->last_ns = now;
	switch (thread->phase) {
	case PHASE_END:
		finish(farm, thread, now);
		/* fall through */
	case PHASE_THINK:
		if (now >= farm->end_ns)
			return false;
		thread->phase = PHASE_CONNECT;
		*step = (struct events_step){EVENTS_NOTHING, thinks(farm)};
		return true;
	case PHASE_CONNECT:
		if (now >= farm->end_ns)
			return false;
		thread->begun = now;
		thread->object = farm->files->requests[farm->next++ % farm->files->count];
		thread->first = 1 + farm->turns++ % farm->nodes;
		thread->phase = PHASE_READ;
		*step = (struct events_step){processor(thread->first), farm->accept};
		return true;
	case PHASE_READ:
		query = query_of(farm, thread, now);
		query.scope = thread->first;
		thread->node = 0;
		thread->alone = false;
		if (farm->policy == PLACE_DS || farm->policy == PLACE_DS_2004)
			thread->node = place_alone(&query);
		thread->told = query.alone;
		if (thread->node) {
			thread->alone = true;
			thread->phase = PHASE_SERVE;
			*step = (struct events_step){EVENTS_NOTHING, 0};
			return true;
		}
		thread->phase = PHASE_ASK;
		*step = (struct events_step){processor(thread->first), farm->ask};
		return true;
	case PHASE_ASK:
		thread->phase = PHASE_DISPATCH;
		*step = (struct events_step){EVENTS_NOTHING, farm->network};
		return true;
	case PHASE_DISPATCH:
		thread->phase = PHASE_ANSWER;
		*step = (struct events_step){3 * farm->nodes, farm->dispatch};
		return true;
	case PHASE_ANSWER:
		query = query_of(farm, thread, now);
		query.alone = thread->told;
		thread->node = place_choose(&query);
		query.scope = query.node = thread->node;
		place_own(&query);
		thread->phase = thread->node == thread->first ? PHASE_SERVE : PHASE_GIVE;
		*step = (struct events_step){EVENTS_NOTHING, farm->network};
		return true;
	case PHASE_GIVE:
		thread->phase = PHASE_TAKE;
		*step = (struct events_step){processor(thread->first), farm->give};
		return true;
	case PHASE_TAKE:
		thread->phase = PHASE_SERVE;
		*step = (struct events_step){processor(thread->node), farm->take};
		return true;
	case PHASE_SERVE:
		thread->phase = PHASE_DISK;
		*step = (struct events_step){processor(thread->node),
					     farm->serve + object->size * farm->byte_ns};
		return true;
	case PHASE_DISK:
		thread->phase = PHASE_LINK;
		thread->hit =
			caches_use(farm->caches, thread->node - 1, thread->object, object->size);
		if (thread->hit) {
			*step = (struct events_step){EVENTS_NOTHING, 0};
		} else {
			*step = (struct events_step){disk_of(thread->node),
						     farm->disk +
							     object->size * farm->disk_byte_ns};
		}
		return true;
	case PHASE_LINK:
		thread->phase = thread->node == thread->first ? PHASE_END : PHASE_FORWARD;
		*step = (struct events_step){link_of(thread->node),
					     object->size * farm->link_byte_ns};
		return true;
	case PHASE_FORWARD:
		/* An ACK for every second segment, and the closing ones. */
		thread->phase = PHASE_END;
		*step = (struct events_step){processor(thread->first),
					     farm->forward * (3 + object->size / 2920)};
		return true;
	}
	return false;
}

static void take_parameters(struct farm *farm)
{
	const struct parameters *p = farm->parameters;

	farm->think_ns = parameter(p, "think_s") * 1e9;
	farm->alpha = parameter(p, "think_alpha");
	farm->byte_ns = parameter(p, "byte_ns");
	farm->link_byte_ns = 8000 / parameter(p, "link_mbit");
	farm->disk_byte_ns = 1000 / parameter(p, "disk_mbyte_s");
	farm->accept = parameter(p, "accept_us") * 1000;
	farm->ask = parameter(p, "ask_us") * 1000;
	farm->dispatch = parameter(p, "dispatch_us") * 1000;
	farm->network = parameter(p, "network_us") * 1000;
	farm->give = parameter(p, "handoff_us") * 1000;
	farm->take = parameter(p, "take_us") * 1000;
	farm->serve = parameter(p, "serve_us") * 1000;
	farm->forward = parameter(p, "forward_us") * 1000;
	farm->disk = parameter(p, "disk_ms") * 1000000;
	farm->warm_ns = parameter(p, "warm_s") * 1e9;
	farm->end_ns = farm->warm_ns + parameter(p, "measure_s") * 1e9;
}

int farm_run(const struct parameters *parameters, const struct workload *files,
	     enum place_policy policy, uint32_t nodes, uint32_t threads, uint64_t seed,
	     struct farm_result *result)
{
	struct place_plan plan = {.policy = policy,
				  .limit = parameter(parameters, "max_load"),
				  .hot_gap_ns = parameter(parameters, "hot_gap_ms") * 1e6};
	struct farm farm = {
		.parameters = parameters, .files = files, .policy = policy, .nodes = nodes};
	struct place_world *world = cluster_new(&plan, nodes, files->object_count * (nodes + 1));
	uint64_t *busy = calloc(3 * nodes + 1, sizeof(*busy)), most = 0;
	int error = -ENOMEM;

	*result = (struct farm_result){0};
	take_parameters(&farm);
	random_seed(&farm.random, seed);
	farm.caches = caches_new(nodes, parameter(parameters, "cache_mb") * 1e6);
	farm.threads = calloc(threads, sizeof(*farm.threads));
	farm.served = calloc(nodes, sizeof(*farm.served));
	farm.times = histogram_new();
	if (!world || !busy || !farm.caches || !farm.threads || !farm.served || !farm.times)
		goto out;
	error = events_run(threads, 3 * nodes + 1, 0, next_step, &farm, busy);
	if (error || !farm.answered)
		goto out;
	for (uint32_t i = 0; i < nodes; i++) {
		most = farm.served[i] > most ? farm.served[i] : most;
		result->processor += (double)busy[3 * i] / farm.last_ns / nodes;
	}
	result->per_second = farm.answered * 1e9 / (farm.end_ns - farm.warm_ns);
	result->mean_ms = histogram_mean(farm.times) / 1e6;
	result->p99_ms = histogram_at(farm.times, 0.99) / 1e6;
	result->hits = (double)farm.hits / farm.answered;
	result->handed = (double)farm.handed / farm.answered;
	result->alone = (double)farm.alone / farm.answered;
	result->balance = (double)most * nodes / farm.answered;
	result->dispatcher = (double)busy[3 * nodes] / farm.last_ns;
out:
	world_free(world);
	place_world = NULL;
	caches_free(farm.caches);
	free(farm.threads);
	free(farm.served);
	free(farm.times);
	free(busy);
	return error;
}
