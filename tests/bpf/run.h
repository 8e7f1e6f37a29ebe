/* Packet in, packet out, verdict: frames made and read in memory, programs run in the kernel by
 * BPF_PROG_TEST_RUN. */
#ifndef BATON_TESTS_BPF_RUN_H
#define BATON_TESTS_BPF_RUN_H

#include "../unit/unit.h"

#include "bpf/checksum.h"
#include "wire/address.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <stdbool.h>
#include <string.h>

enum {
	RUN_FRAME_MAX = 3000,
	FIN = 1,
	SYN = 2,
	RST = 4,
	PSH = 8,
	ACK = 16,
};

struct frame {
	unsigned char bytes[RUN_FRAME_MAX];
	unsigned int length;
	int verdict; /* of the run that it came out of */
};

/* A TCP segment: what one is made from, and what is read of one. Numbers in host order. */
struct tcp_segment {
	unsigned char source_mac[6], destination_mac[6];
	struct address source, destination;
	unsigned short source_port, destination_port;
	unsigned int seq, ack;
	unsigned int flags;
	unsigned int window;
	unsigned char options[40];
	unsigned int options_length;
	const void *payload; /* of one that was read: points into the frame */
	unsigned int length; /* of the payload */
};

static inline struct address run_address(const char *text)
{
	struct address address = {0};
	struct in_addr v4;

	if (inet_pton(AF_INET, text, &v4) == 1)
		address_from_ipv4(&address, v4.s_addr);
	else
		assert_int_equal(inet_pton(AF_INET6, text, &address), 1);
	return address;
}

static inline void run_put16(unsigned char *at, unsigned int value)
{
	at[0] = value >> 8;
	at[1] = value;
}

static inline void run_put32(unsigned char *at, unsigned int value)
{
	run_put16(at, value >> 16);
	run_put16(at + 2, value);
}

static inline unsigned int run_get16(const unsigned char *at)
{
	return at[0] << 8 | at[1];
}

static inline unsigned int run_get32(const unsigned char *at)
{
	return run_get16(at) << 16 | run_get16(at + 2);
}

