/* The daemons of nodes and of dispatchers on hosts of their own: one connection each, over which
 * they get the registry and report. */
#include "front/front.h"

#include "base/clock.h"
#include "base/fail.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SETTLE_MS = 2000, STRANGERS_MOST = 64 };

struct peer {
	struct peers *peers;
	struct peer *next;
	struct channel *channel;
	char name[CONFIG_NAME]; /* "" before it has proved who it is */
	uint64_t version;	/* what it says it goes by */
	bool version_known;
	json_t *report, *loads, *load;
	bool closing;
};

/* Somebody waits for all nodes to go by a version. */
struct settling {
	struct settling *next;
	struct peers *peers;
	uv_timer_t timer;
	struct request *request;
	json_t *answer;
	uint64_t version;
};

struct peers {
	struct front *front;
	uv_tcp_t listener;
	struct peer *first;
	struct settling *settling;
	unsigned int handles;
	bool ending;
};

static void free_if_done(struct peers *peers)
{
	if (peers->ending && !peers->handles && !peers->first)
		free(peers);
}

static struct peer *find(const struct peers *peers, const char *node)
{
	for (struct peer *peer = peers->first; peer; peer = peer->next)
		if (!peer->closing && !strcmp(peer->name, node))
			return peer;
	return NULL;
}

bool peers_connected(const struct peers *peers, const char *node)
{
	return find(peers, node) != NULL;
}

const json_t *peers_report(const struct peers *peers, const char *node)
{
	const struct peer *peer = find(peers, node);

	return peer ? peer->report : NULL;
}

const json_t *peers_load(const struct peers *peers, const char *node)
{
	const struct peer *peer = find(peers, node);

	return peer ? peer->load : NULL;
}

uint64_t peers_version(const struct peers *peers, const char *node)
{
	const struct peer *peer = find(peers, node);

	return peer ? peer->version : 0;
}

bool peers_send(struct peers *peers, const char *node, json_t *message)
{
	const struct peer *peer = find(peers, node);

	if (peer)
		channel_send(peer->channel, message);
	else
		json_decref(message);
	return peer;
}

/* ---- settling ---- */

static json_t *late(const struct peers *peers, uint64_t version)
{
	const struct registry *registry = peers->front->registry;
	json_t *names = json_array();

	for (uint32_t id = 1; id < NODES_MAX; id++) {
		const struct registry_node *node = &registry->nodes[id];
		const struct peer *peer;

		if (!node->used)
			continue;
		peer = find(peers, node->name);
		if (!peer || !peer->version_known || peer->version < version)
			json_array_append_new(names, json_string(node->name));
	}
	for (unsigned int i = 0; i < registry->dispatcher_count; i++) {
		const struct peer *peer = find(peers, registry->dispatchers[i].name);

		if (!peer || !peer->version_known || peer->version < version)
			json_array_append_new(names, json_string(registry->dispatchers[i].name));
	}
	return names;
}

static void on_settling_closed(uv_handle_t *handle)
{
	struct settling *settling = handle->data;
	struct peers *peers = settling->peers;

	free(settling);
	peers->handles--;
	free_if_done(peers);
}

/* Takes it from the list, answers, and frees it. */
static void settle(struct settling *settling, json_t *names)
{
	struct settling **link = &settling->peers->settling;

	while (*link != settling)
		link = &(*link)->next;
	*link = settling->next;
	json_object_set_new(settling->answer, "version",
			    json_integer((json_int_t)settling->version));
	json_object_set_new(settling->answer, "late", names);
	request_answer(settling->request, settling->answer);
	uv_close((uv_handle_t *)&settling->timer, on_settling_closed);
}

static void on_settle_timer(uv_timer_t *timer)
{
	struct settling *settling = timer->data;

	settle(settling, late(settling->peers, settling->version));
}

static void look_who_settled(struct peers *peers)
{
	struct settling *settling = peers->settling, *next;

	for (; settling; settling = next) {
		json_t *names = late(peers, settling->version);

		next = settling->next;
		if (json_array_size(names))
			json_decref(names);
		else
			settle(settling, names);
	}
}

void peers_settle(struct peers *peers, struct request *request, json_t *answer)
{
	struct settling *settling = calloc(1, sizeof(*settling));

	if (!settling)
		out_of_memory();
	settling->peers = peers;
	settling->request = request;
	settling->answer = answer;
	settling->version = peers->front->registry->version;
	settling->next = peers->settling;
	peers->settling = settling;
	uv_timer_init(&peers->front->loop, &settling->timer);
	settling->timer.data = settling;
	peers->handles++;
	uv_timer_start(&settling->timer, on_settle_timer, SETTLE_MS, 0);
	look_who_settled(peers);
}

