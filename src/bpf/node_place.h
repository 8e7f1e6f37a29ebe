/* Where the request in hand belongs. */
#ifndef BATON_BPF_NODE_PLACE_H
#define BATON_BPF_NODE_PLACE_H

#include "bpf/dispatchers.h"
#include "bpf/node_maps.h"
#include "place/place.h"

enum { PLACE_ASK = 1 << 16 }; /* not a node's id: the dispatcher is to choose */

/* The request goes by hash, which all hosts do alike: its dispatcher does not answer. Returns the
 * node's id, or a negative errno. */
INLINE int place_undecided(struct work *work)
{
	count(NODE_COUNT_FALLBACK_DISPATCHER);
	work->query.reason = PLACE_REASON_FALLBACK;
	return place_hrw(&work->query);
}

/* A central policy's request: it is this node's by a handoff; the node may decide alone; or the
 * dispatcher is to be asked, work->dispatcher if it is elsewhere; or, where that doesn't answer,
 * the node by hash. Returns that one's id, 0 for this node, or PLACE_ASK. */
INLINE int place_central(struct work *work, const struct cluster *cluster)
{
	struct place_query *query = &work->query;
	const struct node_load *here = load_here();
	struct place_load *load = place_load_at(query->node);

	if (here && load) {
		load->in_service = here->in_service > 0 ? here->in_service : 0;
		load->handed = load->charged;
	}
	query->scope = query->node;
	if (work->taking) {
		query->flags = PLACE_TAKEN;
		place_own(query);
		return 0;
	}
	if (place_alone(query) > 0) {
		work->stay = NODE_COUNT_ALONE;
		return 0;
	}
	/* What the front hasn't read goes back to it, and it asks. */
	if (!cluster->dispatcher_count || work->unread)
		return PLACE_ASK;
	work->dispatcher = dispatcher_of(cluster, query->target);
	return dispatcher_answers(cluster, work->dispatcher) ? PLACE_ASK : place_undecided(work);
}

/* The node to which work->request belongs by its service's policy, if that is another one and up;
 * PLACE_ASK if only the dispatcher can tell; else 0, and work->stay says why. Sets work->reason,
 * and work->query for a question. */
SUBPROGRAM int place_elsewhere(void)
{
	struct work *work = work_area(WORK_IN);
	struct cluster *cluster = cluster_here();
	struct place_query *query;
	struct node_entry *entry;
	struct service *service;
	__u32 wants, node;
	int chosen;

	if (!work || !cluster)
		return 0;
	service = bpf_map_lookup_elem(&services, &work->segment.service_key);
	work->stay = NODE_COUNT_STAY_FIXED;
	if (!service || service->flags & SERVICE_NO_SWITCH)
		return 0;
	query = &work->query;
	__builtin_memset(query, 0, sizeof(*query));
	query->pool = service->pool;
	if (rules_request(&work->text, &work->request, &work->rules, service->rules))
		query->pool = work->rules.pool;
	work->reason = PLACE_REASON_POLICY;
	wants = place_wants(query->pool);
	query->node = cluster->self;
	query->client = place_client(&work->segment.key.client);
	query->target = query->client;
	query->carp = query->client;
	query->md5 = query->client;
	query->random = (__u64)bpf_get_prandom_u32() << 32 | bpf_get_prandom_u32();
	if (wants & PLACE_WANT_TIME)
		query->now_ns = bpf_ktime_get_ns();
	place_request(query, wants, &work->text, &work->request, service->target);
	chosen = wants & PLACE_WANT_CENTRAL ? place_central(work, cluster) : place_choose(query);
	if (chosen == PLACE_ASK)
		return PLACE_ASK;
	/* A central policy that has decided says itself why. */
	if (chosen)
		work->stay =
			chosen == cluster->self ? NODE_COUNT_STAY_HERE : NODE_COUNT_STAY_NO_NODE;
	if (chosen <= 0 || chosen == cluster->self)
		return 0;
	node = chosen;
	entry = bpf_map_lookup_elem(&nodes, &node);
	if (!entry || entry->state != NODE_UP)
		return 0;
	work->reason = query->reason;
	if (work->rules.rule && work->reason == PLACE_REASON_POLICY)
		work->reason = PLACE_REASON_RULE;
	node = cluster->self;
	entry = bpf_map_lookup_elem(&nodes, &node);
	if (entry && entry->state == NODE_DRAIN)
		work->reason = PLACE_REASON_DRAIN;
	return chosen;
}

#endif
