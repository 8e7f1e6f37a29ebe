/* The life of a connection on the slow path (slow.c says what that is).
 *
 * What is acknowledged here the client never sends again: until the node has it, it is in this
 * process alone. So nothing is acknowledged as long as the client can go on without: only after the
 * first segment has come twice (the client waits), or INITIAL_WINDOW segments have come (RFC 6928:
 * it can send no more). What was acknowledged is sent to the node until that has said that it has
 * it. */
#include "front/kept.h"

#include "base/clock.h"
#include "front/head.h"
#include "front/refusal.h"
#include "wire/counters.h"
#include "wire/cluster.h"
#include "wire/header.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <endian.h>
#include <errno.h>
#include <string.h>

enum {
	INITIAL_WINDOW = 10,  /* segments */
	WINDOW = 32768,	      /* what is announced, as in the SYN-ACK */
	MTU = 1500,	      /* front_mtu of the program */
	AGAIN_FIRST_MS = 200, /* what isn't confirmed is sent again, twice as late each time */
	LINGER_MS = 1000,     /* a client that has closed may have to be answered once more */
};

/* ---- orders, and frames to the client ---- */

int kept_order(const struct slow_path *slow, const struct kept *kept, enum slow_action action,
	       enum slow_flags flags, enum front_counter counter)
{
	struct slow_order order = {.key = kept->key,
				   .generation = kept->generation,
				   .service = kept->service,
				   .action = action,
				   .flags = flags,
				   .count = counter};

	return orders_do(&slow->orders, &order);
}

/* What is said to the client. TSval is what it echoes itself: the node's clock goes on from there,
 * and a later one said here would make its segments look old. */
static void say(const struct slow_path *slow, const struct kept *kept, uint8_t flags, uint32_t seq,
		uint32_t ack, const void *payload, uint32_t length)
{
	uint8_t frame[SLOW_FRAME_MAX];
	struct segment answer = {
		.from = kept->key.vip,
		.to = kept->key.client,
		.from_port = kept->key.vip_port,
		.to_port = kept->key.client_port,
		.seq = seq,
		.ack = ack,
		.flags = flags,
		.window = WINDOW,
		.stamped = kept->stamped && !(flags & SEGMENT_RST),
		.tsval = kept->tsecr,
		.tsecr = kept->tsval,
		.payload = payload,
		.length = length,
	};

	memcpy(answer.to_mac, kept->client_mac, 6);
	memcpy(answer.from_mac, kept->front_mac, 6);
	orders_send(&slow->orders, frame, segment_make(&answer, frame), 0);
}

void kept_reset(const struct slow_path *slow, const struct kept *kept)
{
	say(slow, kept, SEGMENT_RST, kept->first_ack, 0, NULL, 0);
}

/* ---- refused: answered by the front itself ---- */

static void answer(const struct slow_path *slow, const struct kept *kept)
{
	say(slow, kept, SEGMENT_ACK | SEGMENT_PSH | SEGMENT_FIN, kept->first_ack,
	    kept->first_seq + kept->seen, kept->refusal->text, kept->refusal->length);
}

static bool is_tls(const struct slow_path *slow, const struct kept *kept)
{
	return slow->front->registry->services[kept->service].settings.protocol == PROTOCOL_TLS;
}

/* How far the client has sent: a segment from `at` to `end` has come. */
static void note_end(struct kept *kept, uint32_t at, uint32_t end)
{
	if (at <= kept->seen + WINDOW && end > kept->seen)
		kept->seen = end;
}

/* Answers the client and forgets its request. */
static void refuse(struct slow_path *slow, struct kept *kept, enum refusal_kind kind,
		   enum front_counter counter)
{
	kept_order(slow, kept, SLOW_COUNT, 0, counter);
	kept->refusal = refusal_of(kind, is_tls(slow, kept));
	if (!kept->refusal || slow->count > kept_limits(slow)->flows) {
		kept_reset(slow, kept);
		kept_order(slow, kept, SLOW_END, 0, 0);
		kept_forget(slow, kept);
		return;
	}
	kept->phase = KEPT_REFUSED;
	reassembly_release(&kept->bytes);
	kept->until = clock_now() + kept_limits(slow)->time;
	kept->pause = AGAIN_FIRST_MS * NS_PER_MS;
	kept->again = clock_now() + kept->pause;
	answer(slow, kept);
}

