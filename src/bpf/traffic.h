/* Counting what a device carries, by class, and what comes from the origin, where the packets are:
 * nothing is copied. Classes are those of src/monitor/packet.c, byte for byte. The including file
 * says what its frames are (TRAFFIC_CONTEXT, TRAFFIC_LOAD). */
#ifndef BATON_BPF_TRAFFIC_H
#define BATON_BPF_TRAFFIC_H

#include <bpf/bpf_endian.h>

#include "wire/address.h"
#include "wire/header.h"
#include "wire/traffic.h"

enum {
	TRAFFIC_ETHERNET = 14,
	TRAFFIC_NEXT_HOPOPTS = 0, /* what vmlinux.h has no names for */
	TRAFFIC_NEXT_ROUTING = 43,
	TRAFFIC_NEXT_FRAGMENT = 44,
	TRAFFIC_NEXT_ICMPV6 = 58,
	TRAFFIC_NEXT_DSTOPTS = 60,
	TRAFFIC_TYPE_IPV4 = 0x0800,
	TRAFFIC_TYPE_ARP = 0x0806,
	TRAFFIC_TYPE_RARP = 0x8035,
	TRAFFIC_TYPE_VLAN = 0x8100,
	TRAFFIC_TYPE_SERVICE_VLAN = 0x88a8,
	TRAFFIC_TYPE_OLD_QINQ = 0x9100,
	TRAFFIC_TYPE_IPV6 = 0x86dd,
	TRAFFIC_VLAN_TAG = 4,
	TRAFFIC_VLANS_MAX = 4,
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct traffic_counts);
} traffic SEC(".maps");

/* A frame in hand, and what is to be known of it. */
struct traffic_frame {
	TRAFFIC_CONTEXT *context;
	const struct address *origin; /* NULL: none, or the frame leaves */
	struct traffic_count *slots;
	__u64 bytes; /* on the wire */
	__u16 port;  /* of Baton's header */
};

static __always_inline void traffic_add(const struct traffic_frame *frame, __u32 slot, __u64 bytes)
{
	frame->slots[slot].packets++;
	frame->slots[slot].bytes += bytes;
}

static __always_inline int traffic_load(const struct traffic_frame *frame, __u32 at, void *to,
					__u32 length)
{
	return TRAFFIC_LOAD(frame->context, at, to, length);
}

/* A TCP segment of `length` bytes at `at` that came from the origin. A response's head begins a
 * segment: the origin was asked for it after all that it sent before. */
static __always_inline void traffic_from_origin(const struct traffic_frame *frame, __u32 at,
						int length)
{
	static const char begin[7] = "HTTP/1.";
	char first[7];
	__u8 offset;
	int header;

	if (length < 20 || traffic_load(frame, at + 12, &offset, 1))
		return;
	header = (offset >> 4) * 4;
	if (length < header)
		return;
	traffic_add(frame, TRAFFIC_ORIGIN, length - header);
	if (traffic_load(frame, at + header, first, sizeof(first)))
		return;
	for (int i = 0; i < sizeof(first); i++)
		if (first[i] != begin[i])
			return;
	traffic_add(frame, TRAFFIC_ORIGIN_ANSWERS, length - header);
}

static __always_inline void traffic_baton(const struct traffic_frame *frame, __u32 at)
{
	__u16 ports[2], magic[2];
	__u32 type;

	if (traffic_load(frame, at, ports, 4) || traffic_load(frame, at + 8, magic, 4) ||
	    magic[0] != bpf_htons(BATON_MAGIC) ||
	    (ports[0] != bpf_htons(frame->port) && ports[1] != bpf_htons(frame->port)))
		return;
	traffic_add(frame, TRAFFIC_BATON, frame->bytes);
	type = bpf_ntohs(magic[1]) & 255;
	asm volatile("" : "+r"(type)); /* the comparison that the verifier sees is of the index */
	if (type >= TRAFFIC_MESSAGE_TYPES)
		type = 0;
	traffic_add(frame, TRAFFIC_MESSAGES + type, frame->bytes);
}

/* `length`: of the IP packet behind its headers; -1: a later fragment. */
static __always_inline void traffic_transport(const struct traffic_frame *frame, __u32 at,
					      int length, __u8 protocol, const struct address *from)
{
	switch (protocol) {
	case IPPROTO_TCP:
		traffic_add(frame, TRAFFIC_TCP, frame->bytes);
		if (frame->origin && address_equal(from, frame->origin))
			traffic_from_origin(frame, at, length);
		return;
	case IPPROTO_ICMP:
	case TRAFFIC_NEXT_ICMPV6:
		traffic_add(frame, TRAFFIC_ICMP, frame->bytes);
		return;
	case IPPROTO_UDP:
		traffic_add(frame, TRAFFIC_UDP, frame->bytes);
		if (length >= 0)
			traffic_baton(frame, at);
	}
}

