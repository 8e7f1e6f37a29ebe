/* `baton lab demo`: the cluster shown at work. */
#ifndef BATON_LAB_DEMO_H
#define BATON_LAB_DEMO_H

#include "base/command.h"

extern const struct command command_lab_demo;

#endif
