/* Asking the dispatcher who should serve a request: for policies that need one view of all
 * requests.
 *
 * The request's segment goes to the dispatcher and comes back under its answer. Nobody keeps it
 * meanwhile, and the flow stays this node's: it is open, its socket may speak, further segments
 * reach it. If the question or the answer is lost the client sends the segment again, which is then
 * served here without another question. So the dispatcher can hold up one request by one repeat,
 * and nothing else.
 */
#ifndef BATON_BPF_NODE_ASK_H
#define BATON_BPF_NODE_ASK_H

#include "bpf/node_place.h"
#include "bpf/node_send.h"

/* Asks about the bare segment in hand, which is a whole request to a quiet flow, as place_central
 * has prepared. Returns what the program has to return. */
SUBPROGRAM int ask_flow(struct __sk_buff *skb, struct held *flow)
{
	struct work *work = work_area(WORK_IN);
	struct cluster *cluster = cluster_here();
	const struct node_load *here = load_here();
	__u32 length, whom, flags = 0;
	__s64 load;

	if (!work || !cluster || !flow || !here)
		return TC_ACT_SHOT;
	length = work->segment.ip_length;
	whom = cluster->dispatcher_count ? SEND_DISPATCHER | work->dispatcher : flow->front;
	if (skb->gso_segs > 1 || work->segment.flags & (TCP_FLAG_BIT_RST | TCP_FLAG_BIT_FIN) ||
	    flow->flags & (HELD_CLIENT_FIN | HELD_SERVER_FIN) ||
	    !send_host(cluster, whom)->reachable ||
	    segment_load(skb, work, SCRATCH_SIZE) != length) {
		if (work->segment.flags & TCP_FLAG_BIT_FIN)
			__sync_fetch_and_or(&flow->flags, HELD_CLIENT_FIN);
		count(NODE_COUNT_STAYED);
		return TC_ACT_OK;
	}
	flow->moved_seq = work->segment.seq;
	flow->pool = work->query.pool;
	flow->target = work->query.target;
	__sync_fetch_and_or(&flow->flags, HELD_ASKING);
	if (work->query.alone)
		flags |= BATON_FLAG_ALONE;
	if (work->query.flags & PLACE_OVERLOADED)
		flags |= BATON_FLAG_OVERLOAD;
	/* Without the request in hand, which is nobody's yet. */
	load = here->in_service - 1;
	load = load < 0 ? 0 : load > 0xffff ? 0xffff : load;
	send_header(work, cluster, flow, BATON_ASK, flags);
	work->header.seq = net32(work->segment.seq);
	work->header.ack = net32(work->segment.ack);
	work->header.ts_clock = net32(here->received);
	work->header.load = net32(load << 16 | (work->query.alone & 0xffff));
	count(NODE_COUNT_ASKS);
	if (whom & SEND_DISPATCHER)
		dispatcher_asked(work->dispatcher);
	return send_wrapped(skb, whom);
}

/* The bare segment in hand is passed up. If it is the one that was asked about, no answer has come
 * before the client's patience was over. */
INLINE void ask_give_up(const struct work *work, struct held *flow)
{
	if (flow->flags & HELD_ASKING && work->segment.length &&
	    work->segment.seq == flow->moved_seq &&
	    __sync_fetch_and_and(&flow->flags, ~HELD_ASKING) & HELD_ASKING)
		count(NODE_COUNT_UNANSWERED);
}

/* DS: what the answer in hand says about the target. */
INLINE void ask_learn(struct work *work, const struct cluster *cluster, const struct held *flow,
		      __u32 node)
{
	struct place_query *query = &work->query;

	__builtin_memset(query, 0, sizeof(*query));
	query->pool = flow->pool;
	query->target = flow->target;
	query->node = cluster->self;
	query->scope = cluster->self;
	query->now_ns = bpf_ktime_get_ns();
	if (node == cluster->self)
		place_own(query);
	else
		place_disown(query);
}

#endif
