#include "trace/trace.h"

#include "base/clock.h"
#include "control/endpoint.h"
#include "control/reasons.h"
#include "wire/cluster.h"
#include "wire/counters.h"
#include "wire/header.h"
#include "wire/node.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

enum { ETHERNET = 14, FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16 };

static const char *const front_counters[] = {
#define X(name, key, help) [FRONT_COUNT_##name] = key,
	FRONT_COUNTERS(X)
#undef X
};

static const char *const node_counters[] = {
#define X(name, key, help) [NODE_COUNT_##name] = key,
	NODE_COUNTERS(X)
#undef X
};

static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t get32(const uint8_t *at)
{
	return (uint32_t)get16(at) << 16 | get16(at + 2);
}

/* The IP packet at `at`: addresses, protocol, where its payload begins. Returns its end, 0: none.
 */
static uint32_t read_ip(const uint8_t *frame, uint32_t have, uint32_t *at,
			struct segment_words *words, uint8_t *protocol)
{
	const uint8_t *ip = frame + *at;
	__be32 address;

	if (have < *at + 40)
		return 0;
	if (ip[0] >> 4 == 4) {
		uint32_t end = *at + get16(ip + 2);

		memcpy(&address, ip + 12, 4);
		address_from_ipv4(&words->key.client, address);
		memcpy(&address, ip + 16, 4);
		address_from_ipv4(&words->key.vip, address);
		*protocol = ip[9];
		*at += (ip[0] & 15) * 4u;
		return end;
	}
	if (ip[0] >> 4 != 6)
		return 0;
	memcpy(&words->key.client, ip + 8, 16);
	memcpy(&words->key.vip, ip + 24, 16);
	*protocol = ip[6];
	*at += 40;
	return *at + get16(ip + 4);
}

void segment_words(const uint8_t *frame, uint32_t have, struct segment_words *words)
{
	uint32_t at = ETHERNET, end, payload;
	struct baton_header header;
	uint8_t protocol = 0;
	size_t length = 0;

	memset(words, 0, sizeof(*words));
	end = read_ip(frame, have, &at, words, &protocol);
	if (end && protocol == IPPROTO_UDP && have >= at + 8 + sizeof(header)) {
		memcpy(&header, frame + at + 8, sizeof(header));
		if (ntohs(header.magic) != BATON_MAGIC)
			return;
		words->wrapped = true;
		words->type = header.type;
		words->node = ntohs(header.node);
		words->reason = header.reason;
		words->header_flags = ntohs(header.flags);
		words->generation = ntohl(header.generation);
		at += 8 + (uint32_t)sizeof(header);
		end = read_ip(frame, have, &at, words, &protocol);
	}
	if (!end || protocol != IPPROTO_TCP || have < at + 20)
		return;
	words->valid = true;
	memcpy(&words->key.client_port, frame + at, 2);
	memcpy(&words->key.vip_port, frame + at + 2, 2);
	words->seq = get32(frame + at + 4);
	words->ack = get32(frame + at + 8);
	words->flags = frame[at + 13];
	payload = at + (uint32_t)(frame[at + 12] >> 4) * 4;
	words->length = end > payload ? end - payload : 0;
	while (words->length && payload + length < have && length < words->length &&
	       length + 1 < sizeof(words->line) && isprint(frame[payload + length])) {
		words->line[length] = (char)frame[payload + length];
		length++;
	}
	/* Not text: a body, or TLS. */
	if (length < 4 && length < words->length)
		words->line[0] = 0;
}

static void flags_text(uint8_t flags, char text[32])
{
	snprintf(text, 32, "%s%s%s%s%s", flags & SYN ? "SYN " : "", flags & FIN ? "FIN " : "",
		 flags & RST ? "RST " : "", flags & PSH ? "PSH " : "", flags & ACK ? "ACK " : "");
	if (*text)
		text[strlen(text) - 1] = 0;
}

static const char *type_name(uint8_t type)
{
	static const char *const names[] = {"",	   "HANDOFF", "RETURN",	 "CONFIRM", "ASTRAY",
					    "ASK", "ANSWER",  "WHO_HAS", "RELEASE"};

	return type < sizeof(names) / sizeof(names[0]) ? names[type] : "?";
}

static const char *node_name(const struct node_names *nodes, uint16_t id, char text[TRACE_NAME])
{
	if (id >= TRACE_HOSTS || !*nodes->names[id])
		snprintf(text, TRACE_NAME, id ? "node %u" : "nobody", id);
	else
		snprintf(text, TRACE_NAME, "%s", nodes->names[id]);
	return text;
}

