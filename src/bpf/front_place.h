/* Which node a connection's first request goes to, and one that a node gives back undecided. */
#ifndef BATON_BPF_FRONT_PLACE_H
#define BATON_BPF_FRONT_PLACE_H

#include "bpf/front_maps.h"
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
	query->random = (__u64)bpf_get_prandom_u32() << 32 | bpf_get_prandom_u32();
	query->target = query->client;
	query->carp = query->client;
	query->md5 = query->client;
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
				  work->service.rules, &work->query, wants,
				  work->service.flags & SERVICE_KEEP_QUERY);
	return first_tls(&work->text, length, &work->hello, &work->rules, work->service.rules,
			 &work->query, wants);
}

/* Lets the policy choose for work->query. `fallback` is the counter of why it knows no more than
 * the client, 0 if it does. Sets work->reason. Returns the node's id, or -ENOENT: no node is up. */
INLINE int place_decide(struct front_work *work, __u32 fallback)
{
	struct place_query *query = &work->query;
	struct front_service_counters *counters;
	int node;

	if (place_wants(query->pool) & PLACE_WANT_TIME)
		query->now_ns = bpf_ktime_get_ns();
	node = place_choose(query);
	if (node <= 0)
		return -ENOENT;
	work->reason = query->reason;
	if (query->pool != work->service.pool && work->reason == PLACE_REASON_POLICY)
		work->reason = PLACE_REASON_RULE;
	if (fallback) {
		count(fallback);
		counters = service_counters(work->service.id);
		if (counters)
			counters->fallbacks++;
		work->reason = PLACE_REASON_FALLBACK;
	}
	return node;
}

/* Places the request whose bytes are in work->text, `length` of them, by the rules of
 * work->service. Sets work->reason. Returns the node's id; -ENOENT: no node is up; or, if
 * work->may_wait, -EAGAIN: more bytes are needed. PLACED_PINNED says that the bytes are not HTTP,
 * as far as can be seen: whoever gets them must not move the flow; PLACED_SPLIT that they did not
 * suffice. */
SUBPROGRAM int place_segment(__u32 length)
{
	struct front_work *work = work_area();
	__u32 wants, fallback = 0;
	int node, flags = 0;

	if (!work)
		return -ENOENT;
	wants = place_begin(work);
	work->reason = PLACE_REASON_NONE;
	if (work->service.kind != SERVICE_HTTP)
		flags = PLACED_PINNED;
	/* Only somebody to read it: whom it is charged to will be said by its content. */
	if (work->service.flags & SERVICE_SPREAD && work->service.kind == SERVICE_HTTP &&
	    wants & PLACE_WANT_CENTRAL)
		work->query.flags |= PLACE_PEEK;
	switch (place_read(work, length, wants)) {
	case FIRST_PLACED:
		break;
	case FIRST_HOSTLESS:
		count(FRONT_COUNT_FALLBACK_NO_HOST);
		break;
	case FIRST_SPLIT:
		if (work->may_wait)
			return -EAGAIN;
		fallback = FRONT_COUNT_FALLBACK_SPLIT;
		flags |= PLACED_SPLIT;
		break;
	case FIRST_NAMELESS:
		fallback = FRONT_COUNT_FALLBACK_NO_HOST;
		break;
	case FIRST_STRANGE:
		fallback = FRONT_COUNT_FALLBACK_NOT_HTTP;
		flags = PLACED_PINNED;
		break;
	}
	node = place_decide(work, fallback);
	return node > 0 ? (node & 0xffff) | flags : node;
}

#endif
