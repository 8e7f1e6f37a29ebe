/* `baton echo`: the same echo server in seven models of concurrency, a client, and the laboratory
 * that sets them side by side. */
#ifndef BATON_ECHO_ECHO_H
#define BATON_ECHO_ECHO_H

#include "base/command.h"

extern const struct command command_echo;
extern const struct command echo_serve, echo_talk, echo_run;

#endif