static const char *reason(uint8_t which)
{
	return reason_text(which);
}

static void front_decision(const struct traced_packet *event, const struct segment_words *after,
			   uint16_t to, const struct node_names *nodes, char text[160])
{
	char name[TRACE_NAME], flags[32];

	if (event->verdict == XDP_DROP) {
		snprintf(text, 160, "kept or dropped");
	} else if (event->verdict == XDP_PASS) {
		snprintf(text, 160, "left to the front's own stack");
	} else if (after->wrapped) {
		snprintf(text, 160, "%s to %s, reason %s, generation %u%s%s",
			 type_name(after->type), node_name(nodes, after->node, name),
			 reason(after->reason), after->generation,
			 after->header_flags & BATON_FLAG_FIRST ? ", first" : "",
			 after->header_flags & BATON_FLAG_REPEAT ? ", repeat" : "");
	} else if (after->valid &&
		   !memcmp(&after->key.vip, &event->key.client, sizeof(struct address))) {
		flags_text(after->flags, flags);
		snprintf(text, 160, "answered by the front: %s", flags);
	} else {
		snprintf(text, 160, "sent on to %s as it came", node_name(nodes, to, name));
	}
}

static void node_decision(const struct traced_packet *event, const struct segment_words *before,
			  const struct segment_words *after, const struct node_names *nodes,
			  char text[160])
{
	static const char *const states[] = {"unknown", "held", "muted", "left", "over"};
	uint32_t state = event->known ? (uint32_t)event->owner : 0;
	char name[TRACE_NAME];
	int length;

	if (event->verdict == TC_ACT_SHOT)
		length = snprintf(text, 160, "taken or dropped");
	else if (after->flags & ~before->flags & (RST | FIN) && after->valid)
		length = snprintf(text, 160, "%s for the socket that it leaves",
				  after->flags & RST ? "RST" : "FIN");
	else if (event->verdict == TC_ACT_REDIRECT)
		length = snprintf(text, 160, "sent round or back");
	else
		length = snprintf(text, 160,
				  event->place == TRACE_NODE_OUT ? "to the client"
								 : "to the server");
	length += snprintf(text + length, 160 - (size_t)length, ", flow %s",
			   states[state <= HELD_OVER ? state : 0]);
	if (state == HELD_LEFT)
		length += snprintf(text + length, 160 - (size_t)length, " for %s",
				   event->node ? node_name(nodes, event->node, name)
					       : "whom the front chooses");
	if (event->known)
		length += snprintf(text + length, 160 - (size_t)length, ", request %u, response %u",
				   event->requests, event->responses);
	if (event->known && event->flags & HELD_PINNED)
		snprintf(text + length, 160 - (size_t)length, ", pinned: %s", pin_text(event->pin));
}

json_t *tell_event(const struct traced_packet *event, const char *host, uint16_t to,
		   const struct node_names *nodes)
{
	static const char *const places[] = {"in", "in", "out"};
	bool front = event->place == TRACE_FRONT;
	struct segment_words before, after;
	char decision[160], flags[32], client[ENDPOINT_TEXT];
	struct endpoint endpoint = {event->key.client, ntohs(event->key.client_port)};
	json_t *raised = json_array(), *told;

	segment_words(event->before, event->before_length, &before);
	segment_words(event->after, event->after_length, &after);
	if (front)
		front_decision(event, &after, to, nodes, decision);
	else
		node_decision(event, &before, &after, nodes, decision);
	for (unsigned int i = 0; i < event->raised_count && i < TRACE_RAISED; i++) {
		unsigned int which = event->raised[i];

		if (front ? which < FRONT_COUNT_COUNT : which < NODE_COUNT_COUNT)
			json_array_append_new(raised, json_string(front ? front_counters[which]
									: node_counters[which]));
	}
	flags_text(before.flags, flags);
	told = json_pack("{s:f, s:s, s:s, s:s, s:s, s:I, s:I, s:i, s:s, s:o}", "time",
			 (double)event->time_ns / 1e9, "host", host, "way",
			 places[event->place < TRACE_PLACES ? event->place : 0], "client",
			 endpoint_text(&endpoint, client), "flags", flags, "seq",
			 (json_int_t)before.seq, "ack", (json_int_t)before.ack, "length",
			 (int)before.length, "decision", decision, "counted", raised);
	if (*before.line)
		json_object_set_new(told, "line", json_string(before.line));
	if (before.wrapped)
		json_object_set_new(told, "wrapped", json_string(type_name(before.type)));
	return told;
}
