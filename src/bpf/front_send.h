/* Sending a client's segment to a node: as it came, or under a Baton header. */
#ifndef BATON_BPF_FRONT_SEND_H
#define BATON_BPF_FRONT_SEND_H

#include "bpf/front_work.h"

/* The outer headers, in one piece. */
struct outer4 {
	struct iphdr ip;
	struct udphdr udp;
	struct baton_header header;
} __attribute__((packed));

struct outer6 {
	struct ipv6hdr ip;
	struct udphdr udp;
	struct baton_header header;
} __attribute__((packed));

/* Out of the device that the node is on; or up, to the node's program on this very device. */
INLINE int send_out(struct xdp_md *ctx, const struct node_entry *node)
{
	if (node->reachable == HOP_HERE)
		return XDP_PASS;
	if (!node->ifindex || node->ifindex == ctx->ingress_ifindex)
		return XDP_TX;
	return bpf_redirect(node->ifindex, 0);
}

INLINE void send_count(__u32 node, __u32 length)
{
	struct front_node_counters *counters = node_counters(node);

	if (counters) {
		counters->packets++;
		counters->bytes += length;
	}
}

/* Sends the frame in hand to the node as it came. The source MAC becomes the front's own: else the
 * switch would learn the client's at the front's port. */
INLINE int send_bare(struct xdp_md *ctx, const struct cluster *here, const struct node_entry *node,
		     __u32 node_id)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *ethernet = data;

	if ((void *)(ethernet + 1) > end)
		return XDP_DROP;
	if (!node->reachable) {
		count(FRONT_COUNT_UNREACHABLE);
		return XDP_DROP;
	}
	__builtin_memcpy(ethernet->h_dest, node->mac, 6);
	__builtin_memcpy(ethernet->h_source, here->mac, 6);
	send_count(node_id, end - data);
	return send_out(ctx, node);
}

/* The outer headers of the frame in hand go, the inner packet lies behind the Ethernet header.
 * `room` is what they are long. Returns 0, or a negative errno. */
INLINE int send_strip(struct xdp_md *ctx, const struct front_work *work, __u32 room)
{
	struct ethhdr *ethernet;
	void *data, *end;

	if (bpf_xdp_adjust_head(ctx, room))
		return -EFAULT;
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	ethernet = data;
	if ((void *)(ethernet + 1) > end)
		return -EFAULT;
	ethernet->h_proto = work->segment.protocol == 4 ? ETHERTYPE_IPV4 : ETHERTYPE_IPV6;
	return 0;
}

/* Copies the client's IP packet, which begins `at` bytes into the frame, to work->packet, `length`
 * bytes of it. Returns 0, or a negative errno. */
INLINE int load_packet(struct xdp_md *ctx, struct front_work *work, __u32 at, __u32 length)
{
	work->loaded = 0;
	if (length > SCRATCH_SIZE)
		return -EMSGSIZE;
	asm volatile("" : "+r"(length));
	length &= 2 * SCRATCH_SIZE - 1;
	if (!length || length > SCRATCH_SIZE ||
	    bpf_xdp_load_bytes(ctx, at, work->packet.bytes, length))
		return -EFAULT;
	work->loaded = length;
	return 0;
}

/* The same for its payload, to work->text. */
INLINE int load_text(struct xdp_md *ctx, struct front_work *work, __u32 at, __u32 length)
{
	if (length > SCRATCH_SIZE)
		return -EMSGSIZE;
	asm volatile("" : "+r"(length));
	length &= 2 * SCRATCH_SIZE - 1;
	if (!length || length > SCRATCH_SIZE ||
	    bpf_xdp_load_bytes(ctx, at, work->text.bytes, length))
		return -EFAULT;
	return 0;
}

/* Fills work->header with what `flow` says, for a handoff to `node`. */
INLINE void handoff_header(struct front_work *work, const struct front_flow *flow)
{
	struct baton_header *header = &work->header;
	__u32 flags = 0;

	if (!(flow->owner.flags & FRONT_LATER))
		flags |= BATON_FLAG_FIRST;
	if (flow->owner.flags & FRONT_PINNED)
		flags |= BATON_FLAG_PINNED;
	header->type = BATON_HANDOFF;
	header->flags = net16(flags);
	header->reason = flow->reason;
	header->node = net16(flow->owner.node);
	header->generation = net32(flow->owner.generation);
	header->seq = net32(flow->handoff_seq);
	header->ack = net32(flow->handoff_ack);
	header->ts_clock = net32(flow->ts_clock);
	header->srtt = net32(flow->srtt);
	header->cwnd = net16(flow->cwnd);
	header->mss = net16(flow->mss);
	header->snd_wscale = flow->snd_wscale;
	header->rcv_wscale = flow->rcv_wscale;
	header->options = flow->options;
	header->load = 0;
}

