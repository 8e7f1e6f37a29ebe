#include "dispatcher/dispatcher.h"

#include "control/percpu.h"
#include "control/target_clock.h"
#include "wire/counters.h"

#include <string.h>

/* Those of the counters that its program has a use for. */
static const struct {
	uint32_t index;
	const char *name;
} shown[] = {
	{FRONT_COUNT_ASKS, "asks"},
	{FRONT_COUNT_ASKS_STAY, "asks_stay"},
	{FRONT_COUNT_NO_NODE, "no_node"},
	{FRONT_COUNT_BAD_HEADER, "bad_header"},
	{FRONT_COUNT_BAD_MAC, "bad_mac"},
	{FRONT_COUNT_NOT_FRESH, "not_fresh"},
	{FRONT_COUNT_UNREACHABLE, "unreachable"},
};

json_t *dispatcher_report(const struct dispatcher *dispatcher)
{
	int map = bpf_object__find_map_fd_by_name(dispatcher->object, "front_counters");
	json_t *counters = json_object();
	char keys[8];

	for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
		uint64_t value;

		percpu_sum(map, shown[i].index, &value, 1);
		json_object_set_new(counters, shown[i].name, json_integer((json_int_t)value));
	}
	return json_pack("{s:s, s:s, s:I, s:I, s:i, s:s, s:o}", "type", "report", "keys",
			 config_keys_text(&dispatcher->keys, keys), "version",
			 (json_int_t)dispatcher->registry->version, "targets",
			 (json_int_t)target_clock_count(dispatcher->targets), "nodes",
			 (int)loads_connected(dispatcher->loads), "xdp",
			 dispatcher->native ? "native" : "generic", "counters", counters);
}

void dispatcher_answer(struct request *request, const json_t *message, void *owner)
{
	const char *command = json_string_value(json_object_get(message, "command"));
	const struct dispatcher *dispatcher = owner;

	if (command && !strcmp(command, "status"))
		request_answer(request,
			       json_pack("{s:s, s:b, s:o}", "name", dispatcher->name, "connected",
					 front_links_are_up(dispatcher->fronts), "report",
					 dispatcher_report(dispatcher)));
	else
		request_fail(request, "a dispatcher's daemon answers only 'status'");
}
