#include "control/link.h"

#include "base/clock.h"
#include "base/fail.h"

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
	struct link_side side;
	struct datapath *clock;
	bool ended;
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
	if (link->clock && (link->tries == CLOCK_TRIES || way < link->best)) {
		link->best = way;
		datapath_clock(link->clock, (int64_t)cluster - (int64_t)((uint64_t)sent + way / 2));
		datapath_refresh(link->clock);
	}
	if (--link->tries)
		ask_clock(link);
}

static void report(struct link *link)
{
	if (link->side.report)
		channel_send(link->channel, link->side.report(link->side.owner));
	if (link->clock && link->reports++ % CLOCK_REPORTS == 0) {
		link->tries = CLOCK_TRIES;
		ask_clock(link);
	}
}

/* What policies go by, if it has changed. */
static void tell_load(struct link *link)
{
	json_t *load = link->side.load(link->side.owner);

	if (!json_equal(load, link->told))
		channel_send(link->channel, json_incref(load));
	json_decref(link->told);
	link->told = load;
}

static bool by_load(const struct link *link)
{
	return link->side.by_load && link->side.by_load(link->side.owner);
}

static void on_timer(uv_timer_t *timer);

/* Starts the timer at the pace that the policies need. */
static void start_ticking(struct link *link)
{
	uint64_t pace;

	link->by_load = by_load(link);
	pace = link->by_load ? TICK_MS : TICK_MS * REPORT_TICKS;
	uv_timer_start(&link->timer, on_timer, pace, pace);
}

void link_follow_clock(struct link *link, struct datapath *clock)
{
	link->clock = clock;
	if (!clock || !link->up)
		return;
	link->tries = CLOCK_TRIES;
	ask_clock(link);
}

void link_pace(struct link *link)
{
	if (link->up && link->by_load != by_load(link))
		start_ticking(link);
}

static void on_message(struct channel *channel, const json_t *message, void *owner)
{
	const char *type = json_string_value(json_object_get(message, "type"));
	struct link *link = owner;

	(void)channel;
	if (!type || link->ended)
		return;
	if (!strcmp(type, "clock") && link->tries)
		on_clock(link, message);
	else if (link->side.message)
		link->side.message(link, (json_t *)message, type, link->side.owner);
}

static void on_ready(struct channel *channel, const char *peer, void *owner)
{
	struct link *link = owner;

	(void)channel;
	(void)peer;
	if (link->ended)
		return;
	log_line(LOG_LEVEL_INFO, "connected to %s", link->side.peer);
	link->up = true;
	link->said_lost = false;
	link->retry_ms = RETRY_MS;
	link->reports = 0;
	json_decref(link->told); /* whoever is there now has heard nothing */
	link->told = NULL;
	if (link->side.up)
		link->side.up(link->side.owner);
	report(link);
	start_ticking(link);
}

static void on_closed(struct channel *channel, const char *why, void *owner)
{
	struct link *link = owner;
	bool was_up = link->up;

	(void)channel;
	link->channel = NULL;
	link->up = false;
	if (link->ended) {
		json_decref(link->told);
		free(link);
		return;
	}
	if (!link->said_lost)
		log_line(LOG_LEVEL_WARNING,
			 "no connection to %s (%s); trying on, requests are served as before",
			 link->side.peer, why);
	if ((was_up || !link->said_lost) && link->side.down)
		link->side.down(link->side.owner);
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
		link->channel = channel_connect(link->side.loop, &link->side.endpoint,
						link->side.name, link->side.keys, &events, link);
}

struct link *link_start(const struct link_side *side)
{
	struct link *link = calloc(1, sizeof(*link));

	if (!link)
		out_of_memory();
	link->side = *side;
	link->retry_ms = RETRY_MS;
	uv_timer_init(side->loop, &link->timer);
	link->timer.data = link;
	uv_timer_start(&link->timer, on_timer, 0, 0);
	return link;
}

static void on_timer_closed(uv_handle_t *handle)
{
	struct link *link = handle->data;

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
	link->ended = true;
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
