#include "load/surge.h"

#include "base/random.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct surge_options surge_defaults(void)
{
	return (struct surge_options){
		.files = 2000,
		.requests = 20000,
		.sizes = {LAW_BODY_TAIL, 9.357, 1.318, .body = 0.93, .k = 133000, .alpha = 1.1,
			  .high = 1e8},
		.request_sizes = {LAW_PARETO, 1000, 1.0},
		.embedded = {LAW_PARETO, 1, 2.43},
		.distance = {LAW_LOGNORMAL, 1.5, 0.80},
		.active = {LAW_WEIBULL, 1.46, 0.382},
		.inactive = {LAW_PARETO, 1, 1.5},
	};
}

int surge_preset(struct surge_options *options, const char *name)
{
	if (!strcmp(name, "hong2004")) {
		/* SURGE's own size law gives 2,000 files between these bounds about 108 MB. The
		 * paper's sum is met with a smaller body and a thinner tail. */
		options->files = 2000;
		options->sizes.a = 9.09;
		options->sizes.body = 0.99;
		options->least = 77;
		options->most = 3119822;
	} else if (!strcmp(name, "kwon2008")) {
		/* The paper says no sizes; no file is so large that it alone makes the result. */
		options->files = 100;
		options->most = 0;
		options->sizes.high = 1e6;
		return 0;
	} else {
		return -EINVAL;
	}
	options->sizes.low = (double)options->least;
	options->sizes.high = (double)options->most;
	return 0;
}

static int by_size(const void *a, const void *b)
{
	const struct surge_file *left = a, *right = b;

	return left->size < right->size ? -1 : left->size > right->size;
}

/* One draw from each of `count` equal parts of the law, so that the sample follows it as closely as
 * a sample of this size can. */
static void draw_sizes(struct surge *surge, const struct surge_options *options,
		       struct random_state *random, double *sample)
{
	for (uint64_t i = 0; i < surge->file_count; i++) {
		double u = ((double)i + random_unit(random)) / (double)surge->file_count;
		double size = ceil(law_at(&options->sizes, u));

		surge->files[i].size = size < 1 ? 1 : (uint64_t)size;
	}
	qsort(surge->files, surge->file_count, sizeof(*surge->files), by_size);
	if (options->least)
		surge->files[0].size = options->least;
	if (options->most)
		surge->files[surge->file_count - 1].size = options->most;
	for (uint64_t i = 0; i < surge->file_count; i++) {
		sample[i] = (double)surge->files[i].size;
		surge->bytes += surge->files[i].size;
	}
	surge->fit.sizes = law_distance(&options->sizes, sample, surge->file_count);
}

/* The share of requests that files up to `file` (exclusive) should have. A file stands for the
 * sizes up to halfway, in the logarithm, to the next one. */
static double wanted(const struct surge *surge, const struct law *law, uint64_t file)
{
	if (!file)
		return 0;
	if (file == surge->file_count)
		return 1;
	return law_cdf(law,
		       sqrt((double)surge->files[file - 1].size * (double)surge->files[file].size));
}

/* Gives the ranks (in ascending order in `ranks`) to the files first..last: halves the files and
 * hands each rank, the heaviest first, to the half whose files need more on average. */
static void match(struct surge *surge, const struct law *law, uint64_t first, uint64_t last,
		  uint32_t *ranks, uint32_t *scratch)
{
	uint64_t count = last - first, middle = first + count / 2, halves[2], taken[2] = {0, 0};
	double need[2], harmonic = 0, total;

	if (count == 1) {
		surge->files[first].rank = ranks[0];
		return;
	}
	for (uint64_t i = 0; i < count; i++)
		harmonic += 1.0 / (ranks[i] + 1);
	halves[0] = middle - first;
	halves[1] = last - middle;
	need[0] = wanted(surge, law, middle) - wanted(surge, law, first);
	need[1] = wanted(surge, law, last) - wanted(surge, law, middle);
	total = need[0] + need[1];
	/* What was given to this part from above is shared in the law's proportion. */
	for (int side = 0; side < 2; side++)
		need[side] = total > 0 ? need[side] / total * harmonic
				       : harmonic * (double)halves[side] / (double)count;
	for (uint64_t i = 0; i < count; i++) {
		uint64_t left[2] = {halves[0] - taken[0], halves[1] - taken[1]};
		int side = !left[0]   ? 1
			   : !left[1] ? 0
				      : need[1] / (double)left[1] > need[0] / (double)left[0];

		scratch[(side ? halves[0] : 0) + taken[side]++] = ranks[i];
		need[side] -= 1.0 / (ranks[i] + 1);
	}
	memcpy(ranks, scratch, count * sizeof(*ranks));
	match(surge, law, first, middle, ranks, scratch);
	match(surge, law, middle, last, ranks + halves[0], scratch);
}

