/* The slow path: connections whose first request, or ClientHello, is not whole in one segment, and
 * those for which no node is up.
 *
 * The program gives the daemon each segment of such a flow (wire/slow.h). The bytes are put
 * together, read by the same lines as in the kernel, placed by the same program (which may want a
 * dispatcher elsewhere to be asked), and handed to the node in order, in segments as large as fit
 * under a Baton header. Only then do the client's next segments go their usual way. */
#include "front/slow.h"

#include "base/clock.h"
#include "base/fail.h"
#include "front/kept.h"
#include "place/hash.h"
#include "wire/cluster.h"
#include "wire/counters.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	TICK_MS = 100,
	BATCH = 512, /* segments in a row before the loop's other work gets its turn */
};

/* ---- the table ---- */

static unsigned int bucket_of(const struct flow_key *key)
{
	uint64_t hash = place_hash_word(PLACE_HASH_START, (uint64_t)key->client.words[2] << 32 |
								  key->client.words[3]);

	hash = place_hash_word(hash, (uint64_t)key->client.words[0] << 32 | key->client.words[1]);
	return place_hash_end(hash, (uint64_t)key->client_port << 16 | key->vip_port, 20) %
	       KEPT_BUCKETS;
}

static struct kept *find(struct slow_path *slow, const struct flow_key *key)
{
	struct kept *kept;

	LIST_FOREACH(kept, &slow->buckets[bucket_of(key)], bucket)
	if (!memcmp(&kept->key, key, sizeof(*key)))
		return kept;
	return NULL;
}

/* Tells the program that the daemon is there and whether there is room. */
static void tell(struct slow_path *slow, bool alive)
{
	struct slow_control control = {.heard = alive ? (uint32_t)(clock_now() >> FRONT_TICK_SHIFT)
						      : 0,
				       .room = slow->count < kept_limits(slow)->flows};
	uint32_t zero = 0;

	if (alive && !control.heard)
		control.heard = 1;
	if (control.heard == slow->told.heard && control.room == slow->told.room)
		return;
	if (bpf_map_update_elem(slow->control, &zero, &control, BPF_ANY))
		log_line(LOG_LEVEL_ERROR, "telling the program of the slow path: %s",
			 strerror(errno));
	slow->told = control;
}

void kept_forget(struct slow_path *slow, struct kept *kept)
{
	LIST_REMOVE(kept, bucket);
	TAILQ_REMOVE(&slow->all, kept, all);
	slow->count--;
	reassembly_release(&kept->bytes);
	free(kept);
	tell(slow, true);
}

static struct kept *keep(struct slow_path *slow, const struct slow_segment *record,
			 const struct segment *segment)
{
	struct kept *kept = calloc(1, sizeof(*kept));

	if (!kept)
		out_of_memory();
	kept->key = record->key;
	kept->generation = record->generation;
	kept->first_seq = record->first_seq;
	kept->first_ack = record->first_ack;
	kept->service = record->service;
	memcpy(kept->client_mac, segment->from_mac, 6);
	memcpy(kept->front_mac, segment->to_mac, 6);
	kept->stamped = segment->stamped;
	kept->first_tsval = segment->tsval;
	kept->tsval = segment->tsval;
	kept->tsecr = segment->tsecr;
	reassembly_init(&kept->bytes, (uint32_t)kept_limits(slow)->size);
	kept->until = clock_now() + kept_limits(slow)->time;
	LIST_INSERT_HEAD(&slow->buckets[bucket_of(&kept->key)], kept, bucket);
	TAILQ_INSERT_TAIL(&slow->all, kept, all);
	slow->count++;
	tell(slow, true);
	return kept;
}

/* ---- segments from the program ---- */

/* A segment of a flow that isn't kept here. Returns it, now kept, if it is to be. */
static struct kept *begin(struct slow_path *slow, const struct slow_segment *record,
			  const struct segment *segment, const uint8_t *frame)
{
	struct slow_order by_client = {.fallback = FRONT_COUNT_FALLBACK_SPLIT,
				       .count = FRONT_COUNT_SLOW_FULL};
	struct front_flow flow;
	struct kept *kept;

	if (bpf_map_lookup_elem(slow->flows, &record->key, &flow) ||
	    flow.owner.generation != record->generation)
		return NULL;
	if (flow.owner.state == FRONT_OPEN || flow.owner.state == FRONT_CLOSING) {
		/* It was placed while this one was on its way here. */
		struct node_entry node = {0};
		uint32_t id = flow.owner.node;

		bpf_map_lookup_elem(slow->nodes, &id, &node);
		orders_hand(&slow->orders, &record->key, record->generation, frame, record->length,
			    node.ifindex);
		return NULL;
	}
	if (flow.owner.state != FRONT_SLOW)
		return NULL;
	kept = keep(slow, record, segment);
	if (flow.owner.flags & FRONT_ACKED) {
		/* An earlier daemon had acknowledged what this one has not. */
		kept_reset(slow, kept);
		kept_order(slow, kept, SLOW_LOSE, 0, FRONT_COUNT_SLOW_LOST);
	} else if (flow.owner.node) {
		kept_order(slow, kept, SLOW_OPEN, 0, 0);
	} else if (slow->count <= kept_limits(slow)->flows) {
		return kept;
	} else if (segment->seq == record->first_seq && segment->length) {
		reassembly_add(&kept->bytes, 0, segment->payload, segment->length);
		kept_place(slow, kept, &by_client);
		return NULL;
	}
	kept_forget(slow, kept);
	return NULL;
}

