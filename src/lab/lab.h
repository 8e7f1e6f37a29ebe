/* `baton lab`: a whole cluster in network namespaces on one machine. */
#ifndef BATON_LAB_LAB_H
#define BATON_LAB_LAB_H

#include "base/command.h"

extern const struct command command_lab;

#endif
