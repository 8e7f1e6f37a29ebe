/* `baton load replay`: a server's log, sent again and checked. */
#include "load/load.h"

#include "base/fail.h"
#include "load/common.h"
#include "load/trace.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { NO_TARGET = -1 };

struct replay {
	struct source source;
	const struct trace *trace;
	struct targets *targets;
	int *get, *head; /* path -> target */
	double *at;	 /* entry -> seconds since the first, where times are kept */
	double speed;
	uint64_t rounds, start;
	size_t position;
};

static const struct target *target_of(const struct replay *self, const struct trace_entry *entry)
{
	int index = entry->method == TRACE_GET	  ? self->get[entry->path]
		    : entry->method == TRACE_HEAD ? self->head[entry->path]
						  : NO_TARGET;

	return index < 0 ? NULL : &self->targets->items[index];
}

static enum source_answer replay_next(struct source *source, uint64_t now, struct request *request)
{
	struct replay *self = (struct replay *)source;

	for (;; self->position++) {
		if (self->position == self->trace->count) {
			if (self->rounds <= 1)
				return SOURCE_END;
			self->rounds--;
			self->position = 0;
			self->start = now;
		}
		request->target = target_of(self, &self->trace->entries[self->position]);
		if (request->target)
			break;
	}
	if (self->at) {
		if (!self->start)
			self->start = now;
		request->due =
			self->start + (uint64_t)(self->at[self->position] / self->speed * 1e9);
		if (request->due > now)
			return SOURCE_WAIT;
	}
	self->position++;
	return SOURCE_REQUEST;
}

/* When each entry is sent. Logs count whole seconds: the requests of one second are spread evenly
 * over it. Entries that lie before their predecessor (logs are written at the end of an answer) are
 * sent with it. */
static double *times_of(const struct trace *trace)
{
	double *at = calloc(trace->count, sizeof(*at));
	double zero = trace->entries[0].time, latest = zero;

	for (size_t i = 0, j; at && i < trace->count; i = j) {
		double time = trace->entries[i].time < latest ? latest : trace->entries[i].time;

		for (j = i; j < trace->count && trace->entries[j].time <= time; j++)
			;
		for (size_t k = i; k < j; k++)
			at[k] = time - zero + (double)(k - i) / (double)(j - i);
		latest = time;
	}
	return at;
}

struct left_out {
	uint64_t other_method, no_file;
};

/* Makes the targets and says what is left out. Returns how many entries will be sent. */
static uint64_t make_targets(struct replay *self, const struct load_options *options,
			     const struct url *url, struct left_out *out)
{
	const struct trace *trace = self->trace;
	uint64_t count = 0;

	for (size_t i = 0; i < trace->path_count; i++) {
		const struct trace_path *path = &trace->paths[i];
		bool verified = path->present && !path->directory;
		int get, head;

		self->get[i] = self->head[i] = NO_TARGET;
		/* What a server makes of a path that is no file's name is not said anywhere. */
		if (!path->name)
			continue;
		get = target_add(self->targets, url, "GET", path->path, &options->headers,
				 verified);
		head = target_add(self->targets, url, "HEAD", path->path, &options->headers,
				  verified);
		for (int k = 0; k < 2; k++) {
			int index = k ? head : get;
			struct target *target;

			if (index < 0)
				continue;
			target = &self->targets->items[index];
			/* Without a file: not found, moved to the directory, or forbidden there. */
			target->status = verified ? 200 : 400;
			if (verified)
				target->length = (int64_t)path->length;
		}
		self->get[i] = get;
		self->head[i] = head;
	}
	for (size_t i = 0; i < trace->count; i++) {
		if (trace->entries[i].method == TRACE_OTHER)
			out->other_method++;
		else if (!target_of(self, &trace->entries[i]))
			out->no_file++;
		else
			count++;
	}
	return count;
}

