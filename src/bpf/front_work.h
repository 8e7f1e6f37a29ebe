/* What the programs of front and dispatcher work with: the packet in hand and what is found out
 * about it, counters, and the cluster as both know it. */
#ifndef BATON_BPF_FRONT_WORK_H
#define BATON_BPF_FRONT_WORK_H

#include "bpf/checksum.h"
#include "bpf/cluster_maps.h"
#include "bpf/cookie.h"
#include "bpf/first_request.h"
#include "bpf/header.h"
#include "wire/counters.h"
#include "wire/front.h"
#include "wire/place.h"
#include "wire/slow.h"

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, FRONT_COUNT_COUNT);
	__type(key, __u32);
	__type(value, __u64);
} front_counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SERVICES_MAX);
	__type(key, __u32);
	__type(value, struct front_service_counters);
} front_services SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, NODES_MAX);
	__type(key, __u32);
	__type(value, struct front_node_counters);
} front_nodes SEC(".maps");

enum {
	ETHERNET_LENGTH = 14,
	IPV4_LENGTH = 20,
	IPV6_LENGTH = 40,
	TCP_LENGTH = 20,
	UDP_LENGTH = 8,
	TCP_FIN = 1,
	TCP_SYN = 2,
	TCP_RST = 4,
	TCP_PSH = 8,
	TCP_ACK = 16,
	NEXT_HOP_BY_HOP = 0,
	NEXT_ROUTING = 43,
	NEXT_FRAGMENT = 44,
	NEXT_ICMPV6 = 58,
	NEXT_DESTINATION = 60,
};

#define ETHERTYPE_IPV4 __builtin_bswap16(0x0800)
#define ETHERTYPE_IPV6 __builtin_bswap16(0x86dd)

/* A client's TCP segment, its IP packet beginning right behind the Ethernet header. */
struct segment {
	struct flow_key key;
	__u32 seq, ack;	  /* host order */
	__u32 length;	  /* payload */
	__u32 ip_length;  /* the IP packet by its own header */
	__u32 tcp_at;	  /* from the beginning of the IP packet */
	__u32 payload_at; /* the same */
	__u8 protocol;	  /* IP version: 4 or 6 */
	__u8 flags;	  /* TCP's, as in its 14th byte */
	__u16 zero;
};

/* A segment that the front sends by itself. */
struct answer {
	__u32 seq, ack; /* host order */
	__u16 window;
	__u8 flags;
	__u8 words; /* of `options` that are used */
	__be32 options[5];
};

/* Whether a dispatcher on another host may be asked about the request in hand. */
enum may_ask {
	ASK_NEVER,
	ASK_ONCE,
	ASK_AGAIN, /* it was, and no answer has come */
	ASK_WAIT,  /* it was just now */
};

struct front_work {
	__u64 now;	       /* frame_now; 0: the clock has not been read */
	struct scratch packet; /* the client's IP packet from its header on, `loaded` bytes of it */
	struct scratch text;   /* its payload */
	union {
		struct http_request request;
		struct client_hello hello;
	};
	struct baton_header header __attribute__((aligned(8)));
	/* A struct front_flow in the making. The kernel wants no lock in a map of this kind, by its
	 * type's name. */
	__u64 fresh[sizeof(struct front_flow) / 8];
	struct segment segment;
	struct answer answer;
	struct tcp_options seen;    /* the options of the segment in hand */
	struct tcp_options offered; /* what the connection's SYN offered, by its cookie */
	struct {
		struct slow_segment head;
		struct scratch frame;
	} slow; /* a record in the making */
	struct slow_order order;
	struct place_query query;
	struct rule_search rules;
	struct service service;
	__u32 loaded;
	__u32 made_by;		       /* syn_began: number of the front that sent the SYN-ACK */
	__u32 reason;		       /* enum place_reason */
	__u16 asker, ask_flags;	       /* node that asks, 0 none; enum place_query_flags */
	__u32 alone;		       /* of the asker, as in struct place_query */
	__u32 own;		       /* the frame came from this host's node */
	__u32 fallback;		       /* its counter: why less is known than the policy wants */
	__u32 may_wait;		       /* place_segment: more bytes may be waited for */
	__u32 may_ask;		       /* the same of a dispatcher: enum may_ask */
	__u32 dispatcher;	       /* which, if that is what place_segment wants */
	__u32 answered, answer_reason; /* what it said: node, 0 nothing; enum place_reason */
	__u32 expired_tick, expired_count; /* syn_expired: when, and how often in that tick */
	__u32 ask_tick, ask_count;	   /* the same of questions to nodes */
	struct front_asked question;
	struct front_question asking;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct front_work);
} front_work SEC(".maps");

