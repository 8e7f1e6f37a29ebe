#include "experiment/workload.h"
#include "base/buffer.h"
#include "base/fail.h"
#include "base/process.h"
#include "base/random.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LARGEST = 256 * 1024, REQUESTS_MOST = 20000, SMALLEST = 100 };

#define SIGMA 1.35
#define MEAN  14000.0

/* A file of share/, beside the build folder or where it was installed. Returns 0 or -ENOENT. */
static int share_file(const char *name, char path[PATH_MAX])
{
	static const char *const places[] = {"../share", "../share/baton"};
	char program[PATH_MAX], candidate[PATH_MAX + 128];

	if (process_self(program))
		return -ENOENT;
	*strrchr(program, '/') = 0;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		snprintf(candidate, sizeof(candidate), "%s/%s/%s", program, places[i], name);
		if (realpath(candidate, path))
			return 0;
	}
	return -ENOENT;
}

/* Runs a subcommand of this program. */
static int baton(const char *const words[])
{
	const char *argv[24] = {NULL};
	char program[PATH_MAX];
	struct buffer said = BUFFER_EMPTY;
	int count = 0, code;

	if (process_self(program))
		return failed("experiment: /proc/self/exe can't be read");
	argv[count++] = program;
	while (*words && count < 23)
		argv[count++] = *words++;
	code = process_run(argv, NULL, &said);
	if (code)
		failed("experiment: %.*s", (int)strcspn(said.length ? said.data : "", "\n"),
		       said.length ? said.data : "");
	buffer_release(&said);
	return code ? EXIT_FAILED : 0;
}

/* The requests of SURGE's list, "R FILE ...", with the paths and sizes of its files, "F PATH
 * BYTES".
 */
static int from_surge(const char *folder, struct buffer *out)
{
	static char paths[1000][64];
	static unsigned long sizes[1000];
	char list[PATH_MAX], root[PATH_MAX], *line, *rest;
	struct buffer text = BUFFER_EMPTY;
	unsigned int files = 0, file, requests = 0;
	int error;

	snprintf(list, sizeof(list), "%s/surge.list", folder);
	snprintf(root, sizeof(root), "%s/surge.made", folder);
	error = baton((const char *const[]){"load", "surge", "make", root, "--list", list,
					    "--preset", "kwon2008", NULL});
	if (!error && buffer_read_file(&text, list, 64 << 20))
		error = failed("experiment: %s can't be read", list);
	for (rest = text.data; !error && (line = strsep(&rest, "\n"));) {
		if (*line == 'F' && files < 1000 &&
		    sscanf(line, "F\t%63s\t%lu", paths[files], &sizes[files]) == 2)
			files++;
		else if (*line == 'R' && sscanf(line, "R\t%u", &file) == 1 && file < files &&
			 requests++ < REQUESTS_MOST)
			buffer_format(out, "%u\tGET\t%s\t200\t%lu\n", requests, paths[file],
				      sizes[file]);
	}
	buffer_release(&text);
	return error;
}

static int from_website(struct buffer *out)
{
	struct buffer text = BUFFER_EMPTY;
	char trace[PATH_MAX], path[4096], *line, *rest;
	unsigned int status;
	unsigned long bytes;
	double time;

	if (share_file("traces/website-2015.tsv", trace) ||
	    buffer_read_file(&text, trace, 64 << 20))
		return failed("experiment: share/traces/website-2015.tsv can't be found");
	for (rest = text.data; (line = strsep(&rest, "\n"));)
		if (sscanf(line, "%lf\tGET\t%4095s\t%u\t%lu", &time, path, &status, &bytes) == 4 &&
		    status == 200 && bytes >= SMALLEST && bytes <= LARGEST)
			buffer_format(out, "%.0f\tGET\t%s\t200\t%lu\n", time, path, bytes);
	buffer_release(&text);
	return 0;
}

/* The size of an object: always the same for a number. */
static unsigned long size_of(unsigned int object)
{
	struct random_state random;
	double one, two, normal;

	random_seed(&random, object);
	one = random_unit(&random);
	two = random_unit(&random);
	normal = sqrt(-2 * log(one)) * cos(2 * M_PI * two);
	one = exp(log(MEAN) - SIGMA * SIGMA / 2 + SIGMA * normal);
	return one < SMALLEST ? SMALLEST : one > LARGEST ? LARGEST : (unsigned long)one;
}

static int from_ids(struct buffer *out)
{
	struct buffer text = BUFFER_EMPTY;
	char trace[PATH_MAX];

	if (share_file("traces/web07.ids", trace) || buffer_read_file(&text, trace, 64 << 20))
		return failed("experiment: share/traces/web07.ids can't be found");
	for (size_t i = 0; i < REQUESTS_MOST && 4 * i + 4 <= text.length; i++) {
		const unsigned char *at = (const unsigned char *)text.data + 4 * i;
		unsigned int object = (unsigned int)at[0] << 24 | (unsigned int)at[1] << 16 |
				      (unsigned int)at[2] << 8 | at[3];

		buffer_format(out, "%zu\tGET\t/web07/%u\t200\t%lu\n", i, object, size_of(object));
	}
	buffer_release(&text);
	return 0;
}

int workload_make(const char *folder, const char *name)
{
	struct buffer out = BUFFER_EMPTY;
	char list[PATH_MAX], root[PATH_MAX];
	int error;

	snprintf(list, sizeof(list), "%s/%s.tsv", folder, name);
	snprintf(root, sizeof(root), "%s/%s", folder, name);
	if (!access(list, R_OK) && !access(root, X_OK))
		return 0;
	error = !strcmp(name, "surge")	   ? from_surge(folder, &out)
		: !strcmp(name, "website") ? from_website(&out)
					   : from_ids(&out);
	if (!error)
		error = file_write_whole(list, out.data, out.length, 0644);
	if (error < 0)
		error = failed_errno(error, "experiment: can't write %s", list);
	buffer_release(&out);
	if (!error && mkdir(root, 0755) && errno != EEXIST)
		error = failed_errno(errno, "experiment: can't make %s", root);
	if (!error)
		error = baton(
			(const char *const[]){"load", "content", root, "--trace", list, NULL});
	if (error)
		unlink(list);
	return error;
}
