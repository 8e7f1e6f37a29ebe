/* The filter of a packet socket that counts, and lets nothing through. It runs only while its
 * socket is open. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#define TRAFFIC_CONTEXT			  struct __sk_buff
#define TRAFFIC_LOAD(skb, at, to, length) bpf_skb_load_bytes(skb, at, to, length)
#include "bpf/traffic.h"

enum { OUTGOING = 4 /* PACKET_OUTGOING */ };

/* Set before the program is loaded. */
const volatile __u16 baton_port;
const volatile struct address origin; /* zero: none */
const volatile __u8 only_outgoing;    /* an XDP program counts what arrives */

SEC("socket")
int count_traffic(struct __sk_buff *skb)
{
	__u32 arrived = skb->pkt_type != OUTGOING;
	struct address from;
	struct traffic_frame frame = {
		.context = skb,
		.port = baton_port,
		/* A tag that the device has taken out was on the wire. */
		.bytes = skb->len + (skb->vlan_present ? TRAFFIC_VLAN_TAG : 0),
	};

	if (arrived && only_outgoing)
		return 0;
	for (int i = 0; i < 4; i++)
		from.words[i] = origin.words[i];
	if (arrived && (from.words[2] || from.words[0]))
		frame.origin = &from;
	traffic_count_frame(&frame);
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
