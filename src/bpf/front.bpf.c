/* The front: gives each client's connection to a node, by what it asks for.
 *
 *	SYN ------------------> SYN-ACK with a cookie; nothing is kept         front_syn.h
 *	ACK ------------------> cookie checked, swallowed
 *	first data -----------> placed, an entry made, HANDOFF to its node     front_begin.h
 *	further segments -----> HANDOFF again until the node is known to have the flow,
 *	                        then as they are, with other MAC addresses     front_flow.h
 *	a node's message -----> checked; RETURN makes another node the owner   front_peer.h
 *	   a dispatcher elsewhere is to choose: asked                   front_question.h
 *	   its head not whole: kept by the daemon, which gives orders   front_slow.h, front_order.h
 *	of a flow not known --> perhaps another front's: nodes are asked       front_ask.h
 *	ICMP about a flow ----> to its node                                    front_icmp.h
 *	a node's answer ------> where services are translated: to the client   front_nat.h
 *	all else -------------> the host's own stack
 *
 * docs/architecture.md tells the whole; wire/front.h what an entry is.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#include "bpf/errno.h"
#include "bpf/front_icmp.h"
#include "bpf/front_layer4.h"
#include "bpf/front_order.h"
#include "bpf/front_traffic.h"

#define TRACE_CONTEXT			struct xdp_md
#define TRACE_LENGTH(ctx)		bpf_xdp_get_buff_len(ctx)
#define TRACE_LOAD(ctx, at, to, length) bpf_xdp_load_bytes(ctx, at, to, length)
#define TRACE_COUNTERS_MAP		front_counters
#define TRACE_COUNT			FRONT_COUNT_COUNT
#define TRACE_FLOW(packet)		((void)(packet)) /* entries have locks: the reader looks */
#include "bpf/trace.h"

/* How fragments, extension headers and IP options are dealt with: dropped if they are to a service,
 * for hardly a client sends them and the host's own stack would answer. */
INLINE int front_odd(struct front_work *work, __u8 protocol, __be32 ports, __u32 counter)
{
	work->segment.key.vip_port = ports >> 16;
	if (!service_find(work, protocol))
		return XDP_PASS;
	count(counter);
	return XDP_DROP;
}

/* A TCP segment: `tcp` behind the IP header of `left` more bytes. The addresses are in the work
 * area already. */
INLINE int front_tcp(struct xdp_md *ctx, struct front_work *work, struct tcphdr *tcp, void *end,
		     __u32 left)
{
	const __be32 *words = (const __be32 *)tcp;
	struct segment *segment = &work->segment;
	struct front_service_counters *counters;
	__u32 bytes = frame_length(ctx);
	const struct node_entry *node;
	struct front_owner owner;
	struct front_flow *flow;
	struct cluster *here;
	__u32 header;

	/* A frame from this host itself is one that the node's program sends up to its stack. */
	if ((void *)(tcp + 1) > end || work->own)
		return XDP_PASS;
	segment->key.client_port = words[0];
	segment->key.vip_port = words[0] >> 16;
	segment->seq = net32(words[1]);
	segment->ack = net32(words[2]);
	segment->flags = words[3] >> 8;
	header = (words[3] >> 4 & 15) * 4;
	segment->payload_at = segment->tcp_at + header;
	segment->length = left - header;
	work->loaded = 0;
	/* A SYN has nothing to do with the flow that its ports had before. */
	flow = segment->flags & TCP_SYN ? NULL : bpf_map_lookup_elem(&flows, &segment->key);
	if (flow) {
		counters = service_counters(flow->service);
	} else {
		if (!service_find(work, IPPROTO_TCP))
			return nat_return(ctx, IPPROTO_TCP);
		counters = service_counters(work->service.id);
	}
	if (counters) {
		counters->packets++;
		counters->bytes_in += bytes;
	}
	if (header < TCP_LENGTH || left < header ||
	    bytes < ETHERNET_LENGTH + segment->tcp_at + left) {
		count(FRONT_COUNT_MALFORMED);
		return XDP_DROP;
	}
	if (segment->flags & TCP_SYN) {
		if (segment->flags & (TCP_ACK | TCP_RST | TCP_FIN)) {
			count(FRONT_COUNT_BAD_FLAGS);
			return XDP_DROP;
		}
		if (counters)
			counters->syn++;
		if (source_denied(work))
			return XDP_DROP;
		if (work->service.kind == SERVICE_LAYER4)
			return layer4_send(ctx, IPPROTO_TCP);
		return syn_answer(ctx);
	}
	here = cluster_here();
	if (!here)
		return XDP_DROP;
	if (!flow && source_denied(work))
		return XDP_DROP;
	if (!flow)
		return work->service.kind == SERVICE_LAYER4 ? layer4_send(ctx, IPPROTO_TCP)
							    : flow_unknown(ctx, work, here);
	owner = owner_of(owner_load(flow));
	if (owner.state != FRONT_OPEN || !(owner.flags & FRONT_CONFIRMED) ||
	    owner.flags & FRONT_TUNNEL || segment->flags & (TCP_FIN | TCP_RST) ||
	    !flow_plausible(flow, segment))
		return flow_known(ctx);
	node = node_entry(owner.node);
	if (!node || !node_serves(node))
		return flow_known(ctx);
	/* What nearly every packet is. */
	flow_saw(flow, segment, tick_now());
	count(FRONT_COUNT_BARE);
	return send_bare(ctx, here, node, owner.node);
}

