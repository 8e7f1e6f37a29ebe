/* `baton sink`: receives raw traffic, checks and stores it. */
#ifndef BATON_SINK_SINK_H
#define BATON_SINK_SINK_H

#include "base/command.h"

extern const struct command command_sink;

#endif
