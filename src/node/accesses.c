/* Joining: a flow's requests wait in the order they came, in a hash table by flow. Responses come
 * in the same order, so what one passes over has been lost. What waits long is looked after: its
 * flow may have ended without a word, by a client that vanished or a server that was killed. */
#include "node/accesses.h"

#include "base/clock.h"
#include "base/fail.h"
#include "node/node.h"
#include "wire/node.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

enum {
	BUCKETS = 16384,
	OPEN_MOST = 100000,    /* requests that may wait; the oldest flow's are given up for more */
	LOOK_AFTER_TICKS = 40, /* of RECORDS_LOOK_MS: how often silent flows are looked after */
	LOOK_AFTER = 1024,     /* so many at a time */
};

#define SILENT_NS (2 * NS_PER_S)

struct waiting {
	STAILQ_ENTRY(waiting) next;
	struct request_record record; /* as much of it as was needed */
};

STAILQ_HEAD(waiting_list, waiting);

struct flow_waiting {
	LIST_ENTRY(flow_waiting) same; /* bucket */
	TAILQ_ENTRY(flow_waiting) age;
	struct flow_key key;
	uint32_t generation;
	uint64_t looked_ns; /* when something was last heard or asked of it */
	struct waiting_list requests;
};

struct accesses {
	const struct node *node;
	struct ring_buffer *ring;
	int watch, held;
	access_taker taker;
	void *owner;
	uv_poll_t ready;
	uv_timer_t timer;
	unsigned int handles, ticks;
	uint64_t lost, open;
	uint64_t now_ns, wall_offset; /* of the batch in hand: both clocks read once */
	LIST_HEAD(, flow_waiting) buckets[BUCKETS];
	TAILQ_HEAD(, flow_waiting) by_age;
};

/* The multipliers are those of xxHash's 64-bit form. */
static unsigned int bucket_of(const struct flow_key *key)
{
	uint64_t hash = (uint64_t)key->client_port << 16 | key->vip_port;

	for (size_t i = 0; i < 4; i++) {
		hash = (hash ^ key->client.words[i]) * 0x9e3779b185ebca87ull;
		hash = (hash ^ hash >> 32 ^ key->vip.words[i]) * 0xc2b2ae3d27d4eb4full;
	}
	return (unsigned int)(hash >> 40) % BUCKETS;
}

static struct flow_waiting *find(struct accesses *accesses, const struct flow_key *key)
{
	struct flow_waiting *flow;

	LIST_FOREACH(flow, &accesses->buckets[bucket_of(key)], same)
	if (!memcmp(&flow->key, key, sizeof(*key)))
		return flow;
	return NULL;
}

static void forget_first(struct accesses *accesses, struct flow_waiting *flow)
{
	struct waiting *first = STAILQ_FIRST(&flow->requests);

	STAILQ_REMOVE_HEAD(&flow->requests, next);
	free(first);
	accesses->open--;
}

static void forget_flow(struct accesses *accesses, struct flow_waiting *flow)
{
	while (!STAILQ_EMPTY(&flow->requests))
		forget_first(accesses, flow);
	LIST_REMOVE(flow, same);
	TAILQ_REMOVE(&accesses->by_age, flow, age);
	free(flow);
}

/* `response` is NULL if nobody saw one end. */
static void give(struct accesses *accesses, const struct request_record *request,
		 const struct request_record *response)
{
	struct access access = {
		.key = request->key,
		.wall_ns = request->time_ns + accesses->wall_offset,
		.service = request->service,
		.wanted = request->wanted,
		.flags = request->flags,
		.reason = request->reason,
		.pin = request->pin,
		.line = (const char *)request->text,
		.line_length = request->line_length,
		.host = (const char *)request->text + request->line_length,
		.host_length = request->host_length,
	};

	if (response) {
		access.first_byte_ns =
			response->first_ns ? response->first_ns - request->time_ns : 0;
		access.whole_ns = response->time_ns - request->time_ns;
		access.bytes = response->bytes;
		access.status = response->status;
		access.flags |= response->flags;
		access.pin = response->pin;
	} else {
		access.whole_ns = accesses->now_ns > request->time_ns
					  ? accesses->now_ns - request->time_ns
					  : 0;
		access.flags |= RECORD_CUT;
	}
	accesses->taker(accesses->owner, &access);
}