static void on_refused(struct slow_path *slow, struct kept *kept, const struct segment *segment)
{
	uint32_t at = segment->seq - kept->first_seq, heard = segment->ack - kept->first_ack;
	uint32_t end = at + segment->length + !!(segment->flags & SEGMENT_FIN);

	if (segment->flags & SEGMENT_RST) {
		kept_order(slow, kept, SLOW_END, 0, 0);
		kept_forget(slow, kept);
		return;
	}
	if (heard > kept->answered && heard <= kept->refusal->length + 1)
		kept->answered = heard;
	/* What it still sends is thrown away, gaps and all, so that it comes to its end. */
	note_end(kept, at, end);
	kept->fin |= segment->flags & SEGMENT_FIN;
	if (end > at)
		say(slow, kept, SEGMENT_ACK, kept->first_ack + kept->refusal->length + 1,
		    kept->first_seq + kept->seen, NULL, 0);
	if (kept->answered == kept->refusal->length + 1 && kept->fin &&
	    kept->until > clock_now() + LINGER_MS * NS_PER_MS)
		kept->until = clock_now() + LINGER_MS * NS_PER_MS;
}

static void refused_again(struct slow_path *slow, struct kept *kept, uint64_t now)
{
	bool whole = kept->answered == kept->refusal->length + 1;

	if (now >= kept->until) {
		if (!whole || !kept->fin)
			say(slow, kept, SEGMENT_RST, kept->first_ack + kept->answered, 0, NULL, 0);
		kept_order(slow, kept, SLOW_END, 0, 0);
		kept_forget(slow, kept);
	} else if (!whole && now >= kept->again) {
		answer(slow, kept);
		kept->pause *= 2;
		kept->again = now + kept->pause;
	}
}

/* ---- handed to a node ---- */

/* What the client's segments have in common. */
static struct segment client_segment(const struct kept *kept)
{
	struct segment segment = {
		.from = kept->key.client,
		.to = kept->key.vip,
		.from_port = kept->key.client_port,
		.to_port = kept->key.vip_port,
		.seq = kept->first_seq,
		.ack = kept->first_ack,
		.window = kept->window,
		.stamped = kept->stamped,
		.tsval = kept->first_tsval,
		.tsecr = kept->tsecr,
	};

	memcpy(segment.to_mac, kept->front_mac, 6);
	memcpy(segment.from_mac, kept->client_mac, 6);
	return segment;
}

/* A dispatcher elsewhere is to choose the node. It gets what was read, not the bytes, which no
 * segment has room for. */
static void ask(const struct slow_path *slow, struct kept *kept)
{
	const struct slow_order *placing = &kept->placing;
	const struct baton_target target = {
		.target = htobe64(placing->target),
		.carp = htonl(placing->carp),
		.md5 = htonl(placing->md5),
		.pool = htonl(placing->pool),
	};
	struct segment segment = client_segment(kept);
	uint8_t frame[SLOW_FRAME_MAX];

	segment.flags = SEGMENT_ACK | SEGMENT_PSH;
	segment.payload = (const uint8_t *)&target;
	segment.length = sizeof(target);
	kept->asked = true;
	kept->again = clock_now() + DISPATCHER_PATIENCE_NS;
	orders_ask(&slow->orders, placing, frame, segment_make(&segment, frame));
}

/* Sends all that was kept, or up to what was acknowledged only, as segments of the client's.
 * Returns 0 or what orders_hand does. */
static int hand_over(const struct slow_path *slow, const struct kept *kept)
{
	bool six = !address_is_ipv4(&kept->key.vip);
	uint32_t most = MTU - BATON_OVERHEAD_IPV6 - (six ? 40 : 20) - 20 - (kept->stamped ? 12 : 0);
	uint8_t frame[SLOW_FRAME_MAX];
	struct segment segment = client_segment(kept);
	int error = 0;

	for (uint32_t at = 0; at < kept->handed && !error; at += segment.length) {
		bool last = kept->handed - at <= most;

		segment.length = last ? kept->handed - at : most;
		segment.seq = kept->first_seq + at;
		segment.payload = kept->bytes.bytes + at;
		segment.flags = SEGMENT_ACK | (last ? SEGMENT_PSH : 0);
		if (last && kept->fin && kept->fin_at == kept->handed)
			segment.flags |= SEGMENT_FIN;
		error = orders_hand(&slow->orders, &kept->key, kept->generation, frame,
				    segment_make(&segment, frame), kept->ifindex);
	}
	return error;
}

