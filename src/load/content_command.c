/* `baton load content`: the files that a workload asks for, with bytes that can be checked. */
#include "load/load.h"

#include "base/fail.h"
#include "base/table.h"
#include "load/common.h"
#include "load/content.h"
#include "load/trace.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

struct writing {
	const char *root;
	uint64_t size, files, bytes, left_out;
	int error;
	char where[PATH_MAX]; /* of the error */
};

static int write_one(struct writing *writing, const char *name, uint64_t length)
{
	int result = content_write(writing->root, name, length, true);

	if (result == -ENOTDIR || result == -EISDIR) {
		writing->left_out++;
		return 0;
	}
	if (result) {
		writing->error = result;
		snprintf(writing->where, sizeof(writing->where), "%s", name);
		return result;
	}
	writing->files++;
	writing->bytes += length;
	return 0;
}

static int write_path(void *context, const char *path)
{
	struct writing *writing = context;
	char name[PATH_MAX];

	if (content_name(path, name, sizeof(name)))
		return -EINVAL;
	return write_one(writing, name, writing->size);
}

static int write_trace(struct writing *writing, const char *file)
{
	struct trace trace = {0};
	int result = trace_read(&trace, file);

	if (result == -EINVAL)
		return failed("%s: no line is a request of a log in a known form", file);
	if (result)
		return failed_errno(result, "%s", file);
	for (size_t i = 0; i < trace.path_count && !result; i++) {
		const struct trace_path *path = &trace.paths[i];

		if (!path->present || !path->name)
			continue;
		if (path->directory) {
			writing->left_out++;
			continue;
		}
		/* Another spelling of a file that is written once. */
		if (!path->duplicate)
			result = write_one(writing, path->name, path->length);
	}
	trace_release(&trace);
	return result ? failed_errno(result, "%s%s", writing->root, writing->where) : 0;
}

static int run(const struct command *self, int argc, char **argv)
{
	struct load_options options = {.size = 1000};
	int first = command_parse(self, argc, argv, &options), result;
	struct writing writing = {.size = options.size};
	char bytes[16];

	if (argc - first != 1 || !options.trace == !options.paths)
		return misused("one DIR and either --trace or --paths are needed, see '%s --help'",
			       command_path());
	writing.root = argv[first];
	if (mkdir(writing.root, 0755) && errno != EEXIST)
		return failed_errno(errno, "%s", writing.root);
	if (options.trace) {
		result = write_trace(&writing, options.trace);
		if (result)
			return result;
	} else {
		result = pattern_each(options.paths, write_path, &writing);
		if (writing.error)
			return failed_errno(writing.error, "%s%s", writing.root, writing.where);
		if (result)
			return misused("'%s' is not a path or a pattern such as /{1..100}",
				       options.paths);
	}
	if (options.json)
		printf("{\"files\": %llu, \"bytes\": %llu, \"left_out\": %llu}\n",
		       (unsigned long long)writing.files, (unsigned long long)writing.bytes,
		       (unsigned long long)writing.left_out);
	else
		printf("%llu files, %s, below %s%s\n", (unsigned long long)writing.files,
		       text_bytes((double)writing.bytes, bytes), writing.root,
		       writing.left_out ? "; names that are directories too were left out" : "");
	return EXIT_DONE;
}

const struct command load_content = {
	.name = "content",
	.operands = "DIR --trace FILE | --paths PATTERN",
	.summary = "Write the files that a workload asks for, with bytes that can be checked",
	.description =
		"Every byte follows from the file's path and the byte's offset, so 'baton load' "
		"checks whole bodies without reading files. Files that are there with their length "
		"are left alone.",
	.options =
		(const struct option_spec[]){
			{"trace", 0, OPTION_TEXT, "FILE",
			 "a log: one file a path, as long as its largest body", LOAD_AT(trace)},
			{"paths", 0, OPTION_TEXT, "PATTERN", "such as /{1..1000}, all of --size",
			 LOAD_AT(paths)},
			{"size", 0, OPTION_COUNT, "BYTES", "of each file of --paths [1000]",
			 LOAD_AT(size)},
			{"json", 0, OPTION_FLAG, NULL, "print one JSON object", LOAD_AT(json)},
			{NULL},
		},
	.run = run,
};