INLINE int front_segment(struct xdp_md *ctx, struct front_work *work, struct tcphdr *tcp, void *end,
			 __u32 left)
{
	int action = front_tcp(ctx, work, tcp, end, left);

	if (action == FLOW_ASKS)
		return ask_begin(ctx);
	if (action == FLOW_REVIVES)
		return flow_revive(ctx);
	if (action == FLOW_FOLLOWS)
		return flow_follow(ctx);
	return action == FLOW_BEGINS ? flow_begin(ctx) : action;
}

INLINE int address_same(const struct address *a, const struct address *b)
{
	return a->words[0] == b->words[0] && a->words[1] == b->words[1] &&
	       a->words[2] == b->words[2] && a->words[3] == b->words[3];
}

/* What another front (or this one, to the node on its own host) tells a node, or a dispatcher
 * answers it. The node's program checks it. */
INLINE int for_node(const struct baton_header *header, const void *end)
{
	return (const void *)(header + 1) <= end &&
	       (header->type == BATON_HANDOFF || header->type == BATON_WHO_HAS ||
		(header->type == BATON_ANSWER && !(header->flags & net16(BATON_FLAGS_FRONT))));
}

/* A UDP datagram; the addresses are in the work area already. */
INLINE int front_datagram(struct xdp_md *ctx, struct front_work *work, const struct cluster *here,
			  struct udphdr *udp, void *end)
{
	struct segment *segment = &work->segment;
	struct front_service_counters *counters;
	__u32 at = ETHERNET_LENGTH + segment->tcp_at + UDP_LENGTH;
	int action;

	if ((void *)(udp + 1) > end)
		return XDP_PASS;
	if (udp->dest == here->port && here->on_node && for_node((void *)(udp + 1), end))
		return XDP_PASS;
	if (udp->dest == here->port && (address_same(&segment->key.vip, &here->address4) ||
					address_same(&segment->key.vip, &here->address6))) {
		action = peer_message(ctx, at, net16(udp->len) - UDP_LENGTH);
		at += sizeof(struct baton_header);
		if (action == PEER_HAS_NOT)
			action = ask_on(ctx, at);
		if (action == PEER_ANSWERS)
			action = peer_answer(ctx, at);
		if (action == FLOW_BEGINS)
			return flow_begin(ctx);
		return action == PEER_RETURNS ? peer_return(ctx, at)
		       : action == PEER_ASKS  ? peer_ask(ctx, at)
					      : action;
	}
	segment->key.client_port = udp->source;
	segment->key.vip_port = udp->dest;
	segment->flags = 0;
	if (!service_find(work, IPPROTO_UDP))
		return nat_return(ctx, IPPROTO_UDP);
	counters = service_counters(work->service.id);
	if (counters) {
		counters->packets++;
		counters->bytes_in += frame_length(ctx);
	}
	if (source_denied(work))
		return XDP_DROP;
	return layer4_send(ctx, IPPROTO_UDP);
}

