/* The table of flows, for people: who is where. */
#include "front/front.h"

#include "base/clock.h"
#include "base/fail.h"
#include "control/reasons.h"
#include "wire/front.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 1024 };

static const char *const state_names[] = {
	[0] = "unknown",	 [FRONT_OPEN] = "open", [FRONT_CLOSING] = "closing",
	[FRONT_ENDED] = "ended", [FRONT_LOST] = "lost", [FRONT_SLOW] = "slow"};

/* What the request asks for; NULL and 0 for anything. */
struct filter {
	const char *client; /* ADDRESS or ADDRESS:PORT */
	uint32_t node;
	int service; /* its id; -1: any */
	double idle; /* ticks, at least */
	bool ended;  /* tombstones too */
	json_int_t limit;
};

#define TICKS_PER_S (1e9 / (1 << FRONT_TICK_SHIFT))

static uint32_t tick_now(void)
{
	return (uint32_t)(clock_now() >> FRONT_TICK_SHIFT);
}

static const char *node_name(const struct front *front, uint32_t id)
{
	return id < NODES_MAX && front->registry->nodes[id].used ? front->registry->nodes[id].name
								 : "?";
}

json_t *front_flow_json(const struct front *front, const struct flow_key *key,
			const struct front_flow *flow)
{
	uint32_t tick = tick_now();
	struct endpoint client = {key->client, ntohs(key->client_port)};
	struct endpoint vip = {key->vip, ntohs(key->vip_port)};
	char client_text[ENDPOINT_TEXT], vip_text[ENDPOINT_TEXT];
	unsigned int state = flow->owner.state <= FRONT_SLOW ? flow->owner.state : 0;

	return json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:b, s:s, s:f, s:f}", "client",
			 endpoint_text(&client, client_text), "vip", endpoint_text(&vip, vip_text),
			 "node", node_name(front, flow->owner.node), "state", state_names[state],
			 "generation", (json_int_t)flow->owner.generation, "handoffs",
			 (json_int_t)flow->handoffs, "confirmed",
			 flow->owner.flags & FRONT_CONFIRMED, "reason", reason_text(flow->reason),
			 "age", (double)(uint32_t)(tick - flow->made) / TICKS_PER_S, "idle",
			 (double)(uint32_t)(tick - flow->seen) / TICKS_PER_S);
}

static bool wanted(const struct filter *filter, const struct flow_key *key,
		   const struct front_flow *flow)
{
	struct endpoint client = {key->client, ntohs(key->client_port)};
	char client_text[ENDPOINT_TEXT], address[ADDRESS_TEXT];

	if ((flow->owner.state == FRONT_ENDED && !filter->ended) ||
	    (filter->node && filter->node != flow->owner.node) ||
	    (filter->service >= 0 && filter->service != flow->service) ||
	    (double)(tick_now() - flow->seen) < filter->idle)
		return false;
	return !filter->client || !strcmp(filter->client, endpoint_text(&client, client_text)) ||
	       !strcmp(filter->client, address_text(&key->client, address));
}

int front_flows_each(const struct front *front, const json_t *message, flow_taker taker,
		     void *owner)
{
	int map = bpf_object__find_map_fd_by_name(front->object, "flows");
	const char *node = json_string_value(json_object_get(message, "node"));
	const char *service = json_string_value(json_object_get(message, "service"));
	struct filter filter = {
		.client = json_string_value(json_object_get(message, "client")),
		.node = node ? registry_node_id(front->registry, node) : 0,
		.service = service ? registry_service_id(front->registry, service) : -1,
		.idle = json_number_value(json_object_get(message, "idle")) * TICKS_PER_S,
		.ended = json_is_true(json_object_get(message, "ended")),
		.limit = json_integer_value(json_object_get(message, "limit")),
	};
	struct flow_key *keys;
	struct front_flow *flows;
	__u32 at, next, *from = NULL;
	json_int_t taken = 0;
	int error = 0;

	if ((node && !filter.node) || (service && filter.service < 0))
		return -ENOENT;
	keys = calloc(BATCH, sizeof(*keys));
	flows = calloc(BATCH, sizeof(*flows));
	if (!keys || !flows)
		out_of_memory();
	while (!error) {
		LIBBPF_OPTS(bpf_map_batch_opts, options);
		__u32 count = BATCH;

		error = bpf_map_lookup_batch(map, from, &next, keys, flows, &count, &options);
		if (error && errno != ENOENT)
			break;
		for (__u32 i = 0; i < count; i++) {
			if ((filter.limit && taken >= filter.limit) ||
			    !wanted(&filter, &keys[i], &flows[i]))
				continue;
			taker(owner, &keys[i], &flows[i]);
			taken++;
		}
		at = next;
		from = &at;
	}
	free(keys);
	free(flows);
	return 0;
}

struct listing {
	const struct front *front;
	json_t *list;
};

static void append(void *owner, const struct flow_key *key, const struct front_flow *flow)
{
	struct listing *listing = owner;

	json_array_append_new(listing->list, front_flow_json(listing->front, key, flow));
}

json_t *front_flows(const struct front *front, const json_t *message)
{
	struct listing listing = {front, json_array()};

	if (front_flows_each(front, message, append, &listing)) {
		json_decref(listing.list);
		return json_pack("{s:s}", "error", "no node or service has that name");
	}
	return json_pack("{s:o}", "flows", listing.list);
}