/* The flow's connection is over, and so are its requests. */
static void give_cut(struct accesses *accesses, struct flow_waiting *flow)
{
	struct waiting *waiting;

	STAILQ_FOREACH(waiting, &flow->requests, next)
	give(accesses, &waiting->record, NULL);
	forget_flow(accesses, flow);
}

static void on_request(struct accesses *accesses, struct flow_waiting *flow,
		       const struct request_record *record, size_t size)
{
	struct waiting *waiting;

	if (flow && flow->generation != record->generation) {
		give_cut(accesses, flow);
		flow = NULL;
	}
	if (accesses->open >= OPEN_MOST) {
		struct flow_waiting *oldest = TAILQ_FIRST(&accesses->by_age);
		uint64_t before = accesses->open;

		flow = flow == oldest ? NULL : flow;
		forget_flow(accesses, oldest);
		accesses->lost += before - accesses->open;
	}
	if (!flow) {
		flow = calloc(1, sizeof(*flow));
		if (!flow)
			out_of_memory();
		flow->key = record->key;
		flow->generation = record->generation;
		STAILQ_INIT(&flow->requests);
		LIST_INSERT_HEAD(&accesses->buckets[bucket_of(&record->key)], flow, same);
		TAILQ_INSERT_TAIL(&accesses->by_age, flow, age);
	}
	flow->looked_ns = record->time_ns;
	waiting = malloc(offsetof(struct waiting, record) + size);
	if (!waiting)
		out_of_memory();
	memcpy(&waiting->record, record, size);
	STAILQ_INSERT_TAIL(&flow->requests, waiting, next);
	accesses->open++;
}

static void on_response(struct accesses *accesses, struct flow_waiting *flow,
			const struct request_record *record)
{
	struct waiting *first;

	if (!flow || flow->generation != record->generation) {
		accesses->lost++;
		return;
	}
	while ((first = STAILQ_FIRST(&flow->requests)) && first->record.number < record->number) {
		forget_first(accesses, flow);
		accesses->lost++;
	}
	if (first && first->record.number == record->number) {
		give(accesses, &first->record, record);
		forget_first(accesses, flow);
	} else {
		accesses->lost++;
	}
	if (record->flags & RECORD_CUT)
		give_cut(accesses, flow);
	else if (STAILQ_EMPTY(&flow->requests))
		forget_flow(accesses, flow);
}

/* The next node has the requests from the record's number on. */
static void on_moved(struct accesses *accesses, struct flow_waiting *flow,
		     const struct request_record *record)
{
	struct waiting *waiting;

	if (!flow || flow->generation != record->generation)
		return;
	/* What came before had its response, or the flow could not have left. */
	STAILQ_FOREACH(waiting, &flow->requests, next)
	accesses->lost += waiting->record.number < record->number;
	forget_flow(accesses, flow);
}

static int on_record(void *owner, void *data, size_t size)
{
	const struct request_record *record = data;
	struct accesses *accesses = owner;
	size_t texts = size - offsetof(struct request_record, text);
	struct flow_waiting *flow;

	if (size < offsetof(struct request_record, text) || size > sizeof(*record))
		return 0;
	flow = find(accesses, &record->key);
	if (record->kind == RECORD_REQUEST &&
	    (size_t)record->line_length + record->host_length <= texts)
		on_request(accesses, flow, record, size);
	else if (record->kind == RECORD_RESPONSE)
		on_response(accesses, flow, record);
	else if (record->kind == RECORD_MOVED)
		on_moved(accesses, flow, record);
	return 0;
}

