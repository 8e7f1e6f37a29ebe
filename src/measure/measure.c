#include "measure/measure.h"

#include "base/fail.h"
#include "base/table.h"
#include "guest/image.h"
#include "measure/profile.h"
#include "measure/report.h"
#include "measure/run.h"
#include "measure/subject.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct values {
	const char *output, *image, *mirror;
	uint64_t repeats, requests;
	bool retry, quiet, json, force;
	const char *subject, *network;
	uint64_t memory;
};

static const struct option_spec run_options[] = {
	{"output", 'o', OPTION_TEXT, "DIR",
	 "where results go; what is there already is not measured again [the plan's name]",
	 offsetof(struct values, output)},
	{"image", 0, OPTION_TEXT, "DIR", "the guests' image [~/.cache/baton/image]",
	 offsetof(struct values, image)},
	{"mirror", 0, OPTION_TEXT, "URL",
	 "Debian's packages for the image [this host's own mirror]",
	 offsetof(struct values, mirror)},
	{"repeats", 'r', OPTION_COUNT, "N", "at most so many repetitions of each [as planned]",
	 offsetof(struct values, repeats), .least = 1, .most = 10000},
	{"requests", 0, OPTION_COUNT, "N", "at most so many web requests each [as planned]",
	 offsetof(struct values, requests), .least = 1, .most = 1e6},
	{"retry", 0, OPTION_FLAG, NULL, "try what failed in an earlier run again",
	 offsetof(struct values, retry)},
	{"quiet", 'q', OPTION_FLAG, NULL, "no progress, no lines about what failed",
	 offsetof(struct values, quiet)},
	{"json", 0, OPTION_FLAG, NULL, "print the report as one JSON object",
	 offsetof(struct values, json)},
	{0},
};

static const struct option_spec report_options[] = {
	{"json", 0, OPTION_FLAG, NULL, "print one JSON object", offsetof(struct values, json)},
	{0},
};

static const struct option_spec profile_options[] = {
	{"subject", 0, OPTION_TEXT, "NAME", "whose [the plan's first]",
	 offsetof(struct values, subject)},
	{"network", 0, OPTION_TEXT, "NAME", "on which network [tap]",
	 offsetof(struct values, network), .choices = NETWORK_NAMES},
	{"memory", 0, OPTION_COUNT, "BYTES", "with how much memory [the plan's first]",
	 offsetof(struct values, memory)},
	{0},
};

static const struct option_spec image_options[] = {
	{"image", 0, OPTION_TEXT, "DIR", "where it is [~/.cache/baton/image]",
	 offsetof(struct values, image)},
	{"mirror", 0, OPTION_TEXT, "URL", "Debian's packages [this host's own mirror]",
	 offsetof(struct values, mirror)},
	{"force", 0, OPTION_FLAG, NULL, "build it anew", offsetof(struct values, force)},
	{0},
};

/* Reads a plan; what is wrong with it is printed. Returns 0 or an exit code. */
static int read_plan(const char *path, struct plan *plan)
{
	struct buffer text = BUFFER_EMPTY, errors = BUFFER_EMPTY;
	int error = buffer_read_file(&text, path, 1 << 20);

	if (error) {
		misused("%s: %s; name a plan, for example share/measure/smoke.yaml", path,
			strerror(-error));
		buffer_release(&text);
		return EXIT_USAGE;
	}
	if (!plan_parse(plan, path, text.length ? text.data : "", text.length, &errors)) {
		fputs(errors.data, stderr);
		error = EXIT_USAGE;
	}
	buffer_release(&errors);
	buffer_release(&text);
	return error;
}

/* Keeps the plan beside its results: a report needs it. Results of a plan that measured something
 * else under the same names are not mixed in. */
static int keep_plan(const char *path, const struct plan *plan, const char *folder)
{
	struct buffer text = BUFFER_EMPTY, ignored = BUFFER_EMPTY;
	struct plan *old = calloc(1, sizeof(*old));
	const char *conflict = NULL;
	char copy[PATH_MAX];
	int error;

	if (!old)
		return failed("measure: out of memory");
	snprintf(copy, sizeof(copy), "%s/plan.yaml", folder);
	if (!buffer_read_file(&text, copy, 1 << 20) &&
	    plan_parse(old, copy, text.data, text.length, &ignored))
		conflict = plan_conflict(old, plan);
	buffer_clear(&text);
	if (conflict) {
		error = misused("measure: %s has results of a plan with another '%s'; name another "
				"folder by --output",
				folder, conflict);
	} else {
		error = buffer_read_file(&text, path, 1 << 20);
		if (!error)
			error = file_write_whole(copy, text.data, text.length, 0644);
		if (error)
			error = failed_errno(error, "measure: can't write %s", copy);
	}
	buffer_release(&ignored);
	buffer_release(&text);
	free(old);
	return error;
}

