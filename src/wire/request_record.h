/* What a node's programs tell its daemon of single requests, for the access log: in halves, since a
 * request is seen coming in and its response going out. The daemon joins them by flow, generation
 * and number. Within a flow the first half always comes before the second.
 *
 * Map `watch`: ARRAY of one struct watch, which the daemon writes. With zeros in it the programs
 * tell nothing.
 * Ring buffer `records`: struct request_record, as much of `text` as `line_length` and
 * `host_length` say. Nobody is woken for one; the daemon looks every RECORDS_LOOK_MS, and is woken
 * when the buffer is a quarter full. What finds no room is counted (NODE_COUNT_LOG_LOST).
 */
#ifndef BATON_WIRE_REQUEST_RECORD_H
#define BATON_WIRE_REQUEST_RECORD_H

#include "wire/address.h"

enum {
	RECORDS_SIZE = 4 << 20,
	RECORDS_LOOK_MS = 50,
	RECORD_LINE_MAX = 512, /* of a request line; what is longer is cut */
	RECORD_HOST_MAX = 128,
	RECORD_TEXT = RECORD_LINE_MAX + RECORD_HOST_MAX,
};

struct watch {
	__u32 log; /* tell of requests */
	__u32 zero;
};
WIRE_SIZE(struct watch, 8);

enum record_kind {
	RECORD_REQUEST = 1,  /* a request that is served here unless RECORD_MOVED follows */
	RECORD_RESPONSE = 2, /* a response's end, or its connection's */
	RECORD_MOVED = 3,    /* the flow has left: requests from `number` on are another node's */
};

enum record_flags {
	RECORD_FIRST = 1,	/* RECORD_REQUEST: it came with the connection's first handoff */
	RECORD_LATER = 2,	/* RECORD_REQUEST: it came with a later handoff */
	RECORD_MINOR_1 = 4,	/* HTTP/1.1 */
	RECORD_CUT_LINE = 8,	/* the request line is longer than line_length */
	RECORD_CUT_HOST = 16,	/* the host is longer than host_length */
	RECORD_CUT = 32,	/* RECORD_RESPONSE: the connection ended before the response did */
	RECORD_UNFOLLOWED = 64, /* RECORD_RESPONSE: `bytes` is all that was sent behind the
				 * beginning, since the flow could not be followed any more */
};

struct request_record {
	__u64 time_ns;	/* CLOCK_MONOTONIC: request seen, or last byte of the response */
	__u64 first_ns; /* RECORD_RESPONSE: its first byte; 0: there was none */
	__u64 bytes;	/* RECORD_RESPONSE: behind the head, as sent: chunks with their sizes */
	struct flow_key key;
	__u32 generation;
	__u32 number; /* of the flow's requests since this node got it, from 0 */
	__u16 service;
	__u16 status; /* RECORD_RESPONSE; 0: the status line was not seen */
	__u16 flags;  /* enum record_flags */
	__u16 wanted; /* RECORD_REQUEST: the node that it belonged to, if another one; 0xffff: the
		       * front was to choose */
	__u8 kind;    /* enum record_kind */
	__u8 reason;  /* RECORD_REQUEST: enum place_reason */
	__u8 pin;     /* enum pin_reason, if the flow was pinned then */
	__u8 zero;
	__u16 line_length; /* RECORD_REQUEST: "GET /target", then the host, in `text` */
	__u16 host_length;
	__u8 text[RECORD_TEXT];
};
WIRE_SIZE(struct request_record, 728);
WIRE_OFFSET(struct request_record, generation, 60);
WIRE_OFFSET(struct request_record, text, 84);

#endif
