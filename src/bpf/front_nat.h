/* Network address translation: how packets reach nodes that don't carry the VIP, and how what they
 * answer becomes the VIP's.
 *
 *	client -> VIP		becomes client -> node's own address, the same ports
 *	node -> client		comes back here, since this host is the node's way to the clients,
 *				and becomes VIP -> client
 *
 * So the node sees who its client is, and the front every packet of both ways. `nat_back` remembers
 * by client and node what the VIP was and where the client's packets came from; the answer goes
 * there. Ports stay, so one client port can't talk by two VIPs to the same port of one node at a
 * time: the second connection is refused. ICMP errors are translated with the packet they quote.
 *
 * Checksums are corrected by what changed (RFC 1624). IPv4's own header checksum makes up for a
 * changed address, so an ICMP message that quotes the header keeps its checksum; ICMPv6 has a
 * pseudo header and quotes headers without a checksum. The transport checksum in a quoted packet is
 * left as it was: it can't be checked there, the packet is cut off.
 */
#ifndef BATON_BPF_FRONT_NAT_H
#define BATON_BPF_FRONT_NAT_H

#include "bpf/front_maps.h"
#include "bpf/front_send.h"

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, LAYER4_MAX);
	__type(key, struct layer4_key);
	__type(value, struct nat_back);
} nat_back SEC(".maps");

enum nat_side { NAT_SOURCE, NAT_DESTINATION };

/* The address that a family's packets of this node have. NULL: none. */
INLINE const struct address *nat_address(const struct node_entry *node, __u32 protocol)
{
	const struct address *address = protocol == 4 ? &node->address : &node->address6;

	if (protocol == 4)
		return address_is_ipv4(address) ? address : NULL;
	if (!address->words[0] && !address->words[1] && !address->words[2] && !address->words[3])
		address = &node->address;
	return address_is_ipv4(address) ? NULL : address;
}

/* A checksum after `from` became `to`. */
INLINE __u16 nat_checksum(__u16 check, const struct address *from, const struct address *to,
			  __u32 protocol)
{
	if (protocol == 4)
		return checksum_update32(check, from->words[3], to->words[3]);
	for (int i = 0; i < 4; i++)
		check = checksum_update32(check, from->words[i], to->words[i]);
	return check;
}

/* Writes `to` over the source or destination of the IP packet whose header begins `at` in the frame
 * (no options before `transport`'s header), and corrects the checksums of both. Transport 0, as
 * ICMP over IPv4: only the header's own checksum is looked after. Returns 0 or a negative
 * errno. */
SUBPROGRAM int nat_write(struct xdp_md *ctx, const struct address *to, __u32 at, __u32 side,
			 __u32 transport)
{
	struct front_work *work = work_area();
	__u32 protocol, length, place, sum_at = 0;
	struct address from = {};
	__u16 check;

	if (!work || !to)
		return -EINVAL;
	protocol = work->segment.protocol;
	if (protocol == 4) {
		place = at + (side == NAT_SOURCE ? 12 : 16);
		length = IPV4_LENGTH;
		if (bpf_xdp_load_bytes(ctx, place, &from.words[3], 4) ||
		    bpf_xdp_load_bytes(ctx, at + 10, &check, 2))
			return -EFAULT;
		check = checksum_update32(check, from.words[3], to->words[3]);
		if (bpf_xdp_store_bytes(ctx, place, (void *)&to->words[3], 4) ||
		    bpf_xdp_store_bytes(ctx, at + 10, &check, 2))
			return -EFAULT;
	} else {
		place = at + (side == NAT_SOURCE ? 8 : 24);
		length = IPV6_LENGTH;
		if (bpf_xdp_load_bytes(ctx, place, &from, 16) ||
		    bpf_xdp_store_bytes(ctx, place, (void *)to, 16))
			return -EFAULT;
	}
	if (transport == IPPROTO_TCP)
		sum_at = at + length + 16;
	else if (transport == IPPROTO_UDP)
		sum_at = at + length + 6;
	else if (transport == NEXT_ICMPV6 && protocol == 6)
		sum_at = at + length + 2;
	if (!sum_at)
		return 0;
	if (bpf_xdp_load_bytes(ctx, sum_at, &check, 2))
		return -EFAULT;
	if (transport == IPPROTO_UDP && !check)
		return 0; /* it has none */
	check = nat_checksum(check, &from, to, protocol);
	if (transport == IPPROTO_UDP && !check)
		check = 0xffff;
	return bpf_xdp_store_bytes(ctx, sum_at, &check, 2);
}

