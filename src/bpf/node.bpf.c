/* The node's programs.
 *
 *	node_in		tc ingress: takes flows that the front hands over, lets the segments of
 *			flows held here through, gives flows away at request boundaries, sends
 *			what isn't its own back to the front
 *	node_out	tc egress: only flows held here may speak; follows their responses
 *	node_sockops	gives a new socket the congestion window that the flow had
 *	node_unpark	run by the daemon: a parked frame goes round once more
 *	node_check	run by the daemon: is there still a socket for this flow?
 *	node_quiet	run by the daemon: which flows have nothing under way?
 *	node_release	run by the daemon: tells the front that a flow is over
 *
 * Who may change what: `owner` of a flow by compare-and-swap; between its change to HELD_MUTED and
 * the next one the rest of the entry belongs to whoever muted it. While HELD_OPEN the request half
 * belongs to the CPU that set HELD_READING, the response half to whoever sends for the socket,
 *which the socket's lock makes one at a time. Both halves read each other's counts and no more.
 */
#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define TC_ACT_UNSPEC (-1)
#define TC_ACT_OK     0
#define TC_ACT_SHOT   2
#define SOL_TCP	      6
#define AF_INET	      2
#define AF_INET6      10

#include "bpf/errno.h"
#include "bpf/node_maps.h"
#include "bpf/node_response.h"
#include "bpf/node_take.h"
#include "wire/trace.h"

/* What the node knows of a traced packet's flow. */
INLINE void trace_held(struct traced_packet *packet)
{
	struct held *flow = bpf_map_lookup_elem(&held, &packet->key);

	packet->known = !!flow;
	if (!flow)
		return;
	packet->owner = flow->owner;
	packet->flags = flow->flags;
	packet->requests = flow->requests;
	packet->responses = flow->responses;
	packet->node = flow->node;
	packet->pin = flow->pin;
}

#define TRACE_CONTEXT			struct __sk_buff
#define TRACE_LENGTH(skb)		((skb)->len)
#define TRACE_LOAD(skb, at, to, length) bpf_skb_load_bytes(skb, at, to, length)
#define TRACE_COUNTERS_MAP		node_counters
#define TRACE_COUNT			NODE_COUNT_COUNT
#define TRACE_FLOW(packet)		trace_held(packet)
#include "bpf/trace.h"

enum {
	CWND_KERNEL = 10, /* what a socket begins with anyway */
	CWND_MAX = 1024,
};

/* A bare segment of a flow that isn't here. */
INLINE int bare_astray(struct __sk_buff *skb, struct work *work, const struct held *flow)
{
	struct cluster *cluster = cluster_here();

	if (!cluster)
		return TC_ACT_SHOT;
	return send_astray(skb, work, flow, send_came_from(skb, cluster, flow ? flow->front : 0));
}

