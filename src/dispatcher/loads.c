#include "dispatcher/dispatcher.h"

#include "base/fail.h"
#include "control/channel.h"

#include <stdlib.h>
#include <string.h>

enum { CONNECTIONS_MOST = CONFIG_NODES + 64 };

struct loads {
	struct dispatcher *dispatcher;
	uv_tcp_t listener;
	struct speaker *first;
	unsigned int count;
	bool closed, ending;
};

/* One node's daemon. */
struct speaker {
	struct loads *loads;
	struct speaker *next;
	struct channel *channel;
	char name[CONFIG_NAME]; /* "" before it has proved who it is */
};

static void free_if_done(struct loads *loads)
{
	if (loads->ending && loads->closed && !loads->first)
		free(loads);
}

static void on_ready(struct channel *channel, const char *name, void *owner)
{
	struct speaker *speaker = owner;

	(void)channel;
	snprintf(speaker->name, sizeof(speaker->name), "%s", name);
	log_line(LOG_LEVEL_INFO, "node %s is connected", name);
}

static void on_message(struct channel *channel, const json_t *message, void *owner)
{
	const char *type = json_string_value(json_object_get(message, "type"));
	const struct speaker *speaker = owner;
	const struct dispatcher *dispatcher = speaker->loads->dispatcher;
	uint32_t node = registry_node_id(dispatcher->registry, speaker->name);
	json_int_t in_service, received, connections;
	int busy;

	(void)channel;
	/* One that is new here is known with the front's next snapshot. */
	if (node && type && !strcmp(type, "load") &&
	    !json_unpack(json_object_get(message, "load"), "[I, I, I, i]", &in_service, &received,
			 &connections, &busy))
		datapath_load(dispatcher->datapath, node, (uint64_t)in_service, (uint64_t)received);
}

static void on_closed(struct channel *channel, const char *why, void *owner)
{
	struct speaker *speaker = owner, **at = &speaker->loads->first;
	struct loads *loads = speaker->loads;

	(void)channel;
	if (!loads->ending)
		log_line(LOG_LEVEL_WARNING, "%s%s: %s",
			 *speaker->name ? speaker->name : "a connection was refused",
			 *speaker->name ? " is not connected any more" : "", why);
	while (*at != speaker)
		at = &(*at)->next;
	*at = speaker->next;
	loads->count--;
	free(speaker);
	free_if_done(loads);
}

static const struct channel_events events = {on_ready, on_message, on_closed};

static void on_connection(uv_stream_t *stream, int status)
{
	struct loads *loads = stream->data;
	struct speaker *speaker;

	if (status)
		return;
	speaker = calloc(1, sizeof(*speaker));
	if (!speaker)
		out_of_memory();
	speaker->loads = loads;
	speaker->next = loads->first;
	loads->first = speaker;
	loads->count++;
	speaker->channel = channel_accept(stream, &loads->dispatcher->keys, &events, speaker);
	if (loads->count > CONNECTIONS_MOST)
		channel_close(speaker->channel, "more connections than a cluster has nodes");
}

struct loads *loads_start(struct dispatcher *dispatcher, int *error)
{
	struct loads *loads = calloc(1, sizeof(*loads));

	if (!loads)
		out_of_memory();
	loads->dispatcher = dispatcher;
	loads->listener.data = loads;
	*error = channel_listen(&dispatcher->loop, &loads->listener, &dispatcher->self.control,
				on_connection);
	if (!*error)
		return loads;
	loads_end(loads);
	return NULL;
}

static void on_listener_closed(uv_handle_t *handle)
{
	struct loads *loads = handle->data;

	loads->closed = true;
	free_if_done(loads);
}

void loads_end(struct loads *loads)
{
	loads->ending = true;
	for (struct speaker *speaker = loads->first; speaker; speaker = speaker->next)
		channel_close(speaker->channel, "the daemon ends");
	uv_close((uv_handle_t *)&loads->listener, on_listener_closed);
}

unsigned int loads_connected(const struct loads *loads)
{
	unsigned int count = 0;

	for (const struct speaker *speaker = loads->first; speaker; speaker = speaker->next)
		count += !!*speaker->name;
	return count;
}
