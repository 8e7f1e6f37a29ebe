/* The connections to the fronts' daemons, one to each: snapshots come, reports go, the clock is
 * compared. One that breaks is made again, for ever; the programs go on by what they know.
 *
 * All fronts are told all. The node goes by one of them until its connection ends: if each were
 * heard, fronts that see a node's health differently would make the nodes waver. One that comes
 * back is not preferred, for it may have been cut off and know less than the others; but for the
 * front on this very host (`place: dns`), whose program's flows are held here too. */
#include "node/node.h"

#include "base/clock.h"
#include "base/fail.h"
#include "control/state.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	RETRY_MS = 250,
	RETRY_MOST_MS = 2000,
	TICK_MS = 20,	    /* what policies go by is sent so often, if any does */
	REPORT_TICKS = 25,  /* and all else every so many ticks */
	CLOCK_REPORTS = 60, /* the clock is compared every so many reports */
	LOOK_S = 10,	    /* what the page shows is reported for so long after it was asked for */
	CLOCK_TRIES = 4,    /* of a comparison; the one with the shortest way counts */
};

struct link {
	struct link *next, *first; /* in the configuration's order */
	const struct config_front *front;
	struct node *node;
	struct channel *channel;
	uv_timer_t timer; /* to the next try, or to the next report */
	bool up, said_lost, followed, ending;
	json_t *snapshot; /* the last one of this connection */
	bool by_load; /* a policy goes by load: the timer comes at each tick, not at each report */
	uint64_t retry_ms;
	unsigned int ticks, reports, tries;
	json_t *told;  /* the load that was sent last */
	uint64_t best; /* ns there and back of this comparison's best try */
};

static uint64_t boot_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static void ask_clock(struct link *link)
{
	channel_send(link->channel,
		     json_pack("{s:s, s:I}", "type", "clock", "sent", (json_int_t)boot_ns()));
}

/* Cristian 1989: the answer was made halfway there and back. */
static void on_clock(struct link *link, const json_t *message)
{
	json_int_t sent, cluster;
	uint64_t now = boot_ns(), way;

	if (json_unpack((json_t *)message, "{s:I, s:I}", "sent", &sent, "cluster", &cluster) ||
	    (uint64_t)sent > now)
		return;
	way = now - (uint64_t)sent;
	if (link->followed && (link->tries == CLOCK_TRIES || way < link->best)) {
		link->best = way;
		datapath_clock(link->node->datapath,
			       (int64_t)cluster - (int64_t)((uint64_t)sent + way / 2));
		datapath_refresh(link->node->datapath);
	}
	if (--link->tries)
		ask_clock(link);
}

static void report(struct link *link)
{
	channel_send(link->channel, node_report(link->node));
	if (link->reports++ % CLOCK_REPORTS == 0) {
		link->tries = CLOCK_TRIES;
		ask_clock(link);
	}
}

/* What policies go by, if it has changed. */
static void tell_load(struct link *link)
{
	json_t *load = node_load(link->node);

	if (!json_equal(load, link->told))
		channel_send(link->channel, json_incref(load));
	json_decref(link->told);
	link->told = load;
}

static bool by_load(const struct registry *registry)
{
	for (uint32_t id = 0; id < CONFIG_SERVICES; id++)
		if (registry_by_load(registry, id))
			return true;
	return false;
}

static void on_timer(uv_timer_t *timer);

/* Starts the timer at the pace that the policies need. */
static void start_ticking(struct link *link)
{
	uint64_t pace;

	link->by_load = by_load(link->node->registry);
	pace = link->by_load ? TICK_MS : TICK_MS * REPORT_TICKS;
	uv_timer_start(&link->timer, on_timer, pace, pace);
}

static void tell_applied(struct link *link)
{
	channel_send(link->channel, json_pack("{s:s, s:O}", "type", "applied", "version",
					      json_object_get(link->snapshot, "version")));
}

static void apply(struct link *link)
{
	struct node *node = link->node;
	int error;

	error = registry_restore(node->registry, link->snapshot);
	if (!error)
		error = node_publish(node);
	if (error) {
		log_line(LOG_LEVEL_ERROR,
			 "the snapshot of %s can't be taken over: %s; do front and node have the "
			 "same version of Baton?",
			 link->front->name, strerror(-error));
		return;
	}
	for (struct link *each = link->first; each; each = each->next)
		if (each->up && each->by_load != by_load(node->registry))
			start_ticking(each);
	state_save(node->state, link->snapshot);
	tell_applied(link);
	log_line(LOG_LEVEL_DEBUG, "version %llu of %s is in force",
		 (unsigned long long)node->registry->version, link->front->name);
}

static bool is_here(const struct link *link)
{
	return address_equal(&link->front->address, &link->node->self.address);
}

/* Goes by the front on this host, or else the first one, that has said something, unless there is
 * one already that the node goes by. Returns whether it changed. */
