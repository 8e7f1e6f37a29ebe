/* `baton load closed`: each connection sends its next request when the answer to the last is in. */
#include "load/load.h"

#include "base/fail.h"
#include "base/random.h"
#include "load/common.h"

#include <stdio.h>

struct closed {
	struct source source;
	struct targets *targets;
	struct random_state random;
	uint64_t left;
};

static enum source_answer closed_next(struct source *source, uint64_t now, struct request *request)
{
	struct closed *self = (struct closed *)source;

	(void)now;
	if (!self->left)
		return SOURCE_END;
	self->left--;
	request->target =
		&self->targets->items[self->targets->count == 1
					      ? 0
					      : random_below(&self->random, self->targets->count)];
	return SOURCE_REQUEST;
}

static int run(const struct command *self, int argc, char **argv)
{
	struct load_options options = LOAD_DEFAULTS;
	int first = command_parse(self, argc, argv, &options), result;
	struct closed closed = {.source = {.next = closed_next}};
	struct targets targets = {0};
	struct tally tally;
	struct url url;
	char title[512];

	if (argc - first != 1)
		return misused("one URL is needed, see '%s --help'", command_path());
	if (!options.duration && !options.requests)
		options.duration = 10000000000ull;
	result = load_url(&url, argv[first]);
	if (result)
		return result;
	result = load_targets(&options, &url, &targets);
	if (!result && tally_init(&tally))
		result = failed("no memory");
	if (!result) {
		closed.targets = &targets;
		closed.left = options.requests ? options.requests : UINT64_MAX;
		random_seed(&closed.random, options.seed);
		snprintf(title, sizeof(title), "%.300s over %llu connections", argv[first],
			 (unsigned long long)options.connections);
		result = load_play(&options, &url, &closed.source, &tally, title, NULL);
		tally_release(&tally);
	}
	targets_release(&targets);
	url_release(&url);
	return result;
}

const struct command load_closed = {
	.name = "closed",
	.operands = "URL",
	.summary = "Keep connections busy: the next request when the last is answered",
	.description =
		"As wrk does. The URL's path may be a pattern, /{1..1000}: each request takes one "
		"of its paths at random.\n\nA closed loop slows down with the server: a stall "
		"delays one request a connection, not all that would have come meanwhile. Use "
		"'baton load rate' where that matters.",
	.options =
		(const struct option_spec[]){
			LOAD_OPTION_DURATION,
			LOAD_OPTION_REQUESTS,
			LOAD_OPTION_VERIFY,
			LOAD_OPTION_SIZE,
			LOAD_OPTION_PATHS,
			LOAD_OPTION_SEED,
			LOAD_OPTIONS,
			{NULL},
		},
	.run = run,
};
