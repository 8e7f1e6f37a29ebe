/* `baton distribution`: the traffic-distribution paper's round-robin experiment, whole. */
#ifndef BATON_DISTRIBUTION_DISTRIBUTION_H
#define BATON_DISTRIBUTION_DISTRIBUTION_H

#include "base/command.h"

extern const struct command command_distribution;

#endif
