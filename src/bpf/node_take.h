/* Taking a flow: what arrives under a Baton header. */
#ifndef BATON_BPF_NODE_TAKE_H
#define BATON_BPF_NODE_TAKE_H

#include "bpf/node_ask.h"
#include "bpf/node_check.h"
#include "bpf/node_move.h"
#include "bpf/node_request.h"
#include "bpf/node_send.h"
#include "bpf/node_socket.h"

/* The frame in hand waits for a socket to go: it comes to node_in again at once, and when that has
 * not helped, through the daemon. Uses the frame up. */
INLINE int take_bounce(struct __sk_buff *skb, struct work *work)
{
	struct parked *parked_frame;
	__u32 length = skb->len;

	if (work->bounces < PARK_BOUNCES) {
		skb->mark = (skb->mark & ~MARK_BOUNCES) | (work->bounces + 1) << MARK_BOUNCES_SHIFT;
		count(NODE_COUNT_BOUNCED);
		return bpf_redirect(skb->ifindex, BPF_F_INGRESS);
	}
	if (length > PARK_FRAME_MAX)
		length = PARK_FRAME_MAX;
	parked_frame = bpf_ringbuf_reserve(&parked, sizeof(*parked_frame), 0);
	if (!parked_frame) {
		count(NODE_COUNT_PARK_FULL);
		return TC_ACT_SHOT;
	}
	parked_frame->ifindex = skb->ifindex;
	parked_frame->length = length;
	if (!length || bpf_skb_load_bytes(skb, 0, parked_frame->frame, length)) {
		bpf_ringbuf_discard(parked_frame, 0);
		return TC_ACT_SHOT;
	}
	bpf_ringbuf_submit(parked_frame, 0);
	count(NODE_COUNT_PARKED);
	return TC_ACT_SHOT;
}

/* Makes the segment in hand a bare one. Returns 0 or a negative errno. */
INLINE int take_strip(struct __sk_buff *skb, struct work *work)
{
	__u32 room = work->segment.ip_at - ETHERNET_LENGTH;

	if (send_strip(skb, room, work->segment.protocol))
		return -EFAULT;
	work->segment.ip_at -= room;
	work->segment.tcp_at -= room;
	work->segment.payload_at -= room;
	return 0;
}

/* Writes what the handoff says over an entry of ours: nobody else touches it, its owner is muted.
 */
INLINE void take_fill(struct held *flow, const struct work *work, const struct service *service,
		      __u32 now_s)
{
	const struct baton_header *header = &work->header;

	flow->flags = work->segment.flags & TCP_FLAG_BIT_FIN ? HELD_CLIENT_FIN : 0;
	if (header->flags & net16(BATON_FLAG_FIRST))
		flow->flags |= HELD_FIRST;
	flow->service = service->id;
	flow->first_seq = net32(header->seq);
	flow->first_ack = net32(header->ack);
	flow->request_seq = flow->first_seq;
	flow->response_seq = flow->first_ack;
	flow->received_seq = flow->first_seq;
	flow->moved_seq = 0;
	flow->moved_ack = 0;
	flow->ts_clock = net32(header->ts_clock);
	flow->srtt = net32(header->srtt);
	flow->cwnd = net16(header->cwnd);
	flow->mss = net16(header->mss);
	flow->snd_wscale = header->snd_wscale;
	flow->rcv_wscale = header->rcv_wscale;
	flow->options = header->options;
	flow->pin = PIN_NONE;
	flow->node = 0;
	flow->reason = header->reason;
	flow->front = net16(header->sender) & (FRONTS_MAX - 1);
	flow->seen_s = now_s;
	flow->since_s = now_s;
	flow->told_ms = 0;
	flow->published = 0;
	flow->requests = 0;
	flow->responses = 0;
	flow->bytes_out = 0;
	flow->asked_ns = 0;
	flow->first_ns = 0;
	__builtin_memset(flow->body, 0, sizeof(flow->body));
	__builtin_memset(flow->response, 0, sizeof(flow->response));
	if (header->flags & net16(BATON_FLAG_PINNED))
		request_pin(flow, PIN_ASKED);
	else if (service->kind != SERVICE_HTTP)
		request_pin(flow, PIN_KIND);
}

