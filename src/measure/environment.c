#include "measure/environment.h"

#include "base/clock.h"
#include "base/fail.h"
#include "base/process.h"
#include "guest/image.h"
#include "measure/subject.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

static void processor(char *text, size_t room)
{
	FILE *in = fopen("/proc/cpuinfo", "re");
	char line[256];

	snprintf(text, room, "unknown");
	while (in && fgets(line, sizeof(line), in))
		if (!strncmp(line, "model name", 10) && strchr(line, ':')) {
			snprintf(text, room, "%.*s", (int)strcspn(strchr(line, ':') + 2, "\n"),
				 strchr(line, ':') + 2);
			break;
		}
	if (in)
		fclose(in);
}

/* The first line of what a program says of its version. */
static json_t *version(const char *program, const char *option)
{
	const char *argv[] = {program, option, NULL};
	struct buffer said = BUFFER_EMPTY;
	json_t *value;
	int code = process_run(argv, NULL, &said);

	value = code || !said.length ? json_null()
				     : json_stringn(said.data, strcspn(said.data, "\n"));
	buffer_release(&said);
	return value;
}

static json_t *subjects(const struct plan *plan)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < plan->subject_count; i++) {
		const struct plan_subject *subject = &plan->subjects[i];
		const struct subject_kind *kind = subject_kind(subject->kind);
		json_t *networks = json_object();

		for (unsigned int n = 0; n < plan->network_count; n++) {
			struct buffer why = BUFFER_EMPTY;
			char name[PLAN_NAME];
			int error = kind->check(subject, (enum network)plan->networks[n], &why);

			json_object_set_new(networks,
					    plan_word(NETWORK_NAMES, plan->networks[n], name),
					    error ? json_string(why.data) : json_true());
			buffer_release(&why);
		}
		json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:o}", "name", subject->name,
						      "kind", kind->name, "about", kind->about,
						      "networks", networks));
	}
	return list;
}

int environment_write(const struct plan *plan, const struct run_options *options)
{
	struct buffer versions = BUFFER_EMPTY;
	char path[PATH_MAX], cpu[128], now[32];
	json_t *all, *runs;
	struct utsname host;
	struct sysinfo info;
	double load = 0;
	int error;

	snprintf(path, sizeof(path), "%s/environment.json", options->output);
	all = json_load_file(path, 0, NULL);
	runs = all ? json_incref(json_object_get(all, "runs")) : NULL;
	json_decref(all);
	if (!runs)
		runs = json_array();
	uname(&host);
	sysinfo(&info);
	processor(cpu, sizeof(cpu));
	if (getloadavg(&load, 1) != 1)
		load = 0;
	json_array_append_new(runs, json_pack("{s:s, s:f}", "started",
					      clock_text(clock_wall(), now), "load", load));
	image_versions(options->image, &versions);
	all = json_pack(
		"{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:{s:s, s:s, s:s, s:i, s:I}, "
		"s:{s:o, "
		"s:o, s:o, s:o}, s:s, s:o, s:o, s:s}",
		"plan", plan->name, "file", options->plan_path, "baton", BATON_VERSION, "seed",
		(json_int_t)plan->seed, "rounds", (json_int_t)plan->rounds, "warm_up",
		(json_int_t)plan->warm_up, "host_memory", (json_int_t)plan->host_memory, "rate",
		(json_int_t)plan->rate, "repetitions", (json_int_t)plan_repetitions(plan), "host",
		"kernel", host.release, "machine", host.machine, "processor", cpu, "processors",
		get_nprocs(), "memory", (json_int_t)info.totalram * info.mem_unit, "programs",
		"qemu", version("qemu-system-x86_64", "--version"), "uml",
		version("linux.uml", "--version"), "slirp4netns",
		version("slirp4netns", "--version"), "smbclient", version("smbclient", "--version"),
		"image", versions.length ? versions.data : "", "subjects", subjects(plan), "runs",
		runs, "caches",
		"between repetitions: data of the last one deleted; caches of guests with a kernel "
		"of their own dropped, those of containers and of the host not");
	buffer_release(&versions);
	if (!all)
		return failed("measure: out of memory");
	error = json_dump_file(all, path, JSON_INDENT(1)) ? -1 : 0;
	json_decref(all);
	return error ? failed("measure: can't write %s", path) : 0;
}
