/* ICMP errors about a packet that a node sent: whoever met it in the network tells the VIP, and the
 * node must hear of it. "Fragmentation needed" and "packet too big" (RFC 1191, RFC 8201) above all:
 * without them a connection through a narrow link stands still. */
#ifndef BATON_BPF_FRONT_ICMP_H
#define BATON_BPF_FRONT_ICMP_H

#include "bpf/front_flow.h"
#include "bpf/front_nat.h"

/* Sends the frame in hand to the owner of the flow that its inner packet, source VIP, is of;
 * `inner` is where the headers of that begin in the frame. Passes what is about no flow. */
SUBPROGRAM int icmp_error(struct xdp_md *ctx, __u32 inner, __u32 protocol)
{
	struct front_work *work = work_area();
	struct cluster *here = cluster_here();
	struct segment *segment;
	struct layer4_key key = {};
	struct layer4_flow *forwarded;
	struct node_entry *node;
	struct front_flow *flow;
	__be16 ports[2];
	__u32 at, owner;

	if (!work || !here)
		return XDP_PASS;
	segment = &work->segment;
	if (protocol == 4) {
		struct iphdr ip;

		if (bpf_xdp_load_bytes(ctx, inner, &ip, sizeof(ip)) || ip.version != 4 ||
		    ip.ihl < 5 || ip.frag_off & net16(0x1fff))
			return XDP_PASS;
		address_from_ipv4(&segment->key.client, ip.daddr);
		address_from_ipv4(&segment->key.vip, ip.saddr);
		key.protocol = ip.protocol;
		at = inner + ip.ihl * 4;
	} else {
		struct ipv6hdr ip;

		if (bpf_xdp_load_bytes(ctx, inner, &ip, sizeof(ip)) || ip.version != 6)
			return XDP_PASS;
		key.protocol = ip.nexthdr;
		__builtin_memcpy(&segment->key.client, &ip.daddr, 16);
		__builtin_memcpy(&segment->key.vip, &ip.saddr, 16);
		at = inner + sizeof(ip);
	}
	if (bpf_xdp_load_bytes(ctx, at, ports, sizeof(ports)))
		return XDP_PASS;
	segment->key.vip_port = ports[0];
	segment->key.client_port = ports[1];
	flow = key.protocol == IPPROTO_TCP ? bpf_map_lookup_elem(&flows, &segment->key) : NULL;
	if (flow) {
		owner = owner_of(owner_load(flow)).node;
	} else {
		key.flow = segment->key;
		segment->protocol = protocol;
		forwarded = bpf_map_lookup_elem(&layer4, &key);
		if (!forwarded)
			return nat_icmp_out(ctx, inner, key.protocol);
		owner = forwarded->node;
		if (service_find(work, key.protocol) && work->service.forward == FORWARD_NAT) {
			count(FRONT_COUNT_ICMP);
			return nat_icmp_in(ctx, inner, owner);
		}
	}
	node = node_entry(owner);
	if (!node)
		return XDP_DROP;
	count(FRONT_COUNT_ICMP);
	return send_bare(ctx, here, node, owner);
}

#endif