INLINE int front_ipv4(struct xdp_md *ctx, struct front_work *work, const struct cluster *here)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct iphdr *ip = data + ETHERNET_LENGTH;
	struct segment *segment = &work->segment;
	__u32 length, left;
	void *next;

	if ((void *)(ip + 1) > end)
		return XDP_PASS;
	length = ip->ihl * 4;
	left = net16(ip->tot_len) - length;
	next = (void *)ip + length;
	if (ip->protocol == IPPROTO_TCP || ip->protocol == IPPROTO_UDP) {
		address_from_ipv4(&segment->key.client, ip->saddr);
		address_from_ipv4(&segment->key.vip, ip->daddr);
		if (length != IPV4_LENGTH || ip->frag_off & net16(0x3fff)) {
			__be32 ports;

			/* Later fragments have no ports; without the first they come to nothing. */
			if (ip->frag_off & net16(0x1fff) || length < IPV4_LENGTH ||
			    bpf_xdp_load_bytes(ctx, ETHERNET_LENGTH + length, &ports, 4))
				return XDP_PASS;
			return front_odd(work, ip->protocol, ports,
					 length != IPV4_LENGTH ? FRONT_COUNT_IP_OPTIONS
							       : FRONT_COUNT_FRAGMENTS);
		}
		segment->protocol = 4;
		segment->tcp_at = IPV4_LENGTH;
		segment->ip_length = length + left;
		if (ip->protocol == IPPROTO_UDP)
			return front_datagram(ctx, work, here, (void *)(ip + 1), end);
		return front_segment(ctx, work, (void *)(ip + 1), end, left);
	}
	if (length != IPV4_LENGTH || ip->frag_off & net16(0x3fff))
		return XDP_PASS;
	next = ip + 1;
	if (ip->protocol == IPPROTO_ICMP) {
		struct icmphdr *icmp = next;

		/* Unreachable (3) with "fragmentation needed", time exceeded (11), parameter
		 * problem (12). */
		if ((void *)(icmp + 1) > end ||
		    (icmp->type != 3 && icmp->type != 11 && icmp->type != 12))
			return XDP_PASS;
		return icmp_error(ctx, ETHERNET_LENGTH + IPV4_LENGTH + sizeof(*icmp), 4);
	}
	return XDP_PASS;
}

