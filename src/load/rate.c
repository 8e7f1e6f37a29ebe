/* `baton load rate`: requests at planned times, whatever the server does. */
#include "load/load.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "base/fail.h"
#include "base/random.h"
#include "load/common.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS_MOST = 60 };

struct rate {
	struct source source;
	struct targets *targets; /* the same row once a step */
	struct random_state random;
	double rates[STEPS_MOST];
	unsigned int step_count, step;
	uint64_t step_length; /* ns */
	uint64_t start, due;
	bool poisson;
};

/* The distance to the next request, ns. */
static uint64_t gap(struct rate *self)
{
	double mean = 1e9 / self->rates[self->step];

	return (uint64_t)(self->poisson ? -mean * log(random_unit(&self->random)) : mean);
}

static enum source_answer rate_next(struct source *source, uint64_t now, struct request *request)
{
	struct rate *self = (struct rate *)source;
	size_t row = self->targets->count / self->step_count;

	if (!self->start)
		self->start = self->due = now;
	while (self->step < self->step_count &&
	       self->due >= self->start + (self->step + 1) * self->step_length) {
		self->step++;
		self->due = self->start + self->step * self->step_length;
	}
	if (self->step == self->step_count)
		return SOURCE_END;
	request->due = self->due;
	if (self->due > now)
		return SOURCE_WAIT;
	request->target = &self->targets->items[self->step * row +
						(row == 1 ? 0 : random_below(&self->random, row))];
	self->due += gap(self);
	return SOURCE_REQUEST;
}

/* "100,200,500" as rates. Returns how many or -EINVAL. */
static int rates_parse(const char *text, double *rates)
{
	int count = 0;

	for (;; text++) {
		char *end;

		if (count == STEPS_MOST || *text < '0' || *text > '9')
			return -EINVAL;
		rates[count] = strtod(text, &end);
		if (!(rates[count] >= 0.001 && rates[count] <= 1e7))
			return -EINVAL;
		count++;
		text = end;
		if (!*text)
			return count;
		if (*text != ',')
			return -EINVAL;
	}
}

/* The targets once for each step, in a class of its own. */
static int step_targets(struct rate *rate, const struct load_options *options, struct url *url,
			struct tally *tally)
{
	for (unsigned int step = 0; step < rate->step_count; step++) {
		size_t first = rate->targets->count;
		char name[32];
		int class, result = load_targets(options, url, rate->targets);

		if (result)
			return result;
		snprintf(name, sizeof(name), "%g/s", rate->rates[step]);
		class = tally_class(tally, name);
		if (class < 0)
			return failed("no memory");
		for (size_t i = first; i < rate->targets->count; i++)
			rate->targets->items[i].class_index = (uint16_t) class;
	}
	return 0;
}

static int run(const struct command *self, int argc, char **argv)
{
	struct load_options options = LOAD_DEFAULTS;
	int first = command_parse(self, argc, argv, &options), result;
	struct rate rate = {.source = {.next = rate_next}, .poisson = options.poisson};
	struct targets targets = {0};
	struct tally tally;
	struct url url;
	char title[512];

	if (argc - first != 1 || !options.rate)
		return misused("one URL and --rate are needed, see '%s --help'", command_path());
	result = rates_parse(options.rate, rate.rates);
	if (result < 0)
		return misused("--rate '%s': not a list of at most %d rates (0.001 to 10 million)",
			       options.rate, STEPS_MOST);
	rate.step_count = (unsigned int)result;
	rate.step_length = options.duration ? options.duration / rate.step_count : options.step;
	/* What is late may still be answered after the last planned time. */
	options.duration = rate.step_count * rate.step_length + options.timeout;
	result = load_url(&url, argv[first]);
	if (result)
		return result;
	if (tally_init(&tally)) {
		url_release(&url);
		return failed("no memory");
	}
	rate.targets = &targets;
	random_seed(&rate.random, options.seed);
	result = step_targets(&rate, &options, &url, &tally);
	if (!result) {
		snprintf(title, sizeof(title), "%.300s at %.100s requests/s%s", argv[first],
			 options.rate, options.poisson ? ", Poisson" : "");
		result = load_play(&options, &url, &rate.source, &tally, title, NULL);
	}
	tally_release(&tally);
	targets_release(&targets);
	url_release(&url);
	return result;
}

const struct command load_rate = {
	.name = "rate",
	.operands = "URL --rate R[,R...]",
	.summary = "Send requests at planned times, whatever the server does (open loop)",
	.description =
		"Latency counts from the planned time, so a stall is seen by every request that it "
		"kept waiting, as wrk2 does; 'sent late' tells how far the sending fell behind, "
		"for "
		"want of a free connection (-c) or of this machine's time. Several rates are "
		"several steps, told apart in the results.",
	.options =
		(const struct option_spec[]){
			{"rate", 'r', OPTION_TEXT, "R,...", "requests a second, one a step",
			 LOAD_AT(rate)},
			{"step", 0, OPTION_DURATION, "TIME", "length of each step [10]",
			 LOAD_AT(step), .least = 0.001, .most = 86400 * 30},
			{"duration", 'd', OPTION_DURATION, "TIME", "length of all steps together",
			 LOAD_AT(duration)},
			{"poisson", 0, OPTION_FLAG, NULL,
			 "exponential distances between requests [equal ones]", LOAD_AT(poisson)},
			LOAD_OPTION_VERIFY,
			LOAD_OPTION_SIZE,
			LOAD_OPTION_PATHS,
			LOAD_OPTION_SEED,
			LOAD_OPTIONS,
			{NULL},
		},
	.run = run,
};
