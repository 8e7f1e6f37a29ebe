/* The commands that ask and change a running cluster, by way of its front's daemon. */
#ifndef BATON_CONTROL_COMMANDS_H
#define BATON_CONTROL_COMMANDS_H

#include "base/command.h"

extern const struct command command_status, command_where, command_flows;
extern const struct command command_drain, command_ready, command_weight, command_reload;
extern const struct command command_service, command_key;

/* add, set, del, list: subcommands of `baton node`, NULL-ended. */
extern const struct command *const node_commands[];

#endif
