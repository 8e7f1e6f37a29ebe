/* `baton load surge make` and `run`. */
#include "load/load.h"

#include "base/clock.h"
#include "base/fail.h"
#include "base/random.h"
#include "base/table.h"
#include "load/common.h"
#include "load/content.h"
#include "load/surge.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char kind_letters[] = "bel"; /* by enum surge_kind */

static void file_path(const struct surge *surge, uint64_t file, char *path, size_t room)
{
	snprintf(path, room, "/surge/%c%06llu", kind_letters[surge->files[file].kind],
		 (unsigned long long)file);
}

/* The list: first the files, "F PATH BYTES", then the requests in their order, "R FILE KIND OFF
 * LAST", with files counted from 0. */
static int write_list(const struct surge *surge, const char *name)
{
	FILE *out = fopen(name, "we");
	char path[64];

	if (!out)
		return -errno;
	fprintf(out, "# SURGE: files are F PATH BYTES, requests R FILE KIND OFF LAST\n");
	for (uint64_t i = 0; i < surge->file_count; i++) {
		file_path(surge, i, path, sizeof(path));
		fprintf(out, "F\t%s\t%llu\n", path, (unsigned long long)surge->files[i].size);
	}
	for (uint64_t i = 0; i < surge->request_count; i++) {
		const struct surge_request *request = &surge->requests[i];

		fprintf(out, "R\t%u\t%c\t%.6f\t%d\n", request->file, kind_letters[request->kind],
			(double)request->off, request->last);
	}
	if (ferror(out)) {
		fclose(out);
		return -EIO;
	}
	return fclose(out) ? -errno : 0;
}

static const struct {
	const char *key, *name, *law;
	size_t offset;
} fits[] = {
	{"sizes", "file sizes", "lognormal body, Pareto tail", offsetof(struct surge_fit, sizes)},
	{"request_sizes", "request sizes", "Pareto", offsetof(struct surge_fit, request_sizes)},
	{"popularity", "popularity", "Zipf", offsetof(struct surge_fit, popularity)},
	{"embedded", "embedded references", "Pareto", offsetof(struct surge_fit, embedded)},
	{"distance", "LRU stack distance", "lognormal", offsetof(struct surge_fit, distance)},
	{"active", "active OFF times", "Weibull", offsetof(struct surge_fit, active)},
	{"inactive", "inactive OFF times", "Pareto", offsetof(struct surge_fit, inactive)},
};
enum { FITS = sizeof(fits) / sizeof(fits[0]) };

static double fit_at(const struct surge *surge, int i)
{
	return *(const double *)((const char *)&surge->fit + fits[i].offset);
}

static void print_made(const struct surge *surge, bool json)
{
	unsigned long long least = surge->files[0].size;
	unsigned long long most = surge->files[surge->file_count - 1].size;
	struct table *table;
	char bytes[16];

	if (json) {
		json_t *distances = json_object(), *object;

		for (int i = 0; i < FITS; i++)
			json_object_set_new(distances, fits[i].key, json_real(fit_at(surge, i)));
		object = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "files",
				   (json_int_t)surge->file_count, "bytes", (json_int_t)surge->bytes,
				   "smallest", (json_int_t)least, "largest", (json_int_t)most,
				   "requests", (json_int_t)surge->request_count, "documents",
				   (json_int_t)surge->documents, "other_kind",
				   (json_int_t)surge->other_kind, "distances", distances);
		json_dumpf(object, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6));
		putchar('\n');
		json_decref(object);
		return;
	}
	printf("%llu files, %s, %llu to %llu bytes; %llu requests for %llu documents; %llu for "
	       "want of a file of the right kind went to another\n\n",
	       (unsigned long long)surge->file_count, text_bytes((double)surge->bytes, bytes),
	       least, most, (unsigned long long)surge->request_count,
	       (unsigned long long)surge->documents, (unsigned long long)surge->other_kind);
	table = table_new("drawn|law|>Kolmogorov-Smirnov distance");
	if (!table)
		return;
	for (int i = 0; i < FITS; i++)
		table_row(table, "%s|%s|%.4f", fits[i].name, fits[i].law, fit_at(surge, i));
	table_print(table, stdout);
}

static int write_all(const struct surge *surge, const struct load_options *options,
		     const char *root)
{
	char path[64];
	int result;

	if (mkdir(root, 0755) && errno != EEXIST)
		return failed_errno(errno, "%s", root);
	for (uint64_t i = 0; i < surge->file_count; i++) {
		file_path(surge, i, path, sizeof(path));
		result = content_write(root, path, surge->files[i].size, true);
		if (result)
			return failed_errno(result, "%s%s", root, path);
	}
	result = write_list(surge, options->list);
	return result ? failed_errno(result, "%s", options->list) : 0;
}

