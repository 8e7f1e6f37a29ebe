/* Telling `baton trace` of the packets of traced clients: what a packet was before and after its
 * program, what was decided, and which counters it raised. The including file says what its packets
 * are (TRACE_CONTEXT, TRACE_LOAD, TRACE_LENGTH), which its counters (TRACE_COUNTERS_MAP,
 * TRACE_COUNT) and what it knows of their flow (TRACE_FLOW). Without a trace a packet costs one
 * look at a map's element.
 *
 * Counters of a CPU that changed between a program's entry and return were changed by the packet in
 * hand: softirqs don't interrupt each other.
 */
#ifndef BATON_BPF_TRACE_H
#define BATON_BPF_TRACE_H

#include "wire/freestanding.h"
#include "wire/header.h"
#include "wire/trace.h"

enum { TRACE_ETHERNET = 14, TRACE_MASK = 511, TRACE_COUNTED = 128 };

_Static_assert(TRACE_COUNT <= TRACE_COUNTED, "room for every counter");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct trace_filter);
} trace_filter SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, TRACE_ROOM);
} traced SEC(".maps");

struct trace_client {
	struct address client;
	__be16 port, zero;
};

/* Connections that asked for the traced URL. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, TRACE_CLIENTS);
	__type(key, struct trace_client);
	__type(value, __u32); /* the trace's number */
} trace_clients SEC(".maps");

struct look {
	struct traced_packet packet; /* parsing may read behind its bytes, but not behind it */
	__u64 counters[TRACE_COUNTED], zero;
	__u32 active; /* the packet in hand is traced */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, TRACE_PLACES);
	__type(key, __u32);
	__type(value, struct look);
} trace_work SEC(".maps");

INLINE struct look *trace_look(__u32 place)
{
	return bpf_map_lookup_elem(&trace_work, &place);
}

INLINE struct trace_filter *trace_filter_here(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&trace_filter, &zero);
}

/* The nought of LOOP_STEP. */
INLINE __u64 trace_zero(struct look *look)
{
	volatile __u64 *place = &look->zero;

	*place = 0;
	return *place;
}

/* A trace is going on. */
INLINE int trace_on(void)
{
	struct trace_filter *filter = trace_filter_here();

	return filter && filter->until_ns;
}

INLINE const __u8 *trace_byte(const struct look *look, __u32 at)
{
	asm volatile("" : "+r"(at));
	return look->packet.before + (at & TRACE_MASK);
}

INLINE __be16 trace_word(const struct look *look, __u32 at)
{
	return *(const __be16 *)trace_byte(look, at);
}

/* The addresses of the IP packet at `at`. Returns where its payload begins if that is TCP, the same
 * negative if it is UDP, 0 if neither. */
SUBPROGRAM int trace_ip(struct look *look, __u32 at, __u32 version, __u32 out)
{
	struct address from = {}, to = {};
	struct flow_key *key;
	__u32 protocol, next;

	if (!look)
		return 0;
	key = &look->packet.key;
	if (version == 4) {
		protocol = *trace_byte(look, at + 9);
		next = at + (*trace_byte(look, at) & 15) * 4;
		address_from_ipv4(&from, *(const __be32 *)trace_byte(look, at + 12));
		address_from_ipv4(&to, *(const __be32 *)trace_byte(look, at + 16));
	} else {
		protocol = *trace_byte(look, at + 6);
		next = at + 40;
		__builtin_memcpy(&from, trace_byte(look, at + 8), 16);
		__builtin_memcpy(&to, trace_byte(look, at + 24), 16);
	}
	if (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP)
		return 0;
	key->client = out ? to : from;
	key->vip = out ? from : to;
	key->client_port = trace_word(look, out ? next + 2 : next);
	key->vip_port = trace_word(look, out ? next : next + 2);
	return protocol == IPPROTO_UDP ? -(int)next : (int)next;
}

/* Whether the payload of the TCP segment at `at` asks for the traced path. */
SUBPROGRAM int trace_path(struct look *look, __u32 at)
{
	struct trace_filter *filter = trace_filter_here();
	__u64 from, i = 0, zero;
	__u32 length;
	__u8 behind;

	if (!look || !filter)
		return 0;
	from = at + (*trace_byte(look, at + 12) >> 4) * 4;
	length = filter->path_length;
	zero = trace_zero(look);
	/* The method. */
	while (i < 16) {
		LOOP_STEP(i, zero);
		if (*trace_byte(look, from + i) == ' ')
			break;
		i++;
	}
	from += i + 1;
	if (i >= 16 || length > TRACE_PATH || from + length >= look->packet.before_length)
		return 0;
	i = 0;
	while (i < length) {
		LOOP_STEP(i, zero);
		if (*trace_byte(look, from + i) != (__u8)filter->path[i & (TRACE_PATH - 1)])
			return 0;
		i++;
	}
	behind = *trace_byte(look, from + length);
	return behind == ' ' || behind == '?';
}

