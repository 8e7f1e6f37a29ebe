/* The node's connections to other daemons: to the front's, where snapshots come from and reports
 * go; and to those of dispatchers on hosts of their own, which want to know the node's load. */
#include "node/node.h"

#include "base/fail.h"

#include <stdlib.h>
#include <string.h>

enum { LOOK_S = 10 }; /* what the page shows is reported for so long after it was asked for */

static bool by_load(void *owner)
{
	const struct node *node = owner;

	for (uint32_t id = 0; id < CONFIG_SERVICES; id++)
		if (registry_by_load(node->registry, id))
			return true;
	return false;
}

static json_t *load(void *owner)
{
	return node_load(owner);
}

/* ---- fronts ---- */

static int publish(void *owner)
{
	struct node *node = owner;
	int error = node_publish(node);

	if (!error && node->dispatchers)
		dispatcher_links_follow(node->dispatchers);
	return error;
}

static json_t *on_message(const json_t *message, const char *type, void *owner)
{
	const struct node *node = owner;

	if (!strcmp(type, "kill"))
		return node_kill(owner, message);
	if (!strcmp(type, "look"))
		served_look(node->served, LOOK_S);
	return NULL;
}

static void on_up(void *owner)
{
	const struct node *node = owner;

	quiet_again(node->quiet);
}

static json_t *report(void *owner)
{
	return node_report(owner);
}

struct front_follower links_follower(struct node *node)
{
	return (struct front_follower){.loop = &node->loop,
				       .config = &node->config,
				       .name = node->name,
				       .here = node->self.address,
				       .keys = &node->keys,
				       .registry = node->registry,
				       .datapath = node->datapath,
				       .state = node->state,
				       .publish = publish,
				       .up = on_up,
				       .message = on_message,
				       .report = report,
				       .load = load,
				       .by_load = by_load,
				       .owner = node};
}

/* ---- dispatchers ---- */

struct dispatcher_link {
	struct dispatcher_links *links;
	struct link *link; /* NULL: there is no dispatcher of this number */
	struct registry_dispatcher to;
	char peer[CONFIG_NAME + 16];
};

struct dispatcher_links {
	struct node *node;
	struct dispatcher_link all[CONFIG_DISPATCHERS];
};

static uint32_t number_of(const struct dispatcher_link *link)
{
	return (uint32_t)(link - link->links->all);
}

static void on_dispatcher_up(void *owner)
{
	const struct dispatcher_link *link = owner;

	datapath_dispatcher(link->links->node->datapath, number_of(link), true);
	link_pace(link->link);
}

static void on_dispatcher_down(void *owner)
{
	const struct dispatcher_link *link = owner;

	datapath_dispatcher(link->links->node->datapath, number_of(link), false);
}

static json_t *dispatcher_load(void *owner)
{
	const struct dispatcher_link *link = owner;

	return node_load(link->links->node);
}

static bool dispatcher_by_load(void *owner)
{
	const struct dispatcher_link *link = owner;

	return by_load(link->links->node);
}

void dispatcher_links_follow(struct dispatcher_links *links)
{
	const struct registry *registry = links->node->registry;

	for (uint32_t i = 0; i < CONFIG_DISPATCHERS; i++) {
		const struct registry_dispatcher *now = &registry->dispatchers[i];
		struct dispatcher_link *link = &links->all[i];
		bool wanted = i < registry->dispatcher_count;
		struct link_side side;

		if (link->link && wanted && !memcmp(now, &link->to, sizeof(*now))) {
			link_pace(link->link);
			continue;
		}
		if (link->link)
			link_end(link->link);
		link->link = NULL;
		if (!wanted)
			continue;
		link->to = *now;
		snprintf(link->peer, sizeof(link->peer), "dispatcher %s", now->name);
		side = (struct link_side){.loop = &links->node->loop,
					  .endpoint = now->control,
					  .name = links->node->name,
					  .peer = link->peer,
					  .keys = &links->node->keys,
					  .up = on_dispatcher_up,
					  .down = on_dispatcher_down,
					  .report = dispatcher_load,
					  .load = dispatcher_load,
					  .by_load = dispatcher_by_load,
					  .owner = link};
		link->link = link_start(&side);
	}
}

struct dispatcher_links *dispatcher_links_start(struct node *node)
{
	struct dispatcher_links *links = calloc(1, sizeof(*links));

	if (!links)
		out_of_memory();
	links->node = node;
	for (uint32_t i = 0; i < CONFIG_DISPATCHERS; i++)
		links->all[i].links = links;
	dispatcher_links_follow(links);
	return links;
}

void dispatcher_links_end(struct dispatcher_links *links)
{
	for (uint32_t i = 0; i < CONFIG_DISPATCHERS; i++)
		if (links->all[i].link)
			link_end(links->all[i].link);
	free(links);
}
