#include "lab/lines.h"

#include "lab/keeper.h"
#include "lab/names.h"
#include "lab/state.h"
#include "lab/topology.h"

#include <stdio.h>
#include <string.h>

/* How long a host's cable holds every frame up, each way, ns. */
static uint64_t delay_of(const struct values *values, const char *host)
{
	if (!strcmp(host, "client"))
		return values->delay;
	if (!strcmp(host, "origin"))
		return values->origin_delay;
	return profiles_delay(&values->profiles, host);
}

bool lines_has(const void *context, const char *host)
{
	const struct values *values = context;

	return values->impair || delay_of(values, host);
}

static void add(const struct values *values, const char *host, json_t *list)
{
	char name[80], port[64], far[64], time[32], file[80], path[STATE_ROOM];

	if (!lines_has(values, host))
		return;
	snprintf(name, sizeof(name), "%s-line", host);
	snprintf(port, sizeof(port), "p-%s", host);
	snprintf(far, sizeof(far), "d-%s", host);
	snprintf(time, sizeof(time), "%luns", delay_of(values, host));
	snprintf(file, sizeof(file), "line-%s.sock", host);
	keeper_add(list, name, "switch", true,
		   (const char *const[]){"/proc/self/exe", "lab", "line", port, far,
					 state_path(values->name, file, path), time, NULL});
}

void lines_add(const struct values *values, json_t *list)
{
	char host[32];

	add(values, "client", list);
	add(values, "origin", list);
	if (values_by_dns(values))
		add(values, LAB_RESOLVER, list);
	else if (values->fronts > 1)
		add(values, "router", list);
	for (unsigned int i = 1; i <= values->fronts && !values_by_dns(values); i++)
		add(values, topology_front(i, host), list);
	for (unsigned int i = 1; i <= values->nodes; i++) {
		snprintf(host, sizeof(host), "node%u", i);
		add(values, host, list);
	}
	for (unsigned int i = 1; i <= values->dispatchers; i++)
		add(values, topology_dispatcher(i, host), list);
	for (unsigned int i = 0; i < values->extra.count; i++)
		add(values, values->extra.items[i], list);
}
