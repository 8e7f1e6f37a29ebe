/* Pools of nodes, and the loads that policies go by. */
#include "control/datapath_maps.h"

#include "base/clock.h"
#include "base/fail.h"

#include <stdlib.h>

/* What was charged so long ago has arrived, or never will. */
#define CHARGE_REST_NS (NS_PER_S / 2)

/* A pool of a service: its nodes are those that have the bit. A node that is to get nothing more
 * (weight 0, or draining) stays a member, so that policies move as few targets as they can. */
static int write_pool(struct datapath *datapath, const struct registry *registry, uint32_t id,
		      uint32_t bit, const char *policy_name, uint32_t pool)
{
	const struct registry_service *service = &registry->services[id];
	struct place_node *nodes = calloc(NODES_MAX, sizeof(*nodes));
	struct place_plan plan = {.nodes = nodes};
	int policy = place_policy_by_name(policy_name), error = 0;
	bool ramps = false, certain = false;

	if (!nodes)
		out_of_memory();
	if (policy < 0) {
		free(nodes);
		return policy;
	}
	plan.policy = (enum place_policy)policy;
	if (policy == PLACE_TLS_AFFINITY)
		plan.window_ns = service->settings.window;
	if (policy == PLACE_DS)
		plan.decay_ns = service->settings.decay;
	for (uint32_t node = 1; node < NODES_MAX; node++) {
		if (!(service->pools[node] & bit))
			continue;
		ramps |= service->member[node] == MEMBER_UP && service->ramp[node];
		certain |= service->member[node] == MEMBER_UP && !registry->nodes[node].draining &&
			   registry->nodes[node].weight;
	}
	for (uint32_t node = 1; node < NODES_MAX; node++) {
		const struct registry_node *from = &registry->nodes[node];
		struct place_node *to = &nodes[plan.count];
		bool doubt = service->member[node] == MEMBER_DOUBT;

		if (service->member[node] == MEMBER_NONE || !(service->pools[node] & bit))
			continue;
		to->id = node;
		to->name = from->name;
		to->weight = from->weight ? from->weight : 1;
		/* Only proportions matter; whole shares stay as they are while nobody comes back.
		 */
		if (ramps)
			to->weight *= service->ramp[node] ? service->ramp[node] : RAMP_STEPS;
		/* If all are in doubt, it is rather the front that is cut off. */
		to->state = service->member[node] == MEMBER_DOWN  ? PLACE_DOWN
			    : from->draining || from->weight == 0 ? PLACE_DRAIN
			    : doubt && certain			  ? PLACE_DRAIN
								  : PLACE_UP;
		plan.count++;
	}
	if (plan.count)
		error = place_build(&datapath->world, pool, &plan);
	else
		datapath->world.states[pool].ready = 0;
	free(nodes);
	return error;
}

int datapath_write_pools(struct datapath *datapath, const struct registry *registry)
{
	int error = 0;

	for (uint32_t id = 0; id < CONFIG_SERVICES && !error; id++) {
		const struct registry_service *service = &registry->services[id];

		if (!service->used)
			continue;
		error = write_pool(datapath, registry, id, 1, service->settings.policy, id);
		for (uint32_t i = 0; i < CONFIG_POOL_SLOTS && !error; i++)
			if (*service->settings.pools[i].name)
				error = write_pool(datapath, registry, id, 2u << i,
						   service->settings.pools[i].policy,
						   RULE_POOL(id, i));
	}
	return error;
}

void datapath_forget_pools(struct datapath *datapath, const struct registry *registry)
{
	for (uint32_t id = 0; id < CONFIG_SERVICES; id++)
		for (uint32_t i = 0; i < CONFIG_POOL_SLOTS; i++)
			if (!registry->services[id].used ||
			    !*registry->services[id].settings.pools[i].name)
				datapath->world.states[RULE_POOL(id, i)].ready = 0;
}

/* How much had been charged CHARGE_REST_NS ago, at least. */
static uint64_t charged_then(struct charge *charge, uint64_t charged, uint64_t now)
{
	uint64_t then = 0;

	for (unsigned int i = 0; i < CHARGE_SAMPLES; i++)
		if (charge->at[i] && now - charge->at[i] >= CHARGE_REST_NS &&
		    charge->charged[i] > then)
			then = charge->charged[i];
	if (now - charge->at[charge->last] >= CHARGE_REST_NS / (CHARGE_SAMPLES - 2)) {
		charge->last = (charge->last + 1) % CHARGE_SAMPLES;
		charge->at[charge->last] = now;
		charge->charged[charge->last] = charged;
	}
	return then;
}

void datapath_load(struct datapath *datapath, uint32_t slot, uint64_t in_service, uint64_t received)
{
	struct place_load *load = &datapath->world.loads[slot];
	uint64_t charged = __atomic_load_n(&load->charged, __ATOMIC_RELAXED), now = clock_now();
	uint64_t then = charged_then(&datapath->charges[slot], charged, now);
	uint64_t lost = load->lost, handed = received + lost;

	/* Requests that somebody else gave the node: no credit for what is charged here. */
	if ((int64_t)(handed - charged) > 0)
		lost -= handed - charged;
	/* What never arrived (a client that went, a node that was away, a request that had to stay
	 * where it was) must not weigh for ever. */
	else if ((int64_t)(then - handed) > 0)
		lost += then - handed;
	__atomic_store_n(&load->in_service, in_service, __ATOMIC_RELAXED);
	__atomic_store_n(&load->lost, lost, __ATOMIC_RELAXED);
	__atomic_store_n(&load->handed, received + lost, __ATOMIC_RELAXED);
	__atomic_store_n(&load->reported_ns, now, __ATOMIC_RELAXED);
}

void datapath_pool_load(struct datapath *datapath, uint32_t pool, uint64_t in_service)
{
	struct place_load *load = &datapath->world.loads[PLACE_NODES_MAX + pool];

	__atomic_store_n(&load->handed, __atomic_load_n(&load->charged, __ATOMIC_RELAXED),
			 __ATOMIC_RELAXED);
	__atomic_store_n(&load->in_service, in_service, __ATOMIC_RELAXED);
	__atomic_store_n(&load->reported_ns, clock_now(), __ATOMIC_RELAXED);
}

uint32_t datapath_pool_slot(uint32_t service)
{
	return PLACE_NODES_MAX + service;
}
