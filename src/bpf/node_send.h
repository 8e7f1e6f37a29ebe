/* Wrapping a segment in a Baton header and sending it to the front. */
#ifndef BATON_BPF_NODE_SEND_H
#define BATON_BPF_NODE_SEND_H

#include "bpf/checksum.h"
#include "bpf/header.h"
#include "bpf/node_segment.h"

/* Fills work->header but for what a single type needs, as far as `flow` (may be NULL) knows it. */
INLINE void send_header(struct work *work, const struct cluster *cluster, const struct held *flow,
			__u32 type, __u32 flags)
{
	struct baton_header *header = &work->header;

	__builtin_memset(header, 0, sizeof(*header));
	header->magic = net16(BATON_MAGIC);
	header->version = BATON_VERSION_WIRE;
	header->type = type;
	header->flags = net16(flags);
	header->epoch = cluster->epoch & 1;
	header->sender = net16(cluster->self);
	header->time = net32(header_time(bpf_ktime_get_boot_ns(), cluster->clock_offset));
	header->protocol = work->segment.protocol;
	if (flow) {
		header->generation = net32(owner_generation(flow->owner));
		header->mss = net16(flow->mss);
		header->snd_wscale = flow->snd_wscale;
		header->rcv_wscale = flow->rcv_wscale;
		header->options = flow->options;
	}
}

/* The front that answers for number `number`; the first one if that isn't known. */
INLINE const struct node_entry *send_front(const struct cluster *cluster, __u32 number)
{
	const struct node_entry *front = &cluster->fronts[number & (FRONTS_MAX - 1)];

	return front->reachable ? front : &cluster->fronts[0];
}

/* Numbers of dispatchers, where a front's can stand too. */
enum { SEND_DISPATCHER = 0x100 };

INLINE const struct node_entry *send_host(const struct cluster *cluster, __u32 number)
{
	return number & SEND_DISPATCHER ? &cluster->dispatchers[number & (DISPATCHERS_MAX - 1)]
					: send_front(cluster, number);
}

/* Wraps the segment in hand, whole, with work->header, for front `number`, or a dispatcher with
 * SEND_DISPATCHER. work->packet gets the packet if it hasn't it. Returns the index of the device to
 * send it by, or a negative errno. */
SUBPROGRAM int send_wrap(struct __sk_buff *skb, __u32 number)
{
	struct work *work = work_area(WORK_IN);
	struct cluster *cluster = cluster_here();
	__u32 length, inner, port;
	const struct node_entry *front;
	int four;

	if (!work || !cluster)
		return -EINVAL;
	front = send_host(cluster, number);
	length = work->segment.ip_length;
	if (length > SCRATCH_SIZE || !front->reachable ||
	    (work->loaded != length && segment_load(skb, work, SCRATCH_SIZE) != length))
		goto unsent;
	work->header.mac = 0;
	work->header.mac = header_mac(&work->header, &work->packet, 0, length,
				      cluster->keys[cluster->epoch & 1]);
	four = address_is_ipv4(&front->address);
	inner = sizeof(struct udphdr) + sizeof(struct baton_header) + length;
	/* The source port keeps a flow's packets in one queue of the front, and flows apart. */
	port = (__u32)work->segment.key.client.words[3] ^ work->segment.key.client_port;
	port = 0xc000 | ((port >> 16 ^ port) & 0x3fff);
	if (four) {
		struct outer4 *outer = &work->outer4;

		if (bpf_skb_adjust_room(skb, BATON_OVERHEAD_IPV4, BPF_ADJ_ROOM_MAC,
					BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 | BPF_F_ADJ_ROOM_ENCAP_L4_UDP))
			goto unsent;
		__builtin_memcpy(outer->ethernet, front->mac, 6);
		__builtin_memcpy(outer->ethernet + 6, cluster->mac, 6);
		outer->ethernet[12] = 0x08;
		outer->ethernet[13] = 0x00;
		__builtin_memset(&outer->ip, 0, sizeof(outer->ip));
		outer->ip.version = 4;
		outer->ip.ihl = 5;
		outer->ip.ttl = 64;
		outer->ip.protocol = IPPROTO_UDP;
		outer->ip.tot_len = net16(sizeof(struct iphdr) + inner);
		outer->ip.saddr = cluster->address4.words[3];
		outer->ip.daddr = front->address.words[3];
		outer->ip.check = checksum_finish(bpf_csum_diff(
			0, 0, (__be32 *)((void *)outer + ETHERNET_LENGTH), sizeof(outer->ip), 0));
		outer->udp.source = net16(port);
		outer->udp.dest = cluster->port;
		outer->udp.len = net16(inner);
		outer->udp.check = 0;
		outer->header = work->header;
		if (bpf_skb_store_bytes(skb, 0, outer, sizeof(*outer), 0))
			goto unsent;
	} else {
		struct outer6 *outer = &work->outer6;

		if (bpf_skb_adjust_room(skb, BATON_OVERHEAD_IPV6, BPF_ADJ_ROOM_MAC,
					BPF_F_ADJ_ROOM_ENCAP_L3_IPV6 | BPF_F_ADJ_ROOM_ENCAP_L4_UDP))
			goto unsent;
		__builtin_memcpy(outer->ethernet, front->mac, 6);
		__builtin_memcpy(outer->ethernet + 6, cluster->mac, 6);
		outer->ethernet[12] = 0x86;
		outer->ethernet[13] = 0xdd;
		__builtin_memset(&outer->ip, 0, sizeof(outer->ip));
		outer->ip.version = 6;
		outer->ip.hop_limit = 64;
		outer->ip.nexthdr = IPPROTO_UDP;
		outer->ip.payload_len = net16(inner);
		__builtin_memcpy(&outer->ip.saddr, &cluster->address6, 16);
		__builtin_memcpy(&outer->ip.daddr, &front->address, 16);
		outer->udp.source = net16(port);
		outer->udp.dest = cluster->port;
		outer->udp.len = net16(inner);
		outer->udp.check = 0;
		outer->header = work->header;
		if (bpf_skb_store_bytes(skb, 0, outer, sizeof(*outer), 0))
			goto unsent;
	}
	return front->ifindex ?: skb->ifindex;
unsent:
	count(NODE_COUNT_UNSENT);
	return -EIO;
}