/* A bare segment to one of our services. */
SUBPROGRAM int bare_in(struct __sk_buff *skb)
{
	struct work *work = work_area(WORK_IN);
	struct node_service_counters *counters;
	struct held *flow;
	__u32 now_s;
	int wanted;

	if (!work)
		return TC_ACT_SHOT;
	if (work->segment.flags & TCP_FLAG_BIT_SYN) {
		count(NODE_COUNT_SYN_DROPPED);
		return TC_ACT_SHOT;
	}
	flow = bpf_map_lookup_elem(&held, &work->segment.key);
	if (!flow)
		return bare_astray(skb, work, NULL);
	switch (owner_state(flow->owner)) {
	case HELD_OPEN:
		break;
	case HELD_LEFT:
		if (work->segment.seq == flow->moved_seq && work->segment.length)
			return move_again(skb, work, flow, 0);
		return bare_astray(skb, work, flow);
	case HELD_OVER: {
		/* The last words of a closed connection, which its TIME_WAIT answers. */
		__u32 state = socket_ask(skb);

		return state && state != TCP_LISTEN ? TC_ACT_OK : TC_ACT_SHOT;
	}
	default: /* being moved by another CPU, with this very request or its repeat */
		count(NODE_COUNT_CONTENDED);
		return TC_ACT_SHOT;
	}
	now_s = bpf_ktime_get_coarse_ns() / 1000000000;
	if (flow->seen_s != now_s)
		flow->seen_s = now_s;
	counters = service_counters(flow->service);
	if (counters) {
		counters->segments_in++;
		counters->bytes_in += work->segment.length;
	}
	if (work->segment.length && !(work->segment.flags & TCP_FLAG_BIT_RST)) {
		wanted = request_follow(skb, flow);
		if (wanted < 0)
			return TC_ACT_SHOT;
		if (wanted)
			return wanted == PLACE_ASK ? ask_flow(skb, flow)
						   : move_flow(skb, flow, wanted);
		ask_give_up(work, flow);
	}
	/* An RST that the stack will take; should it not, the flow stays here, which is right too.
	 */
	if (work->segment.flags & TCP_FLAG_BIT_RST && work->segment.seq == flow->received_seq)
		request_end(flow);
	if (work->segment.flags & TCP_FLAG_BIT_FIN)
		__sync_fetch_and_or(&flow->flags, HELD_CLIENT_FIN);
	return TC_ACT_OK;
}

INLINE int node_in_frame(struct __sk_buff *skb)
{
	struct cluster *cluster = cluster_here();
	struct work *work = work_area(WORK_IN);
	struct service *service;
	struct segment *segment;
	__u32 kind;
	int action;

	if (!cluster || !work || !cluster->ready)
		return TC_ACT_UNSPEC;
	if ((skb->mark & MARK_BOUNCES) == MARK_OWN) {
		skb->mark &= ~MARK_BOUNCES;
		return TC_ACT_OK;
	}
	work->bounces = (skb->mark & MARK_BOUNCES) >> MARK_BOUNCES_SHIFT;
	work->loaded = 0;
	work->unread = 0;
	segment = &work->segment;
	kind = segment_read_frame(skb, segment, 0);
	if (kind == SEGMENT_UDP) {
		if (segment->key.vip_port != cluster->port ||
		    (!address_equal(&segment->key.vip, &cluster->address4) &&
		     !address_equal(&segment->key.vip, &cluster->address6)))
			return TC_ACT_UNSPEC;
		action = take_check(skb, segment->payload_at,
				    segment->ip_length - (segment->payload_at - segment->ip_at));
		if (action == TAKE_GOOD)
			action = take_wrapped(skb);
		return action == TAKE_BARE ? bare_in(skb) : action;
	}
	if (kind != SEGMENT_TCP && kind != SEGMENT_FRAGMENT)
		return TC_ACT_UNSPEC;
	service = bpf_map_lookup_elem(&services, &segment->service_key);
	if (!service || service->kind == SERVICE_LAYER4)
		return TC_ACT_UNSPEC;
	if (kind == SEGMENT_FRAGMENT) {
		count(NODE_COUNT_FRAGMENTS);
		return TC_ACT_SHOT;
	}
	return bare_in(skb);
}

SEC("tc")
int node_in(struct __sk_buff *skb)
{
	int traced = trace_on(), verdict;

	if (traced)
		trace_enter(skb, TRACE_NODE_IN);
	verdict = node_in_frame(skb);
	if (traced)
		trace_leave(skb, TRACE_NODE_IN, verdict);
	return verdict;
}