INLINE struct front_work *work_area(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&front_work, &zero);
}

/* A frame begins: nothing is known of it. */
INLINE void work_begin(struct front_work *work)
{
	work->now = 0;
	work->asker = 0;
	work->ask_flags = 0;
	work->alone = 0;
	work->may_wait = 0;
	work->may_ask = ASK_NEVER;
	work->answered = 0;
}

INLINE void count_more(__u32 counter, __u64 more)
{
	__u64 *value = bpf_map_lookup_elem(&front_counters, &counter);

	if (value)
		*value += more;
}

INLINE void count(__u32 counter)
{
	count_more(counter, 1);
}

INLINE struct front_service_counters *service_counters(__u32 service)
{
	return bpf_map_lookup_elem(&front_services, &service);
}

INLINE struct front_node_counters *node_counters(__u32 node)
{
	return bpf_map_lookup_elem(&front_nodes, &node);
}

INLINE struct node_entry *node_entry(__u32 node)
{
	return bpf_map_lookup_elem(&nodes, &node);
}

INLINE __u32 frame_length(const struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;

	/* The compiler would narrow both to 32 bits, which is no pointer to the verifier. */
	asm volatile("" : "+r"(data), "+r"(end));
	return end - data;
}

/* 1 if the node can be given segments of the flows that it has. */
INLINE int node_serves(const struct node_entry *node)
{
	return node->state == NODE_UP || node->state == NODE_DRAIN;
}

INLINE __u32 net32(__u32 value)
{
	return __builtin_bswap32(value);
}

INLINE __u16 net16(__u16 value)
{
	return __builtin_bswap16(value);
}

/* 1 if a is before b, as sequence numbers, generations and ticks go (RFC 1982). */
INLINE int before(__u32 a, __u32 b)
{
	return (__s32)(a - b) < 0;
}

/* The front's tick (FRONT_TICK_SHIFT). */
INLINE __u32 tick_now(void)
{
	return bpf_ktime_get_coarse_ns() >> FRONT_TICK_SHIFT;
}

INLINE __u64 cluster_now(const struct cluster *here)
{
	return bpf_ktime_get_boot_ns() + here->clock_offset;
}

/* The same, read once a frame: the clock costs as much as a look-up. */
INLINE __u64 frame_now(struct front_work *work, const struct cluster *here)
{
	if (!work->now)
		work->now = cluster_now(here);
	return work->now;
}

/* What timestamps are made of: cluster time in ms. */
INLINE __u32 clock_ms(__u64 now_ns)
{
	return now_ns / 1000000;
}

INLINE void service_key_of(const struct segment *segment, __u8 protocol, struct service_key *key)
{
	key->vip = segment->key.vip;
	key->port = segment->key.vip_port;
	key->protocol = protocol;
	key->zero = 0;
}

/* Copies the service of the segment in hand to work->service. 0: there is none. */
INLINE int service_find(struct front_work *work, __u8 protocol)
{
	struct service_key key;
	struct service *service;

	service_key_of(&work->segment, protocol, &key);
	service = bpf_map_lookup_elem(&services, &key);
	if (!service)
		return 0;
	work->service = *service;
	return 1;
}

#endif