/* The packet is of a client that is traced. */
SUBPROGRAM int trace_matches(struct look *look, __u32 out)
{
	struct trace_filter *filter = trace_filter_here();
	struct trace_client client = {};
	__u32 inner, *known;
	__be16 ethertype;
	int at;

	if (!look || !filter)
		return 0;
	ethertype = trace_word(look, 12);
	if (ethertype != __builtin_bswap16(0x0800) && ethertype != __builtin_bswap16(0x86dd))
		return 0;
	at = trace_ip(look, TRACE_ETHERNET, ethertype == __builtin_bswap16(0x0800) ? 4 : 6, out);
	if (at < 0) {
		inner = 8 - at;
		if (look->packet.key.vip_port != filter->port ||
		    trace_word(look, inner) != __builtin_bswap16(BATON_MAGIC))
			return 0;
		at = trace_ip(look, inner + sizeof(struct baton_header),
			      *trace_byte(look, inner + __builtin_offsetof(struct baton_header,
									   protocol)),
			      0);
	}
	if (at <= 0)
		return 0;
	if (address_equal(&filter->client, &look->packet.key.client))
		return !filter->client_port || filter->client_port == look->packet.key.client_port;
	if (!filter->path_length)
		return 0;
	client.client = look->packet.key.client;
	client.port = look->packet.key.client_port;
	known = bpf_map_lookup_elem(&trace_clients, &client);
	if (known && *known == filter->number)
		return 1;
	if (out || !trace_path(look, at))
		return 0;
	bpf_map_update_elem(&trace_clients, &client, &filter->number, BPF_ANY);
	return 1;
}

/* Before the program: looks whether the packet is traced. */
SUBPROGRAM int trace_enter(TRACE_CONTEXT *context, __u32 place)
{
	struct trace_filter *filter = trace_filter_here();
	struct look *look = trace_look(place);
	__u64 *value, length, zero, i = 0;
	__u32 at;

	if (!look || !filter || filter->until_ns < bpf_ktime_get_ns())
		return 0;
	length = TRACE_LENGTH(context);
	look->packet.length = length;
	look->active = 0;
	if (length > TRACE_BYTES)
		length = TRACE_BYTES;
	asm volatile("" : "+r"(length));
	if (length < 54 || length > TRACE_BYTES ||
	    TRACE_LOAD(context, 0, look->packet.before, length))
		return 0;
	look->packet.before_length = length;
	look->packet.place = place;
	if (!trace_matches(look, place == TRACE_NODE_OUT))
		return 0;
	zero = trace_zero(look);
	while (i < TRACE_COUNT) {
		LOOP_STEP(i, zero);
		at = i;
		value = bpf_map_lookup_elem(&TRACE_COUNTERS_MAP, &at);
		if (!value)
			break;
		look->counters[i & (TRACE_COUNTED - 1)] = *value;
		i++;
	}
	look->active = 1;
	return 0;
}

/* Which counters have been raised since. */
SUBPROGRAM int trace_raised(struct look *look)
{
	__u64 *value, zero, i = 0;
	__u32 at;

	if (!look)
		return 0;
	look->packet.raised_count = 0;
	zero = trace_zero(look);
	while (i < TRACE_COUNT) {
		LOOP_STEP(i, zero);
		at = i;
		value = bpf_map_lookup_elem(&TRACE_COUNTERS_MAP, &at);
		if (!value)
			break;
		if (*value != look->counters[i & (TRACE_COUNTED - 1)] &&
		    look->packet.raised_count < TRACE_RAISED) {
			at = look->packet.raised_count & 15;
			asm volatile("" : "+r"(at));
			if (at < TRACE_RAISED)
				look->packet.raised[at] = i;
			look->packet.raised_count++;
		}
		i++;
	}
	return 0;
}

/* Behind it. */
SUBPROGRAM int trace_leave(TRACE_CONTEXT *context, __u32 place, int verdict)
{
	struct trace_filter *filter = trace_filter_here();
	struct look *look = trace_look(place);
	__u64 length;

	if (!look || !filter || !look->active)
		return 0;
	look->active = 0;
	look->packet.verdict = verdict;
	length = TRACE_LENGTH(context);
	if (length > TRACE_AFTER)
		length = TRACE_AFTER;
	asm volatile("" : "+r"(length));
	look->packet.after_length = 0;
	if (!length)
		goto raised;
	/* Two comparisons, not one of length - 1: Linux 6.12's verifier does not see both bounds.
	 */
	asm volatile("" : "+r"(length));
	if (length <= TRACE_AFTER && !TRACE_LOAD(context, 0, look->packet.after, length))
		look->packet.after_length = length;
raised:
	trace_raised(look);
	TRACE_FLOW(&look->packet);
	look->packet.time_ns = bpf_ktime_get_ns();
	if (bpf_ringbuf_output(&traced, &look->packet, sizeof(look->packet), 0))
		__sync_fetch_and_add(&filter->lost, 1);
	return 0;
}

#endif
