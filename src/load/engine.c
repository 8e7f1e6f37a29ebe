#include "load/engine.h"

#include "base/clock.h"
#include "load/answer.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

enum { EVENTS_MOST = 512 };

/* How long a connection that failed to open waits: a server that is gone is asked 100 times a
 * second and connection, not as fast as the machine can. */
#define REST (10 * NS_PER_MS)

/* How often requests under way are looked at for --timeout. */
#define LOOK (250 * NS_PER_MS)

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
	(void)number;
	stopped = 1;
}

void engine_slot_free(struct engine *engine, struct slot *slot)
{
	if (slot->free || engine->source->bound)
		return;
	slot->free = true;
	engine->free[(engine->free_first + engine->free_count++) % engine->options->connections] =
		slot->number;
}

void engine_slot_rest(struct engine *engine, struct slot *slot)
{
	/* A bound slot's rest is up to its source. */
	if (engine->source->bound)
		return;
	slot->state = SLOT_RESTING;
	slot->began = engine->now;
	engine->resting[(engine->resting_first + engine->resting_count++) %
			engine->options->connections] = slot->number;
}

/* Slots that rested enough are free. Returns when the next one is, or UINT64_MAX. */
static uint64_t wake(struct engine *engine)
{
	while (engine->resting_count) {
		struct slot *slot = &engine->slots[engine->resting[engine->resting_first]];

		if (slot->began + REST > engine->now)
			return slot->began + REST;
		engine->resting_first = (engine->resting_first + 1) % engine->options->connections;
		engine->resting_count--;
		slot->state = SLOT_CLOSED;
		engine_slot_free(engine, slot);
	}
	return UINT64_MAX;
}

static void hand(struct engine *engine, struct slot *slot, const struct request *request)
{
	slot->pending[slot->pending_count++] = (struct pending){.request = *request};
	engine->outstanding++;
	engine->tally->sent++;
}

/* How many requests the slot may take at once. */
static uint32_t room_of(const struct engine *engine, const struct slot *slot)
{
	uint32_t room = engine->options->pipeline, most = engine->options->per_connection;

	if (most && most - slot->asked < room)
		room = most - slot->asked;
	return room;
}

/* Gives free slots what the source has. Returns when to come again, UINT64_MAX when only an answer
 * changes things, 0 at the source's end. */
static uint64_t dispatch(struct engine *engine)
{
	while (engine->source->bound || engine->free_count) {
		struct request request = {.slot = SLOT_ANY};
		enum source_answer answer;
		struct slot *slot;

		answer = engine->source->next(engine->source, engine->now, &request);
		if (answer == SOURCE_END)
			return 0;
		if (answer == SOURCE_WAIT)
			return request.due;
		if (request.slot == SLOT_ANY) {
			slot = &engine->slots[engine->free[engine->free_first]];
			engine->free_first =
				(engine->free_first + 1) % engine->options->connections;
			engine->free_count--;
			slot->free = false;
		} else {
			slot = &engine->slots[request.slot];
			/* The server takes its time to close; this user doesn't wait. */
			if (slot->state == SLOT_ENDING)
				slot_close(slot);
		}
		hand(engine, slot, &request);
		for (uint32_t room = room_of(engine, slot); slot->pending_count < room;) {
			request = (struct request){.slot = SLOT_ANY};
			answer = engine->source->next(engine->source, engine->now, &request);
			if (answer != SOURCE_REQUEST)
				break;
			hand(engine, slot, &request);
		}
		slot_go(slot);
	}
	return UINT64_MAX;
}

static void look_for_timeouts(struct engine *engine)
{
	for (uint32_t i = 0; i < engine->options->connections; i++) {
		struct slot *slot = &engine->slots[i];
		uint64_t since;

		if (slot->state == SLOT_ENDING || slot->state == SLOT_CONNECTING ||
		    slot->state == SLOT_HANDSHAKE)
			since = slot->began;
		else if (slot->pending_count)
			since = slot->pending[0].sent;
		else
			continue;
		if (engine->now - since < engine->options->timeout)
			continue;
		if (slot->state == SLOT_ENDING) {
			slot_close(slot);
			engine_slot_free(engine, slot);
		} else {
			slot_fail(slot, LOAD_ERROR_TIMEOUT);
		}
	}
}

