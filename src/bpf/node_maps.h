/* The maps of the node's programs, and the memory they work in. */
#ifndef BATON_BPF_NODE_MAPS_H
#define BATON_BPF_NODE_MAPS_H

#include "bpf/cluster_maps.h"
#include "bpf/http_request.h"
#include "bpf/rules.h"
#include "wire/counters.h"
#include "wire/header.h"
#include "wire/node.h"
#include "wire/place.h"

/* Every flow that is or lately was here. No LRU: an entry forgotten early would let a dead socket
 * speak, or a late segment run a request again. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, HELD_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct flow_key);
	__type(value, struct held);
} held SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, NODE_COUNT_COUNT);
	__type(key, __u32);
	__type(value, __u64);
} node_counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SERVICES_MAX);
	__type(key, __u32);
	__type(value, struct node_service_counters);
} node_services SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct node_load);
} node_load SEC(".maps");

/* Segments that wait for an old socket to go. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} parked SEC(".maps");

/* Flows (struct flow_key) that the server has reset: the daemon runs node_release for each. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 18);
} over SEC(".maps");

/* What node_quiet finds (struct checkpoint). */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} quiet SEC(".maps");

/* A TCP segment: where its parts lie in the frame and what it says. */
struct segment {
	struct flow_key key;
	struct service_key service_key;
	__u32 ip_at, tcp_at, payload_at; /* from the start of the frame */
	__u32 ip_length;		 /* of the whole packet, by its own header */
	__u32 length;			 /* payload */
	__u32 seq, ack;			 /* host order */
	__u8 protocol;			 /* IP version: 4 or 6 */
	__u8 flags;			 /* TCP's, as in its 14th byte */
	__u8 doff;			 /* TCP's header, in words */
	__u8 kind;			 /* enum segment_kind */
};

enum segment_kind {
	SEGMENT_OTHER, /* not TCP, not UDP, or not readable */
	SEGMENT_TCP,
	SEGMENT_UDP,	  /* only the key is filled in; payload_at is behind the UDP header */
	SEGMENT_FRAGMENT, /* of IPv4; no ports are read but of the first */
};

/* What a socket said of itself. */
struct socket_state {
	__u32 state; /* TCP_*; 0 there is none */
	__u32 rcv_nxt, copied_seq, snd_nxt, write_seq;
	__u32 srtt; /* us */
	__u32 cwnd;
	__u32 gaps; /* it holds segments that came out of order */
};

/* The outer headers of what goes to the front, in one piece. */
struct outer4 {
	__u8 ethernet[14];
	struct iphdr ip;
	struct udphdr udp;
	struct baton_header header;
} __attribute__((packed, aligned(2)));

struct outer6 {
	__u8 ethernet[14];
	struct ipv6hdr ip;
	struct udphdr udp;
	struct baton_header header;
} __attribute__((packed, aligned(2)));

/* Work area. node_in and node_out have one each: sending from node_in runs node_out on the same
 * CPU. `packet` holds the client's IP packet from its header on, `text` what is parsed of its
 * payload. */
struct work {
	struct scratch packet;
	struct scratch text;
	struct http_request request;
	struct baton_header header __attribute__((aligned(8)));
	struct segment segment;
	struct socket_state socket;
	struct place_query query;
	struct rule_search rules;
	struct held fresh;
	union {
		struct outer4 outer4;
		struct outer6 outer6;
	};
	__u32 loaded;		       /* bytes in `packet` */
	__u32 reason;		       /* enum place_reason of the last decision */
	__u32 stay;		       /* why not elsewhere: a counter */
	__u32 behind;		       /* requests in hand after the first one */
	__u32 taking;		       /* the request in hand came by a handoff */
	__u32 unread;		       /* the same, but it is not yet anybody's */
	__u32 dispatcher;	       /* PLACE_ASK: whom, if dispatchers are elsewhere */
	__u32 bounces;		       /* of the frame in hand */
	__u32 wanted;		       /* request_follow: what it is to return */
	__u32 astray_ms, astray_count; /* of this CPU, whatever the frame */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct work);
} node_work SEC(".maps");

enum { WORK_IN, WORK_OUT };

INLINE struct work *work_area(__u32 which)
{
	return bpf_map_lookup_elem(&node_work, &which);
}

INLINE void count_more(__u32 counter, __u64 more)
{
	__u64 *value = bpf_map_lookup_elem(&node_counters, &counter);

	if (value)
		*value += more;
}

INLINE void count(__u32 counter)
{
	count_more(counter, 1);
}

INLINE struct node_service_counters *service_counters(__u32 service)
{
	return bpf_map_lookup_elem(&node_services, &service);
}

INLINE struct node_load *load_here(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&node_load, &zero);
}

/* A request of the service has been read; `responses` have ended; `requests` will have none that is
 * seen here. */
INLINE void load_begun(struct node_service_counters *counters)
{
	struct node_load *load = load_here();

	if (counters)
		counters->begun++;
	if (load)
		__sync_fetch_and_add(&load->in_service, 1);
}

INLINE void load_answered(struct node_service_counters *counters, __u32 responses)
{
	struct node_load *load = load_here();

	if (counters)
		counters->requests += responses;
	if (load)
		__sync_fetch_and_sub(&load->in_service, responses);
}

INLINE void load_abandoned(struct node_service_counters *counters, __u32 requests)
{
	struct node_load *load = load_here();

	if (counters)
		counters->abandoned += requests;
	if (load)
		__sync_fetch_and_sub(&load->in_service, requests);
}

/* A request that the dispatcher (or the front) gave to this node has come. */
INLINE void load_received(void)
{
	struct node_load *load = load_here();

	if (load)
		__sync_fetch_and_add(&load->received, 1);
}

INLINE __u64 owner_of(__u32 generation, __u32 state)
{
	return (__u64)generation << 32 | state;
}

INLINE __u32 owner_state(__u64 owner)
{
	return owner;
}

INLINE __u32 owner_generation(__u64 owner)
{
	return owner >> 32;
}

/* 1 if `*owner` was `from` and is now `to`. A full barrier either way. */
INLINE int owner_change(struct held *flow, __u64 from, __u64 to)
{
	return __sync_val_compare_and_swap(&flow->owner, from, to) == from;
}

#endif
