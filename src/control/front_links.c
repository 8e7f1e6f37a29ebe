#include "control/front_links.h"

#include "base/fail.h"

#include <stdlib.h>
#include <string.h>

struct front_link {
	struct front_links *links;
	const char *name;
	struct link *link;
	json_t *snapshot; /* the last one of this connection */
	bool here;	  /* on this very host */
	bool followed;
};

struct front_links {
	struct front_follower follower;
	struct front_link all[FRONTS_MAX];
	unsigned int count;
};

static void tell_applied(struct front_link *front)
{
	link_send(front->link, json_pack("{s:s, s:O}", "type", "applied", "version",
					 json_object_get(front->snapshot, "version")));
}

static void apply(struct front_link *front)
{
	struct front_links *links = front->links;
	int error = front_follower_take(&links->follower, front->snapshot);

	if (error) {
		log_line(LOG_LEVEL_ERROR,
			 "the snapshot of %s can't be taken over: %s; do both hosts have the same "
			 "version of Baton?",
			 front->name, strerror(-error));
		return;
	}
	for (unsigned int i = 0; i < links->count; i++)
		link_pace(links->all[i].link);
	tell_applied(front);
	log_line(LOG_LEVEL_DEBUG, "version %lld of %s is in force",
		 json_integer_value(json_object_get(front->snapshot, "version")), front->name);
}

static struct front_link *followed(struct front_links *links)
{
	for (unsigned int i = 0; i < links->count; i++)
		if (links->all[i].followed)
			return &links->all[i];
	return NULL;
}

/* Goes by the front on this host, or else the first one, that has said something, unless there is
 * one already that the host goes by. Returns whether it changed. */
static bool choose(struct front_links *links)
{
	struct front_link *old = followed(links), *chosen = NULL;

	for (unsigned int i = 0; i < links->count; i++)
		if (links->all[i].snapshot && (!chosen || links->all[i].here))
			chosen = &links->all[i];
	if (!chosen || chosen == old || (old && !chosen->here))
		return false;
	if (old) {
		old->followed = false;
		link_follow_clock(old->link, NULL);
	}
	chosen->followed = true;
	if (links->count > 1)
		log_line(LOG_LEVEL_INFO, "this host goes by %s", chosen->name);
	link_follow_clock(chosen->link, links->follower.datapath);
	apply(chosen);
	return true;
}

/* Whether two fronts call the same nodes by the same ids. */
static bool same_ids(const json_t *one, const json_t *other)
{
	const json_t *nodes = json_object_get(one, "nodes"), *node;
	const json_t *others = json_object_get(other, "nodes");
	size_t i;

	json_array_foreach ((json_t *)nodes, i, node) {
		const json_t *peer = json_array_get(others, i);

		if (peer &&
		    (!json_equal(json_object_get(node, "id"), json_object_get(peer, "id")) ||
		     !json_equal(json_object_get(node, "name"), json_object_get(peer, "name"))))
			return false;
	}
	return true;
}

static void on_snapshot(struct front_link *front, json_t *snapshot)
{
	struct front_link *other;

	json_decref(front->snapshot);
	front->snapshot = json_incref(snapshot);
	if (choose(front->links))
		return;
	if (front->followed) {
		apply(front);
		return;
	}
	other = followed(front->links);
	if (other && !same_ids(other->snapshot, snapshot))
		log_line(LOG_LEVEL_ERROR,
			 "%s numbers the nodes in another way than %s: what it hands over is "
			 "refused; give both the same file and start one of them with the other's "
			 "state file",
			 front->name, other->name);
	/* What this front says is not needed, which is as good as in force. */
	tell_applied(front);
}

static void on_message(struct link *link, json_t *message, const char *type, void *owner)
{
	struct front_link *front = owner;
	const struct front_follower *follower = &front->links->follower;
	json_t *answer;

	if (!strcmp(type, "snapshot")) {
		on_snapshot(front, json_object_get(message, "snapshot"));
		return;
	}
	answer = follower->message ? follower->message(message, type, follower->owner) : NULL;
	if (answer)
		link_send(link, answer);
}

static void on_up(void *owner)
{
	const struct front_follower *follower = &((struct front_link *)owner)->links->follower;

	if (follower->up)
		follower->up(follower->owner);
}

static void on_down(void *owner)
{
	struct front_link *front = owner;

	json_decref(front->snapshot);
	front->snapshot = NULL;
	front->followed = false;
	link_follow_clock(front->link, NULL);
	choose(front->links);
}

static json_t *report(void *owner)
{
	const struct front_follower *follower = &((struct front_link *)owner)->links->follower;

	return follower->report(follower->owner);
}

static json_t *load(void *owner)
{
	const struct front_follower *follower = &((struct front_link *)owner)->links->follower;

	return follower->load(follower->owner);
}

static bool by_load(void *owner)
{
	const struct front_follower *follower = &((struct front_link *)owner)->links->follower;

	return follower->by_load && follower->by_load(follower->owner);
}

struct front_links *front_links_start(const struct front_follower *follower)
{
	struct front_links *links = calloc(1, sizeof(*links));

	if (!links)
		out_of_memory();
	links->follower = *follower;
	links->count = follower->config->front_count;
	for (unsigned int i = 0; i < links->count; i++) {
		struct front_link *front = &links->all[i];
		const struct config_front *to = &follower->config->fronts[i];
		const struct link_side side = {.loop = follower->loop,
					       .endpoint = to->control,
					       .name = follower->name,
					       .peer = to->name,
					       .keys = follower->keys,
					       .up = on_up,
					       .down = on_down,
					       .message = on_message,
					       .report = report,
					       .load = load,
					       .by_load = by_load,
					       .owner = front};

		front->links = links;
		front->name = to->name;
		front->here = address_equal(&to->address, &follower->here);
		front->link = link_start(&side);
	}
	return links;
}

void front_links_end(struct front_links *links)
{
	for (unsigned int i = 0; i < links->count; i++) {
		link_end(links->all[i].link);
		json_decref(links->all[i].snapshot);
	}
	free(links);
}

bool front_links_are_up(const struct front_links *links)
{
	bool up = false;

	for (unsigned int i = 0; i < links->count; i++)
		up |= link_is_up(links->all[i].link);
	return up;
}

void front_links_send(struct front_links *links, json_t *message)
{
	for (unsigned int i = 0; i < links->count; i++)
		link_send(links->all[i].link, json_incref(message));
	json_decref(message);
}