static void read_clocks(struct accesses *accesses)
{
	accesses->now_ns = clock_now();
	accesses->wall_offset = clock_wall() - accesses->now_ns;
}

static void take(struct accesses *accesses)
{
	read_clocks(accesses);
	if (ring_buffer__consume(accesses->ring) > 0)
		accesses->taker(accesses->owner, NULL);
}

/* Flows of which nothing was heard for a while: are they still there? */
static void look_after(struct accesses *accesses)
{
	struct flow_waiting *flow;
	bool given = false;
	struct held held;
	int looks = 0;

	read_clocks(accesses);
	while ((flow = TAILQ_FIRST(&accesses->by_age)) &&
	       flow->looked_ns + SILENT_NS <= accesses->now_ns && looks++ < LOOK_AFTER) {
		if (bpf_map_lookup_elem(accesses->held, &flow->key, &held) ||
		    (uint32_t)(held.owner >> 32) != flow->generation ||
		    ((uint32_t)held.owner != HELD_OPEN && (uint32_t)held.owner != HELD_MUTED) ||
		    !held_has_socket(accesses->node, &flow->key)) {
			give_cut(accesses, flow);
			given = true;
			continue;
		}
		flow->looked_ns = accesses->now_ns;
		TAILQ_REMOVE(&accesses->by_age, flow, age);
		TAILQ_INSERT_TAIL(&accesses->by_age, flow, age);
	}
	if (given)
		accesses->taker(accesses->owner, NULL);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
	(void)events;
	if (!status)
		take(poll->data);
}

static void on_tick(uv_timer_t *timer)
{
	struct accesses *accesses = timer->data;

	take(accesses);
	if (++accesses->ticks % LOOK_AFTER_TICKS == 0)
		look_after(accesses);
}

int accesses_want(struct accesses *accesses, bool wanted)
{
	struct watch watch = {.log = wanted};
	uint32_t at = 0;

	if (wanted)
		uv_timer_start(&accesses->timer, on_tick, RECORDS_LOOK_MS, RECORDS_LOOK_MS);
	return bpf_map_update_elem(accesses->watch, &at, &watch, BPF_ANY) ? -errno : 0;
}

uint64_t accesses_lost(const struct accesses *accesses)
{
	return accesses->lost;
}

uint64_t accesses_open(const struct accesses *accesses)
{
	return accesses->open;
}

struct accesses *accesses_start(struct node *node, access_taker taker, void *owner)
{
	struct accesses *accesses = calloc(1, sizeof(*accesses));

	if (!accesses)
		out_of_memory();
	accesses->node = node;
	accesses->taker = taker;
	accesses->owner = owner;
	accesses->watch = bpf_object__find_map_fd_by_name(node->object, "watch");
	accesses->held = bpf_object__find_map_fd_by_name(node->object, "held");
	TAILQ_INIT(&accesses->by_age);
	accesses->ring = ring_buffer__new(bpf_object__find_map_fd_by_name(node->object, "records"),
					  on_record, accesses, NULL);
	if (!accesses->ring) {
		free(accesses);
		return NULL;
	}
	accesses->handles = 2;
	uv_poll_init(&node->loop, &accesses->ready, ring_buffer__epoll_fd(accesses->ring));
	uv_timer_init(&node->loop, &accesses->timer);
	accesses->ready.data = accesses;
	accesses->timer.data = accesses;
	uv_poll_start(&accesses->ready, UV_READABLE, on_ready);
	return accesses;
}

static void on_closed(uv_handle_t *handle)
{
	struct accesses *accesses = handle->data;

	if (--accesses->handles)
		return;
	while (!TAILQ_EMPTY(&accesses->by_age))
		forget_flow(accesses, TAILQ_FIRST(&accesses->by_age));
	ring_buffer__free(accesses->ring);
	free(accesses);
}

void accesses_end(struct accesses *accesses)
{
	take(accesses);
	uv_close((uv_handle_t *)&accesses->ready, on_closed);
	uv_close((uv_handle_t *)&accesses->timer, on_closed);
}
