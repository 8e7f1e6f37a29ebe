/* `baton monitor`: packets and bytes by protocol, live or from a file. */
#ifndef BATON_MONITOR_MONITOR_H
#define BATON_MONITOR_MONITOR_H

#include "base/command.h"

extern const struct command command_monitor;

#endif