static int make_run(const struct command *self, int argc, char **argv)
{
	struct load_options options = LOAD_DEFAULTS;
	int first = command_parse(self, argc, argv, &options), result;
	struct surge_options laws = surge_defaults();
	struct surge surge;

	if (argc - first != 1 || !options.list)
		return misused("one DIR and --list are needed, see '%s --help'", command_path());
	if (options.preset)
		surge_preset(&laws, options.preset);
	if (options.files)
		laws.files = options.files;
	if (options.requests)
		laws.requests = options.requests;
	laws.seed = options.seed;
	if (surge_make(&surge, &laws))
		return failed("no memory for %llu files and %llu requests",
			      (unsigned long long)laws.files, (unsigned long long)laws.requests);
	result = write_all(&surge, &options, argv[first]);
	if (!result)
		print_made(&surge, options.json);
	surge_release(&surge);
	return result;
}

static const struct command surge_make_command = {
	.name = "make",
	.operands = "DIR --list FILE",
	.summary = "Write a file set below DIR and the list of requests for it",
	.description = "DIR is the servers' root; the files are in its directory surge, with bytes "
		       "that are checked when they come back. How far what was drawn is from each "
		       "law is printed. The same seed gives the same files and requests.",
	.options =
		(const struct option_spec[]){
			{"list", 0, OPTION_TEXT, "FILE", "where the list of requests goes",
			 LOAD_AT(list)},
			{"preset", 0, OPTION_TEXT, "NAME",
			 "hong2004: 2,000 files, 77 B to 3,119,822 B, about 50 MB; kwon2008: 100 "
			 "files",
			 LOAD_AT(preset), .choices = "hong2004|kwon2008"},
			{"files", 0, OPTION_COUNT, "N", "how many [2000]", LOAD_AT(files),
			 .least = 1, .most = 1000000},
			{"requests", 'n', OPTION_COUNT, "N", "how many [20000]", LOAD_AT(requests),
			 .least = 1, .most = 100000000},
			LOAD_OPTION_SEED,
			{"json", 0, OPTION_FLAG, NULL, "print one JSON object", LOAD_AT(json)},
			{NULL},
		},
	.run = make_run,
};

struct step {
	uint32_t target;
	float off;
	bool last;
};

struct users {
	struct source source;
	struct targets targets;
	struct step *steps;
	size_t step_count, step_room, next_document;
	bool endless;
	double speed;
	uint64_t ramp; /* ns */
	struct user {
		uint64_t wake;
		size_t step; /* under way or next */
		bool inside; /* a document */
	} * users;
	uint32_t *heap; /* users that wait, the first to wake at 0 */
	size_t heap_count;
	struct random_state random;
	uint64_t count;
	bool begun;
};

static bool earlier(const struct users *self, size_t a, size_t b)
{
	return self->users[self->heap[a]].wake < self->users[self->heap[b]].wake;
}

static void swap(struct users *self, size_t a, size_t b)
{
	uint32_t held = self->heap[a];

	self->heap[a] = self->heap[b];
	self->heap[b] = held;
}

static void heap_add(struct users *self, uint32_t user)
{
	size_t at = self->heap_count++;

	self->heap[at] = user;
	for (; at && earlier(self, at, (at - 1) / 2); at = (at - 1) / 2)
		swap(self, at, (at - 1) / 2);
}

static uint32_t heap_take(struct users *self)
{
	uint32_t user = self->heap[0];
	size_t at = 0;

	self->heap[0] = self->heap[--self->heap_count];
	for (;;) {
		size_t least = at, left = 2 * at + 1;

		if (left < self->heap_count && earlier(self, left, least))
			least = left;
		if (left + 1 < self->heap_count && earlier(self, left + 1, least))
			least = left + 1;
		if (least == at)
			return user;
		swap(self, at, least);
		at = least;
	}
}

/* Users begin one after another, not all at once. */
static void begin(struct users *self, uint64_t now)
{
	for (uint32_t i = 0; i < self->count; i++) {
		self->users[i].wake =
			now + (uint64_t)(random_unit(&self->random) * (double)self->ramp);
		heap_add(self, i);
	}
	self->begun = true;
}

static enum source_answer users_next(struct source *source, uint64_t now, struct request *request)
{
	struct users *self = (struct users *)source;
	struct user *user;

	if (!self->begun)
		begin(self, now);
	while (self->heap_count) {
		user = &self->users[self->heap[0]];
		request->due = user->wake;
		if (user->wake > now)
			return SOURCE_WAIT;
		request->slot = heap_take(self);
		if (!user->inside) {
			if (self->next_document == self->step_count && self->endless)
				self->next_document = 0;
			/* No document is left: this user goes home. */
			if (self->next_document == self->step_count)
				continue;
			user->step = self->next_document;
			user->inside = true;
			while (!self->steps[self->next_document++].last)
				;
		}
		request->target = &self->targets.items[self->steps[user->step].target];
		request->last = self->steps[user->step].last;
		return SOURCE_REQUEST;
	}
	return SOURCE_END;
}

static void users_finished(struct source *source, const struct request *request, uint64_t now,
			   bool right)
{
	struct users *self = (struct users *)source;
	struct user *user = &self->users[request->slot];
	const struct step *step = &self->steps[user->step];

	(void)right;
	user->wake = now + (uint64_t)((double)step->off / self->speed * 1e9);
	user->inside = !step->last;
	user->step++;
	heap_add(self, request->slot);
}