INLINE int front_ipv6(struct xdp_md *ctx, struct front_work *work, const struct cluster *here)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ipv6hdr *ip = data + ETHERNET_LENGTH;
	struct segment *segment = &work->segment;
	__u8 head[8];
	__be32 ports;
	__u32 left;

	if ((void *)(ip + 1) > end)
		return XDP_PASS;
	left = net16(ip->payload_len);
	if (ip->nexthdr == IPPROTO_TCP || ip->nexthdr == IPPROTO_UDP) {
		__builtin_memcpy(&segment->key.client, &ip->saddr, 16);
		__builtin_memcpy(&segment->key.vip, &ip->daddr, 16);
		segment->protocol = 6;
		segment->tcp_at = IPV6_LENGTH;
		segment->ip_length = IPV6_LENGTH + left;
		if (ip->nexthdr == IPPROTO_UDP)
			return front_datagram(ctx, work, here, (void *)(ip + 1), end);
		return front_segment(ctx, work, (void *)(ip + 1), end, left);
	}
	if (ip->nexthdr == NEXT_ICMPV6) {
		struct icmp6hdr *icmp = (void *)(ip + 1);

		/* Unreachable, packet too big, time exceeded, parameter problem. */
		if ((void *)(icmp + 1) > end || icmp->icmp6_type < 1 || icmp->icmp6_type > 4)
			return XDP_PASS;
		return icmp_error(ctx, ETHERNET_LENGTH + IPV6_LENGTH + sizeof(*icmp), 6);
	}
	if (ip->nexthdr != NEXT_HOP_BY_HOP && ip->nexthdr != NEXT_ROUTING &&
	    ip->nexthdr != NEXT_FRAGMENT && ip->nexthdr != NEXT_DESTINATION)
		return XDP_PASS;
	/* The first extension header is looked behind. */
	if (bpf_xdp_load_bytes(ctx, ETHERNET_LENGTH + IPV6_LENGTH, head, sizeof(head)) ||
	    (head[0] != IPPROTO_TCP && head[0] != IPPROTO_UDP))
		return XDP_PASS;
	left = ip->nexthdr == NEXT_FRAGMENT ? 8 : (head[1] + 1) * 8;
	if (ip->nexthdr == NEXT_FRAGMENT && (head[2] || head[3] & 0xf8))
		return XDP_PASS;
	__builtin_memcpy(&segment->key.vip, &ip->daddr, 16);
	if (bpf_xdp_load_bytes(ctx, ETHERNET_LENGTH + IPV6_LENGTH + left, &ports, 4))
		return XDP_PASS;
	return front_odd(work, head[0], ports,
			 ip->nexthdr == NEXT_FRAGMENT ? FRONT_COUNT_FRAGMENTS
						      : FRONT_COUNT_IP_OPTIONS);
}

INLINE int mac_same(const __u8 *a, const __u8 *b)
{
	return !((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3]) | (a[4] ^ b[4]) |
		 (a[5] ^ b[5]));
}

INLINE int front_frame(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct front_work *work = work_area();
	struct cluster *here = cluster_here();
	struct ethhdr *ethernet = data;

	if ((void *)(ethernet + 1) > end || !work || !here || !here->ready)
		return XDP_PASS;
	work_begin(work);
	work->own = here->on_node && mac_same(ethernet->h_source, here->mac);
	if (ethernet->h_proto == ETHERTYPE_IPV4)
		return front_ipv4(ctx, work, here);
	if (ethernet->h_proto == ETHERTYPE_IPV6)
		return front_ipv6(ctx, work, here);
	return XDP_PASS;
}

SEC("xdp")
int front(struct xdp_md *ctx)
{
	int traced = trace_on(), counted = traffic_wanted_now(), verdict;

	if (counted)
		traffic_count_xdp(ctx);
	if (traced)
		trace_enter(ctx, TRACE_FRONT);
	verdict = front_frame(ctx);
	if (counted && verdict == XDP_TX)
		traffic_count_xdp(ctx);
	if (traced)
		trace_leave(ctx, TRACE_FRONT, verdict);
	return verdict;
}

/* Data is a frame that the daemon has for the node on this very host, ctx.ifindex the device it is
 * to come in by. Returns 0 or a negative errno. */
SEC("tc")
int front_here(struct __sk_buff *skb)
{
	return bpf_clone_redirect(skb, skb->ifindex, BPF_F_INGRESS);
}

/* The daemon's orders about flows that it keeps: see wire/slow.h. */
SEC("xdp")
int front_slow(struct xdp_md *ctx)
{
	struct front_work *work = work_area();

	if (!work || bpf_xdp_load_bytes(ctx, 0, &work->order, sizeof(work->order)))
		return XDP_DROP;
	work_begin(work);
	return work->order.action == SLOW_SEND || work->order.action == SLOW_ASK ? order_send(ctx)
										 : order_do(ctx);
}

/* What the last sweep left in the table. */
__u32 sweep_entries;

/* What the sweep carries from entry to entry. */
struct sweep {
	struct front_sweep sum;
	__u32 now;	  /* tick */
	__u32 life;	  /* of tombstones, in ticks */
	__u32 generation; /* of a connection that began now */
};

/* One entry of the sweep: 0 goes on. */
static long sweep_flow(struct bpf_map *map, struct flow_key *key, struct front_flow *flow,
		       struct sweep *sweep)
{
	struct front_owner owner = owner_of(owner_load(flow));
	struct front_sweep *sum = &sweep->sum;
	__u32 idle = sweep->now - flow->seen;

