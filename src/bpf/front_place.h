/* Which node a connection's first request goes to, and one that a node gives back undecided. */
#ifndef BATON_BPF_FRONT_PLACE_H
#define BATON_BPF_FRONT_PLACE_H

#include "bpf/dispatchers.h"
#include "bpf/front_work.h"
#include "place/place.h"

/* In what place_segment returns. */
enum { PLACED_PINNED = 1 << 16, PLACED_SPLIT = 1 << 17 };

/* Begins the query for the packet in hand: what is known of it whatever it says. */
INLINE __u32 place_begin(struct front_work *work)
{
	struct place_query *query = &work->query;
	__u32 wants = place_wants(work->service.pool);

	__builtin_memset(query, 0, sizeof(*query));
	query->pool = work->service.pool;
	query->node = work->asker;
	query->flags = work->ask_flags;
	query->alone = work->alone;
	query->client = place_client(&work->segment.key.client);
	query->target = query->client;
	query->carp = query->client;
	query->md5 = query->client;
	/* Only somebody to read it: whom it is charged to will be said by its content. */
	if (work->service.flags & SERVICE_SPREAD && work->service.kind == SERVICE_HTTP &&
	    wants & PLACE_WANT_CENTRAL)
		query->flags |= PLACE_PEEK;
	return wants;
}

/* Puts what work->text holds, `length` bytes of it, into the query; the service's rules may give it
 * to another pool. */
INLINE enum first_request place_read(struct front_work *work, __u32 length, __u32 wants)
{
	if (work->service.flags & SERVICE_SPREAD)
		return FIRST_PLACED;
	if (work->service.kind == SERVICE_HTTP)
		return first_http(&work->text, length, &work->request, &work->rules,
				  work->service.rules, &work->query, wants, work->service.target);
	return first_tls(&work->text, length, &work->hello, &work->rules, work->service.rules,
			 &work->query, wants);
}

/* Who decides by a central policy is a dispatcher on another host: chooses what it has answered.
 * While it hasn't, or can't be asked, work->query goes by hash, which all hosts do alike. Sets
 * work->fallback to the counter of why. Returns as place_decide does; 0: the policy decides here.
 */
SUBPROGRAM int place_by_dispatcher(void)
{
	struct front_work *work = work_area();
	struct cluster *here = cluster_here();
	const struct node_entry *node;
	struct place_query *query;

	if (!work || !here)
		return -ENOENT;
	query = &work->query;
	if (!here->dispatcher_count || !(place_wants(query->pool) & PLACE_WANT_CENTRAL))
		return 0;
	if (work->answered) {
		node = node_entry(work->answered);
		query->reason = work->answer_reason;
		if (node && node->reachable && node_serves(node))
			return work->answered;
		work->fallback = FRONT_COUNT_FALLBACK_ANSWER;
	} else if (query->flags & PLACE_PEEK) {
		/* Only to be read there. */
		query->reason = PLACE_REASON_POLICY;
	} else if (work->may_ask == ASK_ONCE) {
		work->dispatcher = dispatcher_of(here, query->target);
		if (dispatcher_answers(here, work->dispatcher))
			return -EINPROGRESS;
		work->fallback = FRONT_COUNT_FALLBACK_DISPATCHER;
	} else {
		work->fallback = work->may_ask ? FRONT_COUNT_FALLBACK_UNANSWERED
					       : FRONT_COUNT_FALLBACK_UNASKED;
	}
	return place_hrw(query);
}

/* Lets the policy choose for work->query. work->fallback is the counter of why it knows no more
 * than the client, 0 if it does. Sets work->reason. Returns the node's id; -ENOENT: no node is up;
 * or, if work->may_ask, -EINPROGRESS: work->dispatcher is to be asked. */
SUBPROGRAM int place_decide(void)
{
	struct front_work *work = work_area();
	struct front_service_counters *counters;
	struct place_query *query;
	__u32 wants;
	int node;

	if (!work)
		return -ENOENT;
	query = &work->query;
	wants = place_wants(query->pool);
	if (wants & PLACE_WANT_TIME)
		query->now_ns = bpf_ktime_get_ns();
	if (wants & PLACE_WANT_RANDOM)
		query->random = (__u64)bpf_get_prandom_u32() << 32 | bpf_get_prandom_u32();
	node = place_by_dispatcher();
	if (!node)
		node = place_choose(query);
	if (node == -EINPROGRESS)
		return node;
	if (node <= 0)
		return -ENOENT;
	work->reason = query->reason;
	if (query->pool != work->service.pool && work->reason == PLACE_REASON_POLICY)
		work->reason = PLACE_REASON_RULE;
	if (work->fallback) {
		count(work->fallback);
		counters = service_counters(work->service.id);
		if (counters)
			counters->fallbacks++;
		work->reason = PLACE_REASON_FALLBACK;
	}
	return node;
}

/* Reads the request whose bytes are in work->text, `length` of them, by the rules of work->service,
 * for place_decide. Returns PLACED_*, or, if work->may_wait, -EAGAIN: more bytes are needed. */
SUBPROGRAM int place_prepare(__u32 length)
{
	struct front_work *work = work_area();
	__u32 wants;
	int flags = 0;

	if (!work)
		return -ENOENT;
	wants = place_begin(work);
	work->reason = PLACE_REASON_NONE;
	work->fallback = 0;
	if (work->service.kind != SERVICE_HTTP)
		flags = PLACED_PINNED;
	switch (place_read(work, length, wants)) {
	case FIRST_PLACED:
		break;
	case FIRST_HOSTLESS:
		if (!work->answered)
			count(FRONT_COUNT_FALLBACK_NO_HOST);
		break;
	case FIRST_SPLIT:
		if (work->may_wait)
			return -EAGAIN;
		work->fallback = FRONT_COUNT_FALLBACK_SPLIT;
		flags |= PLACED_SPLIT;
		break;
	case FIRST_NAMELESS:
		work->fallback = FRONT_COUNT_FALLBACK_NO_HOST;
		break;
	case FIRST_STRANGE:
		work->fallback = FRONT_COUNT_FALLBACK_NOT_HTTP;
		flags = PLACED_PINNED;
		break;
	}
	return flags;
}

/* Places the request whose bytes are in work->text, `length` of them, by the rules of
 * work->service. Sets work->reason. Returns the node's id; -ENOENT: no node is up; if
 * work->may_wait, -EAGAIN: more bytes are needed; if work->may_ask, -EINPROGRESS: work->dispatcher
 * is to be asked. PLACED_PINNED says that the bytes are not HTTP,
 * as far as can be seen: whoever gets them must not move the flow; PLACED_SPLIT that they did not
 * suffice. */
INLINE int place_segment(__u32 length)
{
	int flags = place_prepare(length), node;

	if (flags < 0)
		return flags;
	node = place_decide();
	return node > 0 ? (node & 0xffff) | flags : node;
}

#endif
