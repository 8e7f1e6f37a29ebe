#include "experiment/experiment.h"

#include <stddef.h>

/* One a line, so that additions don't meet. */
/* clang-format off */
static const struct command *const experiments[] = {
	&experiment_kwon2008,
	&experiment_policies,
	&experiment_splice,
	NULL,
};
/* clang-format on */

const struct command command_experiment = {
	.name = "experiment",
	.operands = "",
	.summary = "Measure on the lab's servers what the papers measured",
	.commands = experiments,
	.run = command_dispatch,
};
