/* `baton compare`: Baton and its peers in one run, as ratios. */
#ifndef BATON_COMPARE_COMPARE_H
#define BATON_COMPARE_COMPARE_H

#include "base/command.h"

extern const struct command command_compare;

#endif