/* By how much the share of requests for files up to and with each is above the law's. */
static double row_errors(const struct surge *surge, const struct law *law, double harmonic,
			 double *errors, uint64_t *worst)
{
	double upto = 0, most = -1;

	for (uint64_t i = 0; i < surge->file_count; i++) {
		upto += 1.0 / (surge->files[i].rank + 1.0) / harmonic;
		errors[i] = upto - law_cdf(law, (double)surge->files[i].size);
		if (fabs(errors[i]) > most) {
			most = fabs(errors[i]);
			*worst = i;
		}
	}
	return most;
}

/* The largest error if the ranks of files `low` < `high` were exchanged, of those between them. */
static double exchanged(const struct surge *surge, const double *errors, double harmonic,
			uint64_t low, uint64_t high)
{
	double change =
		(1.0 / (surge->files[high].rank + 1.0) - 1.0 / (surge->files[low].rank + 1.0)) /
		harmonic;
	double most = 0;

	for (uint64_t i = low; i < high; i++)
		most = fmax(most, fabs(errors[i] + change));
	return most;
}

/* Makes the match closer: where the shares are worst, exchanges the ranks of two files on either
 * side, whichever of the near ones helps most, as long as one does. */
static void refine(struct surge *surge, const struct law *law, double *errors)
{
	enum { NEAR = 48, ROUNDS = 2000 };
	double harmonic = 0;

	for (uint64_t i = 0; i < surge->file_count; i++)
		harmonic += 1.0 / (double)(i + 1);
	for (int round = 0; round < ROUNDS; round++) {
		uint64_t worst = 0, low = 0, high = 0;
		double least = row_errors(surge, law, harmonic, errors, &worst);

		for (uint64_t i = worst < NEAR ? 0 : worst - NEAR; i <= worst; i++) {
			for (uint64_t j = worst + 1; j < surge->file_count && j <= worst + NEAR;
			     j++) {
				double most = exchanged(surge, errors, harmonic, i, j);

				if (most < least) {
					least = most;
					low = i;
					high = j;
				}
			}
		}
		if (low == high)
			return;
		uint32_t held = surge->files[low].rank;

		surge->files[low].rank = surge->files[high].rank;
		surge->files[high].rank = held;
	}
}

/* Splits `requests` over the ranks by Zipf's law: whole parts first, then one each to the largest
 * remainders, which lie anywhere; the running sum does that without sorting. */
static void count_requests(struct surge *surge, uint64_t requests, uint64_t *by_rank)
{
	double harmonic = 0, upto = 0, most = 0;
	uint64_t given = 0;

	for (uint64_t i = 0; i < surge->file_count; i++)
		harmonic += 1.0 / (double)(i + 1);
	for (uint64_t i = 0; i < surge->file_count; i++) {
		uint64_t now;

		upto += (double)requests / (double)(i + 1) / harmonic;
		now = i + 1 == surge->file_count ? requests : (uint64_t)(upto + 0.5);
		by_rank[i] = now - given;
		given = now;
		most = fmax(most, fabs((double)given - upto) / (double)requests);
	}
	surge->fit.popularity = most;
}

