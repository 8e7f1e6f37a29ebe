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
	X(PASSED_ON, "passed_on", "unread first requests of `place: spread` handed on")            \
	X(MOVED_AGAIN, "moved_again", "returns repeated because the client did")                   \
	X(ASKS, "asks", "requests sent to the dispatcher: who should serve this?")                 \
	X(ANSWERED_STAY, "answered_stay", "answers: here")                                         \
	X(ANSWERED_MOVE, "answered_move", "answers: another node")                                 \
	X(ANSWERED_LATE, "answered_late", "answers dropped: the request was served meanwhile")     \
	X(UNANSWERED, "unanswered", "requests served here because no answer came")                 \
	X(FALLBACK_DISPATCHER, "fallback_dispatcher", "placed by hash: no dispatcher answers")     \
	X(ALONE, "alone", "requests for hot targets of the node's own, served without asking")     \
	X(STAY_HERE, "stay_here", "later requests that belong where they are")                     \
	X(STAY_BUSY, "stay_busy", "requests not placed: others were under way before them")        \
	X(STAY_SPLIT, "stay_split", "requests not placed: their heads came in pieces")             \
	X(STAY_BODY, "stay_body", "requests for another node served here: long bodies")            \
	X(STAY_FIXED, "stay_fixed", "requests not placed: the service has `switch: false`")        \
	X(STAY_NO_NODE, "stay_no_node", "requests served here because no other node can be named") \
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
	X(ASKED, "who_has", "questions of a front for a flow")                                     \
	X(ASKED_HERE, "who_has_here", "of these, for flows held here")                             \
	X(RELEASED, "released", "flows told to the front as over")                                 \
	X(REQUESTS, "requests", "request heads read")                                              \
	X(RESPONSES, "responses", "responses followed to their end")                               \
	X(LOG_LOST, "log_lost", "request records lost because the daemon was behind")

/* Why a request was served on the node where its connection was: X(COUNTER, "reason"), of the
 * counters above. Each request that a node reads moved, came by a handoff, or is in one of these.
 */
#define STAY_REASONS(X)                                                                            \
	X(STAY_HERE, "here")                                                                       \
	X(ALONE, "alone")	       /* DS: decided here, under the limit */                     \
	X(ANSWERED_STAY, "dispatcher") /* asked, and told so */                                    \
	X(UNANSWERED, "unanswered")    /* asked in vain */                                         \
	X(STAY_BUSY, "busy")	       /* behind others that are under way */                      \
	X(STAYED, "not_quiet")	       /* the socket had something yet */                          \
	X(STAYED_PINNED, "pinned")     /* by this very request */                                  \
	X(STAY_SPLIT, "split")	       /* its head came in pieces */                               \
	X(STAY_BODY, "body")	       /* its body is longer than its segment */                   \
	X(STAY_FIXED, "fixed")	       /* `switch: false` */                                       \
	X(STAY_NO_NODE, "no_node")

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
	__u64 timed;	 /* of `requests`, those with times of their own: no other was under way */
	__u64 first_byte_ns, whole_ns; /* sums over `timed`: request seen to first and last byte */
	__u64 stays; /* answers of the dispatcher's that the node itself should serve */
};
WIRE_SIZE(struct node_service_counters, 160);