INLINE int node_out_frame(struct __sk_buff *skb)
{
	struct cluster *cluster = cluster_here();
	struct work *work = work_area(WORK_OUT);
	struct node_service_counters *counters;
	struct service *service;
	struct segment *segment;
	struct held *flow;
	__u64 owner;

	/* What a front's daemon on this host says for the VIP is not the server's. */
	if (!cluster || !work || !cluster->ready || skb->mark == MARK_FRONT)
		return TC_ACT_UNSPEC;
	segment = &work->segment;
	if (segment_read_frame(skb, segment, 1) != SEGMENT_TCP)
		return TC_ACT_UNSPEC;
	service = bpf_map_lookup_elem(&services, &segment->service_key);
	if (!service || service->kind == SERVICE_LAYER4)
		return TC_ACT_UNSPEC;
	if (segment->flags & TCP_FLAG_BIT_SYN) {
		count(NODE_COUNT_OUT_SYN);
		return TC_ACT_SHOT;
	}
	flow = bpf_map_lookup_elem(&held, &segment->key);
	if (!flow) {
		count(NODE_COUNT_OUT_UNKNOWN);
		return TC_ACT_SHOT;
	}
	owner = flow->owner;
	if (owner_state(owner) != HELD_OPEN && owner_state(owner) != HELD_OVER) {
		if (segment->flags & TCP_FLAG_BIT_FIN && owner_state(owner) == HELD_LEFT &&
		    service->release == RELEASE_FIN)
			return move_last_words(skb, work);
		count(NODE_COUNT_OUT_MUTED);
		return TC_ACT_SHOT;
	}
	if (!(flow->flags & HELD_SPOKEN))
		__sync_fetch_and_or(&flow->flags, HELD_SPOKEN);
	counters = service_counters(flow->service);
	if (counters)
		counters->segments_out += skb->gso_segs ?: 1;
	if (segment->length)
		answer_follow(skb, flow);
	if (segment->flags & TCP_FLAG_BIT_FIN &&
	    !(__sync_fetch_and_or(&flow->flags, HELD_SERVER_FIN) & HELD_SERVER_FIN)) {
		answer_cut(flow, 0);
		request_end(flow);
	}
	if (segment->flags & TCP_FLAG_BIT_RST &&
	    owner_change(flow, owner, owner_of(owner_generation(owner), HELD_OVER))) {
		if (!(flow->flags & HELD_SERVER_FIN))
			answer_cut(flow, 1);
		request_end(flow);
		/* The front doesn't see this RST, and a client answers none. */
		bpf_ringbuf_output(&over, &segment->key, sizeof(segment->key), 0);
	}
	return TC_ACT_UNSPEC;
}

SEC("tc")
int node_out(struct __sk_buff *skb)
{
	int traced = trace_on(), verdict;

	if (traced)
		trace_enter(skb, TRACE_NODE_OUT);
	verdict = node_out_frame(skb);
	if (traced)
		trace_leave(skb, TRACE_NODE_OUT, verdict);
	return verdict;
}

/* The congestion window that the flow had at its last node. TCP_BPF_IW is taken by a socket that
 * has sent nothing yet. */
SEC("sockops")
int node_sockops(struct bpf_sock_ops *ops)
{
	struct flow_key key = {};
	struct held *flow;
	int window;

	if (ops->op != BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB)
		return 1;
	if (ops->family == AF_INET) {
		address_from_ipv4(&key.client, ops->remote_ip4);
		address_from_ipv4(&key.vip, ops->local_ip4);
	} else if (ops->family == AF_INET6) {
		key.client.words[0] = ops->remote_ip6[0];
		key.client.words[1] = ops->remote_ip6[1];
		key.client.words[2] = ops->remote_ip6[2];
		key.client.words[3] = ops->remote_ip6[3];
		key.vip.words[0] = ops->local_ip6[0];
		key.vip.words[1] = ops->local_ip6[1];
		key.vip.words[2] = ops->local_ip6[2];
		key.vip.words[3] = ops->local_ip6[3];
	} else {
		return 1;
	}
	key.client_port = ops->remote_port >> 16; /* in its upper half, in network order */
	key.vip_port = net16(ops->local_port);
	flow = bpf_map_lookup_elem(&held, &key);
	if (!flow || owner_state(flow->owner) != HELD_OPEN || flow->flags & HELD_SPOKEN)
		return 1;
	window = flow->cwnd > CWND_MAX ? CWND_MAX : flow->cwnd;
	if (window > CWND_KERNEL)
		bpf_setsockopt(ops, SOL_TCP, TCP_BPF_IW, &window, sizeof(window));
	return 1;
}

