#include "simulate/simulate.h"

static const struct command *const commands[] = {&simulate_cache,    &simulate_hong2004,
						 &simulate_kwon2008, &simulate_rate,
						 &simulate_today,    NULL};

const struct command command_simulate = {
	.name = "simulate",
	.operands = "",
	.summary = "Run the same policies on simulated hardware of any size",
	.description =
		"Discrete events around the very code that the kernel's programs place with. "
		"docs/simulation.md tells the models and what they leave out, "
		"docs/choosing-a-policy.md what came out.",
	.commands = commands,
	.run = command_dispatch,
};