struct ticker {
	uint64_t next, last;
	uint64_t requests, errors, bytes;
	bool shown;
};

static void tick(struct engine *engine, struct ticker *ticker)
{
	struct tally *tally = engine->tally;
	struct histogram *latency = engine->interval_latency;
	double seconds = (double)(engine->now - ticker->last) / 1e9;
	struct interval *interval;

	if (tally->series_count == tally->series_room) {
		size_t room = tally->series_room ? tally->series_room * 2 : 64;
		struct interval *series = reallocarray(tally->series, room, sizeof(*series));

		if (!series)
			return;
		tally->series = series;
		tally->series_room = room;
	}
	interval = &tally->series[tally->series_count++];
	*interval = (struct interval){
		.at = (double)(engine->now - engine->start) / 1e9,
		.seconds = seconds,
		.requests = tally->requests - ticker->requests,
		.errors = tally->errors - ticker->errors,
		.bytes = tally->bytes - ticker->bytes,
		.active = engine->outstanding,
		.p50 = histogram_at(latency, 0.5),
		.p99 = histogram_at(latency, 0.99),
		.most = latency->count ? latency->most : 0,
	};
	histogram_clear(latency);
	ticker->requests = tally->requests;
	ticker->errors = tally->errors;
	ticker->bytes = tally->bytes;
	ticker->last = engine->now;
	ticker->next = engine->now + engine->options->interval;
	if (!engine->options->progress)
		return;
	fprintf(stderr,
		"\r%6.0f s  %9.0f requests/s  %9.1f Mbit/s  p99 %8.3f ms  %llu errors\033[K",
		interval->at, (double)interval->requests / seconds,
		(double)interval->bytes * 8e-6 / seconds, (double)interval->p99 / 1e6,
		(unsigned long long)tally->errors);
	ticker->shown = true;
}

static int session_new(SSL *ssl, SSL_SESSION *session)
{
	struct engine *engine = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

	SSL_SESSION_free(engine->session);
	engine->session = session;
	return 1;
}

