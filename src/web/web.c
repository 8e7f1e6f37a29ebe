#include "web/web.h"
#include "base/fail.h"
#include "control/client.h"
#include "control/web.h"

#include <signal.h>
#include <stdio.h>

struct values {
	const char *name, *listen;
};

static const struct option_spec options[] = {
	{"name", 0, OPTION_TEXT, "CLUSTER", "which cluster [lab]", offsetof(struct values, name)},
	{"listen", 'l', OPTION_TEXT, "ADDRESS:PORT", "where to serve [127.0.0.1:7780]",
	 offsetof(struct values, listen)},
	{0},
};

static int run(const struct command *self, int argc, char **argv)
{
	struct values values = {"lab", "127.0.0.1:7780"};
	struct web_server *server;
	struct endpoint listen;
	json_t *status;
	sigset_t ends;
	int error, got;

	command_parse(self, argc, argv, &values);
	if (endpoint_parse(values.listen, &listen))
		return misused("--listen %s is not ADDRESS:PORT", values.listen);
	status = client_ask(values.name, "front", json_pack("{s:s}", "command", "status"));
	if (!status)
		return EXIT_FAILED;
	json_decref(status);
	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	sigprocmask(SIG_BLOCK, &ends, NULL);
	error = web_start(values.name, &listen, &server);
	if (error)
		return failed_errno(error, "web: can't serve on %s", values.listen);
	printf("http://%s/  (the token for changes is in /run/baton/%s/token)\n", values.listen,
	       values.name);
	fflush(stdout);
	sigwait(&ends, &got);
	web_stop(server);
	return EXIT_DONE;
}

const struct command command_web = {
	.name = "web",
	.summary = "Serve the page, the API and the metrics of a running cluster",
	.description = "The front's daemon serves the same where its configuration has `http`; "
		       "this does it beside the "
		       "daemon, for example outside a lab's network namespaces.",
	.options = options,
	.run = run,
};
