/* `baton distill`: images and text made small between a cache and its origin. */
#ifndef BATON_DISTILL_DISTILL_H
#define BATON_DISTILL_DISTILL_H

#include "base/command.h"

extern const struct command command_distill;

#endif