static int prepare_tls(struct engine *engine)
{
	const struct engine_options *options = engine->options;

	engine->tls = SSL_CTX_new(TLS_client_method());
	if (!engine->tls)
		return -ENOMEM;
	SSL_CTX_set_app_data(engine->tls, engine);
	SSL_CTX_set_mode(engine->tls, SSL_MODE_ENABLE_PARTIAL_WRITE |
					      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
					      SSL_MODE_RELEASE_BUFFERS);
	if (options->authorities) {
		if (!SSL_CTX_load_verify_locations(engine->tls, options->authorities, NULL))
			return -ENOENT;
		SSL_CTX_set_verify(engine->tls, SSL_VERIFY_PEER, NULL);
	}
	SSL_CTX_set_session_cache_mode(engine->tls,
				       SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	if (options->resume)
		SSL_CTX_sess_set_new_cb(engine->tls, session_new);
	return 0;
}

static int prepare(struct engine *engine)
{
	const struct engine_options *options = engine->options;
	int result;

	engine->slots = calloc(options->connections, sizeof(*engine->slots));
	engine->free = calloc(options->connections, sizeof(*engine->free));
	engine->resting = calloc(options->connections, sizeof(*engine->resting));
	engine->read_buffer = malloc(READ_ROOM);
	engine->interval_latency = histogram_new();
	if (!engine->slots || !engine->free || !engine->resting || !engine->read_buffer ||
	    !engine->interval_latency)
		return -ENOMEM;
	for (uint32_t i = 0; i < options->connections; i++)
		engine->slots[i].fd = -1;
	for (uint32_t i = 0; i < options->connections; i++) {
		struct slot *slot = &engine->slots[i];

		slot->engine = engine;
		slot->number = i;
		slot->node = -1;
		slot->address = options->url->address;
		slot->address_length = options->url->address_length;
		if (options->look_up_each &&
		    url_look_up(options->url, &slot->address, &slot->address_length))
			return -EHOSTUNREACH;
		slot->pending = calloc(options->pipeline, sizeof(*slot->pending));
		if (!slot->pending)
			return -ENOMEM;
		engine_slot_free(engine, slot);
	}
	engine->poll = epoll_create1(EPOLL_CLOEXEC);
	if (engine->poll < 0)
		return -errno;
	if (options->url->tls) {
		result = prepare_tls(engine);
		if (result)
			return result;
	}
	answer_prepare(engine);
	return 0;
}

static void release(struct engine *engine)
{
	for (uint32_t i = 0; engine->slots && i < engine->options->connections; i++) {
		slot_close(&engine->slots[i]);
		buffer_release(&engine->slots[i].out);
		free(engine->slots[i].pending);
	}
	SSL_SESSION_free(engine->session);
	SSL_CTX_free(engine->tls);
	if (engine->poll >= 0)
		close(engine->poll);
	buffer_release(&engine->write_buffer);
	free(engine->interval_latency);
	free(engine->read_buffer);
	free(engine->resting);
	free(engine->free);
	free(engine->slots);
}

static double cpu_seconds(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void play(struct engine *engine)
{
	static struct epoll_event events[EVENTS_MOST];
	const struct engine_options *options = engine->options;
	uint64_t end = options->duration ? engine->start + options->duration : UINT64_MAX;
	struct ticker ticker = {.next = engine->start + options->interval, .last = engine->start};
	uint64_t look = engine->start + LOOK;

	while (!stopped && engine->now < end) {
		uint64_t rested = wake(engine), again = dispatch(engine), until = end, wait;
		struct timespec timeout;
		int count;

		if (!again && !engine->outstanding)
			break;
		until = again && again < until ? again : until;
		until = rested < until ? rested : until;
		until = ticker.next < until ? ticker.next : until;
		until = look < until ? look : until;
		wait = until > engine->now ? until - engine->now : 0;
		timeout = (struct timespec){(time_t)(wait / NS_PER_S), (long)(wait % NS_PER_S)};
		count = epoll_pwait2(engine->poll, events, EVENTS_MOST, &timeout, NULL);
		engine->now = clock_now();
		for (int i = 0; i < count; i++) {
			struct slot *slot = &engine->slots[(uint32_t)events[i].data.u64];

			if (slot->generation != events[i].data.u64 >> 32)
				continue;
			slot_event(slot, events[i].events);
			/* What became free is busy again before the next one is looked at. */
			if (engine->free_count && i + 1 < count)
				dispatch(engine);
		}
		if (engine->now >= look) {
			look_for_timeouts(engine);
			look = engine->now + LOOK;
		}
		if (engine->now >= ticker.next)
			tick(engine, &ticker);
	}
	engine->now = clock_now();
	if (engine->tally->requests + engine->tally->errors > ticker.requests + ticker.errors)
		tick(engine, &ticker);
	if (ticker.shown)
		fprintf(stderr, "\r\033[K");
}

int engine_run(const struct engine_options *options, struct source *source, struct tally *tally)
{
	struct engine engine = {.options = options, .source = source, .tally = tally, .poll = -1};
	struct sigaction act = {.sa_handler = on_signal}, ignore = {.sa_handler = SIG_IGN};
	struct sigaction before_interrupt, before_terminate, before_pipe;
	int result;

	if (!tally->class_count)
		options->size_classes ? tally_size_classes(tally) : (void)tally_class(tally, "all");
	result = prepare(&engine);
	if (!result) {
		stopped = 0;
		sigaction(SIGINT, &act, &before_interrupt);
		sigaction(SIGTERM, &act, &before_terminate);
		sigaction(SIGPIPE, &ignore, &before_pipe);
		tally->cpu_seconds = -cpu_seconds();
		tally->began = (double)clock_wall() / 1e9;
		engine.start = engine.now = clock_now();
		play(&engine);
		tally->seconds = (double)(engine.now - engine.start) / 1e9;
		tally->cpu_seconds += cpu_seconds();
		tally->abandoned = engine.outstanding;
		sigaction(SIGINT, &before_interrupt, NULL);
		sigaction(SIGTERM, &before_terminate, NULL);
		sigaction(SIGPIPE, &before_pipe, NULL);
	}
	release(&engine);
	return result;
}
