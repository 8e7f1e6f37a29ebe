/* `baton experiment`: what the papers measured, measured again on the lab's real servers. */
#ifndef BATON_EXPERIMENT_EXPERIMENT_H
#define BATON_EXPERIMENT_EXPERIMENT_H

#include "base/command.h"

extern const struct command command_experiment;

extern const struct command experiment_kwon2008;
extern const struct command experiment_policies;
extern const struct command experiment_splice;

#endif
