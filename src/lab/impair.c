#include "lab/impair.h"
#include "base/buffer.h"
#include "base/fail.h"
#include "base/process.h"
#include "lab/line.h"
#include "lab/state.h"
#include "lab/topology.h"

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct values {
	const char *name, *loss, *duplicate, *reorder;
	uint64_t delay, behind, seed;
	bool off;
};

/* "1%" or "0.01". Returns 0 or -EINVAL. */
static int read_share(const char *text, double *share)
{
	char *end;

	if (!text)
		return 0;
	*share = strtod(text, &end);
	if (*end == '%') {
		*share /= 100;
		end++;
	}
	return end == text || *end || !(*share >= 0 && *share <= 1) ? -EINVAL : 0;
}

/* The address of a host's cable, as text into `peer`. Returns 0 or -errno. */
static int peer_of(const char *lab, const char *host, char peer[18])
{
	struct topology topology = {.lab = lab};
	struct buffer said = BUFFER_EMPTY;
	char netns[128];
	json_t *links = NULL, *address;
	int error = process_run(
		(const char *const[]){"ip", "-n",
				      topology_netns(&topology, host, netns, sizeof(netns)),
				      "-json", "link", "show", "eth0", NULL},
		NULL, &said);

	if (!error)
		links = json_loadb(said.data, said.length, 0, NULL);
	address = json_object_get(json_array_get(links, 0), "address");
	snprintf(peer, 18, "%s", json_is_string(address) ? json_string_value(address) : "");
	if (!error && !*peer)
		error = -ENODEV;
	json_decref(links);
	buffer_release(&said);
	return error > 0 ? -EIO : error;
}

/* Tells one line. Returns 0 or an exit code. */
static int tell(const char *lab, const char *host, const json_t *rules)
{
	char file[80], path[STATE_ROOM];
	int error;

	snprintf(file, sizeof(file), "line-%s.sock", host);
	error = line_tell(state_path(lab, file, path), rules);
	if (error == -ENOENT)
		return failed("lab: the cable of %s has no line; begin the lab with 'lab up "
			      "--impair'",
			      host);
	return error ? failed_errno(error, "lab: the line of %s", host) : 0;
}

/* Every line of the lab. Returns 0 or an exit code. */
static int tell_all(const char *lab, const json_t *rules)
{
	char path[STATE_ROOM], host[64];
	DIR *folder = opendir(state_path(lab, "", path));
	unsigned int told = 0;
	struct dirent *entry;
	int result = 0;

	while (folder && !result && (entry = readdir(folder)))
		if (sscanf(entry->d_name, "line-%63[^.].sock", host) == 1) {
			result = tell(lab, host, rules);
			told++;
		}
	if (folder)
		closedir(folder);
	return result || told
		       ? result
		       : failed("lab: '%s' has no lines; begin it with 'lab up --impair'", lab);
}

static int run(const struct command *self, int argc, char **argv)
{
	struct values values = {.name = "lab", .behind = 2000000};
	int first = command_parse(self, argc, argv, &values), result;
	struct impairment what = {0};
	const char *host = argc > first ? argv[first] : NULL;
	const char *other = argc > first + 1 ? argv[first + 1] : NULL;
	char peer[18];
	json_t *rules;

	if (argc - first > 2)
		return misused("lab impair takes one host, or two for what passes between them");
	if (read_share(values.loss, &what.loss) || read_share(values.duplicate, &what.duplicate) ||
	    read_share(values.reorder, &what.reorder))
		return misused("--loss, --duplicate and --reorder take a share, such as 1%% or "
			       "0.01");
	what.delay = values.delay;
	what.behind = values.behind;
	if (values.off != (!what.loss && !what.duplicate && !what.reorder && !what.delay))
		return misused("either --off or what is to be done to frames, see '%s --help'",
			       command_path());
	for (int i = first; i < argc; i++)
		if (!state_name_good(values.name) || !topology_has(values.name, argv[i]))
			return failed("lab: '%s' has no host '%s'; 'baton lab status' lists them",
				      values.name, argv[i]);
	rules = json_pack("{s:I, s:[]}", "seed", (json_int_t)values.seed, "rules");
	if (other) {
		result = peer_of(values.name, other, peer);
		if (result) {
			json_decref(rules);
			return failed_errno(result, "lab: the address of %s", other);
		}
	}
	if (!values.off)
		json_array_append_new(json_object_get(rules, "rules"),
				      line_rule(&what, other ? peer : NULL));
	result = host ? tell(values.name, host, rules) : tell_all(values.name, rules);
	json_decref(rules);
	return result;
}

const struct command command_lab_impair = {
	.name = "impair",
	.operands = "[HOST [HOST]]",
	.summary = "Lose, double, reorder and delay frames on cables of a lab",
	.description =
		"On the cable of HOST, or of every host, in each direction; of two hosts only what "
		"passes between them. What was said of a cable before is forgotten. The lab must "
		"have been started with --impair.",
	.options =
		(const struct option_spec[]){
			{"name", 0, OPTION_TEXT, "LAB", "which lab [lab]",
			 offsetof(struct values, name)},
			{"loss", 0, OPTION_TEXT, "SHARE", "of frames are lost, such as 1%",
			 offsetof(struct values, loss)},
			{"duplicate", 0, OPTION_TEXT, "SHARE", "of frames come twice",
			 offsetof(struct values, duplicate)},
			{"reorder", 0, OPTION_TEXT, "SHARE", "of frames fall behind",
			 offsetof(struct values, reorder)},
			{"behind", 0, OPTION_DURATION, "TIME", "so far [2ms]",
			 offsetof(struct values, behind), .most = 10},
			{"delay", 0, OPTION_DURATION, "TIME", "hold every frame up so long",
			 offsetof(struct values, delay), .most = 10},
			{"seed", 0, OPTION_COUNT, "N", "of the chances [0]",
			 offsetof(struct values, seed), .most = 1e15},
			{"off", 0, OPTION_FLAG, NULL, "let everything pass",
			 offsetof(struct values, off)},
			{NULL},
		},
	.run = run,
};