#define FRONT_COUNTERS(X)                                                                          \
	X(SYN, "syn", "SYNs answered")                                                             \
	X(SYN_REFUSED, "syn_refused", "SYNs not answered: no service up, or not readable")         \
	X(MSS_TOO_SMALL, "mss_too_small",                                                          \
	  "SYNs with a smaller MSS than a socket can be built "                                    \
	  "with: served with that one")                                                            \
	X(ACKS_SWALLOWED, "acks_swallowed", "handshakes' last ACKs found good, kept")              \
	X(COOKIES_BAD, "cookies_bad", "segments of no flow without a good cookie")                 \
	X(COOKIES_EXPIRED, "cookies_expired", "connections first used too late, reset")            \
	X(PROBES, "probes", "keepalive probes before a request, answered")                         \
	X(EARLY_FINS, "early_fins", "FINs before a request, answered")                             \
	X(BAD_CHECKSUM, "bad_checksum", "first segments whose TCP checksum is wrong")              \
	X(MALFORMED, "malformed", "packets to a service that can't be read")                       \
	X(BAD_FLAGS, "bad_flags", "segments with flags that no client sends")                      \
	X(IP_OPTIONS, "ip_options",                                                                \
	  "packets to a service with IP options or extension headers, "                            \
	  "dropped")                                                                               \
	X(FRAGMENTS, "fragments", "IP fragments to a service, dropped")                            \
	X(HANDOFFS_FIRST, "handoffs_first", "connections handed to a node")                        \
	X(HANDOFFS_LATER, "handoffs_later", "connections handed on to another node")               \
	X(WRAPPED, "wrapped", "segments sent under a Baton header")                                \
	X(BARE, "bare", "segments sent as they came")                                              \
	X(CONFIRMS, "confirms", "confirmations by an owner")                                       \
	X(RELEASES, "releases", "flows that their owner says are over")                            \
	X(KILLED, "killed", "connections ended by order (flows --kill)")                           \
	X(ASTRAY, "astray", "segments that came back from a node that hasn't the flow")            \
	X(ASTRAY_DROPPED, "astray_dropped", "of these, dropped: there was nowhere to send them")   \
	X(FORGOTTEN, "forgotten", "flows reset because their owner has forgotten them")            \
	X(OUTDATED, "outdated", "flows that had moved on through another front")                   \
	X(ASKED, "who_has", "flows not known, for which the nodes were asked")                     \
	X(ASKED_LIMITED, "who_has_limited", "of such flows, not asked for: too many at a time")    \
	X(ASKED_FOUND, "who_has_found", "of those asked for, found")                               \
	X(ASKED_NOBODY, "who_has_nobody", "of those asked for, on no node: reset, or begun")       \
	X(ASKS, "asks", "requests that nodes asked the dispatcher about")                          \
	X(ASKS_STAY, "asks_stay", "of these, answered: stay with the asker")                       \
	X(STALE, "stale", "messages of a node that is not the owner any more, dropped")            \
	X(NO_FLOW, "no_flow", "messages of nodes about flows that are not known")                  \
	X(BAD_HEADER, "bad_header", "Baton headers of a wrong form, version or type")              \
	X(BAD_MAC, "bad_mac", "Baton headers whose MAC is wrong")                                  \
	X(NOT_FRESH, "not_fresh", "Baton headers too old, or of the future")                       \
	X(REPLAYS, "replays", "first segments of connections that are over, dropped")              \
	X(DENIED, "denied", "packets of clients that may not use the service, dropped")            \
	X(SOURCE_RATE, "source_rate", "connections reset: too many of one client in a second")     \
	X(SOURCE_CONNECTIONS, "source_connections", "the same: too many open at a time")           \
	X(FLOWS_FULL, "flows_full", "connections refused because the table of flows is full")      \
	X(REVIVED, "revived", "connections of a dead node that went on elsewhere: quiet")          \
	X(RESETS, "resets", "segments answered by an RST because their node is down")              \
	X(NO_NODE, "no_node", "requests for which no node is up")                                  \
	X(UNREACHABLE, "unreachable", "segments dropped because their node's MAC isn't known")     \
	X(TOO_LONG, "too_long", "segments too long to be wrapped, dropped")                        \
	X(ICMP, "icmp", "ICMP errors about a flow, sent to its node")                              \
	X(LAYER4, "layer4", "packets of services that only forward")                               \
	X(LAYER4_FLOWS, "layer4_flows", "flows of such services placed")                           \
	X(NAT_IN, "nat_in", "packets translated for a node")                                       \
	X(NAT_OUT, "nat_out", "packets of nodes translated for a client")                          \
	X(NAT_CLASHES, "nat_clashes",                                                              \
	  "packets dropped: the same client port talks to the same node by another VIP")           \
	X(SLOW_FLOWS, "slow_flows", "connections whose first request the daemon reads")            \
	X(SLOW_SEGMENTS, "slow_segments", "segments of these, given to the daemon")                \
	X(SLOW_DROPPED, "slow_dropped", "of these, lost because the daemon was behind")            \
	X(SLOW_PLACED, "slow_placed", "of these connections, placed by what they ask for")         \
	X(SLOW_ACKED, "slow_acked", "of these, begun to be acknowledged before they were placed")  \
	X(SLOW_TOO_LONG, "slow_too_long", "heads that are too long, answered 431 or by an alert")  \
	X(SLOW_URI_TOO_LONG, "slow_uri_too_long", "request lines too long, answered 414")          \
	X(SLOW_TIMED_OUT, "slow_timed_out", "heads that took too long, answered 408 or reset")     \
	X(SLOW_NO_NODE, "slow_no_node", "answered 503, or by an alert: no node is up")             \
	X(SLOW_ABANDONED, "slow_abandoned", "ended by the client before the head was whole")       \
	X(SLOW_LOST, "slow_lost", "reset: what the daemon had acknowledged is lost")               \
	X(SLOW_FULL, "slow_full", "heads not kept because the daemon's room is full")              \
	X(SLOW_AWAY, "slow_away", "heads not kept because the daemon is away")                     \
	X(FALLBACK_SPLIT, "fallback_split", "placed by client: the head was not whole, not kept")  \
	X(FALLBACK_NOT_HTTP, "fallback_not_http", "placed by client: not what the service speaks") \
	X(QUESTIONS, "questions", "requests that the front asked a dispatcher elsewhere about")    \
	X(QUESTIONS_LATER, "questions_later", "segments behind such a request, sent after it")     \
	X(ANSWERS, "answers", "answers of dispatchers to the front")                               \
	X(ANSWERS_LATE, "answers_late", "answers dropped: the request was placed meanwhile")       \
	X(FALLBACK_DISPATCHER, "fallback_dispatcher", "placed by hash: no dispatcher answers")     \
	X(FALLBACK_UNANSWERED, "fallback_unanswered", "placed by hash: the client asked again")    \
	X(FALLBACK_UNASKED, "fallback_unasked", "placed by hash: dispatchers are not asked")       \
	X(FALLBACK_ANSWER, "fallback_answer", "placed by hash: the answer's node is down")         \
	X(FALLBACK_NO_HOST, "fallback_no_host", "placed by path alone, or by client: no name")

#define X(name, key, help) FRONT_COUNT_##name,
enum front_counter { FRONT_COUNTERS(X) FRONT_COUNT_COUNT };
#undef X

/* Map `front_services`: per-CPU array, index is the service's id. */
struct front_service_counters {
	__u64 packets, bytes_in;
	__u64 syn;
	__u64 handoffs_first, handoffs_later;
	__u64 fallbacks;
};
WIRE_SIZE(struct front_service_counters, 48);

/* Map `front_nodes`: per-CPU array, index is the node's id. */
struct front_node_counters {
	__u64 packets, bytes; /* sent to it, under a Baton header or not */
	__u64 first, later;   /* handoffs to it */
	__u64 away;	      /* handoffs from it */
	__u64 reasons[16];    /* handoffs to it by enum place_reason */
};
WIRE_SIZE(struct front_node_counters, 168);

#endif