/* Every document of a base has its embedded references, so the requests of the kinds stand in a
 * fixed proportion: 1 base to `mean` embedded. With SURGE's law that is near its files' own shares
 * of 30, 38 and 32 %. */
static void choose_kinds(struct surge *surge, const struct law *embedded, const uint64_t *by_rank,
			 const uint32_t *file_of_rank)
{
	double mean = 0, share[SURGE_KINDS], got[SURGE_KINDS] = {0}, all = 0;

	for (int n = 1; n < 1000; n++)
		mean += 1 - law_cdf(embedded, n);
	share[SURGE_BASE] = 0.30;
	share[SURGE_EMBEDDED] = fmin(0.30 * mean, 0.65);
	share[SURGE_LONER] = 1 - share[SURGE_BASE] - share[SURGE_EMBEDDED];
	for (uint64_t rank = 0; rank < surge->file_count; rank++) {
		int kind = 0;

		for (int k = 1; k < SURGE_KINDS; k++)
			if (share[k] * all - got[k] > share[kind] * all - got[kind] ||
			    (share[k] * all - got[k] == share[kind] * all - got[kind] &&
			     share[k] > share[kind]))
				kind = k;
		surge->files[file_of_rank[rank]].kind = (enum surge_kind)kind;
		got[kind] += (double)by_rank[rank];
		all += (double)by_rank[rank];
	}
}

struct stack {
	uint32_t *files; /* the last used first; those with requests left */
	uint64_t *left;	 /* by file */
	uint64_t count;
};

/* Takes the file nearest to position `at` that is of `kind` and moves it to the top. Returns the
 * position where it was, or -1 if there is none of the kind. */
static int64_t take(struct stack *stack, const struct surge *surge, uint64_t at, int kind,
		    uint32_t *taken)
{
	int64_t found = -1;
	uint32_t file;

	if (at >= stack->count)
		at = stack->count - 1;
	for (uint64_t away = 0; away < stack->count && found < 0; away++) {
		if (at + away < stack->count &&
		    (kind < 0 || (int)surge->files[stack->files[at + away]].kind == kind))
			found = (int64_t)(at + away);
		else if (away <= at &&
			 (kind < 0 || (int)surge->files[stack->files[at - away]].kind == kind))
			found = (int64_t)(at - away);
	}
	if (found < 0)
		return -1;
	file = stack->files[found];
	if (--stack->left[file]) {
		memmove(stack->files + 1, stack->files, (size_t)found * sizeof(*stack->files));
		stack->files[0] = file;
	} else {
		stack->count--;
		memmove(stack->files + found, stack->files + found + 1,
			(stack->count - (uint64_t)found) * sizeof(*stack->files));
	}
	*taken = file;
	return found;
}

struct samples {
	double *distance, *embedded, *active, *inactive, *sizes;
	uint64_t distances, embeddeds, actives, inactives, count;
};

static void draw_requests(struct surge *surge, const struct surge_options *options,
			  struct random_state *random, struct stack *stack, struct samples *out)
{
	uint64_t *left = stack->left, left_of[SURGE_KINDS] = {0}, references = 0;

	for (uint64_t i = 0; i < surge->file_count; i++)
		left_of[surge->files[i].kind] += left[i];
	for (uint64_t i = 0; i < options->requests; i++) {
		struct surge_request *request = &surge->requests[i];
		int kind = SURGE_EMBEDDED;
		double distance;
		int64_t position;

		if (!references) {
			/* A document; of bases and loners in the proportion of what is left. */
			uint64_t bases = left_of[SURGE_BASE], both = bases + left_of[SURGE_LONER];

			kind = both && random_below(random, both) < bases ? SURGE_BASE
									  : SURGE_LONER;
			surge->documents++;
		}
		distance = ceil(law_at(&options->distance, random_unit(random)));
		position = take(stack, surge, (uint64_t)distance - 1, kind, &request->file);
		if (position < 0) {
			surge->other_kind++;
			position = take(stack, surge, (uint64_t)distance - 1, -1, &request->file);
		}
		left_of[surge->files[request->file].kind]--;
		request->kind = (uint8_t)kind;
		out->distance[out->distances++] = (double)(position + 1);
		out->sizes[out->count++] = (double)surge->files[request->file].size;
		if (kind == SURGE_BASE) {
			references = (uint64_t)law_at(&options->embedded, random_unit(random));
			out->embedded[out->embeddeds++] = (double)references;
		} else if (kind == SURGE_EMBEDDED) {
			references--;
		}
		request->last = !references || i + 1 == options->requests;
		if (request->last) {
			request->off = (float)law_at(&options->inactive, random_unit(random));
			out->inactive[out->inactives++] = request->off;
		} else {
			request->off = (float)law_at(&options->active, random_unit(random));
			out->active[out->actives++] = request->off;
		}
	}
}

