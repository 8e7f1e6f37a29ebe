/* `baton lab impair`: loss, repetition, reordering and delay on a lab's cables. */
#ifndef BATON_LAB_IMPAIR_H
#define BATON_LAB_IMPAIR_H

#include "base/command.h"

extern const struct command command_lab_impair;

#endif
