/* `baton top`: a running cluster in the terminal. */
#ifndef BATON_TOP_TOP_H
#define BATON_TOP_TOP_H

#include "base/command.h"

extern const struct command command_top;

#endif
