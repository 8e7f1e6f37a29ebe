/* `baton simulate`: the policies on simulated hardware of any size. */
#ifndef BATON_SIMULATE_SIMULATE_H
#define BATON_SIMULATE_SIMULATE_H

#include "base/command.h"

extern const struct command command_simulate;

/* Its subcommands. */
extern const struct command simulate_cache, simulate_kwon2008, simulate_rate, simulate_hong2004,
	simulate_today;

#endif
