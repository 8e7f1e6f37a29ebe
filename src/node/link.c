/* The connection to the front's daemon: snapshots come, reports go, the clock is compared. When it
 * breaks it is made again, for ever; the programs go on by what they know. */
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
	CLOCK_TRIES = 4,    /* of a comparison; the one with the shortest way counts */
};

struct link {
	struct node *node;
	struct channel *channel;
	uv_timer_t timer; /* to the next try, or to the next report */
	bool up, said_lost;
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
	if (link->tries == CLOCK_TRIES || way < link->best) {
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

static void on_snapshot(struct link *link, const json_t *snapshot)
{
	struct node *node = link->node;
	int error;

	error = registry_restore(node->registry, snapshot);
	if (!error)
		error = node_publish(node);
	if (error) {
		log_line(LOG_LEVEL_ERROR,
			 "the front's snapshot can't be taken over: %s; do front and node have the "
			 "same version of Baton?",
			 strerror(-error));
		return;
	}
	if (link->by_load != by_load(node->registry))
		start_ticking(link);
	state_save(node->state, snapshot);
	channel_send(link->channel, json_pack("{s:s, s:I}", "type", "applied", "version",
					      (json_int_t)node->registry->version));
	log_line(LOG_LEVEL_DEBUG, "version %llu is in force",
		 (unsigned long long)node->registry->version);
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
	else if (!strcmp(type, "kill"))
		channel_send(link->channel, node_kill(link->node, message));
}

static void on_ready(struct channel *channel, const char *peer, void *owner)
{
	struct link *link = owner;

	(void)channel;
	(void)peer;
	log_line(LOG_LEVEL_INFO, "connected to the front");
	link->up = true;
	link->said_lost = false;
	link->retry_ms = RETRY_MS;
	link->reports = 0;
	quiet_again(link->node->quiet);
	report(link);
	start_ticking(link);
}

static void on_closed(struct channel *channel, const char *why, void *owner)
{
	struct link *link = owner;

	(void)channel;
	link->channel = NULL;
	link->up = false;
	if (!link->node) {
		json_decref(link->told);
		free(link);
		return;
	}
	if (!link->said_lost)
		log_line(LOG_LEVEL_WARNING,
			 "no connection to the front (%s); trying on, requests are served as "
			 "before",
			 why);
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
		link->channel =
			channel_connect(&link->node->loop, &link->node->config.front.control,
					link->node->name, &link->node->keys, &events, link);
}

struct link *link_start(struct node *node)
{
	struct link *link = calloc(1, sizeof(*link));

	if (!link)
		abort();
	link->node = node;
	link->retry_ms = RETRY_MS;
	uv_timer_init(&node->loop, &link->timer);
	link->timer.data = link;
	uv_timer_start(&link->timer, on_timer, 0, 0);
	return link;
}

static void on_timer_closed(uv_handle_t *handle)
{
	struct link *link = handle->data;

	link->node = NULL;
	if (link->channel) {
		channel_close(link->channel, "the daemon ends");
	} else {
		json_decref(link->told);
		free(link);
	}
}

void link_end(struct link *link)
{
	link->up = false;
	uv_close((uv_handle_t *)&link->timer, on_timer_closed);
}

void link_send(struct link *link, json_t *message)
{
	if (link->up)
		channel_send(link->channel, message);
	else
		json_decref(message);
}

bool link_is_up(const struct link *link)
{
	return link->up;
}
