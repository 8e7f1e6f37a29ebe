/* Ends connections by order. Only their nodes know the numbers at which both sides take an RST, so
 * the nodes' daemons are asked to destroy the sockets; the program is told when that is done, so
 * that a client to which the RST got lost gets another one at its next segment. */
#include "front/front.h"

#include "base/fail.h"
#include "control/channel.h"
#include "front/orders.h"
#include "wire/counters.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	BATCH = 512,	/* connections in one message to a node */
	WAIT_MS = 5000, /* for the nodes' answers */
};

struct victim {
	struct flow_key key;
	struct front_flow flow;
	const char *result;
};

/* One order of somebody's. Its victims are sorted by node: those of a message are neighbours. */
struct kill {
	struct kill *next;
	struct kills *kills;
	uv_timer_t timer;
	struct request *request;
	json_int_t number;
	struct victim *victims;
	size_t count, room, awaited;
};

struct kills {
	struct front *front;
	struct orders orders;
	int flows, checkpoints; /* maps */
	struct kill *first;
	json_int_t numbers;
	unsigned int handles;
	bool ending;
};

static void free_if_done(struct kills *kills)
{
	if (!kills->ending || kills->handles)
		return;
	orders_close(&kills->orders);
	free(kills);
}

static void on_timer_closed(uv_handle_t *handle)
{
	struct kill *kill = handle->data;
	struct kills *kills = kill->kills;

	free(kill->victims);
	free(kill);
	kills->handles--;
	free_if_done(kills);
}

/* Answers with what is known, and forgets it. */
static void finish(struct kill *kill)
{
	struct kill **link = &kill->kills->first;
	json_t *list = json_array();
	json_int_t killed = 0, over = 0;

	while (*link != kill)
		link = &(*link)->next;
	*link = kill->next;
	for (size_t i = 0; i < kill->count; i++) {
		const struct victim *victim = &kill->victims[i];
		json_t *flow = front_flow_json(kill->kills->front, &victim->key, &victim->flow);

		killed += !strcmp(victim->result, KILL_DONE);
		over += !strcmp(victim->result, KILL_OVER);
		json_object_set_new(flow, "result", json_string(victim->result));
		json_array_append_new(list, flow);
	}
	log_line(LOG_LEVEL_INFO, "%lld connections killed of %zu that were asked for",
		 (long long)killed, kill->count);
	request_answer(kill->request,
		       json_pack("{s:I, s:I, s:o}", "killed", killed, "left",
				 (json_int_t)kill->count - killed - over, "flows", list));
	uv_close((uv_handle_t *)&kill->timer, on_timer_closed);
}

static void on_timer(uv_timer_t *timer)
{
	finish(timer->data);
}

static void add(void *owner, const struct flow_key *key, const struct front_flow *flow)
{
	struct kill *kill = owner;

	/* Those of state "ended" or "lost" are over; no node has heard yet of what the slow path
	 * keeps, which ends by itself within its time. */
	if (flow->owner.state != FRONT_OPEN && flow->owner.state != FRONT_CLOSING)
		return;
	if (kill->count == kill->room) {
		kill->room = kill->room ? 2 * kill->room : 64;
		kill->victims = realloc(kill->victims, kill->room * sizeof(*kill->victims));
		if (!kill->victims)
			out_of_memory();
	}
	kill->victims[kill->count++] =
		(struct victim){.key = *key, .flow = *flow, .result = "its node did not answer"};
}

static int by_node(const void *a, const void *b)
{
	const struct victim *one = a, *other = b;

	return (int)one->flow.owner.node - (int)other->flow.owner.node;
}

/* Sends those from `first` on that are on its node, at most BATCH. Returns how many these are. */
static size_t send_batch(struct kill *kill, size_t first)
{
	const struct front *front = kill->kills->front;
	uint16_t node = kill->victims[first].flow.owner.node;
	json_t *list = json_array();
	size_t i;

	for (i = first;
	     i < kill->count && i - first < BATCH && kill->victims[i].flow.owner.node == node;
	     i++) {
		const struct flow_key *key = &kill->victims[i].key;
		struct endpoint client = {key->client, ntohs(key->client_port)};
		struct endpoint vip = {key->vip, ntohs(key->vip_port)};
		char client_text[ENDPOINT_TEXT], vip_text[ENDPOINT_TEXT];

		json_array_append_new(
			list, json_pack("[s, s, I]", endpoint_text(&client, client_text),
					endpoint_text(&vip, vip_text),
					(json_int_t)kill->victims[i].flow.owner.generation));
	}
	if (node < NODES_MAX &&
	    peers_send(front->peers, front->registry->nodes[node].name,
		       json_pack("{s:s, s:I, s:I, s:o}", "type", "kill", "number", kill->number,
				 "first", (json_int_t)first, "flows", list)))
		kill->awaited++;
	else
		for (size_t k = first; k < i; k++)
			kill->victims[k].result = "the daemon of its node is not connected";
	return i - first;
}

