#include "load/load.h"

const struct command command_load = {
	.name = "load",
	.summary = "Send workloads and check every answer",
	.description = "All kinds share one event-driven engine. Answers that are not exactly what "
		       "they should be are errors, counted by name.",
	.commands =
		(const struct command *const[]){
			&load_closed,
			&load_rate,
			&load_mix,
			&load_replay,
			&load_surge,
			&load_raw,
			&load_content,
			&load_chart,
			NULL,
		},
	.run = command_dispatch,
};