static int play(struct replay *replay, const struct load_options *options, struct url *url,
		const char *file)
{
	struct left_out out = {0};
	struct tally tally;
	char title[512];
	json_t *extra;
	int result;

	if (!make_targets(replay, options, url, &out))
		return failed("%s: there is no GET or HEAD in it", file);
	if (tally_init(&tally))
		return failed("no memory");
	snprintf(title, sizeof(title), "%.200s to %s%s", file, url->authority,
		 options->timed ? " at the log's times" : "");
	extra = json_pack("{s:{s:I, s:I, s:I}}", "left_out", "bad_lines",
			  (json_int_t)replay->trace->bad, "other_methods",
			  (json_int_t)out.other_method, "no_file_names", (json_int_t)out.no_file);
	result = load_play(options, url, &replay->source, &tally, title, extra);
	if (!options->json && out.other_method + out.no_file + replay->trace->bad)
		printf("\nLeft out: %llu requests of other methods than GET and HEAD, %llu whose "
		       "path is no file's name, %llu bad lines\n",
		       (unsigned long long)out.other_method, (unsigned long long)out.no_file,
		       (unsigned long long)replay->trace->bad);
	tally_release(&tally);
	return result;
}

static int run(const struct command *self, int argc, char **argv)
{
	struct load_options options = LOAD_DEFAULTS;
	int first = command_parse(self, argc, argv, &options), result;
	struct trace trace = {0};
	struct targets targets = {0};
	struct replay replay = {.source = {.next = replay_next}, .trace = &trace};
	struct url url = {0};

	if (argc - first != 1 || !options.url)
		return misused("one log FILE and --url are needed, see '%s --help'",
			       command_path());
	result = load_url(&url, options.url);
	if (result)
		return result;
	result = trace_read(&trace, argv[first]);
	if (result == -EINVAL)
		result = failed("%s: no line is a request of Apache's common or combined log or "
				"of 'time method path status bytes'",
				argv[first]);
	else if (result)
		result = failed_errno(result, "%s", argv[first]);
	if (!result) {
		replay.targets = &targets;
		replay.get = calloc(trace.path_count, sizeof(*replay.get));
		replay.head = calloc(trace.path_count, sizeof(*replay.head));
		replay.at = options.timed ? times_of(&trace) : NULL;
		replay.speed = options.speed;
		replay.rounds = options.rounds;
		if (!replay.get || !replay.head || (options.timed && !replay.at))
			result = failed("no memory");
		else
			result = play(&replay, &options, &url, argv[first]);
	}
	free(replay.get);
	free(replay.head);
	free(replay.at);
	targets_release(&targets);
	trace_release(&trace);
	url_release(&url);
	return result;
}

const struct command load_replay = {
	.name = "replay",
	.operands = "FILE --url URL",
	.summary = "Send a server's log again; every byte of every body is checked",
	.description =
		"FILE is an Apache common or combined log, or has tab-separated lines 'time method "
		"path status bytes' or 'host logname time method url response bytes'. The servers "
		"hold what 'baton load content' made of the same FILE: one file a path, as long as "
		"the largest body that the log has for it. Paths that the log never answered with "
		"200 must not be answered with 200.\n\nWithout --timed the loop is closed, in the "
		"log's order. With it, requests are sent at the log's times and latency counts "
		"from "
		"then.",
	.options =
		(const struct option_spec[]){
			{"url", 0, OPTION_TEXT, "URL", "the server: its path is not used",
			 LOAD_AT(url)},
			{"timed", 0, OPTION_FLAG, NULL, "keep the log's times (open loop)",
			 LOAD_AT(timed)},
			{"speed", 0, OPTION_NUMBER, "F", "so many times faster than the log [1]",
			 LOAD_AT(speed), .least = 1e-6, .most = 1e9},
			{"rounds", 0, OPTION_COUNT, "N", "play it so many times [1]",
			 LOAD_AT(rounds), .least = 1, .most = 1e9},
			{"duration", 'd', OPTION_DURATION, "TIME",
			 "end after this time [the log's end]", LOAD_AT(duration)},
			LOAD_OPTIONS,
			{NULL},
		},
	.run = run,
};
