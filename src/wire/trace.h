/* What the front's and nodes' programs tell of the packets of traced clients: each once, when the
 * program that it went through has returned (bpf/trace.h). `baton trace` asks and listens.
 *
 * Map `trace_filter`: ARRAY of one struct trace_filter. Ring buffer `traced`: struct traced_packet.
 */
#ifndef BATON_WIRE_TRACE_H
#define BATON_WIRE_TRACE_H

#include "wire/address.h"

enum {
	TRACE_BYTES = 448, /* of a packet, before it was changed */
	TRACE_AFTER = 192, /* and after */
	TRACE_PATH = 128,
	TRACE_ROOM = 1 << 20, /* of each host's ring buffer */
	TRACE_RAISED = 12,    /* counters that one packet raises; more are left out */
	TRACE_CLIENTS = 4096, /* connections that asked for a traced URL and are remembered */
};

enum trace_place { TRACE_FRONT, TRACE_NODE_IN, TRACE_NODE_OUT, TRACE_PLACES };

struct traced_packet {
	__u64 time_ns; /* CLOCK_MONOTONIC, at the return */
	__u64 owner;   /* on nodes: the flow's, and the other numbers, of struct held behind it */
	struct flow_key key;
	__u32 verdict;
	__u32 length;			   /* of the packet as it came, on the wire */
	__u16 before_length, after_length; /* bytes of it in `before` and `after` */
	__u8 place;			   /* enum trace_place */
	__u8 raised_count;
	__u16 zero;
	__u32 flags, requests, responses;
	__u16 node;
	__u8 pin, known;	   /* known: the node remembers the flow */
	__u8 raised[TRACE_RAISED]; /* counters that it raised */
	__u8 before[TRACE_BYTES], after[TRACE_AFTER];
};
WIRE_SIZE(struct traced_packet, 736);

/* Which packets. Whoever traces writes it to every host's map, and again and again: one that died
 * costs nothing for long. */
struct trace_filter {
	__u64 until_ns;	       /* CLOCK_MONOTONIC; 0: nobody traces */
	__u64 lost;	       /* packets that found no room; counted by the program */
	__u32 number;	       /* of the trace: connections of an earlier one are forgotten */
	struct address client; /* all zero: any that asks for the path */
	__be16 client_port;    /* 0: any */
	__be16 port;	       /* of Baton's header */
	__u16 path_length;
	__u16 zero;
	__u32 unused;
	char path[TRACE_PATH];
};
WIRE_SIZE(struct trace_filter, 176);

#endif