/* Data is a parked frame, ctx.ifindex the device it came by. */
SEC("tc")
int node_unpark(struct __sk_buff *skb)
{
	return bpf_clone_redirect(skb, skb->ifindex, BPF_F_INGRESS) ? TC_ACT_SHOT : TC_ACT_OK;
}

/* Data is an empty segment of a flow, as its client would send it: if nothing of the flow is left
 * here the front is told so. See wire/node.h. */
SEC("tc")
int node_release(struct __sk_buff *skb)
{
	struct cluster *cluster = cluster_here();
	struct work *work = work_area(WORK_IN);
	struct held *flow;
	__u32 state;
	int device;

	if (!cluster || !work || !cluster->ready)
		return TC_ACT_SHOT;
	work->loaded = 0;
	if (segment_read_frame(skb, &work->segment, 0) != SEGMENT_TCP)
		return TC_ACT_SHOT;
	flow = bpf_map_lookup_elem(&held, &work->segment.key);
	if (!flow)
		return TC_ACT_SHOT;
	state = socket_ask(skb);
	if ((owner_state(flow->owner) != HELD_OPEN && owner_state(flow->owner) != HELD_OVER) ||
	    (state && state != TCP_LISTEN))
		return TC_ACT_SHOT;
	send_header(work, cluster, flow, BATON_RELEASE, 0);
	device = send_wrap(skb, flow->front);
	if (device < 0 || bpf_clone_redirect(skb, device, send_flags(cluster, flow->front)))
		return TC_ACT_SHOT;
	count(NODE_COUNT_RELEASED);
	return TC_ACT_OK;
}

/* One flow of node_quiet: 0 goes on. */
static long tell_quiet(struct bpf_map *map, struct flow_key *key, struct held *flow,
		       struct node_quiet *tell)
{
	__u64 owner = *(volatile __u64 *)&flow->owner;
	struct checkpoint *point;
	__u32 seq = *(volatile __u32 *)&flow->request_seq;
	__u32 ack = *(volatile __u32 *)&flow->response_seq;

	/* A request that comes meanwhile makes a checkpoint of parts that don't belong together;
	 * no client is ever where such a one says. */
	if (owner_state(owner) != HELD_OPEN || (ack ^ tell->salt) == flow->published ||
	    flow->flags & (HELD_PINNED | HELD_READING | HELD_CLIENT_FIN | HELD_SERVER_FIN) ||
	    !flow->requests || flow->requests != flow->responses || seq != flow->received_seq ||
	    body_running((struct body_state *)flow->body) ||
	    !response_quiet((struct response_state *)flow->response))
		return 0;
	point = bpf_ringbuf_reserve(&quiet, sizeof(*point), 0);
	if (!point) {
		tell->left = 1;
		return 1;
	}
	point->key = *key;
	point->generation = owner_generation(owner);
	point->seq = seq;
	point->ack = ack;
	bpf_ringbuf_submit(point, BPF_RB_NO_WAKEUP);
	flow->published = ack ^ tell->salt;
	tell->told++;
	return 0;
}

/* See wire/node.h. */
SEC("syscall")
int node_quiet(struct node_quiet *context)
{
	struct node_quiet tell = {.salt = context->salt};

	bpf_for_each_map_elem(&held, tell_quiet, &tell, 0);
	*context = tell;
	return 0;
}

/* See wire/node.h. */
SEC("tc")
int node_check(struct __sk_buff *skb)
{
	struct work *work = work_area(WORK_IN);
	__u32 state;

	if (!work ||
	    bpf_skb_load_bytes(skb, ETHERNET_LENGTH, &work->segment.key, sizeof(work->segment.key)))
		return NODE_CHECK_BAD;
	work->segment.protocol = address_is_ipv4(&work->segment.key.vip) ? 4 : 6;
	state = socket_ask(skb);
	return state == TCP_LISTEN ? NODE_CHECK_NONE : state;
}

char _license[] SEC("license") = "Dual BSD/GPL";
