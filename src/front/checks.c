/* Keeps one health check for each node of each service, as the registry changes, and tells the
 * registry what they find. */
#include "front/front.h"

#include "base/clock.h"
#include "base/fail.h"
#include "control/interface.h"
#include "front/health.h"

#include <stdlib.h>
#include <string.h>

enum { RAMP_MS = 100 };

struct entry {
	struct entry *next;
	uint32_t service, node;
	struct endpoint endpoint;
	struct config_health settings;
	struct health *health;
	bool wanted;
};

struct checks {
	struct front *front;
	struct entry *first;
	uv_timer_t ramp;
	uint64_t cut; /* clock_now() when the front's own cable was last seen to be out; 0: never */
	uint64_t stepped[CONFIG_SERVICES]; /* clock_now() of the last step of slow start */
};

static void on_changed(enum health_state state, const char *why, void *owner, uint32_t service,
		       uint32_t node)
{
	struct checks *checks = owner;
	struct registry *registry = checks->front->registry;
	struct registry_service *of = &registry->services[service];
	enum node_state before = registry_node_state(registry, node);

	if (of->member[node] == MEMBER_NONE)
		return;
	if (of->member[node] == MEMBER_DOWN && state == HEALTH_UP)
		of->ramp[node] = of->settings.health.slow_start ? 1 : 0;
	of->member[node] = state == HEALTH_UP	   ? MEMBER_UP
			   : state == HEALTH_DOUBT ? MEMBER_DOUBT
						   : MEMBER_DOWN;
	registry->version++;
	log_line(state == HEALTH_UP ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING,
		 "node %s is %s for service %s%s%s", registry->nodes[node].name,
		 state == HEALTH_UP	 ? "up"
		 : state == HEALTH_DOUBT ? "in doubt"
					 : "down",
		 of->settings.name, state == HEALTH_UP ? "" : ": ", state == HEALTH_UP ? "" : why);
	front_changed(checks->front);
	if (before != NODE_DOWN && registry_node_state(registry, node) == NODE_DOWN)
		bury(checks->front->burial, node);
}

/* A front whose own cable is out reaches nobody: that says nothing about the nodes, and their
 * connections go on when it is back. */
static bool on_heard(uint64_t timeout, void *owner)
{
	struct checks *checks = owner;
	uint64_t now = clock_now();

	if (interface_running(checks->front->config.front.interface))
		return !checks->cut || now - checks->cut > timeout;
	if (!checks->cut || now - checks->cut > timeout)
		log_line(LOG_LEVEL_WARNING, "the cable of %s is out; nodes count as before",
			 checks->front->config.front.interface);
	checks->cut = now;
	return false;
}

/* Slow start: members that have come back get a little more. */
static void on_ramp(uv_timer_t *timer)
{
	struct checks *checks = timer->data;
	struct registry *registry = checks->front->registry;
	uint64_t now = clock_now();
	bool changed = false;

	for (uint32_t id = 0; id < CONFIG_SERVICES; id++) {
		struct registry_service *service = &registry->services[id];
		uint64_t step = service->settings.health.slow_start / RAMP_STEPS;

		if (!service->used || now - checks->stepped[id] < step)
			continue;
		checks->stepped[id] = now;
		for (uint32_t node = 1; node < NODES_MAX; node++) {
			if (!service->ramp[node] || service->member[node] != MEMBER_UP)
				continue;
			service->ramp[node] = (uint8_t)((service->ramp[node] + 1) % RAMP_STEPS);
			changed = true;
		}
	}
	if (!changed)
		return;
	registry->version++;
	front_changed(checks->front);
}

static struct entry *find(const struct checks *checks, uint32_t service, uint32_t node)
{
	for (struct entry *entry = checks->first; entry; entry = entry->next)
		if (entry->service == service && entry->node == node)
			return entry;
	return NULL;
}

static void begin(struct checks *checks, uint32_t service, uint32_t node)
{
	const struct registry_service *from = &checks->front->registry->services[service];
	struct entry *entry = find(checks, service, node);
	struct endpoint endpoint, vip = {from->settings.addresses[0], 0};
	char host[ENDPOINT_TEXT];

	memset(&endpoint, 0, sizeof(endpoint));
	endpoint.address = checks->front->registry->nodes[node].address;
	endpoint.port = (uint16_t)from->settings.port;
	vip.port = endpoint.port;
	if (entry && !memcmp(&entry->endpoint, &endpoint, sizeof(endpoint)) &&
	    !memcmp(&entry->settings, &from->settings.health, sizeof(entry->settings))) {
		entry->wanted = true;
		return;
	}
	entry = calloc(1, sizeof(*entry));
	if (!entry)
		out_of_memory();
	entry->service = service;
	entry->node = node;
	entry->endpoint = endpoint;
	entry->settings = from->settings.health;
	entry->wanted = true;
	entry->health = health_start(&checks->front->loop, &endpoint,
				     *entry->settings.host ? entry->settings.host
							   : endpoint_text(&vip, host),
				     &entry->settings, from->member[node] != MEMBER_DOWN,
				     on_changed, on_heard, checks, service, node);
	entry->next = checks->first;
	checks->first = entry;
}

void checks_follow(struct checks *checks)
{
	const struct registry *registry = checks->front->registry;
	struct entry **link = &checks->first, *entry;

	for (entry = checks->first; entry; entry = entry->next)
		entry->wanted = false;
	for (uint32_t service = 0; service < CONFIG_SERVICES; service++) {
		const struct registry_service *from = &registry->services[service];

		if (!from->used || from->settings.health.type == HEALTH_NONE)
			continue;
		for (uint32_t node = 1; node < NODES_MAX; node++)
			if (from->member[node] != MEMBER_NONE)
				begin(checks, service, node);
	}
	while ((entry = *link)) {
		if (entry->wanted) {
			link = &entry->next;
			continue;
		}
		*link = entry->next;
		health_stop(entry->health);
		free(entry);
	}
}

struct checks *checks_start(struct front *front)
{
	struct checks *checks = calloc(1, sizeof(*checks));

	if (!checks)
		out_of_memory();
	checks->front = front;
	checks_follow(checks);
	uv_timer_init(&front->loop, &checks->ramp);
	checks->ramp.data = checks;
	uv_timer_start(&checks->ramp, on_ramp, RAMP_MS, RAMP_MS);
	return checks;
}

static void on_ramp_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void checks_end(struct checks *checks)
{
	for (struct entry *entry = checks->first, *next; entry; entry = next) {
		next = entry->next;
		health_stop(entry->health);
		free(entry);
	}
	uv_close((uv_handle_t *)&checks->ramp, on_ramp_closed);
}

void checks_object(struct checks *checks, uint32_t node, const json_t *problems)
{
	const struct registry *registry = checks->front->registry;

	for (struct entry *entry = checks->first; entry; entry = entry->next) {
		const char *name = registry->services[entry->service].settings.name;
		const char *problem = json_string_value(json_object_get(problems, name));

		if (entry->node == node)
			health_object(entry->health, problem ? problem : "");
	}
}

const char *checks_why(const struct checks *checks, uint32_t service, uint32_t node)
{
	const struct entry *entry = find(checks, service, node);

	return entry ? health_why(entry->health) : "";
}