static void shuffle(uint32_t *row, uint64_t count, struct random_state *random)
{
	for (uint64_t i = count; i > 1; i--) {
		uint64_t other = random_below(random, i);
		uint32_t held = row[i - 1];

		row[i - 1] = row[other];
		row[other] = held;
	}
}

static void arrange(struct surge *surge, const struct surge_options *options,
		    struct random_state *random, struct samples *samples, uint32_t *ranks,
		    uint64_t *counts)
{
	uint64_t files = surge->file_count;
	struct stack stack = {.files = ranks + files, .left = counts + files};

	for (uint64_t i = 0; i < files; i++)
		ranks[i] = (uint32_t)i;
	match(surge, &options->request_sizes, 0, files, ranks, ranks + files);
	refine(surge, &options->request_sizes, samples->distance);
	count_requests(surge, options->requests, counts);
	for (uint64_t i = 0; i < files; i++)
		ranks[surge->files[i].rank] = (uint32_t)i;
	choose_kinds(surge, &options->embedded, counts, ranks);
	for (uint64_t i = 0; i < files; i++) {
		stack.left[i] = surge->files[i].count = counts[surge->files[i].rank];
		if (stack.left[i])
			stack.files[stack.count++] = (uint32_t)i;
	}
	shuffle(stack.files, stack.count, random);
	draw_requests(surge, options, random, &stack, samples);
	surge->fit.request_sizes =
		law_distance_whole(&options->request_sizes, samples->sizes, samples->count, 0);
	surge->fit.distance =
		law_distance_whole(&options->distance, samples->distance, samples->distances, 0);
	surge->fit.embedded =
		law_distance_whole(&options->embedded, samples->embedded, samples->embeddeds, 1);
	surge->fit.active = law_distance(&options->active, samples->active, samples->actives);
	surge->fit.inactive =
		law_distance(&options->inactive, samples->inactive, samples->inactives);
}

int surge_make(struct surge *surge, const struct surge_options *options)
{
	uint64_t room = options->requests > options->files ? options->requests : options->files;
	struct samples samples = {0};
	struct random_state random;
	uint32_t *ranks = calloc(options->files * 2, sizeof(*ranks));
	uint64_t *counts = calloc(options->files * 2, sizeof(*counts));
	double *rows = calloc(room * 5, sizeof(*rows));
	int result = -ENOMEM;

	memset(surge, 0, sizeof(*surge));
	surge->file_count = options->files;
	surge->request_count = options->requests;
	surge->files = calloc(options->files, sizeof(*surge->files));
	surge->requests = calloc(options->requests, sizeof(*surge->requests));
	if (ranks && counts && rows && surge->files && surge->requests) {
		samples.distance = rows;
		samples.embedded = rows + room;
		samples.active = rows + room * 2;
		samples.inactive = rows + room * 3;
		samples.sizes = rows + room * 4;
		random_seed(&random, options->seed);
		draw_sizes(surge, options, &random, rows);
		result = 0;
		arrange(surge, options, &random, &samples, ranks, counts);
	}
	free(ranks);
	free(counts);
	free(rows);
	if (result)
		surge_release(surge);
	return result;
}

void surge_release(struct surge *surge)
{
	free(surge->files);
	free(surge->requests);
	memset(surge, 0, sizeof(*surge));
}
