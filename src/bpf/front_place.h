/* Which node a connection's first request goes to, and one that a node gives back undecided. */
#ifndef BATON_BPF_FRONT_PLACE_H
#define BATON_BPF_FRONT_PLACE_H

#include "bpf/front_maps.h"
#include "place/place.h"

/* In what place_segment returns. */
enum { PLACED_PINNED = 1 << 16 };

/* Gives the query to the pool of the rule that matched. Returns what that pool wants. */
INLINE __u32 place_by_rule(struct place_query *query, const struct rule_search *search)
{
	__u32 wants = place_wants(search->pool);

	query->pool = search->pool;
	if (wants & PLACE_WANT_TIME)
		query->now_ns = bpf_ktime_get_ns();
	return wants;
}

/* Reads work->text as the service's protocol and puts its pool and target into the query. Returns
 * the counter of the fallback that is to be taken, or 0. */
INLINE __u32 place_read_http(struct front_work *work, __u32 length, __u32 wants)
{
	struct http_request *request = &work->request;
	__u32 flags;

	http_request_parse(&work->text, length, request);
	flags = request->fields.flags;
	if (flags & HTTP_BAD)
		return FRONT_COUNT_FALLBACK_NOT_HTTP;
	if (!(flags & HTTP_TARGET_KNOWN) || !(flags & (HTTP_HOST_KNOWN | HTTP_COMPLETE)) ||
	    (!(flags & HTTP_COMPLETE) && rules_want_head(work->service.rules)))
		return FRONT_COUNT_FALLBACK_SPLIT;
	if (!(flags & HTTP_HOST_KNOWN))
		count(FRONT_COUNT_FALLBACK_NO_HOST);
	if (rules_request(&work->text, request, &work->rules, work->service.rules))
		wants = place_by_rule(&work->query, &work->rules);
	place_request(&work->query, wants, &work->text, request,
		      work->service.flags & SERVICE_KEEP_QUERY);
	return 0;
}

INLINE __u32 place_read_tls(struct front_work *work, __u32 length, __u32 wants)
{
	struct client_hello *hello = &work->hello;
	struct target_text text = {};

	client_hello_parse(&work->text, length, hello);
	if (hello->flags & CLIENT_HELLO_MALFORMED)
		return FRONT_COUNT_FALLBACK_NOT_HTTP;
	if (!(hello->flags & CLIENT_HELLO_NAME))
		return hello->flags & CLIENT_HELLO_COMPLETE ? FRONT_COUNT_FALLBACK_NO_HOST
							    : FRONT_COUNT_FALLBACK_SPLIT;
	text.host_at = hello->name_at;
	text.host_length = hello->name_length;
	if (rules_name(&work->text, hello->name_at, hello->name_length, &work->rules,
		       work->service.rules))
		wants = place_by_rule(&work->query, &work->rules);
	place_text(&work->query, wants, &work->text, &text);
	return 0;
}

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
	if (wants & PLACE_WANT_TIME)
		query->now_ns = bpf_ktime_get_ns();
	query->target = query->client;
	query->carp = query->client;
	query->md5 = query->client;
	return wants;
}

/* Places the request whose bytes are in work->text, `length` of them, by the rules of
 * work->service. Sets work->reason. Returns the node's id, or -ENOENT: no node is up. Bit 16 of the
 * result says that the bytes are not HTTP, as far as can be seen: whoever gets them must not move
 * the flow. */
SUBPROGRAM int place_segment(__u32 length)
{
	struct front_work *work = work_area();
	__u32 wants, fallback = 0;
	int node, pinned = 0;

	if (!work)
		return -ENOENT;
	wants = place_begin(work);
	work->reason = PLACE_REASON_NONE;
	if (work->service.kind != SERVICE_HTTP)
		pinned = PLACED_PINNED;
	if (!(work->service.flags & SERVICE_SPREAD)) {
		if (work->service.kind == SERVICE_HTTP)
			fallback = place_read_http(work, length, wants);
		else
			fallback = place_read_tls(work, length, wants);
	} else if (work->service.kind == SERVICE_HTTP && wants & PLACE_WANT_CENTRAL) {
		/* Only somebody to read it: whom it is charged to will be said by its content. */
		work->query.flags |= PLACE_PEEK;
	}
	if (fallback == FRONT_COUNT_FALLBACK_NOT_HTTP)
		pinned = PLACED_PINNED;
	node = place_choose(&work->query);
	if (node <= 0) {
		count(FRONT_COUNT_NO_NODE);
		return -ENOENT;
	}
	work->reason = work->query.reason;
	if (work->query.pool != work->service.pool && work->reason == PLACE_REASON_POLICY)
		work->reason = PLACE_REASON_RULE;
	if (fallback) {
		struct front_service_counters *counters = service_counters(work->service.id);

		count(fallback);
		if (counters)
			counters->fallbacks++;
		work->reason = PLACE_REASON_FALLBACK;
	}
	return (node & 0xffff) | pinned;
}

#endif