INLINE int nat_same_mac(const __u8 a[6], const __u8 b[6])
{
	__u32 different = 0;

	for (int i = 0; i < 6; i++)
		different |= a[i] ^ b[i];
	return !different;
}

/* Notes where the client of the packet in hand is and which VIP it means, for what the node with
 * this address answers. Returns 0, or -1: it talks to that port of that node by another VIP. */
INLINE int nat_remember(struct xdp_md *ctx, const struct front_work *work,
			const struct address *node, __u32 node_id, __u32 protocol)
{
	const struct segment *segment = &work->segment;
	struct layer4_key key = {.flow = segment->key, .protocol = protocol};
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct nat_back fresh = {.vip = segment->key.vip, .ifindex = ctx->ingress_ifindex};
	struct ethhdr *ethernet = data;
	const struct layer4_flow *other;
	const struct nat_back *back;

	if ((void *)(ethernet + 1) > end)
		return -1;
	__builtin_memcpy(fresh.mac, ethernet->h_source, 6);
	key.flow.vip = *node;
	back = bpf_map_lookup_elem(&nat_back, &key);
	if (back && address_equal(&back->vip, &fresh.vip)) {
		if (back->ifindex == fresh.ifindex && nat_same_mac(back->mac, fresh.mac))
			return 0;
	} else if (back) {
		struct layer4_key theirs = key;

		theirs.flow.vip = back->vip;
		other = bpf_map_lookup_elem(&layer4, &theirs);
		if (other && !other->closed && other->node == node_id)
			return -1;
	}
	bpf_map_update_elem(&nat_back, &key, &fresh, BPF_ANY);
	return 0;
}

/* Sends the client's packet in hand to the node. Returns what the program has to return. */
SUBPROGRAM int nat_send(struct xdp_md *ctx, __u32 node_id, __u32 protocol)
{
	const struct node_entry *node = node_entry(node_id);
	struct front_work *work = work_area();
	struct cluster *here = cluster_here();
	const struct address *address;

	if (!work || !here || !node)
		return XDP_DROP;
	address = nat_address(node, work->segment.protocol);
	if (!address) {
		count(FRONT_COUNT_UNREACHABLE);
		return XDP_DROP;
	}
	if (nat_remember(ctx, work, address, node_id, protocol)) {
		count(FRONT_COUNT_NAT_CLASHES);
		return XDP_DROP;
	}
	if (nat_write(ctx, address, ETHERNET_LENGTH, NAT_DESTINATION, protocol))
		return XDP_DROP;
	count(FRONT_COUNT_NAT_IN);
	return send_bare(ctx, here, node, node_id);
}

/* Out to where the client's packets come from. */
INLINE int nat_out(struct xdp_md *ctx, const struct cluster *here, const struct nat_back *back)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *ethernet = data;

	if ((void *)(ethernet + 1) > end)
		return XDP_DROP;
	__builtin_memcpy(ethernet->h_dest, back->mac, 6);
	__builtin_memcpy(ethernet->h_source, here->mac, 6);
	if (back->ifindex == ctx->ingress_ifindex)
		return XDP_TX;
	return bpf_redirect(back->ifindex, 0);
}

/* What the packet with this key, read as if its source were a client and its destination a VIP, is
 * the answer to. */
INLINE const struct nat_back *nat_back_of(const struct flow_key *turned, __u32 protocol)
{
	struct layer4_key key = {.protocol = protocol};

	key.flow.client = turned->vip;
	key.flow.client_port = turned->vip_port;
	key.flow.vip = turned->client;
	key.flow.vip_port = turned->client_port;
	return bpf_map_lookup_elem(&nat_back, &key);
}