/* ---- one peer ---- */

static void send_snapshot(struct peer *peer)
{
	channel_send(peer->channel, json_pack("{s:s, s:o}", "type", "snapshot", "snapshot",
					      registry_snapshot(peer->peers->front->registry)));
}

void peers_push(struct peers *peers)
{
	for (struct peer *peer = peers->first; peer; peer = peer->next)
		if (*peer->name)
			send_snapshot(peer);
}

static void on_ready(struct channel *channel, const char *name, void *owner)
{
	struct peer *peer = owner, *old = find(peer->peers, name);
	struct front *front = peer->peers->front;
	int dispatcher = registry_dispatcher_number(front->registry, name);

	if (dispatcher < 0 && !registry_node_id(front->registry, name)) {
		log_line(LOG_LEVEL_WARNING,
			 "'%s' has the cluster's key but is no node of it; 'baton node add' makes "
			 "it one",
			 name);
		peer->closing = true;
		channel_close(channel, "no node of that name");
		return;
	}
	/* A daemon that was started again; the old connection may not have noticed. */
	if (old) {
		old->closing = true;
		channel_close(old->channel, "the node has a newer connection");
	}
	snprintf(peer->name, sizeof(peer->name), "%s", name);
	log_line(LOG_LEVEL_INFO, "%s %s is connected", dispatcher < 0 ? "node" : "dispatcher",
		 name);
	if (dispatcher >= 0)
		datapath_dispatcher(front->datapath, (uint32_t)dispatcher, true);
	send_snapshot(peer);
}

static uint64_t cluster_time(const struct front *front)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec +
	       (uint64_t)datapath_clock_offset(front->datapath);
}

/* One service's numbers in a node's message: [id, requests begun, done, received]. */
struct load {
	json_int_t in_service, received;
};

/* What a node has of one service. */
static struct load load_of(const struct peer *peer, uint32_t service)
{
	struct load load = {0};
	const json_t *item;
	size_t index;

	json_array_foreach (peer->loads, index, item) {
		json_int_t id, begun, done, in;

		if (json_unpack((json_t *)item, "[I, I, I, I]", &id, &begun, &done, &in) ||
		    id != service)
			continue;
		load.in_service += begun > done ? begun - done : 0;
		load.received += in;
	}
	return load;
}

/* The pools that a service's rules give to. Nodes count by service, not by pool, so what each
 * pool's nodes have in service counts whole, and what was charged since the last report besides. */
static void take_pool_loads(struct peers *peers, uint32_t service)
{
	const struct registry *registry = peers->front->registry;
	const struct registry_service *from = &registry->services[service];

	for (uint32_t i = 0; i < CONFIG_POOL_SLOTS; i++) {
		int64_t in_service = 0;

		if (!*from->settings.pools[i].name)
			continue;
		for (const struct peer *other = peers->first; other; other = other->next) {
			uint32_t node = registry_node_id(registry, other->name);

			if (node && from->pools[node] & 2u << i)
				in_service += load_of(other, service).in_service;
		}
		datapath_pool_load(peers->front->datapath, RULE_POOL(service, i),
				   (uint64_t)in_service);
	}
}

/* For policies that go by load: the node's, and the sums of its services' pools. */
static void take_load(struct peer *peer, const json_t *message)
{
	struct front *front = peer->peers->front;
	uint32_t node = registry_node_id(front->registry, peer->name);
	json_int_t in_service, received, connections;
	int busy;

	json_decref(peer->loads);
	peer->loads = json_incref(json_object_get(message, "loads"));
	json_decref(peer->load);
	peer->load = json_incref(json_object_get(message, "load"));
	if (!node ||
	    json_unpack(peer->load, "[I, I, I, i]", &in_service, &received, &connections, &busy))
		return;
	datapath_load(front->datapath, node, (uint64_t)in_service, (uint64_t)received);
	for (uint32_t id = 0; id < CONFIG_SERVICES; id++) {
		struct load sum = {0};

		if (!registry_by_load(front->registry, id))
			continue;
		for (const struct peer *other = peer->peers->first; other; other = other->next) {
			struct load load = load_of(other, id);

			sum.in_service += load.in_service;
			sum.received += load.received;
		}
		datapath_load(front->datapath, datapath_pool_slot(id), (uint64_t)sum.in_service,
			      (uint64_t)sum.received);
		take_pool_loads(peer->peers, id);
	}
}