/* Builds the socket of the segment in hand, which is bare by now, and passes it up. */
INLINE int take_build(struct __sk_buff *skb, struct work *work, struct held *flow)
{
	int error = socket_build(skb);

	if (error)
		count(error == -ENOENT ? NODE_COUNT_NO_LISTENER : NODE_COUNT_REFUSED);
	/* After an error the stack finds no socket either and answers with an RST: the client
	 * learns at once that nobody is there, as it would from a single server. */
	return TC_ACT_OK;
}

/* 1 if the request in hand is a connection's first one and the front hasn't read it: it chose this
 * node for the client alone. */
INLINE int take_unread(const struct work *work, const struct service *service)
{
	return service->flags & SERVICE_SPREAD && service->kind == SERVICE_HTTP &&
	       work->header.flags & net16(BATON_FLAG_FIRST) &&
	       !(work->header.flags & net16(BATON_FLAG_PINNED));
}

/* The unread first request in hand belongs to `wanted`: it goes there, before any socket is made
 * here, and the front learns of it as of any return. The flow is muted. */
INLINE int take_pass_on(struct __sk_buff *skb, struct work *work, struct held *flow,
			__u32 generation, int wanted)
{
	struct node_service_counters *counters = service_counters(flow->service);
	struct cluster *cluster = cluster_here();

	flow->moved_seq = work->segment.seq;
	flow->moved_ack = work->segment.ack;
	flow->node = wanted == PLACE_ASK ? 0 : wanted;
	flow->reason = work->reason;
	flow->told_ms = bpf_ktime_get_coarse_ns() / 1000000;
	owner_change(flow, owner_of(generation, HELD_MUTED), owner_of(generation, HELD_LEFT));
	count(NODE_COUNT_PASSED_ON);
	if (counters)
		counters->handoffs_out++;
	load_abandoned(counters, 1);
	if (record_wanted())
		record_moved(flow);
	if (!cluster || take_strip(skb, work))
		return TC_ACT_SHOT;
	move_header(work, cluster, flow, 0);
	return send_wrapped(skb, flow->front);
}

/* A handoff in a generation that is new here: this node is the owner from now on. */
INLINE int take_new(struct __sk_buff *skb, struct work *work, const struct service *service,
		    struct held *flow, __u64 owner)
{
	__u32 generation = net32(work->header.generation);
	struct node_service_counters *counters;
	__u32 now_s, state, rcv_nxt;
	int error, wanted;