static int read_line(struct users *users, const struct load_options *options, const struct url *url,
		     const char *line)
{
	unsigned long long bytes;
	unsigned int file, last;
	char path[256], kind;
	float off;
	int index;

	if (sscanf(line, "F\t%255s\t%llu", path, &bytes) == 2 && bytes <= INT64_MAX) {
		index = target_add(&users->targets, url, "GET", path, &options->headers, true);
		if (index < 0)
			return index;
		users->targets.items[index].length = (int64_t)bytes;
		return 0;
	}
	if (sscanf(line, "R\t%u\t%c\t%f\t%u", &file, &kind, &off, &last) != 4 ||
	    file >= users->targets.count || !(off >= 0 && off < 1e9f))
		return -EINVAL;
	if (users->step_count == users->step_room) {
		users->step_room = users->step_room ? users->step_room * 2 : 4096;
		users->steps = reallocarray(users->steps, users->step_room, sizeof(*users->steps));
		if (!users->steps)
			exit(failed("no memory for the requests"));
	}
	users->steps[users->step_count++] = (struct step){file, off, last};
	return 0;
}

static int read_list(struct users *users, const struct load_options *options, const struct url *url,
		     const char *name)
{
	unsigned long number = 0;
	size_t room = 0;
	char *line = NULL;
	int result = 0;
	FILE *in = fopen(name, "re");

	if (!in)
		return failed_errno(errno, "%s", name);
	while (!result && getline(&line, &room, in) > 0) {
		number++;
		if (*line != '#' && read_line(users, options, url, line))
			result = failed("%s:%lu: no line that 'baton load surge make' writes", name,
					number);
	}
	free(line);
	fclose(in);
	if (!result && !users->step_count)
		result = failed("%s: there is no request in it", name);
	if (!result)
		users->steps[users->step_count - 1].last = true;
	return result;
}

static int play(struct users *users, struct load_options *options, struct url *url,
		const char *list)
{
	struct tally tally;
	char title[512];
	int result = read_list(users, options, url, list);

	if (result)
		return result;
	users->users = calloc(users->count, sizeof(*users->users));
	users->heap = calloc(users->count, sizeof(*users->heap));
	if (!users->users || !users->heap || tally_init(&tally))
		return failed("no memory");
	random_seed(&users->random, options->seed);
	options->connections = users->count;
	snprintf(title, sizeof(title), "SURGE: %llu users, %.200s from %s",
		 (unsigned long long)users->count, list, url->authority);
	result = load_play(options, url, &users->source, &tally, title,
			   json_pack("{s:I}", "users", (json_int_t)users->count));
	tally_release(&tally);
	return result;
}

static int run_run(const struct command *self, int argc, char **argv)
{
	struct load_options options = LOAD_DEFAULTS;
	int first, result;
	struct users users = {
		.source = {.next = users_next, .finished = users_finished, .bound = true}};
	struct url url;

	options.users = 100;
	options.ramp = 3000000000ull;
	first = command_parse(self, argc, argv, &options);
	if (argc - first != 1 || !options.url)
		return misused("one LIST and --url are needed, see '%s --help'", command_path());
	result = load_url(&url, options.url);
	if (result)
		return result;
	users.count = options.users;
	users.speed = options.speed;
	users.ramp = options.ramp;
	users.endless = options.duration;
	result = play(&users, &options, &url, argv[first]);
	free(users.users);
	free(users.heap);
	free(users.steps);
	targets_release(&users.targets);
	url_release(&url);
	return result;
}

static const struct command surge_run_command = {
	.name = "run",
	.operands = "LIST --url URL",
	.summary = "Play a list of requests with so many users; every byte is checked",
	.description =
		"Each user takes the next document of the list, asks for what is embedded in it "
		"after active OFF times, thinks for an inactive OFF time and takes the next. A "
		"document is one connection, or with --close each request. Without --duration the "
		"run ends with the list, with it the list begins anew.",
	.options =
		(const struct option_spec[]){
			{"url", 0, OPTION_TEXT, "URL", "the server: its path is not used",
			 LOAD_AT(url)},
			{"users", 'u', OPTION_COUNT, "N", "user equivalents [100]", LOAD_AT(users),
			 .least = 1, .most = 100000},
			{"speed", 0, OPTION_NUMBER, "F", "divide all OFF times by this [1]",
			 LOAD_AT(speed), .least = 1e-6, .most = 1e9},
			{"ramp", 0, OPTION_DURATION, "TIME",
			 "users begin at random moments of this time [3]", LOAD_AT(ramp),
			 .most = 86400},
			{"duration", 'd', OPTION_DURATION, "TIME",
			 "end after this time [the list's end]", LOAD_AT(duration)},
			LOAD_OPTION_SEED,
			LOAD_OPTIONS_OF_USERS,
			{NULL},
		},
	.run = run_run,
};

const struct command load_surge = {
	.name = "surge",
	.summary = "SURGE: files, popularity, documents and users by the laws of 1998",
	.commands =
		(const struct command *const[]){
			&surge_make_command,
			&surge_run_command,
			NULL,
		},
	.run = command_dispatch,
};