static __always_inline void traffic_ipv4(const struct traffic_frame *frame, __u32 at)
{
	struct address from;
	struct iphdr head;
	__u32 words;
	int length;

	traffic_add(frame, TRAFFIC_IP, frame->bytes);
	if (traffic_load(frame, at, &head, sizeof(head)))
		return;
	words = *(__u8 *)&head & 15;
	length = (int)bpf_ntohs(head.tot_len) - (int)words * 4;
	if (bpf_ntohs(head.frag_off) & 0x1fff || words < sizeof(head) / 4)
		length = -1;
	address_from_ipv4(&from, head.saddr);
	traffic_transport(frame, at + words * 4, length, head.protocol, &from);
}

static __always_inline void traffic_ipv6(const struct traffic_frame *frame, __u32 at)
{
	struct address from;
	struct ipv6hdr head;
	__u8 next, extension[4];
	int left;

	traffic_add(frame, TRAFFIC_IP, frame->bytes);
	traffic_add(frame, TRAFFIC_IPV6, frame->bytes);
	if (traffic_load(frame, at, &head, sizeof(head)))
		return;
	__builtin_memcpy(&from, &head.saddr, sizeof(from));
	next = head.nexthdr;
	left = bpf_ntohs(head.payload_len);
	at += sizeof(head);
	for (int i = 0; i < TRAFFIC_HEADERS_MAX; i++) {
		__u32 length;

		if (next != TRAFFIC_NEXT_HOPOPTS && next != TRAFFIC_NEXT_ROUTING &&
		    next != TRAFFIC_NEXT_DSTOPTS && next != IPPROTO_AH &&
		    next != TRAFFIC_NEXT_FRAGMENT) {
			traffic_transport(frame, at, left, next, &from);
			return;
		}
		if (traffic_load(frame, at, extension, sizeof(extension)))
			return;
		length = next == IPPROTO_AH		 ? (extension[1] + 2) * 4
			 : next == TRAFFIC_NEXT_FRAGMENT ? 8
							 : (extension[1] + 1) * 8;
		if (next == TRAFFIC_NEXT_FRAGMENT && (extension[2] || extension[3] & 0xf8)) {
			traffic_transport(frame, at, -1, extension[0], &from);
			return;
		}
		next = extension[0];
		at += length;
		left -= (int)length;
	}
}

static __always_inline void traffic_count_frame(struct traffic_frame *frame)
{
	struct traffic_counts *counts;
	struct {
		__be16 type;
		__u8 head[20];
	} __attribute__((packed)) common;
	__u32 at = TRAFFIC_ETHERNET, zero = 0;
	__u16 type = 0;

	counts = bpf_map_lookup_elem(&traffic, &zero);
	if (!counts)
		return;
	frame->slots = counts->slots;
	traffic_add(frame, TRAFFIC_TOTAL, frame->bytes);
	/* Most frames: TCP in IPv4, of which no more is to be known; one load is enough. */
	if (!frame->origin && !traffic_load(frame, TRAFFIC_ETHERNET - 2, &common, sizeof(common)) &&
	    common.type == bpf_htons(TRAFFIC_TYPE_IPV4) && common.head[9] == IPPROTO_TCP) {
		traffic_add(frame, TRAFFIC_IP, frame->bytes);
		traffic_add(frame, TRAFFIC_TCP, frame->bytes);
		return;
	}
	traffic_load(frame, TRAFFIC_ETHERNET - 2, &type, 2);
	for (int i = 0; i < TRAFFIC_VLANS_MAX && (type == bpf_htons(TRAFFIC_TYPE_VLAN) ||
						  type == bpf_htons(TRAFFIC_TYPE_SERVICE_VLAN) ||
						  type == bpf_htons(TRAFFIC_TYPE_OLD_QINQ));
	     i++) {
		if (traffic_load(frame, at + 2, &type, 2))
			type = 0;
		at += TRAFFIC_VLAN_TAG;
	}
	switch (bpf_ntohs(type)) {
	case TRAFFIC_TYPE_IPV4:
		traffic_ipv4(frame, at);
		break;
	case TRAFFIC_TYPE_IPV6:
		traffic_ipv6(frame, at);
		break;
	case TRAFFIC_TYPE_ARP:
	case TRAFFIC_TYPE_RARP:
		traffic_add(frame, TRAFFIC_ARP, frame->bytes);
		break;
	default:
		traffic_add(frame, TRAFFIC_OTHER, frame->bytes);
	}
}

#endif