	if (work->segment.seq != net32(work->header.seq) || !work->segment.length ||
	    work->segment.flags & TCP_FLAG_BIT_RST) {
		count(NODE_COUNT_EARLY);
		return TC_ACT_SHOT;
	}
	state = socket_ask(skb);
	if (state && state != TCP_LISTEN) {
		/* An older connection, or this one's last stay here: its socket is dying or has not
		 * heard of its end. The segment comes round again while a copy becomes the RST. */
		rcv_nxt = work->socket.rcv_nxt;
		if (work->bounces)
			return take_bounce(skb, work);
		count(NODE_COUNT_OUSTED);
		if (state == TCP_TIME_WAIT)
			count(NODE_COUNT_OUSTED_TIME_WAIT);
		skb->mark = (skb->mark & ~MARK_BOUNCES) | 1u << MARK_BOUNCES_SHIFT;
		count(NODE_COUNT_BOUNCED);
		if (bpf_clone_redirect(skb, skb->ifindex, BPF_F_INGRESS) || take_strip(skb, work) ||
		    socket_make_reset(skb, rcv_nxt))
			return TC_ACT_SHOT;
		skb->mark &= ~MARK_BOUNCES;
		return TC_ACT_OK;
	}
	now_s = bpf_ktime_get_coarse_ns() / 1000000000;
	if (!flow) {
		__builtin_memset(&work->fresh, 0, sizeof(work->fresh));
		take_fill(&work->fresh, work, service, now_s);
		work->fresh.owner = owner_of(generation, HELD_MUTED);
		error = bpf_map_update_elem(&held, &work->segment.key, &work->fresh, BPF_NOEXIST);
		if (error) {
			count(error == -EEXIST ? NODE_COUNT_CONTENDED : NODE_COUNT_HELD_FULL);
			return TC_ACT_SHOT;
		}
		flow = bpf_map_lookup_elem(&held, &work->segment.key);
		if (!flow)
			return TC_ACT_SHOT;
	} else {
		if (!owner_change(flow, owner, owner_of(generation, HELD_MUTED))) {
			count(NODE_COUNT_CONTENDED);
			return TC_ACT_SHOT;
		}
		if (owner_state(owner) == HELD_OPEN)
			request_end(flow);
		take_fill(flow, work, service, now_s);
	}
	counters = service_counters(service->id);
	if (counters) {
		counters->handoffs_in++;
		if (work->header.flags & net16(BATON_FLAG_FIRST))
			counters->first_in++;
	}
	load_received();
	count(work->header.flags & net16(BATON_FLAG_FIRST) ? NODE_COUNT_TAKEN_FIRST
							   : NODE_COUNT_TAKEN_LATER);
	/* The request counts before the server can answer it. */
	work->unread = take_unread(work, service);
	work->taking = !work->unread;
	wanted = request_follow(skb, flow);
	if (work->unread && wanted > 0)
		return take_pass_on(skb, work, flow, generation, wanted);
	work->taking = 0;
	if (take_strip(skb, work)) {
		owner_change(flow, owner_of(generation, HELD_MUTED),
			     owner_of(generation, HELD_OVER));
		return TC_ACT_SHOT;
	}
	owner_change(flow, owner_of(generation, HELD_MUTED), owner_of(generation, HELD_OPEN));
	return take_build(skb, work, flow);
}

/* Tells front `number` that the flow is held here, with the bare segment in hand, which is as it
 * was afterwards; `question` if it has asked for it. Returns 0, or a negative errno: the segment is
 * spoilt. */
INLINE int take_tell(struct __sk_buff *skb, struct work *work, const struct cluster *cluster,
		     const struct held *flow, __u32 question)
{
	__u32 room;
	int device;

	send_header(work, cluster, flow, BATON_CONFIRM,
		    flow->pin == PIN_ASKED ? BATON_FLAG_PINNED : 0);
	work->header.seq = net32(flow->first_seq);
	work->header.ack = net32(flow->first_ack);
	work->header.load = net32(question);
	work->header.ts_clock = net32(work->socket.rcv_nxt);
	device = send_wrap(skb, flow->front);
	if (device < 0)
		return device;
	count(NODE_COUNT_CONFIRMED);
	room = address_is_ipv4(&send_front(cluster, flow->front)->address) ? BATON_OVERHEAD_IPV4
									   : BATON_OVERHEAD_IPV6;
	if (bpf_clone_redirect(skb, device, send_flags(cluster, flow->front)))
		count(NODE_COUNT_UNSENT);
	return send_strip(skb, room, work->segment.protocol);
}

enum { CONFIRM_MS = 1000 }; /* a confirmation is not repeated sooner */

/* The front still wraps a flow that is held here: a client that has much to send before it hears
 * anything. Tells it, with the bare segment in hand, which is as it was afterwards. Returns 0, or a
 * negative errno: the segment is spoilt. */
INLINE int take_confirm(struct __sk_buff *skb, struct work *work, struct held *flow, __u32 now_ms)
{
	struct cluster *cluster = cluster_here();

	if (!cluster || now_ms - flow->told_ms < CONFIRM_MS ||
	    !send_front(cluster, flow->front)->reachable)
		return 0;
	flow->told_ms = now_ms;
	return take_tell(skb, work, cluster, flow, 0);
}