void kills_answer(struct kills *kills, struct request *request, const json_t *message)
{
	struct kill *kill;

	if (!json_object_get(message, "client") && !json_object_get(message, "node") &&
	    !json_object_get(message, "service") && !json_object_get(message, "idle") &&
	    !json_is_true(json_object_get(message, "all"))) {
		request_fail(request, "say which connections: by client, node, service or idle "
				      "time, or all");
		return;
	}
	kill = calloc(1, sizeof(*kill));
	if (!kill)
		out_of_memory();
	if (front_flows_each(kills->front, message, add, kill)) {
		request_fail(request, "no node or service has that name");
		free(kill);
		return;
	}
	kill->kills = kills;
	kill->request = request;
	kill->number = ++kills->numbers;
	kill->next = kills->first;
	kills->first = kill;
	uv_timer_init(&kills->front->loop, &kill->timer);
	kill->timer.data = kill;
	kills->handles++;
	if (kill->count)
		qsort(kill->victims, kill->count, sizeof(*kill->victims), by_node);
	for (size_t i = 0; i < kill->count;)
		i += send_batch(kill, i);
	if (kill->awaited)
		uv_timer_start(&kill->timer, on_timer, WAIT_MS, 0);
	else
		finish(kill);
}

/* Of what a node says only known words are kept. */
static void take_result(struct kills *kills, struct victim *victim, const char *said)
{
	static const char *const results[] = {KILL_OVER, KILL_MOVED, KILL_FAILED};
	struct slow_order order = {.key = victim->key,
				   .generation = victim->flow.owner.generation,
				   .action = SLOW_KILL,
				   .count = FRONT_COUNT_KILLED};
	struct front_flow now;

	for (size_t i = 0; said && i < sizeof(results) / sizeof(results[0]); i++)
		if (!strcmp(said, results[i]))
			victim->result = results[i];
	/* What both sides have closed the node forgets long before the front does. */
	if (said && !strcmp(said, KILL_MOVED) && victim->flow.owner.state == FRONT_CLOSING)
		victim->result = KILL_OVER;
	if (!said || strcmp(said, KILL_DONE))
		return;
	victim->result = KILL_DONE;
	/* Nor may it go on elsewhere, as the quiet connection of a dead node. */
	bpf_map_delete_elem(kills->checkpoints, &victim->key);
	if (orders_do(&kills->orders, &order) ||
	    bpf_map_lookup_elem(kills->flows, &victim->key, &now))
		return;
	/* The node's RST counts for nothing at a client that has not received all that went before
	 * it. */
	resets_send(&kills->front->resets,
		    &(struct front_lost){victim->key, now.last_ack, now.last_seq});
}

void kills_done(struct kills *kills, const json_t *message)
{
	json_int_t number, first;
	struct kill *kill = kills->first;
	json_t *results, *result;
	size_t i;

	if (json_unpack((json_t *)message, "{s:I, s:I, s:o}", "number", &number, "first", &first,
			"results", &results))
		return;
	while (kill && kill->number != number)
		kill = kill->next;
	if (!kill || first < 0)
		return;
	json_array_foreach (results, i, result)
		if ((size_t)first + i < kill->count)
			take_result(kills, &kill->victims[(size_t)first + i],
				    json_string_value(result));
	if (!--kill->awaited)
		finish(kill);
}

struct kills *kills_start(struct front *front)
{
	struct kills *kills = calloc(1, sizeof(*kills));

	if (!kills)
		out_of_memory();
	kills->front = front;
	kills->flows = bpf_object__find_map_fd_by_name(front->object, "flows");
	kills->checkpoints = bpf_object__find_map_fd_by_name(front->object, "checkpoints");
	if (orders_open(&kills->orders, front->object, front->ifindex)) {
		free(kills);
		return NULL;
	}
	return kills;
}

void kills_end(struct kills *kills)
{
	kills->ending = true;
	while (kills->first)
		finish(kills->first);
	free_if_done(kills);
}
