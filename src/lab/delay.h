/* The delay line of a lab: holds every frame between the client's cable and the bridge up for a
 * time, first in, first out. The kernel's netem does this where it is built in. */
#ifndef BATON_LAB_DELAY_H
#define BATON_LAB_DELAY_H

#include "base/command.h"

extern const struct command command_lab_delay;

#endif
