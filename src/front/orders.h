/* The daemon's hands in the datapath: orders to the program about flows that it keeps
 * (wire/slow.h), and frames sent out of the front's devices. */
#ifndef BATON_FRONT_ORDERS_H
#define BATON_FRONT_ORDERS_H

#include "wire/slow.h"

#include <bpf/libbpf.h>
#include <stdint.h>

struct orders {
	int program; /* `front_slow` */
	int here;    /* `front_here` */
	int socket;  /* raw packets */
	int ifindex; /* the front's device */
};

/* `ifindex`: the front's device. Returns 0 or -errno. */
int orders_open(struct orders *orders, const struct bpf_object *object, int ifindex);
void orders_close(struct orders *orders);

/* Carries out an order that needs no frame. Returns order->result, or -errno if the program could
 * not be run. */
int orders_do(const struct orders *orders, struct slow_order *order);

/* Sends the client's `frame` to the flow's node under its handoff. `ifindex`: the device towards
 * the node, 0 the front's own. Returns 0; -ESTALE: the flow is not that any more, or its node can't
 * be reached; or -errno. */
int orders_hand(const struct orders *orders, const struct flow_key *key, uint32_t generation,
		const uint8_t *frame, uint32_t length, uint32_t ifindex);

/* Sends a client's segment that carries a struct baton_target to the dispatcher that the order
 * SLOW_PLACE, carried out, has named. Returns as orders_hand does. */
int orders_ask(const struct orders *orders, const struct slow_order *placing, const uint8_t *frame,
	       uint32_t length);

/* Sends a frame of the front's own. Returns 0 or -errno. */
int orders_send(const struct orders *orders, const uint8_t *frame, uint32_t length,
		uint32_t ifindex);

#endif
