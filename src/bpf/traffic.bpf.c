/* Counts what a device carries, by class, and what comes from the origin: a filter of a packet
 * socket that lets nothing through, so packets are looked at where they are and never copied. It
 * runs only while its socket is open. Classes are those of src/monitor/packet.c, byte for byte. */
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "wire/address.h"
#include "wire/header.h"
#include "wire/traffic.h"

enum {
	ETHERNET = 14,
	NEXT_HOPOPTS = 0, /* what vmlinux.h has no names for */
	NEXT_ROUTING = 43,
	NEXT_FRAGMENT = 44,
	NEXT_ICMPV6 = 58,
	NEXT_DSTOPTS = 60,
	TYPE_IPV4 = 0x0800,
	TYPE_ARP = 0x0806,
	TYPE_RARP = 0x8035,
	TYPE_VLAN = 0x8100,
	TYPE_SERVICE_VLAN = 0x88a8,
	TYPE_OLD_QINQ = 0x9100,
	TYPE_IPV6 = 0x86dd,
	VLAN_TAG = 4,
	VLANS_MAX = 4,
	OUTGOING = 4, /* PACKET_OUTGOING */
};

/* Set before the program is loaded. */
const volatile __u16 baton_port;
const volatile struct address origin; /* zero: none */

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, TRAFFIC_SLOTS);
	__type(key, __u32);
	__type(value, struct traffic_count);
} traffic SEC(".maps");

static __always_inline void add(__u32 slot, __u64 bytes)
{
	struct traffic_count *count = bpf_map_lookup_elem(&traffic, &slot);

	if (count) {
		count->packets++;
		count->bytes += bytes;
	}
}

static __always_inline int load(const struct __sk_buff *skb, __u32 at, void *to, __u32 length)
{
	return bpf_skb_load_bytes(skb, at, to, length);
}

/* `length`: of the IP packet behind its headers; -1: a later fragment. */
static __always_inline void transport(const struct __sk_buff *skb, __u32 at, int length,
				      __u8 protocol, const struct address *from, __u64 bytes)
{
	__u16 ports[2], magic[2];
	__u8 offset;

	switch (protocol) {
	case IPPROTO_TCP:
		add(TRAFFIC_TCP, bytes);
		if (skb->pkt_type != OUTGOING && (origin.words[2] || origin.words[0]) &&
		    from->words[0] == origin.words[0] && from->words[1] == origin.words[1] &&
		    from->words[2] == origin.words[2] && from->words[3] == origin.words[3] &&
		    length >= 20 && !load(skb, at + 12, &offset, 1) && length >= (offset >> 4) * 4)
			add(TRAFFIC_ORIGIN, length - (offset >> 4) * 4);
		return;
	case IPPROTO_ICMP:
	case NEXT_ICMPV6:
		add(TRAFFIC_ICMP, bytes);
		return;
	case IPPROTO_UDP:
		add(TRAFFIC_UDP, bytes);
		if (length >= 0 && !load(skb, at, ports, 4) && !load(skb, at + 8, magic, 4) &&
		    magic[0] == bpf_htons(BATON_MAGIC) &&
		    (ports[0] == bpf_htons(baton_port) || ports[1] == bpf_htons(baton_port)))
			add(TRAFFIC_BATON, bytes);
	}
}

static __always_inline void ipv4(const struct __sk_buff *skb, __u32 at, __u64 bytes)
{
	struct address from;
	struct iphdr head;
	__u32 words;
	int length;

	add(TRAFFIC_IP, bytes);
	if (load(skb, at, &head, sizeof(head)))
		return;
	words = *(__u8 *)&head & 15;
	length = (int)bpf_ntohs(head.tot_len) - (int)words * 4;
	if (bpf_ntohs(head.frag_off) & 0x1fff || words < sizeof(head) / 4)
		length = -1;
	address_from_ipv4(&from, head.saddr);
	transport(skb, at + words * 4, length, head.protocol, &from, bytes);
}

static __always_inline void ipv6(const struct __sk_buff *skb, __u32 at, __u64 bytes)
{
	struct address from;
	struct ipv6hdr head;
	__u8 next, extension[4];
	int left;

	add(TRAFFIC_IP, bytes);
	add(TRAFFIC_IPV6, bytes);
	if (load(skb, at, &head, sizeof(head)))
		return;
	__builtin_memcpy(&from, &head.saddr, sizeof(from));
	next = head.nexthdr;
	left = bpf_ntohs(head.payload_len);
	at += sizeof(head);
	for (int i = 0; i < TRAFFIC_HEADERS_MAX; i++) {
		__u32 length;

		if (next != NEXT_HOPOPTS && next != NEXT_ROUTING && next != NEXT_DSTOPTS &&
		    next != IPPROTO_AH && next != NEXT_FRAGMENT) {
			transport(skb, at, left, next, &from, bytes);
			return;
		}
		if (load(skb, at, extension, sizeof(extension)))
			return;
		length = next == IPPROTO_AH	 ? (extension[1] + 2) * 4
			 : next == NEXT_FRAGMENT ? 8
						 : (extension[1] + 1) * 8;
		if (next == NEXT_FRAGMENT && (extension[2] || extension[3] & 0xf8)) {
			transport(skb, at, -1, extension[0], &from, bytes);
			return;
		}
		next = extension[0];
		at += length;
		left -= (int)length;
	}
}

SEC("socket")
int count_traffic(struct __sk_buff *skb)
{
	/* A tag that the device has taken out was on the wire. */
	__u64 bytes = skb->len + (skb->vlan_present ? VLAN_TAG : 0);
	__u32 at = ETHERNET;
	__u16 type = 0;

	add(TRAFFIC_TOTAL, bytes);
	load(skb, ETHERNET - 2, &type, 2);
	for (int i = 0; i < VLANS_MAX &&
			(type == bpf_htons(TYPE_VLAN) || type == bpf_htons(TYPE_SERVICE_VLAN) ||
			 type == bpf_htons(TYPE_OLD_QINQ));
	     i++) {
		if (load(skb, at + 2, &type, 2))
			type = 0;
		at += VLAN_TAG;
	}
	switch (bpf_ntohs(type)) {
	case TYPE_IPV4:
		ipv4(skb, at, bytes);
		break;
	case TYPE_IPV6:
		ipv6(skb, at, bytes);
		break;
	case TYPE_ARP:
	case TYPE_RARP:
		add(TRAFFIC_ARP, bytes);
		break;
	default:
		add(TRAFFIC_OTHER, bytes);
	}
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
