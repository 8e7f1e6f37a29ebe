/* A place to try the programs in: a network namespace of the test's own with a veth pair. Frames
 * sent on one end, `wire`, arrive at the other one, `eth0`, where the programs are. Frames and
 * Baton headers are built here, in one buffer, from few words.
 */
#ifndef BATON_TESTS_BPF_WIRE_H
#define BATON_TESTS_BPF_WIRE_H

#include "wire/address.h"
#include "wire/header.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	WIRE_FRAME_MAX = 4096,
	WIRE_WAIT_MS = 30000, /* how long a frame that must come is waited for */
	TCP_FIN = 1,
	TCP_SYN = 2,
	TCP_RST = 4,
	TCP_PSH = 8,
	TCP_ACK = 16,
};

struct wire {
	int fd;			     /* packet socket on `wire` */
	int ifindex;		     /* of eth0 */
	uint8_t mac[6], peer_mac[6]; /* of eth0, of `wire` */
};

struct frame {
	uint32_t length;
	uint8_t bytes[WIRE_FRAME_MAX];
};

/* A TCP segment in words. Ports in host order, timestamps only if `stamped`. */
struct tcp_words {
	const char *from, *to; /* both IPv4 or both IPv6 */
	uint16_t from_port, to_port;
	uint32_t seq, ack;
	uint8_t flags;
	uint8_t options; /* bytes of further options, NOPs */
	bool stamped;
	uint32_t tsval, tsecr;
	const char *payload; /* NULL: none */
};

/* What a frame turned out to be. */
struct seen {
	int version;  /* of IP: 4, 6, or 0 for anything else */
	int protocol; /* TCP, UDP */
	uint16_t from_port, to_port;
	uint32_t seq, ack;
	uint8_t flags;
	bool stamped, checksum_good;
	uint32_t tsval, tsecr;
	const uint8_t *payload;
	uint32_t length;
	/* Wrapped frames: the Baton header, whether its MAC is right, and what it wraps. */
	bool wrapped, mac_good;
	struct baton_header header;
	const uint8_t *inner;
	uint32_t inner_length;
};

/* Goes into a new network namespace, makes the veth pair (eth0 10.99.0.11/24 and fd99::11/64,
 * `wire` without addresses), puts 10.99.0.100 and fd99::100 on lo. Returns 0 or a negative errno:
 * -EPERM where the test may not. */
int wire_open(struct wire *wire);
void wire_close(struct wire *wire);

/* An address as a key has it. */
struct address wire_address(const char *text);

/* A bare frame from peer_mac to mac. */
void frame_tcp(const struct wire *wire, struct frame *frame, const struct tcp_words *words);

/* Wraps the IP packet of a bare frame: outer IPv4 (or IPv6 where `from` is) and UDP to BATON_PORT,
 * the header as given but for its MAC, which is made with `key`. */
void frame_wrap(const struct wire *wire, struct frame *frame, const struct baton_header *header,
		const char *from, const char *to, const uint64_t key[2]);

/* Reads a frame; `key` may be NULL if it is not wrapped. Pointers go into `frame`. */
void frame_read(const struct frame *frame, const uint64_t key[2], struct seen *seen);

int wire_send(const struct wire *wire, const struct frame *frame);

/* The next TCP or UDP frame that eth0 sends to the world. False if none came in `ms`. */
bool wire_receive(const struct wire *wire, struct frame *frame, int ms);

#endif
