/* `baton`: parses the command's name and hands over to it. */
#include "base/command.h"
#include "base/fail.h"
#include "base/manual.h"
#include "control/commands.h"
#include "compare/compare.h"
#include "dispatcher/dispatcher.h"
#include "distill/distill.h"
#include "distribution/distribution.h"
#include "echo/echo.h"
#include "experiment/experiment.h"
#include "front/front.h"
#include "lab/lab.h"
#include "load/load.h"
#include "measure/measure.h"
#include "monitor/monitor.h"
#include "node/node.h"
#include "simulate/simulate.h"
#include "sink/sink.h"
#include "top/top.h"
#include "trace/trace.h"
#include "web/web.h"

#include <stdio.h>
#include <string.h>

/* One a line, so that additions don't meet. */
/* clang-format off */
static const struct command *const commands[] = {
	&command_compare,
	&command_dispatcher,
	&command_distill,
	&command_distribution,
	&command_drain,
	&command_echo,
	&command_experiment,
	&command_flows,
	&command_front,
	&command_lab,
	&command_load,
	&command_measure,
	&command_monitor,
	&command_node,
	&command_ready,
	&command_reload,
	&command_service,
	&command_key,
	&command_simulate,
	&command_sink,
	&command_status,
	&command_top,
	&command_trace,
	&command_web,
	&command_weight,
	&command_where,
	NULL,
};
/* clang-format on */

static const struct command baton = {
	.name = "baton",
	.summary = "A web cluster behind one address: requests placed by content, connections "
		   "handed over",
	.commands = commands,
};

int main(int argc, char **argv)
{
	if (argc == 2 && (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V"))) {
		printf("baton %s\n", BATON_VERSION);
		return EXIT_DONE;
	}
	/* For the build: see packaging/meson.build. */
	if (argc == 3 && !strcmp(argv[1], "--manual")) {
		int error = manual_write(&baton, argv[2]);

		return error ? failed_errno(error, "can't write manual pages into %s", argv[2])
			     : EXIT_DONE;
	}
	if (argc == 2 && !strcmp(argv[1], "--completion")) {
		completion_write(&baton, stdout);
		return EXIT_DONE;
	}
	return command_dispatch(&baton, argc, argv);
}