/* The packet in hand is to none of the services. If it is a node's answer to a client, it goes on
 * to that as the VIP's. Returns what the program has to return: XDP_PASS if it is none. */
SUBPROGRAM int nat_return(struct xdp_md *ctx, __u32 protocol)
{
	struct front_work *work = work_area();
	struct cluster *here = cluster_here();
	const struct nat_back *back;

	if (!work || !here)
		return XDP_PASS;
	back = nat_back_of(&work->segment.key, protocol);
	if (!back)
		return XDP_PASS;
	if (nat_write(ctx, &back->vip, ETHERNET_LENGTH, NAT_SOURCE, protocol))
		return XDP_DROP;
	count(FRONT_COUNT_NAT_OUT);
	return nat_out(ctx, here, back);
}

/* An ICMP error to a VIP, about a packet that node `node_id` sent; the packet it quotes begins at
 * `inner` in the frame. Returns what the program has to return. */
SUBPROGRAM int nat_icmp_in(struct xdp_md *ctx, __u32 inner, __u32 node_id)
{
	const struct node_entry *node = node_entry(node_id);
	struct front_work *work = work_area();
	struct cluster *here = cluster_here();
	const struct address *address;

	if (!work || !here || !node)
		return XDP_DROP;
	address = nat_address(node, work->segment.protocol);
	if (!address || nat_write(ctx, address, inner, NAT_SOURCE, 0))
		return XDP_DROP;
	if (work->segment.protocol == 6) {
		__u32 at = ETHERNET_LENGTH + IPV6_LENGTH + 2;
		__u16 check;

		if (bpf_xdp_load_bytes(ctx, at, &check, 2))
			return XDP_DROP;
		check = nat_checksum(check, &work->segment.key.vip, address, 6);
		if (bpf_xdp_store_bytes(ctx, at, &check, 2))
			return XDP_DROP;
	}
	if (nat_write(ctx, address, ETHERNET_LENGTH, NAT_DESTINATION, NEXT_ICMPV6))
		return XDP_DROP;
	return send_bare(ctx, here, node, node_id);
}

/* An ICMP error about a packet that the front had translated for a node: from that node, or from a
 * router on the way to it. Goes on to the client; XDP_PASS if it is about no such packet. */
SUBPROGRAM int nat_icmp_out(struct xdp_md *ctx, __u32 inner, __u32 protocol)
{
	struct front_work *work = work_area();
	struct cluster *here = cluster_here();
	const struct nat_back *back;
	struct address from = {};
	struct address *node;

	if (!work || !here)
		return XDP_PASS;
	back = nat_back_of(&work->segment.key, protocol);
	if (!back)
		return XDP_PASS;
	node = &work->segment.key.client;
	if (nat_write(ctx, &back->vip, inner, NAT_DESTINATION, 0))
		return XDP_DROP;
	if (work->segment.protocol == 6) {
		__u32 at = ETHERNET_LENGTH + IPV6_LENGTH + 2;
		__u16 check;

		if (bpf_xdp_load_bytes(ctx, at, &check, 2))
			return XDP_DROP;
		check = nat_checksum(check, node, &back->vip, 6);
		if (bpf_xdp_store_bytes(ctx, at, &check, 2) ||
		    bpf_xdp_load_bytes(ctx, ETHERNET_LENGTH + 8, &from, 16))
			return XDP_DROP;
	} else {
		address_from_ipv4(&from, 0);
		if (bpf_xdp_load_bytes(ctx, ETHERNET_LENGTH + 12, &from.words[3], 4))
			return XDP_DROP;
	}
	/* A router speaks for itself. */
	if (address_equal(&from, node) &&
	    nat_write(ctx, &back->vip, ETHERNET_LENGTH, NAT_SOURCE, NEXT_ICMPV6))
		return XDP_DROP;
	count(FRONT_COUNT_ICMP);
	return nat_out(ctx, here, back);
}

#endif
