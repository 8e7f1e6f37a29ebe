#include "echo/echo.h"

static const struct command *const commands[] = {&echo_serve, &echo_talk, &echo_run, NULL};

const struct command command_echo = {
	.name = "echo",
	.summary = "Echo servers in seven models of concurrency, side by side",
	.commands = commands,
	.run = command_dispatch,
};
