/* Which node a connection's first request goes to, and one that a node gives back undecided. */
#ifndef BATON_BPF_FRONT_PLACE_H
#define BATON_BPF_FRONT_PLACE_H

#include "bpf/front_maps.h"
#include "bpf/target.h"
#include "place/place.h"

/* Places the request whose bytes are in work->text, `length` of them, by the rules of
 * work->service. Sets work->reason. Returns the node's id, or -ENOENT: no node is up. Bit 16 of the
 * result says that the bytes are not HTTP, as far as can be seen: whoever gets them must not move
 * the flow. */
enum { PLACED_PINNED = 1 << 16 };

SUBPROGRAM int place_segment(__u32 length)
{
	struct front_work *work = work_area();
	struct place_query *query;
	struct http_request *request;
	__u32 wants, flags, fallback = 0;
	int node, pinned = 0;

	if (!work)
		return -ENOENT;
	query = &work->query;
	__builtin_memset(query, 0, sizeof(*query));
	wants = place_wants(work->service.pool);
	query->pool = work->service.pool;
	query->client = place_client(&work->segment.key.client);
	query->random = (__u64)bpf_get_prandom_u32() << 32 | bpf_get_prandom_u32();
	if (wants & PLACE_WANT_TIME)
		query->now_ns = bpf_ktime_get_ns();
	query->target = query->client;
	query->carp = query->client;
	query->md5 = query->client;
	work->reason = PLACE_REASON_NONE;
	if (work->service.kind != SERVICE_HTTP) {
		pinned = PLACED_PINNED;
	} else if (!(work->service.flags & SERVICE_SPREAD)) {
		request = &work->request;
		http_request_parse(&work->text, length, request);
		flags = request->fields.flags;
		if (flags & HTTP_BAD) {
			fallback = FRONT_COUNT_FALLBACK_NOT_HTTP;
			pinned = PLACED_PINNED;
		} else if (!(flags & HTTP_TARGET_KNOWN) ||
			   !(flags & (HTTP_HOST_KNOWN | HTTP_COMPLETE))) {
			fallback = FRONT_COUNT_FALLBACK_SPLIT;
		} else {
			if (!(flags & HTTP_HOST_KNOWN))
				count(FRONT_COUNT_FALLBACK_NO_HOST);
			place_request(query, wants, &work->text, request,
				      work->service.flags & SERVICE_KEEP_QUERY);
		}
	}
	node = place_choose(query);
	if (node <= 0) {
		count(FRONT_COUNT_NO_NODE);
		return -ENOENT;
	}
	work->reason = query->reason;
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