static int command_run(const struct command *self, int argc, char **argv)
{
	struct values values = {.mirror = ""};
	char image[PATH_MAX], output[PATH_MAX];
	struct run_options options;
	struct plan *plan;
	int error, first = command_parse(self, argc, argv, &values);

	if (argc - first != 1)
		return misused("measure run: name one plan, for example share/measure/smoke.yaml");
	plan = calloc(1, sizeof(*plan));
	if (!plan)
		return failed("measure: out of memory");
	error = read_plan(argv[first], plan);
	if (error)
		goto free_plan;
	error = EXIT_FAILED;
	if (geteuid()) {
		failed("measure: machines and namespaces need root; run it with sudo");
		goto free_plan;
	}
	if (!values.output)
		values.output = plan->name;
	if ((mkdir(values.output, 0755) && errno != EEXIST) || !realpath(values.output, output)) {
		failed_errno(errno, "measure: can't make %s", values.output);
		goto free_plan;
	}
	options = (struct run_options){.plan_path = argv[first],
				       .output = output,
				       .image = values.image ? values.image : image_default(image),
				       .mirror = values.mirror,
				       .repeats = values.repeats,
				       .requests = values.requests,
				       .retry = values.retry,
				       .quiet = values.quiet};
	error = keep_plan(argv[first], plan, output);
	run_shorten(plan, &options);
	if (!error)
		error = run_plan(plan, &options);
	if (!error)
		error = report_make(plan, output, values.json);
free_plan:
	free(plan);
	return error;
}

static int command_report(const struct command *self, int argc, char **argv)
{
	struct values values = {.json = false};
	int error, first = command_parse(self, argc, argv, &values);
	char path[PATH_MAX];
	struct plan *plan;

	if (argc - first != 1)
		return misused("measure report: name the folder of a measurement");
	plan = calloc(1, sizeof(*plan));
	if (!plan)
		return failed("measure: out of memory");
	snprintf(path, sizeof(path), "%s/plan.yaml", argv[first]);
	error = read_plan(path, plan);
	if (!error)
		error = report_make(plan, argv[first], values.json);
	free(plan);
	return error;
}

static int command_profile(const struct command *self, int argc, char **argv)
{
	struct values values = {.network = "tap"};
	int error, first = command_parse(self, argc, argv, &values);
	char path[PATH_MAX];
	struct plan *plan;

	if (argc - first != 1)
		return misused("measure profile: name the folder of a measurement");
	plan = calloc(1, sizeof(*plan));
	if (!plan)
		return failed("measure: out of memory");
	snprintf(path, sizeof(path), "%s/plan.yaml", argv[first]);
	error = read_plan(path, plan);
	if (!error)
		error = profile_print(
			plan, argv[first], values.subject ? values.subject : plan->subjects[0].name,
			values.network, values.memory ? values.memory : plan->memories[0]);
	free(plan);
	return error;
}

static int command_image(const struct command *self, int argc, char **argv)
{
	struct values values = {.mirror = ""};
	struct buffer why = BUFFER_EMPTY;
	char path[PATH_MAX];
	int error = 0;

	command_parse(self, argc, argv, &values);
	if (!values.image)
		values.image = image_default(path);
	if (!image_there(values.image) || values.force) {
		if (geteuid())
			return failed("measure: building an image needs root; run it with sudo");
		error = image_build(values.image, values.mirror, &why);
	}
	if (error)
		failed("measure: %s", why.data);
	else
		printf("%s\n", values.image);
	buffer_release(&why);
	return error ? EXIT_FAILED : EXIT_DONE;
}

static int command_subjects(const struct command *self, int argc, char **argv)
{
	struct table *table = table_new("kind|what|network|here");

	command_parse(self, argc, argv, &(struct values){0});
	for (int kind = 0; subject_kind(kind) && table; kind++) {
		struct plan_subject subject = {.kind = kind};

		for (int network = 0; network < NETWORK_COUNT; network++) {
			struct buffer why = BUFFER_EMPTY;
			char name[PLAN_NAME];
			int error =
				subject_kind(kind)->check(&subject, (enum network)network, &why);

			table_row(table, "%s|%s|%s|%s", network ? "" : subject_kind(kind)->name,
				  network ? "" : subject_kind(kind)->about,
				  plan_word(NETWORK_NAMES, network, name),
				  error ? why.data : "yes");
			buffer_release(&why);
		}
	}
	if (table)
		table_print(table, stdout);
	return EXIT_DONE;
}

static const struct command run = {
	.name = "run",
	.operands = "PLAN",
	.summary = "Carry out a plan and report",
	.description =
		"Boots every subject on every network with every memory and measures the "
		"plan's workloads from the host and from another host. What fails is a hole in "
		"the report. The same command goes on where an interrupted one ended.",
	.options = run_options,
	.run = command_run,
};

static const struct command report = {
	.name = "report",
	.operands = "DIR",
	.summary = "Report on what was measured, again",
	.options = report_options,
	.run = command_report,
};

static const struct command profile = {
	.name = "profile",
	.operands = "DIR",
	.summary = "A measured guest as a node for 'baton simulate cache --measured FILE'",
	.options = profile_options,
	.run = command_profile,
};

static const struct command image = {
	.name = "image",
	.operands = "",
	.summary = "Build the guests' image, if it is not there, and say where it is",
	.options = image_options,
	.run = command_image,
};

static const struct command subjects = {
	.name = "subjects",
	.operands = "",
	.summary = "What kinds of guests and networks this machine has",
	.run = command_subjects,
};

static const struct command *const commands[] = {&run, &report, &profile, &image, &subjects, NULL};

const struct command command_measure = {
	.name = "measure",
	.summary = "Network performance of hosts and guests, from inside and from outside",
	.commands = commands,
	.run = command_dispatch,
};
