/* TCP segments in memory: reading a client's, making one. */
#ifndef BATON_CONTROL_SEGMENT_H
#define BATON_CONTROL_SEGMENT_H

#include "wire/address.h"

#include <stdbool.h>
#include <stdint.h>

enum {
	SEGMENT_FIN = 1,
	SEGMENT_RST = 4,
	SEGMENT_PSH = 8,
	SEGMENT_ACK = 16,
	SEGMENT_ETHERNET = 14,
	SEGMENT_OVERHEAD = SEGMENT_ETHERNET + 40 + 20 + 12, /* the most that is made before the
							     * payload: IPv6, timestamps */
};

/* Numbers in host order. */
struct segment {
	uint8_t from_mac[6], to_mac[6];
	struct address from, to; /* both IPv4 or both IPv6 */
	__be16 from_port, to_port;
	uint32_t seq, ack;
	uint8_t flags;
	uint16_t window;
	bool stamped; /* has timestamps */
	uint32_t tsval, tsecr;
	const uint8_t *payload; /* borrowed */
	uint32_t length;
};

/* Reads the frame, `length` bytes long, without what pads it. Returns 0 or -EBADMSG: not a whole
 * TCP segment without IP options, or its checksum is wrong. */
int segment_read(const uint8_t *frame, uint32_t length, struct segment *segment);

/* Writes the frame: SEGMENT_OVERHEAD and the payload fit into it. Returns its length. */
uint32_t segment_make(const struct segment *segment, uint8_t *frame);

#endif