	if ((__s32)idle < 0)
		idle = 0;
	if (flow_tombstone(&owner, idle)) {
		sum->tombstones++;
		/* No replay of its beginning can be good any more, no node remembers it, and the
		 * next connection's generation is sure to be later. */
		if (sweep->now - flow->made < sweep->life || idle < FRONT_TICKS(FLOW_TOMBSTONE_S) ||
		    !before(owner.generation, sweep->generation))
			return 0;
	} else if (owner.state == FRONT_CLOSING) {
		sum->closing++;
		return 0;
	} else if (owner.state == FRONT_SLOW) {
		sum->slow++;
		if (sweep->now - flow->made < SLOW_LIFE_TICKS)
			return 0;
	} else if (owner.state == FRONT_ENDED) {
		sum->ended++;
		return 0;
	} else {
		sum->open++;
		source_count(key, flow->service, source_sweep + 1);
		if (!(owner.flags & FRONT_CONFIRMED))
			sum->unconfirmed++;
		if (idle < sum->idle_ticks)
			return 0;
	}
	if (!bpf_map_delete_elem(&flows, key))
		sum->removed++;
	return 0;
}

/* How long tombstones stay: all their time while half the table is free, then less and less. */
static __u32 sweep_life(void)
{
	const struct bpf_map *map = (const struct bpf_map *)&flows;
	__u64 room = map->max_entries, used = sweep_entries, spare;

	if (used <= room / 2)
		return FRONT_TOMBSTONE_TICKS;
	spare = used < room ? room - used : 0;
	return FRONT_TOMBSTONE_LEAST_TICKS +
	       (FRONT_TOMBSTONE_TICKS - FRONT_TOMBSTONE_LEAST_TICKS) * spare / (room / 2 + 1);
}

SEC("syscall")
int front_sweep(struct front_sweep *context)
{
	struct sweep sweep = {.sum.idle_ticks = context->idle_ticks};
	struct cluster *here = cluster_here();

	if (!here)
		return -EFAULT;
	sweep.now = bpf_ktime_get_ns() >> FRONT_TICK_SHIFT;
	sweep.life = sweep_life();
	sweep.generation = cluster_now(here) >> BATON_TIME_SHIFT;
	bpf_for_each_map_elem(&flows, sweep_flow, &sweep, 0);
	source_sweep++;
	sweep_entries = sweep.sum.open + sweep.sum.slow + sweep.sum.closing + sweep.sum.ended +
			sweep.sum.tombstones - sweep.sum.removed;
	*context = sweep.sum;
	return 0;
}

/* One flow of front_bury: 0 goes on. */
static long bury_flow(struct bpf_map *map, struct flow_key *key, struct front_flow *flow,
		      struct front_bury *bury)
{
	__u64 word = owner_load(flow);
	struct front_owner owner = owner_of(word);
	struct front_lost *entry;

	if (owner.node != bury->node || (owner.state != FRONT_OPEN && owner.state != FRONT_CLOSING))
		return 0;
	if (flow_quiet(key, flow)) {
		bury->kept++;
		return 0;
	}
	entry = bpf_ringbuf_reserve(&lost, sizeof(*entry), 0);
	if (!entry) {
		bury->left = 1;
		return 1;
	}
	entry->key = *key;
	entry->seq = flow->last_ack;
	entry->ack = flow->last_seq;
	bpf_ringbuf_submit(entry, 0);
	bpf_spin_lock(&flow->lock);
	if (flow->owner_word == word)
		flow->owner.state = FRONT_LOST;
	bpf_spin_unlock(&flow->lock);
	bury->lost++;
	return 0;
}

/* See wire/front.h. */
SEC("syscall")
int front_bury(struct front_bury *context)
{
	struct front_bury bury = {.node = context->node};

	bpf_for_each_map_elem(&flows, bury_flow, &bury, 0);
	*context = bury;
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