/* RFC 1071, the plain way, so that it doesn't share its mistakes with what it tests. */
static inline unsigned int run_sum(const unsigned char *at, unsigned int length, unsigned int sum)
{
	for (; length > 1; at += 2, length -= 2)
		sum += run_get16(at);
	if (length)
		sum += at[0] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static inline unsigned int run_pseudo(const unsigned char *ip, unsigned int next,
				      unsigned int length)
{
	bool four = ip[0] >> 4 == 4;

	return run_sum(ip + (four ? 12 : 8), four ? 8 : 32, next + length);
}

/* The IP header at `ip` for `length` bytes behind it. Returns its length. */
static inline unsigned int run_ip(unsigned char *ip, const struct address *source,
				  const struct address *destination, unsigned int next,
				  unsigned int length)
{
	if (address_is_ipv4(source)) {
		memset(ip, 0, 20);
		ip[0] = 0x45;
		run_put16(ip + 2, 20 + length);
		run_put16(ip + 6, 0x4000);
		ip[8] = 64;
		ip[9] = next;
		memcpy(ip + 12, &source->words[3], 4);
		memcpy(ip + 16, &destination->words[3], 4);
		run_put16(ip + 10, ~run_sum(ip, 20, 0) & 0xffff);
		return 20;
	}
	memset(ip, 0, 40);
	ip[0] = 0x60;
	run_put16(ip + 4, length);
	ip[6] = next;
	ip[7] = 64;
	memcpy(ip + 8, source, 16);
	memcpy(ip + 24, destination, 16);
	return 40;
}

/* Ethernet header; the type by the family of `source`. Always 14 bytes. */
static inline void run_ethernet(unsigned char *at, const unsigned char *source,
				const unsigned char *destination, const struct address *address)
{
	memcpy(at, destination, 6);
	memcpy(at + 6, source, 6);
	run_put16(at + 12, address_is_ipv4(address) ? 0x0800 : 0x86dd);
}

static inline void run_make_tcp(struct frame *frame, const struct tcp_segment *segment)
{
	unsigned int header = 20 + segment->options_length;
	unsigned char *ip = frame->bytes + 14, *tcp;

	assert_int_equal(segment->options_length % 4, 0);
	run_ethernet(frame->bytes, segment->source_mac, segment->destination_mac, &segment->source);
	tcp = ip + run_ip(ip, &segment->source, &segment->destination, IPPROTO_TCP,
			  header + segment->length);
	memset(tcp, 0, 20);
	run_put16(tcp, segment->source_port);
	run_put16(tcp + 2, segment->destination_port);
	run_put32(tcp + 4, segment->seq);
	run_put32(tcp + 8, segment->ack);
	tcp[12] = header / 4 << 4;
	tcp[13] = segment->flags;
	run_put16(tcp + 14, segment->window);
	memcpy(tcp + 20, segment->options, segment->options_length);
	if (segment->length)
		memcpy(tcp + header, segment->payload, segment->length);
	run_put16(tcp + 16, ~run_sum(tcp, header + segment->length,
				     run_pseudo(ip, IPPROTO_TCP, header + segment->length)) &
				    0xffff);
	frame->length = tcp - frame->bytes + header + segment->length;
}

/* Reads a frame that must be a whole TCP segment with good checksums and nothing behind it. */
static inline void run_read_tcp(const struct frame *frame, struct tcp_segment *segment)
{
	const unsigned char *ip = frame->bytes + 14, *tcp;
	unsigned int header, length;

	memset(segment, 0, sizeof(*segment));
	memcpy(segment->destination_mac, frame->bytes, 6);
	memcpy(segment->source_mac, frame->bytes + 6, 6);
	if (run_get16(frame->bytes + 12) == 0x0800) {
		assert_int_equal(ip[0], 0x45);
		assert_int_equal(run_sum(ip, 20, 0), 0xffff);
		assert_int_equal(ip[9], IPPROTO_TCP);
		length = run_get16(ip + 2) - 20;
		address_from_ipv4(&segment->source, *(const __be32 *)(ip + 12));
		address_from_ipv4(&segment->destination, *(const __be32 *)(ip + 16));
		tcp = ip + 20;
	} else {
		assert_int_equal(run_get16(frame->bytes + 12), 0x86dd);
		assert_int_equal(ip[0] >> 4, 6);
		assert_int_equal(ip[6], IPPROTO_TCP);
		length = run_get16(ip + 4);
		memcpy(&segment->source, ip + 8, 16);
		memcpy(&segment->destination, ip + 24, 16);
		tcp = ip + 40;
	}
	assert_int_equal(frame->length, tcp - frame->bytes + length);
	assert_int_equal(run_sum(tcp, length, run_pseudo(ip, IPPROTO_TCP, length)), 0xffff);
	header = (tcp[12] >> 4) * 4;
	assert_in_range(header, 20, length);
	segment->source_port = run_get16(tcp);
	segment->destination_port = run_get16(tcp + 2);
	segment->seq = run_get32(tcp + 4);
	segment->ack = run_get32(tcp + 8);
	segment->flags = tcp[13];
	segment->window = run_get16(tcp + 14);
	segment->options_length = header - 20;
	memcpy(segment->options, tcp + 20, header - 20);
	segment->payload = tcp + header;
	segment->length = length - header;
}

/* The value of the option of this kind, NULL if it isn't there. */
static inline const unsigned char *run_option(const struct tcp_segment *segment, unsigned int kind)
{
	for (unsigned int at = 0; at < segment->options_length;) {
		if (segment->options[at] == kind)
			return segment->options + at + 2;
		if (!segment->options[at])
			break;
		at += segment->options[at] == 1 ? 1 : segment->options[at + 1];
	}
	return NULL;
}

/* Runs the program once on `in`. Returns its verdict, which `out` has too, besides what has become
 * of the frame. */
static inline int run_program(int program, const struct frame *in, struct frame *out)
{
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = in->bytes, .data_size_in = in->length,
		    .data_out = out->bytes, .data_size_out = sizeof(out->bytes));

	assert_int_equal(bpf_prog_test_run_opts(program, &options), 0);
	out->length = options.data_size_out;
	out->verdict = options.retval;
	return out->verdict;
}

#endif