/* The host that has this id in a Baton header. */
INLINE const struct node_entry *host_entry(const struct cluster *here, __u32 id)
{
	if (id >= BATON_DISPATCHER(0))
		return &here->dispatchers[id & (DISPATCHERS_MAX - 1)];
	if (id >= BATON_FRONT(0))
		return &here->fronts[id & (FRONTS_MAX - 1)];
	return node_entry(id);
}

/* Sends the segment in hand to the host `node_id`, mostly a node, under work->header, of which
 * handoff_header or whoever asks has filled its part. The client's IP packet begins behind the
 * frame's Ethernet header; work->packet gets it if it hasn't it. Returns what the program has to
 * return. */
SUBPROGRAM int send_wrapped(struct xdp_md *ctx, __u32 node_id)
{
	struct front_work *work = work_area();
	struct cluster *here = cluster_here();
	const struct node_entry *node;
	struct baton_header *header;
	__u32 length, frame, room, port;
	struct ethhdr *ethernet;
	void *data, *end;

	if (!work || !here)
		return XDP_DROP;
	node = host_entry(here, node_id);
	if (!node)
		return XDP_DROP;
	if (!node->reachable) {
		count(FRONT_COUNT_UNREACHABLE);
		return XDP_DROP;
	}
	length = work->segment.ip_length;
	if (length > SCRATCH_SIZE ||
	    (work->loaded != length && load_packet(ctx, work, ETHERNET_LENGTH, length))) {
		count(FRONT_COUNT_TOO_LONG);
		return XDP_DROP;
	}
	header = &work->header;
	header->magic = net16(BATON_MAGIC);
	header->version = BATON_VERSION_WIRE;
	header->epoch = here->epoch & 1;
	header->sender = net16(here->self);
	header->time = net32(frame_now(work, here) >> BATON_TIME_SHIFT);
	header->protocol = work->segment.protocol;
	header->mac = header_mac(header, &work->packet, 0, length, here->keys[here->epoch & 1]);

	/* What is behind the packet (padding of short frames) does not travel. */
	frame = frame_length(ctx);
	if (frame > ETHERNET_LENGTH + length &&
	    bpf_xdp_adjust_tail(ctx, (int)(ETHERNET_LENGTH + length) - (int)frame))
		return XDP_DROP;
	room = address_is_ipv4(&node->address) ? BATON_OVERHEAD_IPV4 : BATON_OVERHEAD_IPV6;
	if (bpf_xdp_adjust_head(ctx, -(int)room))
		return XDP_DROP;
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	ethernet = data;
	if ((void *)(ethernet + 1) > end)
		return XDP_DROP;
	__builtin_memcpy(ethernet->h_dest, node->mac, 6);
	__builtin_memcpy(ethernet->h_source, here->mac, 6);
	/* The source port keeps a flow's segments in one queue of the node, and flows apart. */
	port = work->segment.key.client.words[3] ^ work->segment.key.client_port;
	port = 0xc000 | ((port >> 16 ^ port) & 0x3fff);
	length += UDP_LENGTH + sizeof(*header);
	if (room == BATON_OVERHEAD_IPV4) {
		struct outer4 *outer = (void *)(ethernet + 1);
		__be32 *words = (__be32 *)outer;

		if ((void *)(outer + 1) > end)
			return XDP_DROP;
		ethernet->h_proto = ETHERTYPE_IPV4;
		words[0] = net32(4u << 28 | 5u << 24 | (IPV4_LENGTH + length));
		words[1] = net32(0x4000);
		words[2] = net32(64u << 24 | IPPROTO_UDP << 16);
		words[3] = here->address4.words[3];
		words[4] = node->address.words[3];
		outer->ip.check = checksum_finish((__u64)words[0] + words[1] + words[2] + words[3] +
						  words[4]);
		outer->udp.source = net16(port);
		outer->udp.dest = here->port;
		outer->udp.len = net16(length);
		outer->udp.check = 0;
		outer->header = *header;
	} else {
		struct outer6 *outer = (void *)(ethernet + 1);
		__be32 *words = (__be32 *)outer;

		if ((void *)(outer + 1) > end)
			return XDP_DROP;
		ethernet->h_proto = ETHERTYPE_IPV6;
		words[0] = net32(6u << 28);
		words[1] = net32(length << 16 | IPPROTO_UDP << 8 | 64);
		__builtin_memcpy(&outer->ip.saddr, &here->address6, 16);
		__builtin_memcpy(&outer->ip.daddr, &node->address, 16);
		outer->udp.source = net16(port);
		outer->udp.dest = here->port;
		outer->udp.len = net16(length);
		outer->udp.check = 0;
		outer->header = *header;
	}
	count(FRONT_COUNT_WRAPPED);
	send_count(node_id, end - data);
	return send_out(ctx, node);
}

#endif
