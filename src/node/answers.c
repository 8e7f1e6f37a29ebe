#include "node/node.h"

#include "base/clock.h"
#include "control/reasons.h"
#include "wire/node.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <string.h>

static const char *const state_names[] = {
	[0] = "unknown",      [HELD_OPEN] = "open", [HELD_MUTED] = "moving",
	[HELD_LEFT] = "left", [HELD_OVER] = "over",
};

static json_t *flow_json(const struct flow_key *key, const struct held *flow, uint32_t now_s)
{
	struct endpoint client = {key->client, ntohs(key->client_port)};
	struct endpoint vip = {key->vip, ntohs(key->vip_port)};
	uint32_t state = (uint32_t)flow->owner;
	char client_text[ENDPOINT_TEXT], vip_text[ENDPOINT_TEXT];

	return json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:s, s:I}", "client",
			 endpoint_text(&client, client_text), "vip", endpoint_text(&vip, vip_text),
			 "state", state_names[state <= HELD_OVER ? state : 0], "generation",
			 (json_int_t)(flow->owner >> 32), "requests", (json_int_t)flow->requests,
			 "responses", (json_int_t)flow->responses, "bytes_out",
			 (json_int_t)flow->bytes_out, "pinned",
			 flow->flags & HELD_PINNED ? pin_text(flow->pin) : "", "idle_s",
			 (json_int_t)(now_s - flow->seen_s));
}

static void flows(struct node *node, struct request *request, const json_t *message)
{
	int held = bpf_object__find_map_fd_by_name(node->object, "held");
	json_int_t most = json_integer_value(json_object_get(message, "limit"));
	uint32_t now_s = (uint32_t)(clock_now() / NS_PER_S);
	struct flow_key key, *previous = NULL, next;
	json_t *list = json_array();
	struct held flow;

	while ((!most || json_array_size(list) < (size_t)most) &&
	       !bpf_map_get_next_key(held, previous, &next)) {
		key = next;
		previous = &key;
		if (!bpf_map_lookup_elem(held, &key, &flow))
			json_array_append_new(list, flow_json(&key, &flow, now_s));
	}
	request_answer(request, json_pack("{s:o}", "flows", list));
}

void node_answer(struct request *request, const json_t *message, void *owner)
{
	const char *command = json_string_value(json_object_get(message, "command"));
	struct node *node = owner;

	if (!strcmp(command, "status"))
		request_answer(request, json_pack("{s:s, s:b, s:o}", "name", node->name,
						  "connected", front_links_are_up(node->fronts),
						  "report", node_report(node)));
	else if (!strcmp(command, "flows"))
		flows(node, request, message);
	else
		request_fail(request, "a node's daemon answers to status and flows, not to '%s'",
			     command);
}
