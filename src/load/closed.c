/* `baton load closed`: each connection sends its next request when the answer to the last is in. */
#include "load/load.h"

#include "base/fail.h"
#include "base/random.h"
#include "load/common.h"

#include <stdio.h>
#include <stdlib.h>

struct closed {
	struct source source;
	struct targets *targets;
	struct random_state random;
	uint64_t left;

	/* --turns: connections that have nothing under way, and each one's next target. */
	uint32_t *free, free_count;
	size_t *turn;
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

static enum source_answer turns_next(struct source *source, uint64_t now, struct request *request)
{
	struct closed *self = (struct closed *)source;
	size_t *turn;

	(void)now;
	if (!self->left)
		return SOURCE_END;
	request->due = UINT64_MAX;
	if (!self->free_count)
		return SOURCE_WAIT;
	self->left--;
	request->due = 0;
	request->slot = self->free[--self->free_count];
	turn = &self->turn[request->slot];
	request->target = &self->targets->items[*turn];
	*turn = (*turn + 1) % self->targets->count;
	return SOURCE_REQUEST;
}

static void turns_finished(struct source *source, const struct request *request, uint64_t now,
			   bool right)
{
	struct closed *self = (struct closed *)source;

	(void)now;
	(void)right;
	self->free[self->free_count++] = request->slot;
}

/* Every connection begins at another path, so that nodes are asked alike. */
static int turns_begin(struct closed *self, uint64_t connections)
{
	self->free = calloc(connections, sizeof(*self->free));
	self->turn = calloc(connections, sizeof(*self->turn));
	if (!self->free || !self->turn)
		return failed("no memory");
	for (uint32_t i = 0; i < connections; i++) {
		self->free[i] = i;
		self->turn[i] = i % self->targets->count;
	}
	self->free_count = (uint32_t)connections;
	self->source = (struct source){turns_next, turns_finished, true};
	return 0;
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
	if (options.turns && options.pipeline > 1)
		return misused("--turns goes with one request at a time, not with --pipeline");
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
		if (options.turns)
			result = turns_begin(&closed, options.connections);
	}
	if (!result) {
		snprintf(title, sizeof(title), "%.300s over %llu connections", argv[first],
			 (unsigned long long)options.connections);
		result = load_play(&options, &url, &closed.source, &tally, title, NULL);
		tally_release(&tally);
	}
	free(closed.free);
	free(closed.turn);
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
			{"turns", 0, OPTION_FLAG, NULL,
			 "each connection takes the paths in turn, not at random", LOAD_AT(turns)},
			LOAD_OPTION_SEED,
			LOAD_OPTIONS,
			{NULL},
		},
	.run = run,
};
