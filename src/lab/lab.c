#include "lab/lab.h"
#include "base/fail.h"
#include "base/process.h"
#include "base/table.h"
#include "lab/demo.h"
#include "lab/guests.h"
#include "lab/impair.h"
#include "lab/keeper.h"
#include "lab/names.h"
#include "lab/line.h"
#include "lab/bounds.h"
#include "lab/state.h"
#include "lab/storage.h"
#include "lab/topology.h"
#include "lab/up.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct values {
	const char *name;
	bool json;
};

static const struct option_spec name_only[] = {
	{"name", 0, OPTION_TEXT, "LAB", "which lab [lab]", offsetof(struct values, name)},
	{0},
};

static const struct option_spec name_and_json[] = {
	{"name", 0, OPTION_TEXT, "LAB", "which lab [lab]", offsetof(struct values, name)},
	{"json", 0, OPTION_FLAG, NULL, "print one JSON object", offsetof(struct values, json)},
	{0},
};

static int run_down(const struct command *self, int argc, char **argv)
{
	struct values values = {"lab", false};
	bool found;
	int error;

	command_parse(self, argc, argv, &values);
	if (!state_name_good(values.name))
		return misused("--name %s is not a lab's name", values.name);
	error = keeper_stop(values.name);
	if (error && error != -ENOENT)
		return failed_errno(error, "lab: can't end the supervisor of '%s'", values.name);
	found = !error;
	found |= topology_down(values.name) > 0;
	bounds_remove(values.name);
	found |= state_remove(values.name);
	return found ? EXIT_DONE : failed("lab: there is no lab '%s'", values.name);
}

static int run_exec(const struct command *self, int argc, char **argv)
{
	struct values values = {"lab", false};
	int first = command_parse(self, argc, argv, &values), error;
	char netns[128];

	if (argc - first >= 2 && !strcmp(argv[first + 1], "--"))
		argv[first + 1] = argv[first], first++;
	if (argc - first < 2)
		return misused(
			"lab exec needs a host and a command: '%s client -- curl http://" LAB_VIP
			"/'",
			command_path());
	if (!state_name_good(values.name) || !topology_has(values.name, argv[first]))
		return failed("lab: '%s' has no host '%s'; 'baton lab status' lists them",
			      values.name, argv[first]);
	if (guests_has(values.name, argv[first]))
		return guests_exec(values.name, argv[first], argv + first + 1);
	snprintf(netns, sizeof(netns), "baton-%s-%s", values.name, argv[first]);
	error = netns_enter(netns);
	if (error)
		return failed_errno(error, "lab: can't enter %s", netns);
	error = names_enter(values.name);
	if (error)
		return failed_errno(error, "lab: can't give this process the lab's resolv.conf");
	execvp(argv[first + 1], argv + first + 1);
	return failed_errno(errno, "lab: can't run %s", argv[first + 1]);
}

static int run_status(const struct command *self, int argc, char **argv)
{
	struct values values = {"lab", false};
	struct table *table;
	char path[STATE_ROOM];
	json_t *list, *one;
	size_t i;

	command_parse(self, argc, argv, &values);
	if (!state_name_good(values.name) || access(state_path(values.name, "", path), F_OK))
		return failed("lab: there is no lab '%s'; 'baton lab up' makes one", values.name);
	list = json_load_file(state_path(values.name, "processes.json", path), 0, NULL);
	if (values.json) {
		json_t *all = json_pack("{s:s, s:i, s:O?}", "name", values.name, "supervisor",
					keeper_pid(values.name), "processes", list);

		json_dumpf(all, stdout, JSON_INDENT(2));
		putchar('\n');
		json_decref(all);
		json_decref(list);
		return EXIT_DONE;
	}
	printf("lab %s, supervisor %s\n\n", values.name,
	       keeper_pid(values.name) ? "running" : "gone");
	table = table_new("host|process|command");
	json_array_foreach (list, i, one)
		table_row(table, "%s|%s|%s", json_string_value(json_object_get(one, "host")),
			  json_string_value(json_object_get(one, "name")),
			  json_string_value(json_array_get(json_object_get(one, "argv"), 0)));
	table_print(table, stdout);
	json_decref(list);
	return EXIT_DONE;
}

static const struct command command_down = {
	.name = "down",
	.summary = "End everything a lab runs and take it away, however much of it is left",
	.options = name_only,
	.run = run_down,
};

static const struct command command_exec = {
	.name = "exec",
	.operands = "HOST [--] COMMAND...",
	.summary = "Run a command on a host of the lab",
	.options = name_only,
	.options_first = true,
	.run = run_exec,
};

static const struct command command_status = {
	.name = "status",
	.summary = "What the lab runs, and where ('baton status' asks the cluster itself)",
	.options = name_and_json,
	.run = run_status,
};

static const struct command *const commands[] = {
	&command_lab_up,   &command_exec,
	&command_status,   &command_lab_storage,
	&command_down,	   &command_lab_keep,
	&command_lab_line, &command_lab_impair,
	&command_lab_demo, NULL,
};

const struct command command_lab = {
	.name = "lab",
	.summary = "A whole cluster in network namespaces on this machine",
	.commands = commands,
	.run = command_dispatch,
};