void kept_place(struct slow_path *slow, struct kept *kept, struct slow_order *order)
{
	bool closing = kept->fin && kept->fin_at == kept->bytes.have;
	int error;

	order->key = kept->key;
	order->generation = kept->generation;
	order->service = kept->service;
	order->action = SLOW_PLACE;
	error = orders_do(&slow->orders, order);
	if (error == -ENOENT) {
		refuse(slow, kept, REFUSAL_NO_NODE, FRONT_COUNT_SLOW_NO_NODE);
		return;
	}
	if (error == -EINPROGRESS) {
		kept->placing = *order;
		ask(slow, kept);
		return;
	}
	if (error) {
		/* Reset, or the daemon was thought to be away: not ours any more. */
		kept_forget(slow, kept);
		return;
	}
	kept->phase = KEPT_HANDED;
	kept->ifindex = order->ifindex;
	kept->handed = kept->bytes.have;
	hand_over(slow, kept);
	kept_order(slow, kept, SLOW_OPEN, closing ? SLOW_CLOSING : 0, 0);
	if (!kept->acked) {
		/* The client sends again what is lost, and the program knows where to. */
		kept_forget(slow, kept);
		return;
	}
	kept->until = clock_now() + kept_limits(slow)->time;
	kept->pause = AGAIN_FIRST_MS * NS_PER_MS;
	kept->again = clock_now() + kept->pause;
}

/* Places what was asked about: `answered` is who was named, 0: nobody has answered. */
static void place_asked(struct slow_path *slow, struct kept *kept, uint16_t answered,
			uint8_t reason)
{
	struct slow_order order = kept->placing;

	kept->asked = false;
	order.answered = answered;
	order.answer_reason = reason;
	if (!answered)
		order.flags |= SLOW_UNANSWERED;
	kept_place(slow, kept, &order);
}

void kept_answered(struct slow_path *slow, struct kept *kept, uint16_t node, uint8_t reason)
{
	if (kept->asked)
		place_asked(slow, kept, node, reason);
}

/* Whether the node has what was acknowledged: it has said so, or has answered. */
static bool confirmed(const struct kept *kept, const struct front_flow *flow)
{
	if ((int32_t)(flow->last_ack - kept->first_ack) > 0)
		return true;
	return flow->owner.flags & FRONT_CONFIRMED && flow->have_seq &&
	       (int32_t)(flow->have_seq - (kept->first_seq + kept->handed)) >= 0;
}

static void handed_again(struct slow_path *slow, struct kept *kept, uint64_t now)
{
	struct front_flow flow;

	if (now < kept->again)
		return;
	if (bpf_map_lookup_elem(slow->flows, &kept->key, &flow) ||
	    flow.owner.generation != kept->generation || flow.owner.state == FRONT_ENDED ||
	    flow.owner.state == FRONT_LOST || confirmed(kept, &flow)) {
		kept_forget(slow, kept);
	} else if (now >= kept->until) {
		kept_reset(slow, kept);
		kept_order(slow, kept, SLOW_LOSE, 0, FRONT_COUNT_SLOW_LOST);
		kept_forget(slow, kept);
	} else {
		hand_over(slow, kept);
		kept->pause *= 2;
		kept->again = now + kept->pause;
	}
}

/* ---- gathered ---- */

/* Reads what is there. Returns whether it was enough to go on with. */
static bool decide(struct slow_path *slow, struct kept *kept)
{
	const struct config_service *settings =
		&slow->front->registry->services[kept->service].settings;
	struct slow_order order = {.flags = SLOW_BY_TARGET | SLOW_MAY_ASK,
				   .count = FRONT_COUNT_SLOW_PLACED};
	struct place_query query = {0};

	if (settings->place == PLACE_SPREAD) {
		order.flags = 0;
		kept_place(slow, kept, &order);
		return true;
	}
	switch (head_read(kept->bytes.bytes, kept->bytes.have, settings, kept->service, &query,
			  NULL)) {
	case FIRST_SPLIT:
		return false;
	case FIRST_PLACED:
		break;
	case FIRST_HOSTLESS:
		order.fallback = FRONT_COUNT_FALLBACK_NO_HOST;
		break;
	case FIRST_NAMELESS:
		order.flags = SLOW_MAY_ASK;
		order.fallback = FRONT_COUNT_FALLBACK_NO_HOST;
		break;
	case FIRST_STRANGE:
		order.flags = SLOW_MAY_ASK | SLOW_PINNED;
		order.fallback = FRONT_COUNT_FALLBACK_NOT_HTTP;
		break;
	}
	order.pool = query.pool;
	order.target = query.target;
	order.carp = query.carp;
	order.md5 = query.md5;
	kept_place(slow, kept, &order);
	return true;
}