/* A segment of a handoff that has been taken: a later one of the client's, or a repeat. */
INLINE int take_again(struct __sk_buff *skb, struct work *work, struct held *flow, __u32 state)
{
	__u32 front = net16(work->header.sender) & (FRONTS_MAX - 1);
	__u32 socket, now_ms;
	int wanted;

	count(NODE_COUNT_REPEATED);
	if (state == HELD_LEFT) {
		if (!before(flow->moved_seq, work->segment.seq))
			return move_again(skb, work, flow, 0);
		/* Sent before the front knew: it belongs to the next owner. */
		return take_strip(skb, work) ? TC_ACT_SHOT : send_astray(skb, work, flow, front);
	}
	if (state == HELD_MUTED)
		return TC_ACT_SHOT;
	socket = socket_ask(skb);
	if (!socket || socket == TCP_LISTEN) {
		/* The socket is dead, or the listener's queue had no room for it. It has not run
		 * the request if it never spoke: a server's death speaks too. */
		if (state == HELD_OVER)
			return TC_ACT_SHOT;
		if (!(flow->flags & HELD_SPOKEN)) {
			if (work->segment.seq != flow->first_seq || !work->segment.length)
				return TC_ACT_SHOT;
			if (take_strip(skb, work))
				return TC_ACT_SHOT;
			count(NODE_COUNT_REBUILT);
			return take_build(skb, work, flow);
		}
	}
	wanted = request_follow(skb, flow);
	if (wanted < 0)
		return TC_ACT_SHOT;
	now_ms = bpf_ktime_get_coarse_ns() / 1000000;
	flow->seen_s = now_ms / 1000;
	if (take_strip(skb, work))
		return TC_ACT_SHOT;
	/* Where every segment is wrapped, requests for others are too. */
	if (wanted && state == HELD_OPEN)
		return wanted == PLACE_ASK ? ask_flow(skb, flow) : move_flow(skb, flow, wanted);
	ask_give_up(work, flow);
	if (state == HELD_OPEN && take_confirm(skb, work, flow, now_ms))
		return TC_ACT_SHOT;
	return TC_ACT_OK;
}

/* 1 if the flow's socket could have the segment in hand for its next one: within 16 MB of what it
 * expects, and acknowledging nothing that it never wrote. (Not snd_nxt: the kernel raises that
 * behind sending, and an answer's acknowledgement may be here by then.) */
INLINE int take_plausible(struct __sk_buff *skb, struct work *work)
{
	const struct segment *segment = &work->segment;
	const struct socket_state *socket = &work->socket;
	__u32 state = socket_ask(skb);

	if (!state || state == TCP_LISTEN ||
	    segment->seq - socket->rcv_nxt + (1u << 24) >= 1u << 25)
		return 0;
	return state == TCP_TIME_WAIT || socket->write_seq - segment->ack < 1u << 29;
}

/* A front that doesn't know the flow of the segment in hand asks whether it is here. */
INLINE int take_question(struct __sk_buff *skb, struct work *work, const struct cluster *cluster,
			 struct held *flow)
{
	__u32 question = net32(work->header.load), front = net16(work->header.sender);
	__u32 state = flow ? owner_state(flow->owner) : 0;

	front &= FRONTS_MAX - 1;
	count(NODE_COUNT_ASKED);
	if (state == HELD_MUTED)
		return TC_ACT_SHOT;
	if (flow && state == HELD_OPEN && take_plausible(skb, work)) {
		count(NODE_COUNT_ASKED_HERE);
		flow->front = front;
		if (take_strip(skb, work) || take_tell(skb, work, cluster, flow, question))
			return TC_ACT_SHOT;
		return TAKE_BARE;
	}
	if (flow && (state != HELD_LEFT || work->segment.seq != flow->moved_seq ||
		     work->segment.ack != flow->moved_ack || !work->segment.length))
		flow = NULL;
	if (flow && work->header.flags & net16(BATON_FLAG_REPEAT) &&
	    net32(work->header.generation) == owner_generation(flow->owner)) {
		flow->front = front;
		return move_again(skb, work, flow, question);
	}
	if (take_strip(skb, work))
		return TC_ACT_SHOT;
	send_header(work, cluster, flow, BATON_HAS_NOT, 0);
	if (flow)
		work->header.node = net16(flow->node);
	work->header.load = net32(question);
	return send_wrapped(skb, front);
}