static void on_message(struct channel *channel, const json_t *message, void *owner)
{
	const char *type = json_string_value(json_object_get(message, "type"));
	struct peer *peer = owner;
	json_t *version = json_object_get(message, "version");
	uint32_t node = registry_node_id(peer->peers->front->registry, peer->name);

	if (!type)
		return;
	if (!strcmp(type, "clock")) {
		json_int_t sent = json_integer_value(json_object_get(message, "sent"));

		channel_send(channel,
			     json_pack("{s:s, s:I, s:I}", "type", "clock", "sent", sent, "cluster",
				       (json_int_t)cluster_time(peer->peers->front)));
		return;
	}
	if (!strcmp(type, "report")) {
		json_decref(peer->report);
		peer->report = json_incref((json_t *)message);
		if (node) {
			take_load(peer, message);
			checks_object(peer->peers->front->checks, node,
				      json_object_get(message, "listeners"));
		}
	}
	if (!strcmp(type, "quiet"))
		burial_checkpoints(peer->peers->front->burial, node,
				   json_string_value(json_object_get(message, "flows")));
	if (!strcmp(type, "load"))
		take_load(peer, message);
	if (!strcmp(type, "killed"))
		kills_done(peer->peers->front->kills, message);
	/* A report of before the first snapshot may carry the version of another life. */
	if (!strcmp(type, "applied")) {
		peer->version = (uint64_t)json_integer_value(version);
		peer->version_known = true;
		look_who_settled(peer->peers);
	}
}

static void on_closed(struct channel *channel, const char *why, void *owner)
{
	struct peer *peer = owner, **link = &peer->peers->first;
	struct peers *peers = peer->peers;
	int dispatcher;

	(void)channel;
	if (*peer->name && !peers->ending && !peer->closing) {
		log_line(LOG_LEVEL_WARNING, "%s is not connected any more: %s", peer->name, why);
		dispatcher = registry_dispatcher_number(peers->front->registry, peer->name);
		if (dispatcher >= 0)
			datapath_dispatcher(peers->front->datapath, (uint32_t)dispatcher, false);
	}
	if (!*peer->name && !peers->ending && !peer->closing)
		log_line(LOG_LEVEL_WARNING, "a connection was refused: %s", why);
	while (*link != peer)
		link = &(*link)->next;
	*link = peer->next;
	json_decref(peer->report);
	json_decref(peer->loads);
	json_decref(peer->load);
	free(peer);
	free_if_done(peers);
}

static const struct channel_events events = {on_ready, on_message, on_closed};

static void on_connection(uv_stream_t *stream, int status)
{
	struct peers *peers = stream->data;
	unsigned int strangers = 0;
	struct peer *peer;

	if (status)
		return;
	peer = calloc(1, sizeof(*peer));
	if (!peer)
		out_of_memory();
	for (const struct peer *other = peers->first; other; other = other->next)
		strangers += !*other->name;
	peer->peers = peers;
	peer->next = peers->first;
	peers->first = peer;
	peer->channel = channel_accept(stream, &peers->front->keys, &events, peer);
	if (strangers >= STRANGERS_MOST)
		channel_close(peer->channel, "too many that have not proved who they are");
}

struct peers *peers_start(struct front *front, int *error)
{
	struct peers *peers = calloc(1, sizeof(*peers));

	if (!peers)
		out_of_memory();
	peers->front = front;
	peers->listener.data = peers;
	*error = channel_listen(&front->loop, &peers->listener, &front->config.front.control,
				on_connection);
	peers->handles = 1;
	if (*error) {
		peers_end(peers);
		return NULL;
	}
	return peers;
}

static void on_listener_closed(uv_handle_t *handle)
{
	struct peers *peers = handle->data;

	peers->handles--;
	free_if_done(peers);
}

void peers_end(struct peers *peers)
{
	peers->ending = true;
	while (peers->settling)
		settle(peers->settling, late(peers, peers->settling->version));
	for (struct peer *peer = peers->first; peer; peer = peer->next)
		channel_close(peer->channel, "the daemon ends");
	uv_close((uv_handle_t *)&peers->listener, on_listener_closed);
}
