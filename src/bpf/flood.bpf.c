/* A flood for `baton compare --flood`, and what a front does at the least about one.
 *
 * `flood` is run on live frames (BPF_PROG_TEST_RUN with BPF_F_TEST_XDP_LIVE_FRAMES, as in
 * xdp-tools' xdp-trafficgen): the kernel gives it a copy of a template again and again, it makes
 * each one another stranger's segment and sends it out of a device of its namespace. Strangers'
 * addresses are those for benchmarks (RFC 2544, C.2.2), which are nobody's.
 *
 * `drop` is the reference: whatever comes from there or goes there is dropped before anything else
 * is looked at; the rest goes on to the program that was on the device before. */
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "wire/freestanding.h"

enum { STRANGERS = 0xc6120000, STRANGERS_MASK = 0xfffe0000 }; /* 198.18.0.0/15 */

/* Set before loading: the device to send from, and the sums of what is alike in all frames, in 32
 * bits, for the checksums of IP and TCP. */
const volatile __u32 device, ip_sum, tcp_sum;
const volatile __u64 gap_ns; /* between two frames; 0: as many as go */

__u64 state, due;

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} behind SEC(".maps");

struct frame {
	struct ethhdr ethernet;
	struct iphdr ip;
	struct tcphdr tcp;
} __attribute__((packed));

INLINE __u16 fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return ~((sum & 0xffff) + (sum >> 16));
}

INLINE __u32 halves(__u32 word)
{
	return (word & 0xffff) + (word >> 16);
}

SEC("xdp")
int flood(struct xdp_md *ctx)
{
	struct frame *frame = (void *)(long)ctx->data;
	__u32 source, seq, ack = 0;
	__u16 port;

	if ((void *)(frame + 1) > (void *)(long)ctx->data_end)
		return XDP_DROP;
	if (gap_ns) {
		__u64 now = bpf_ktime_get_ns();

		if (now < due)
			return XDP_DROP;
		/* What was missed is made up for within 10 ms, not later. */
		due = (now - due > 10000000 ? now : due) + gap_ns;
	}
	/* Knuth's generator (MMIX); its upper bits are the good ones. */
	state = state * 6364136223846793005ull + 1442695040888963407ull;
	source = bpf_htonl(STRANGERS | (state >> 47 & ~STRANGERS_MASK));
	port = state >> 32 | 0x400;
	seq = state >> 24;
	if (frame->tcp.ack)
		ack = state >> 29 ^ seq;
	frame->ip.saddr = source;
	frame->ip.check = fold(ip_sum + halves(source));
	frame->tcp.source = port;
	frame->tcp.seq = seq;
	frame->tcp.ack_seq = ack;
	frame->tcp.check = fold(tcp_sum + halves(source) + port + halves(seq) + halves(ack));
	return bpf_redirect(device, 0);
}

SEC("xdp")
int drop(struct xdp_md *ctx)
{
	struct frame *frame = (void *)(long)ctx->data;

	if ((void *)(frame + 1) <= (void *)(long)ctx->data_end &&
	    frame->ethernet.h_proto == bpf_htons(0x0800) &&
	    ((bpf_ntohl(frame->ip.saddr) & STRANGERS_MASK) == STRANGERS ||
	     (bpf_ntohl(frame->ip.daddr) & STRANGERS_MASK) == STRANGERS))
		return XDP_DROP;
	bpf_tail_call(ctx, &behind, 0);
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