static bool choose(struct link *first)
{
	struct link *chosen = NULL, *followed = NULL;

	for (struct link *each = first; each; each = each->next) {
		if (each->followed)
			followed = each;
		if (each->snapshot && (!chosen || is_here(each)))
			chosen = each;
	}
	if (!chosen || chosen == followed || (followed && !is_here(chosen)))
		return false;
	if (followed)
		followed->followed = false;
	chosen->followed = true;
	if (first->next)
		log_line(LOG_LEVEL_INFO, "this node goes by %s", chosen->front->name);
	chosen->tries = CLOCK_TRIES;
	ask_clock(chosen);
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

static void on_snapshot(struct link *link, json_t *snapshot)
{
	json_decref(link->snapshot);
	link->snapshot = json_incref(snapshot);
	if (choose(link->first))
		return;
	if (link->followed) {
		apply(link);
		return;
	}
	for (const struct link *each = link->first; each; each = each->next)
		if (each->followed && !same_ids(each->snapshot, snapshot))
			log_line(LOG_LEVEL_ERROR,
				 "%s numbers the nodes in another way than %s: what it hands over "
				 "is refused; give both the same file and start one of them with "
				 "the other's state file",
				 link->front->name, each->front->name);
	/* What this front says is not needed, which is as good as in force. */
	tell_applied(link);
}

static void on_message(struct channel *channel, const json_t *message, void *owner)
{
	const char *type = json_string_value(json_object_get(message, "type"));
	struct link *link = owner;

	(void)channel;
	if (!type)
		return;
	if (!strcmp(type, "snapshot"))
		on_snapshot(link, json_object_get(message, "snapshot"));
	else if (!strcmp(type, "clock") && link->tries)
		on_clock(link, message);
	else if (!strcmp(type, "look"))
		served_look(link->node->served, LOOK_S);
	else if (!strcmp(type, "kill"))
		channel_send(link->channel, node_kill(link->node, message));
}

static void on_ready(struct channel *channel, const char *peer, void *owner)
{
	struct link *link = owner;

	(void)channel;
	(void)peer;
	log_line(LOG_LEVEL_INFO, "connected to %s", link->front->name);
	link->up = true;
	link->said_lost = false;
	link->retry_ms = RETRY_MS;
	link->reports = 0;
	quiet_again(link->node->quiet);
	report(link);
	start_ticking(link);
}

static void link_free(struct link *link)
{
	json_decref(link->told);
	json_decref(link->snapshot);
	free(link);
}

static void on_closed(struct channel *channel, const char *why, void *owner)
{
	struct link *link = owner;

	(void)channel;
	link->channel = NULL;
	link->up = false;
	if (!link->node) {
		link_free(link);
		return;
	}
	if (link->ending)
		return;
	json_decref(link->snapshot);
	link->snapshot = NULL;
	link->followed = false;
	choose(link->first);
	if (!link->said_lost)
		log_line(LOG_LEVEL_WARNING,
			 "no connection to %s (%s); trying on, requests are served as before",
			 link->front->name, why);
	link->said_lost = true;
	uv_timer_start(&link->timer, on_timer, link->retry_ms, 0);
	link->retry_ms = link->retry_ms * 2 < RETRY_MOST_MS ? link->retry_ms * 2 : RETRY_MOST_MS;
}

static const struct channel_events events = {on_ready, on_message, on_closed};

static void on_timer(uv_timer_t *timer)
{
	struct link *link = timer->data;

	if (link->up && (!link->by_load || ++link->ticks % REPORT_TICKS == 0))
		report(link);
	else if (link->up)
		tell_load(link);
	else
		link->channel = channel_connect(&link->node->loop, &link->front->control,
						link->node->name, &link->node->keys, &events, link);
}

struct link *link_start(struct node *node)
{
	struct link *first = NULL, **end = &first;

	for (unsigned int i = 0; i < node->config.front_count; i++) {
		struct link *link = calloc(1, sizeof(*link));

		if (!link)
			abort();
		*end = link;
		end = &link->next;
		link->first = first;
		link->front = &node->config.fronts[i];
		link->node = node;
		link->retry_ms = RETRY_MS;
		uv_timer_init(&node->loop, &link->timer);
		link->timer.data = link;
		uv_timer_start(&link->timer, on_timer, 0, 0);
	}
	return first;
}

static void on_timer_closed(uv_handle_t *handle)
{
	struct link *link = handle->data;

	link->node = NULL;
	if (link->channel) {
		channel_close(link->channel, "the daemon ends");
	} else {
		link_free(link);
	}
}

void link_end(struct link *link)
{
	for (struct link *next; link; link = next) {
		next = link->next;
		link->up = false;
		link->ending = true;
		uv_close((uv_handle_t *)&link->timer, on_timer_closed);
	}
}

void link_send(struct link *link, json_t *message)
{
	for (; link; link = link->next)
		if (link->up)
			channel_send(link->channel, json_incref(message));
	json_decref(message);
}

bool link_is_up(const struct link *link)
{
	while (link && !link->up)
		link = link->next;
	return link;
}