static int on_record(void *owner, void *data, size_t size)
{
	const struct slow_segment *record = data;
	const uint8_t *frame = (const uint8_t *)(record + 1);
	struct slow_path *slow = owner;
	struct segment segment;
	struct kept *kept = find(slow, &record->key);

	if (!record->length) {
		if (kept && kept->generation == record->generation)
			kept_answered(slow, kept, record->node, record->reason);
		goto out;
	}
	if (size < sizeof(*record) + record->length ||
	    segment_read(frame, record->length, &segment)) {
		struct slow_order count = {.action = SLOW_COUNT, .count = FRONT_COUNT_BAD_CHECKSUM};

		orders_do(&slow->orders, &count);
		goto out;
	}
	if (kept && kept->generation != record->generation) {
		kept_forget(slow, kept); /* the client has begun again from the same port */
		kept = NULL;
	}
	if (!kept)
		kept = begin(slow, record, &segment, frame);
	if (!kept)
		goto out;
	kept_segment(slow, kept, &segment, frame, record->length);
out:
	/* The rest waits for the loop's next turn. */
	return ++slow->batch % BATCH ? 0 : -EAGAIN;
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
	struct slow_path *slow = poll->data;

	(void)events;
	if (!status)
		ring_buffer__consume(slow->ring);
}

static void on_tick(uv_timer_t *timer)
{
	struct slow_path *slow = timer->data;
	uint64_t now = clock_now();

	tell(slow, true);
	for (struct kept *kept = TAILQ_FIRST(&slow->all), *next; kept; kept = next) {
		next = TAILQ_NEXT(kept, all);
		kept_tick(slow, kept, now);
	}
}

struct slow_path *slow_path_start(struct front *front)
{
	struct slow_path *slow = calloc(1, sizeof(*slow));
	int error;

	if (!slow)
		out_of_memory();
	slow->front = front;
	TAILQ_INIT(&slow->all);
	slow->control = bpf_object__find_map_fd_by_name(front->object, "slow_control");
	slow->flows = bpf_object__find_map_fd_by_name(front->object, "flows");
	slow->nodes = bpf_object__find_map_fd_by_name(front->object, "nodes");
	error = orders_open(&slow->orders, front->object, front->ifindex);
	if (error)
		goto no_orders;
	slow->ring =
		ring_buffer__new(bpf_object__find_map_fd_by_name(front->object, "slow_segments"),
				 on_record, slow, NULL);
	if (!slow->ring) {
		error = -errno;
		goto no_ring;
	}
	uv_timer_init(&front->loop, &slow->timer);
	uv_poll_init(&front->loop, &slow->ready, ring_buffer__epoll_fd(slow->ring));
	slow->timer.data = slow;
	slow->ready.data = slow;
	slow->handles = 2;
	uv_timer_start(&slow->timer, on_tick, 0, TICK_MS);
	uv_poll_start(&slow->ready, UV_READABLE, on_ready);
	return slow;

no_ring:
	orders_close(&slow->orders);
no_orders:
	free(slow);
	errno = -error;
	return NULL;
}

static void on_closed(uv_handle_t *handle)
{
	struct slow_path *slow = handle->data;

	if (--slow->handles)
		return;
	while (!TAILQ_EMPTY(&slow->all))
		kept_forget(slow, TAILQ_FIRST(&slow->all));
	tell(slow, false);
	ring_buffer__free(slow->ring);
	orders_close(&slow->orders);
	free(slow);
}

void slow_path_end(struct slow_path *slow)
{
	uv_close((uv_handle_t *)&slow->timer, on_closed);
	uv_close((uv_handle_t *)&slow->ready, on_closed);
}

unsigned int slow_path_kept(const struct slow_path *slow)
{
	return slow->count;
}