/* The dispatcher's answer about the request in hand: it is passed up as if it had just come, or the
 * flow goes to another node. Nothing has changed while it was away but what the client and the
 * server did themselves, which move_flow looks at; so an answer that comes late, or again, is a
 * segment that the client repeats. Returns what the program has to return. */
SUBPROGRAM int take_answer(struct __sk_buff *skb, struct held *flow)
{
	struct work *work = work_area(WORK_IN);
	struct cluster *cluster = cluster_here();
	struct node_service_counters *counters;
	__u32 node;

	if (!work || !cluster || !flow)
		return TC_ACT_SHOT;
	node = net16(work->header.node);
	dispatcher_heard(net16(work->header.sender));
	if (flow->owner != owner_of(net32(work->header.generation), HELD_OPEN)) {
		count(NODE_COUNT_STALE);
		return TC_ACT_SHOT;
	}
	if (work->segment.seq != flow->moved_seq ||
	    !(__sync_fetch_and_and(&flow->flags, ~HELD_ASKING) & HELD_ASKING)) {
		count(NODE_COUNT_ANSWERED_LATE);
		return TC_ACT_SHOT;
	}
	if (take_strip(skb, work))
		return TC_ACT_SHOT;
	work->reason = work->header.reason;
	ask_learn(work, cluster, flow, node);
	if (node != cluster->self) {
		count(NODE_COUNT_ANSWERED_MOVE);
		return move_flow(skb, flow, node);
	}
	count(NODE_COUNT_ANSWERED_STAY);
	counters = service_counters(flow->service);
	if (counters)
		counters->stays++;
	load_received();
	return TC_ACT_OK;
}

/* What take_check has found good: does as the header says. Returns what the program has to return,
 * or TAKE_BARE. Apart from the check because what it calls needs much of the stack. */
SUBPROGRAM int take_wrapped(struct __sk_buff *skb)
{
	struct work *work = work_area(WORK_IN);
	struct cluster *cluster = cluster_here();
	struct baton_header *header;
	struct service *service;
	struct held *flow;
	__u32 front;
	__u64 owner;
	__s32 age;

	if (!work || !cluster)
		return TC_ACT_SHOT;
	header = &work->header;
	service = bpf_map_lookup_elem(&services, &work->segment.service_key);
	if (!service || (header->type != BATON_ANSWER && header->node != net16(cluster->self))) {
		count(NODE_COUNT_NOT_MINE);
		return TC_ACT_SHOT;
	}
	flow = bpf_map_lookup_elem(&held, &work->segment.key);
	if (header->type == BATON_WHO_HAS)
		return take_question(skb, work, cluster, flow);
	if (header->type == BATON_ANSWER)
		return flow ? take_answer(skb, flow) : TC_ACT_SHOT;
	if (!flow)
		return take_new(skb, work, service, NULL, 0);
	owner = flow->owner;
	age = net32(header->generation) - owner_generation(owner);
	if (age > 0 && header->flags & net16(BATON_FLAG_FIRST) &&
	    net32(header->seq) == flow->first_seq && net32(header->ack) == flow->first_ack) {
		/* The same connection once more, from a front that knows nothing of it: what was
		 * begun is not begun again. */
		if (owner_state(owner) != HELD_OPEN ||
		    !owner_change(flow, owner, owner_of(net32(header->generation), HELD_OPEN))) {
			count(NODE_COUNT_STALE);
			return TC_ACT_SHOT;
		}
		flow->front = net16(header->sender) & (FRONTS_MAX - 1);
		return take_again(skb, work, flow, HELD_OPEN);
	}
	if (age > 0)
		return take_new(skb, work, service, flow, owner);
	if (age < 0) {
		count(NODE_COUNT_STALE);
		/* A front that has slept meanwhile is told so. */
		front = net16(header->sender) & (FRONTS_MAX - 1);
		if (front == flow->front || take_strip(skb, work))
			return TC_ACT_SHOT;
		return send_astray(skb, work, flow, front);
	}
	return take_again(skb, work, flow, owner_state(owner));
}

#endif