/* Of bpf_redirect and its kin: what is for a front on this very host comes in once more, to its
 * (generic) XDP program. */
INLINE __u64 send_flags(const struct cluster *cluster, __u32 number)
{
	return send_host(cluster, number)->reachable == HOP_HERE ? BPF_F_INGRESS : 0;
}

/* The same, and the frame goes: returns what the program has to return. */
INLINE int send_wrapped(struct __sk_buff *skb, __u32 number)
{
	struct cluster *cluster = cluster_here();
	int device = send_wrap(skb, number);

	return device < 0 || !cluster ? TC_ACT_SHOT
				      : bpf_redirect(device, send_flags(cluster, number));
}

/* Takes the outer headers off the segment in hand. Returns 0 or a negative errno. */
INLINE int send_strip(struct __sk_buff *skb, __u32 room, __u32 protocol)
{
	__u16 type = protocol == 4 ? ETHERTYPE_IPV4 : ETHERTYPE_IPV6;

	if (bpf_skb_adjust_room(skb, -(__s32)room, BPF_ADJ_ROOM_MAC,
				protocol == 4 ? BPF_F_ADJ_ROOM_DECAP_L3_IPV4
					      : BPF_F_ADJ_ROOM_DECAP_L3_IPV6) ||
	    bpf_skb_store_bytes(skb, 12, &type, sizeof(type), 0))
		return -EFAULT;
	return 0;
}

enum { ASTRAY_PER_MS = 32 }; /* segments a CPU sends back to the front in a millisecond at most */

/* The number of the front that sent the frame in hand, by its source address; `otherwise` if it
 * came through a router. */
INLINE __u32 send_came_from(struct __sk_buff *skb, const struct cluster *cluster, __u32 otherwise)
{
	__u32 high;
	__u16 low;

	if (bpf_skb_load_bytes(skb, 6, &high, 4) || bpf_skb_load_bytes(skb, 10, &low, 2))
		return otherwise;
	for (__u32 i = 0; i < FRONTS_MAX; i++) {
		const struct node_entry *front = &cluster->fronts[i];

		if (front->reachable && *(const __u32 *)front->mac == high &&
		    *(const __u16 *)(front->mac + 4) == low)
			return i;
	}
	return otherwise;
}

/* A bare segment of a flow that isn't here: what is in it belongs to somebody, front `number`, from
 * which it came, knows to whom; or other fronts do, if the flow was last handed over by one. Never
 * to the stack, which would reset a connection that lives elsewhere. */
INLINE int send_astray(struct __sk_buff *skb, struct work *work, const struct held *flow,
		       __u32 number)
{
	struct cluster *cluster = cluster_here();
	__u32 now_ms = bpf_ktime_get_coarse_ns() / 1000000;

	if (work->astray_ms != now_ms) {
		work->astray_ms = now_ms;
		work->astray_count = 0;
	}
	if (!cluster || work->segment.flags & TCP_FLAG_BIT_RST || skb->gso_segs > 1 ||
	    (!work->segment.length && !(work->segment.flags & TCP_FLAG_BIT_FIN)) ||
	    work->astray_count >= ASTRAY_PER_MS) {
		count(NODE_COUNT_ASTRAY_DROPPED);
		return TC_ACT_SHOT;
	}
	work->astray_count++;
	count(NODE_COUNT_ASTRAY);
	send_header(work, cluster, flow, BATON_ASTRAY,
		    flow && flow->front != number ? BATON_FLAG_ELSEWHERE : 0);
	return send_wrapped(skb, number);
}

#endif
