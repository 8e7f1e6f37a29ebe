/* What the programs count. One table a program: X(NAME, "key", "what it means"). The key is what
 * status, metrics and tests read; the tables are per-CPU arrays indexed by FRONT_COUNT_NAME and
 * NODE_COUNT_NAME, to be summed by whoever reads them.
 */
#ifndef BATON_WIRE_COUNTERS_H
#define BATON_WIRE_COUNTERS_H

#include "wire/types.h"

#define NODE_COUNTERS(X)                                                                           \
	X(WRAPPED, "wrapped", "Baton headers received and found good")                             \
	X(BAD_HEADER, "bad_header", "Baton headers of a wrong form, version or type")              \
	X(BAD_MAC, "bad_mac", "Baton headers whose MAC is wrong")                                  \
	X(NOT_FRESH, "not_fresh", "Baton headers too old, or of the future")                       \
	X(NOT_MINE, "not_mine", "handoffs to another node")                                        \
	X(STALE, "stale", "handoffs of an older generation, dropped")                              \
	X(REPEATED, "repeated", "segments of a handoff that had been taken already")               \
	X(EARLY, "early", "segments that overtook their handoff, dropped")                         \
	X(TAKEN_FIRST, "taken_first", "sockets built for a first handoff")                         \
	X(TAKEN_LATER, "taken_later", "sockets built for a later handoff")                         \
	X(REBUILT, "rebuilt", "sockets built again because the server's queue was full")           \
	X(REFUSED, "refused", "handoffs that the kernel or the listener refused")                  \
	X(NO_LISTENER, "no_listener", "handoffs that found no listener")                           \
	X(HELD_FULL, "held_full", "handoffs dropped because the table of flows is full")           \
	X(BOUNCED, "bounced", "times a segment waited for an old socket to go")                    \
	X(PARKED, "parked", "segments given to the daemon to wait longer")                         \
	X(PARK_FULL, "park_full", "segments dropped because the daemon was behind")                \
	X(OUSTED, "ousted", "old sockets told to go for a newer connection")                       \
	X(OUSTED_TIME_WAIT, "ousted_time_wait", "of these, sockets in TIME_WAIT")                  \
	X(MOVED, "moved", "flows given back to the front for another node")                        \
	X(MOVED_AGAIN, "moved_again", "returns repeated because the client did")                   \
	X(STAYED, "stayed", "requests for another node served here: flow not quiet")               \
	X(STAYED_PINNED, "stayed_pinned", "requests served here because the flow is pinned")       \
	X(UNMUTED, "unmuted", "moves given up because the server spoke or closed meanwhile")       \
	X(PINNED, "pinned", "flows pinned")                                                        \
	X(CONTENDED, "contended", "segments dropped because another CPU had the flow")             \
	X(CONFIRMED, "confirmed", "confirmations sent to the front")                               \
	X(ASTRAY, "astray", "segments of flows not held here, sent to the front")                  \
	X(ASTRAY_DROPPED, "astray_dropped",                                                        \
	  "of such flows, dropped: nothing in them to deliver, "                                   \
	  "or too many")                                                                           \
	X(FRAGMENTS, "fragments", "IP fragments to a service, dropped")                            \
	X(SYN_DROPPED, "syn_dropped", "SYNs to a service that reached the node, dropped")          \
	X(OUT_UNKNOWN, "out_unknown",                                                              \
	  "packets from the service's address of no flow here, "                                   \
	  "dropped")                                                                               \
	X(OUT_MUTED, "out_muted", "packets of flows given away, dropped")                          \
	X(OUT_SYN, "out_syn", "SYN-ACKs of the node's own, dropped")                               \
	X(UNSENT, "unsent", "packets that could not be sent to the front")                         \
	X(REQUESTS, "requests", "request heads read")                                              \
	X(RESPONSES, "responses", "responses followed to their end")                               \
	X(LOG_LOST, "log_lost", "request records lost because the daemon was behind")

#define X(name, key, help) NODE_COUNT_##name,
enum node_counter { NODE_COUNTERS(X) NODE_COUNT_COUNT };
#undef X

/* Map `node_services`: per-CPU array, index is the service's id. */
struct node_service_counters {
	__u64 requests;		   /* followed to the end of their response */
	__u64 handoffs_in;	   /* sockets built */
	__u64 first_in;		   /* of these, a connection's first */
	__u64 handoffs_out;	   /* flows given away */
	__u64 bytes_in, bytes_out; /* payload */
	__u64 segments_in, segments_out;
	__u64 begun;	 /* requests read; less `requests` and `abandoned` are in service */
	__u64 abandoned; /* begun, but the connection ended or was no longer followed */
	__u64 status[6]; /* by the first digit; [0] anything else */
	__u64 first_byte_ns,
		whole_ns; /* sums over `requests`: request seen to first and last byte */
};
WIRE_SIZE(struct node_service_counters, 144);

#endif
