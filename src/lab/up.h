/* `baton lab up`. */
#ifndef BATON_LAB_UP_H
#define BATON_LAB_UP_H

#include "base/command.h"

extern const struct command command_lab_up;

#endif
