/* Counts the flows of services that are only forwarded, by node and pool: what policies that go by
 * load see of them. The program counts each flow in and out; what ends without a word (a datagram
 * flow, a client that is gone, an entry that the table pushed out) is counted out here. */
#include "front/front.h"

#include "base/clock.h"
#include "base/fail.h"
#include "place/world.h"
#include "wire/front.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

enum { TICK_MS = 1000, BATCH = 1024, SLOTS = PLACE_NODES_MAX + PLACE_POOLS_MAX };

struct layer4 {
	uv_timer_t timer;
	struct front *front;
	int map;
	int64_t before[SLOTS], counted[SLOTS];
	struct layer4_key keys[BATCH];
	struct layer4_flow flows[BATCH];
};

static bool wanted(const struct registry *registry)
{
	for (uint32_t id = 0; id < CONFIG_SERVICES; id++) {
		const struct registry_service *service = &registry->services[id];

		if (service->used && registry_by_load(registry, id) &&
		    (service->settings.protocol == PROTOCOL_TCP ||
		     service->settings.protocol == PROTOCOL_UDP))
			return true;
	}
	return false;
}

static bool lives(const struct layer4_key *key, const struct layer4_flow *flow, uint32_t now,
		  uint32_t idle)
{
	uint32_t silent = now - flow->seen;

	if ((int32_t)silent < 0)
		silent = 0;
	return !flow->closed && silent <= (key->protocol == IPPROTO_UDP ? LAYER4_UDP_TICKS : idle);
}

static void walk(struct layer4 *layer4, uint32_t now, uint32_t idle)
{
	uint32_t at, next, *from = NULL;

	for (;;) {
		LIBBPF_OPTS(bpf_map_batch_opts, options);
		__u32 count = BATCH;
		int error = bpf_map_lookup_batch(layer4->map, from, &next, layer4->keys,
						 layer4->flows, &count, &options);

		if (error && errno != ENOENT)
			return;
		for (__u32 i = 0; i < count; i++) {
			const struct layer4_flow *flow = &layer4->flows[i];

			if (flow->node >= PLACE_NODES_MAX || flow->pool >= PLACE_POOLS_MAX ||
			    !lives(&layer4->keys[i], flow, now, idle))
				continue;
			layer4->counted[flow->node]++;
			layer4->counted[PLACE_NODES_MAX + flow->pool]++;
		}
		if (error)
			return;
		at = next;
		from = &at;
	}
}

static void recount(struct layer4 *layer4)
{
	const struct front *front = layer4->front;
	struct place_load *loads = datapath_world(front->datapath)->loads;

	for (uint32_t slot = 0; slot < SLOTS; slot++)
		layer4->before[slot] = __atomic_load_n(&loads[slot].flows, __ATOMIC_RELAXED);
	memset(layer4->counted, 0, sizeof(layer4->counted));
	walk(layer4, (uint32_t)(clock_now() >> FRONT_TICK_SHIFT),
	     FRONT_TICKS(front->registry->idle / NS_PER_S));
	/* What the program counted meanwhile stays counted. */
	for (uint32_t slot = 0; slot < SLOTS; slot++)
		if (layer4->counted[slot] != layer4->before[slot])
			__atomic_add_fetch(&loads[slot].flows,
					   layer4->counted[slot] - layer4->before[slot],
					   __ATOMIC_RELAXED);
}

static void on_tick(uv_timer_t *timer)
{
	struct layer4 *layer4 = timer->data;

	if (wanted(layer4->front->registry))
		recount(layer4);
}

struct layer4 *layer4_start(struct front *front)
{
	struct layer4 *layer4 = calloc(1, sizeof(*layer4));

	if (!layer4)
		out_of_memory();
	layer4->front = front;
	layer4->map = bpf_object__find_map_fd_by_name(front->object, "layer4");
	uv_timer_init(&front->loop, &layer4->timer);
	layer4->timer.data = layer4;
	uv_timer_start(&layer4->timer, on_tick, TICK_MS, TICK_MS);
	return layer4;
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void layer4_end(struct layer4 *layer4)
{
	uv_close((uv_handle_t *)&layer4->timer, on_closed);
}
