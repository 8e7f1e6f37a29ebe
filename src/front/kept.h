/* A connection on the slow path: its phases, and what it says to the client and to the node. What
 * slow.c shares with kept.c and nobody else. */
#ifndef BATON_FRONT_KEPT_H
#define BATON_FRONT_KEPT_H

#include "front/orders.h"
#include "front/reassembly.h"
#include "control/segment.h"
#include "front/slow.h"
#include "wire/counters.h"

#include <sys/queue.h>

enum { KEPT_BUCKETS = 4096 }; /* a power of two */

enum kept_phase {
	KEPT_GATHERED, /* its first bytes are being put together */
	KEPT_HANDED,   /* a node has got them, and is to confirm what was acknowledged here */
	KEPT_REFUSED,  /* it has been answered here, the client is waited for to close */
};

struct kept {
	LIST_ENTRY(kept) bucket;
	TAILQ_ENTRY(kept) all;
	struct flow_key key;
	uint32_t generation, first_seq, first_ack; /* as in the flow's entry */
	uint16_t service;
	enum kept_phase phase;
	uint8_t client_mac[6], front_mac[6];
	struct reassembly bytes;
	uint32_t gathered; /* segments that brought something */
	bool acked;	   /* bytes have been acknowledged here */
	bool fin;	   /* the client's FIN has come, `fin_at` bytes behind first_seq */
	uint32_t fin_at;
	bool stamped;		   /* has timestamps */
	uint32_t first_tsval;	   /* of the client's first segment */
	uint32_t tsval, tsecr;	   /* of its last one in order */
	uint16_t window;	   /* the same */
	uint64_t until;		   /* the phase's end */
	uint64_t again, pause;	   /* when something is sent again, and how long after that */
	bool asked;		   /* GATHERED: a dispatcher elsewhere is asked, until `again` */
	struct slow_order placing; /* the same: what is carried out then */
	uint32_t ifindex;	   /* HANDED: towards the node */
	uint32_t handed;	   /* HANDED: so many bytes were */
	const struct refusal *refusal;
	uint32_t seen;	   /* how far the client has sent, its FIN included, gaps or not */
	uint32_t answered; /* REFUSED: bytes of the answer, our FIN included, that the client has */
};

struct slow_path {
	uv_timer_t timer;
	uv_poll_t ready;
	unsigned int handles;
	struct front *front;
	struct ring_buffer *ring;
	struct orders orders;
	int control, flows, nodes; /* maps */
	unsigned int batch;	   /* records taken so far */
	unsigned int count;	   /* of connections kept */
	struct slow_control told;  /* what `control` holds */
	LIST_HEAD(, kept) buckets[KEPT_BUCKETS];
	TAILQ_HEAD(, kept) all;
};

static inline const struct config_slow *kept_limits(const struct slow_path *slow)
{
	return &slow->front->config.front.slow;
}

/* slow.c: releases it, and the room that it took. */
void kept_forget(struct slow_path *slow, struct kept *kept);

/* kept.c. All of these may forget what they are about. */

/* An order that needs no more than its action. Returns what orders_do does. */
int kept_order(const struct slow_path *slow, const struct kept *kept, enum slow_action action,
	       enum slow_flags flags, enum front_counter counter);

/* Ends the connection at once, as far as the client is concerned. */
void kept_reset(const struct slow_path *slow, const struct kept *kept);

/* Carries out `order`, whose flags, hashes and counters say how, and hands over what has come; or
 * asks the dispatcher elsewhere that is to choose. */
void kept_place(struct slow_path *slow, struct kept *kept, struct slow_order *order);

/* A dispatcher elsewhere has answered: a node, or ANSWERED_NOBODY. */
void kept_answered(struct slow_path *slow, struct kept *kept, uint16_t node, uint8_t reason);

/* A segment of the client's; `frame` is what it was read from. */
void kept_segment(struct slow_path *slow, struct kept *kept, const struct segment *segment,
		  const uint8_t *frame, uint32_t length);

/* Time has passed: it is `now`. */
void kept_tick(struct slow_path *slow, struct kept *kept, uint64_t now);

#endif
