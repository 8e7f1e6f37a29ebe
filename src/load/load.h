/* `baton load`: workloads. */
#ifndef BATON_LOAD_LOAD_H
#define BATON_LOAD_LOAD_H

#include "base/command.h"

extern const struct command command_load;

extern const struct command load_closed, load_rate, load_replay, load_mix, load_surge, load_raw,
	load_content, load_chart;

#endif
