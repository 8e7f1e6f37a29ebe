/* What is to be seen only while somebody looks at the page: what nodes tell of single requests, and
 * the mix of protocols at the front's device. */
#include "front/front.h"

#include "base/clock.h"
#include "base/fail.h"
#include "control/traffic.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { LOOK_S = 10 }; /* as long as the nodes do */

struct sight {
	struct front *front;
	int wanted, counted; /* maps of the program, which counts what it gets and sends back */
	struct traffic_watch
		*sent; /* by the host besides; NULL: nobody looks, or it can't be had */
	struct traffic_counts before; /* of earlier watches */
	uint64_t looked;	      /* clock_now() when somebody looked last */
	uv_timer_t over;
};

static void want(struct sight *sight, uint64_t until_ns)
{
	struct traffic_wanted wanted = {.until_ns = until_ns};
	uint32_t at = 0;

	if (bpf_map_update_elem(sight->wanted, &at, &wanted, BPF_ANY))
		log_line(LOG_LEVEL_WARNING, "the page's mix of protocols: %s", strerror(errno));
}

/* What the host has sent since the daemon began, past the program. */
static void read_sent(const struct sight *sight, struct traffic_counts *counts)
{
	struct traffic_counts now;

	*counts = sight->before;
	if (sight->sent && !traffic_read(sight->sent, &now))
		traffic_merge(counts, &now);
}

static void on_nobody_looks(uv_timer_t *timer)
{
	struct sight *sight = timer->data;
	struct traffic_counts sent;

	read_sent(sight, &sent);
	sight->before = sent;
	traffic_end(sight->sent);
	sight->sent = NULL;
}

static void look(struct sight *sight)
{
	const struct traffic_options options = {.port = (uint16_t)sight->front->config.port,
						.outgoing = true};

	sight->looked = clock_now();
	want(sight, sight->looked + LOOK_S * NS_PER_S);
	if (!sight->sent)
		sight->sent = traffic_start(sight->front->ifindex, &options);
	if (!sight->sent)
		log_line(LOG_LEVEL_WARNING, "what the front itself sends can't be counted: %s",
			 strerror(errno));
	uv_timer_start(&sight->over, on_nobody_looks, LOOK_S * 1000, 0);
}

static json_t *front_json(const struct sight *sight)
{
	struct traffic_counts counts, sent;
	int error = traffic_read_map(sight->counted, &counts);

	if (error)
		return NULL;
	read_sent(sight, &sent);
	traffic_merge(&counts, &sent);
	return json_pack("{s:f, s:o}", "at", (double)clock_now() / 1e9, "traffic",
			 traffic_json(&counts));
}

json_t *front_seen(struct front *front)
{
	json_t *nodes = json_object();
	bool ask = clock_now() - front->sight->looked >= NS_PER_S;

	if (ask)
		look(front->sight);
	for (uint32_t id = 1; id < NODES_MAX; id++) {
		const char *name = front->registry->nodes[id].name;
		const json_t *seen;

		if (!front->registry->nodes[id].used)
			continue;
		if (ask)
			peers_send(front->peers, name, json_pack("{s:s}", "type", "look"));
		seen = json_object_get(peers_report(front->peers, name), "seen");
		if (seen)
			json_object_set(nodes, name, (json_t *)seen);
	}
	return json_pack("{s:o, s:o*}", "nodes", nodes, "front", front_json(front->sight));
}

struct sight *sight_start(struct front *front)
{
	struct sight *sight = calloc(1, sizeof(*sight));

	if (!sight)
		out_of_memory();
	sight->front = front;
	sight->wanted = bpf_object__find_map_fd_by_name(front->object, "traffic_wanted");
	sight->counted = bpf_object__find_map_fd_by_name(front->object, "traffic");
	uv_timer_init(&front->loop, &sight->over);
	sight->over.data = sight;
	return sight;
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void sight_end(struct sight *sight)
{
	traffic_end(sight->sent);
	uv_close((uv_handle_t *)&sight->over, on_closed);
}