static void acknowledge(struct slow_path *slow, struct kept *kept)
{
	if (!kept->acked) {
		if (kept_order(slow, kept, SLOW_ACKED, 0, FRONT_COUNT_SLOW_ACKED)) {
			kept_forget(slow, kept);
			return;
		}
		kept->acked = true;
	}
	say(slow, kept, SEGMENT_ACK, kept->first_ack, kept->first_seq + kept->bytes.have, NULL, 0);
}

static void on_gathered(struct slow_path *slow, struct kept *kept, const struct segment *segment)
{
	uint32_t at = segment->seq - kept->first_seq, had = kept->bytes.have, taken;
	bool closes;

	if (segment->flags & SEGMENT_RST) {
		/* Only where the client's next segment would be (RFC 5961, 3.2). */
		if (at != had && (kept->acked || at))
			return;
		kept_order(slow, kept, SLOW_END, 0, FRONT_COUNT_SLOW_ABANDONED);
		kept_forget(slow, kept);
		return;
	}
	if (segment->ack != kept->first_ack || at > kept_limits(slow)->size)
		return;
	if (segment->flags & SEGMENT_FIN && !kept->fin) {
		kept->fin = true;
		kept->fin_at = at + segment->length;
	}
	if (!segment->length && !(segment->flags & SEGMENT_FIN))
		return;
	note_end(kept, at, at + segment->length + !!(segment->flags & SEGMENT_FIN));
	taken = reassembly_add(&kept->bytes, at, segment->payload, segment->length);
	if (at <= had) {
		kept->tsval = segment->tsval;
		kept->tsecr = segment->tsecr;
		kept->window = segment->window;
	}
	kept->gathered += taken > 0;
	if (kept->asked)
		return;
	if (kept->bytes.have > had && decide(slow, kept))
		return;
	closes = kept->fin && kept->fin_at <= kept->bytes.have;
	if (closes) {
		refuse(slow, kept, REFUSAL_CLOSED, FRONT_COUNT_SLOW_ABANDONED);
	} else if (kept->bytes.have >= kept->bytes.limit) {
		bool line = memchr(kept->bytes.bytes, '\n', kept->bytes.have);

		refuse(slow, kept, line ? REFUSAL_TOO_LONG : REFUSAL_URI_TOO_LONG,
		       line || is_tls(slow, kept) ? FRONT_COUNT_SLOW_TOO_LONG
						  : FRONT_COUNT_SLOW_URI_TOO_LONG);
	} else if (kept->acked || (!taken && !at) || kept->gathered >= INITIAL_WINDOW) {
		/* (A repeated segment that isn't the first is a tail loss probe, RFC 8985, 7: that
		 * client waits for nothing yet.) */
		acknowledge(slow, kept);
	}
}

void kept_segment(struct slow_path *slow, struct kept *kept, const struct segment *segment,
		  const uint8_t *frame, uint32_t length)
{
	switch (kept->phase) {
	case KEPT_GATHERED:
		on_gathered(slow, kept, segment);
		break;
	case KEPT_HANDED:
		orders_hand(&slow->orders, &kept->key, kept->generation, frame, length,
			    kept->ifindex);
		break;
	case KEPT_REFUSED:
		on_refused(slow, kept, segment);
		break;
	}
}

void kept_tick(struct slow_path *slow, struct kept *kept, uint64_t now)
{
	switch (kept->phase) {
	case KEPT_GATHERED:
		if (kept->asked && now >= kept->again)
			place_asked(slow, kept, 0, 0);
		else if (!kept->asked && now >= kept->until)
			refuse(slow, kept, REFUSAL_TIMED_OUT, FRONT_COUNT_SLOW_TIMED_OUT);
		break;
	case KEPT_HANDED:
		handed_again(slow, kept, now);
		break;
	case KEPT_REFUSED:
		refused_again(slow, kept, now);
		break;
	}
}
