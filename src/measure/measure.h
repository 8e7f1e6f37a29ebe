/* `baton measure`: the network between hosts, guests and strangers. */
#ifndef BATON_MEASURE_MEASURE_H
#define BATON_MEASURE_MEASURE_H

#include "base/command.h"

extern const struct command command_measure;

#endif
