/* Reading a frame as far as TCP: bounded, from any place in it, linear or not. */
#ifndef BATON_BPF_NODE_SEGMENT_H
#define BATON_BPF_NODE_SEGMENT_H

#include "bpf/node_maps.h"

enum {
	ETHERNET_LENGTH = 14,
	TCP_FLAG_BIT_FIN = 1,
	TCP_FLAG_BIT_SYN = 2,
	TCP_FLAG_BIT_RST = 4,
	TCP_FLAG_BIT_PSH = 8,
	TCP_FLAG_BIT_ACK = 16,
};

#define ETHERTYPE_IPV4 __builtin_bswap16(0x0800)
#define ETHERTYPE_IPV6 __builtin_bswap16(0x86dd)

INLINE __u32 net32(__u32 value)
{
	return __builtin_bswap32(value);
}

INLINE __u16 net16(__u16 value)
{
	return __builtin_bswap16(value);
}

/* The ports and, if TCP, the rest. */
INLINE int segment_read_ports(struct __sk_buff *skb, struct segment *segment, __u32 protocol,
			      __u32 out)
{
	union {
		struct tcphdr tcp;
		__be16 ports[2];
		__u8 bytes[20];
	} head;
	__u32 length = segment->ip_length - (segment->tcp_at - segment->ip_at);
	__be16 source, destination;

	segment->service_key.protocol = protocol;
	if (protocol == IPPROTO_UDP) {
		if (bpf_skb_load_bytes(skb, segment->tcp_at, &head, 4))
			return SEGMENT_OTHER;
		segment->payload_at = segment->tcp_at + sizeof(struct udphdr);
	} else if (protocol == IPPROTO_TCP) {
		if (bpf_skb_load_bytes(skb, segment->tcp_at, &head, sizeof(head.tcp)))
			return SEGMENT_OTHER;
		segment->seq = net32(head.tcp.seq);
		segment->ack = net32(head.tcp.ack_seq);
		segment->doff = head.bytes[12] >> 4;
		segment->flags = head.bytes[13];
		if (segment->doff < 5 || segment->doff * 4u > length)
			return SEGMENT_OTHER;
		segment->payload_at = segment->tcp_at + segment->doff * 4;
		segment->length = length - segment->doff * 4;
	} else {
		return SEGMENT_OTHER;
	}
	source = head.ports[0];
	destination = head.ports[1];
	segment->key.client_port = out ? destination : source;
	segment->key.vip_port = out ? source : destination;
	segment->service_key.port = segment->key.vip_port;
	return protocol == IPPROTO_TCP ? SEGMENT_TCP : SEGMENT_UDP;
}

/* Reads the IP packet of version `protocol` at `ip_at` into `segment`; `out` says that the VIP is
 * its source. Returns the kind. */
SUBPROGRAM int segment_read(struct __sk_buff *skb, struct segment *segment, __u32 ip_at,
			    __u32 protocol, __u32 out)
{
	if (!segment)
		return SEGMENT_OTHER;
	segment->kind = SEGMENT_OTHER;
	segment->ip_at = ip_at;
	segment->protocol = protocol;
	segment->length = 0;
	segment->service_key.zero = 0;
	if (protocol == 4) {
		struct iphdr ip;

		if (bpf_skb_load_bytes(skb, ip_at, &ip, sizeof(ip)) || ip.version != 4 ||
		    ip.ihl < 5)
			return SEGMENT_OTHER;
		segment->ip_length = net16(ip.tot_len);
		if (out && !ip.tot_len) /* a GSO packet longer than the field can say */
			segment->ip_length = skb->len - ip_at;
		segment->tcp_at = ip_at + ip.ihl * 4;
		if (segment->ip_length < ip.ihl * 4u)
			return SEGMENT_OTHER;
		address_from_ipv4(&segment->key.client, out ? ip.daddr : ip.saddr);
		address_from_ipv4(&segment->key.vip, out ? ip.saddr : ip.daddr);
		segment->service_key.vip = segment->key.vip;
		if (ip.frag_off & net16(0x3fff)) {
			if (ip.frag_off & net16(0x1fff) ||
			    segment_read_ports(skb, segment, ip.protocol, out) == SEGMENT_OTHER)
				return SEGMENT_OTHER;
			return segment->kind = SEGMENT_FRAGMENT;
		}
		return segment->kind = segment_read_ports(skb, segment, ip.protocol, out);
	}
	if (protocol == 6) {
		struct ipv6hdr ip;

		if (bpf_skb_load_bytes(skb, ip_at, &ip, sizeof(ip)) || ip.version != 6)
			return SEGMENT_OTHER;
		segment->ip_length = net16(ip.payload_len) + sizeof(ip);
		segment->tcp_at = ip_at + sizeof(ip);
		__builtin_memcpy(&segment->key.client, out ? &ip.daddr : &ip.saddr, 16);
		__builtin_memcpy(&segment->key.vip, out ? &ip.saddr : &ip.daddr, 16);
		segment->service_key.vip = segment->key.vip;
		return segment->kind = segment_read_ports(skb, segment, ip.nexthdr, out);
	}
	return SEGMENT_OTHER;
}

/* The same for a whole frame. */
INLINE int segment_read_frame(struct __sk_buff *skb, struct segment *segment, __u32 out)
{
	if (skb->protocol == ETHERTYPE_IPV4)
		return segment_read(skb, segment, ETHERNET_LENGTH, 4, out);
	if (skb->protocol == ETHERTYPE_IPV6)
		return segment_read(skb, segment, ETHERNET_LENGTH, 6, out);
	segment->kind = SEGMENT_OTHER;
	return SEGMENT_OTHER;
}

/* Copies the packet of `segment` from its IP header on, `limit` bytes at most, to work->packet.
 * Returns how many, 0 if it can't be read. */
INLINE __u32 segment_load(struct __sk_buff *skb, struct work *work, __u32 limit)
{
	__u32 length = work->segment.ip_length;

	if (length > limit)
		length = limit;
	if (length > SCRATCH_SIZE)
		length = SCRATCH_SIZE;
	asm volatile("" : "+r"(length));
	length &= 4095;
	if (!length || length > SCRATCH_SIZE ||
	    bpf_skb_load_bytes(skb, work->segment.ip_at, work->packet.bytes, length))
		length = 0;
	work->loaded = length;
	return length;
}

/* 1 if a is before b, as sequence numbers, generations and header times go (RFC 1982). */
INLINE int before(__u32 a, __u32 b)
{
	return (__s32)(a - b) < 0;
}

#endif
