#include "distill/distill.h"
#include "base/buffer.h"
#include "base/fail.h"
#include "distill/image.h"
#include "distill/serve.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PROFILES "gprs|3g|4g|save-data"

struct serve_values {
	const char *listen, *parent, *connect, *profile;
	uint64_t bytes, pixels, jobs;
	bool quiet;
};

static const struct option_spec serve_specs[] = {
	{"listen", 'l', OPTION_TEXT, "ADDRESS:PORT", "where the cache asks [127.0.0.1:3180]",
	 offsetof(struct serve_values, listen)},
	{"parent", 'p', OPTION_TEXT, "URL",
	 "the origin, \"http://HOST:PORT\" [none: a proxy that is asked for whole URLs]",
	 offsetof(struct serve_values, parent)},
	{"connect-to", 0, OPTION_TEXT, "ADDRESS:PORT",
	 "where every host is, whatever its name says [by name]",
	 offsetof(struct serve_values, connect)},
	{"profile", 0, OPTION_TEXT, "NAME", "what the links bear: " PROFILES " [3g]",
	 offsetof(struct serve_values, profile), .choices = PROFILES},
	{"max-bytes", 0, OPTION_COUNT, "BYTES", "pass larger objects on untouched [8Mi]",
	 offsetof(struct serve_values, bytes), .least = 1, .most = 1 << 30},
	{"max-pixels", 0, OPTION_COUNT, "N", "pass larger images on undecoded [50m]",
	 offsetof(struct serve_values, pixels), .least = 1, .most = 1e10},
	{"jobs", 'j', OPTION_COUNT, "N", "distillations at once [2]",
	 offsetof(struct serve_values, jobs), .least = 1, .most = 1024},
	{"quiet", 'q', OPTION_FLAG, NULL, "no line for each distilled object",
	 offsetof(struct serve_values, quiet)},
	{0},
};

static int run_serve(const struct command *self, int argc, char **argv)
{
	struct serve_values values = {"127.0.0.1:3180", NULL,	  NULL, "3g",
				      8 << 20,		50000000, 2,	false};
	struct serve_options options;

	command_parse(self, argc, argv, &values);
	if (values.parent &&
	    (strncmp(values.parent, "http", 4) || values.parent[strlen(values.parent) - 1] == '/'))
		return misused("--parent %s is not of the form http://HOST:PORT, without a path",
			       values.parent);
	if (image_start(values.pixels))
		return failed("libvips can't be started");
	options = (struct serve_options){
		values.listen, values.parent, values.connect, profile_by_name(values.profile),
		values.bytes,  values.jobs,   values.quiet};
	return serve(&options);
}

struct file_values {
	const char *profile, *accept, *output;
	uint64_t pixels;
};

static const struct option_spec file_specs[] = {
	{"profile", 0, OPTION_TEXT, "NAME", "what the link bears: " PROFILES " [3g]",
	 offsetof(struct file_values, profile), .choices = PROFILES},
	{"accept", 0, OPTION_TEXT, "TYPES", "the client's Accept header []",
	 offsetof(struct file_values, accept)},
	{"output", 'o', OPTION_TEXT, "FILE", "write the result there [only its size is shown]",
	 offsetof(struct file_values, output)},
	{"max-pixels", 0, OPTION_COUNT, "N", "keep larger images as they are [50m]",
	 offsetof(struct file_values, pixels), .least = 1, .most = 1e10},
	{0},
};

static int run_file(const struct command *self, int argc, char **argv)
{
	struct file_values values = {"3g", "", NULL, 50000000};
	struct buffer original = BUFFER_EMPTY;
	struct image_result result;
	int first = command_parse(self, argc, argv, &values), error;

	if (argc - first != 1)
		return misused("distill file takes one file; '%s --help' lists the options",
			       command_path());
	error = buffer_read_file(&original, argv[first], 1 << 30);
	if (error)
		return failed_errno(error, "can't read %s", argv[first]);
	if (image_start(values.pixels))
		return failed("libvips can't be started");
	image_distil(original.data, original.length, profile_by_name(values.profile),
		     image_accepted(values.accept), &result);
	if (result.bytes)
		printf("%s: %zu -> %zu bytes, %s\n", argv[first], original.length, result.length,
		       image_type(result.format));
	else
		printf("%s: %zu bytes, kept: %s\n", argv[first], original.length, result.kept);
	if (values.output)
		error = file_write_whole(values.output, result.bytes ? result.bytes : original.data,
					 result.bytes ? result.length : original.length, 0644);
	image_release(&result);
	buffer_release(&original);
	return error ? failed_errno(error, "can't write %s", values.output) : EXIT_DONE;
}

static const struct command serve_command = {
	.name = "serve",
	.summary = "Stand between cache and origin and make what passes small",
	.description = "A cache names it as its HTTP parent. What can be made smaller for the "
		       "profile is, with a Vary "
		       "and an entity tag of its own; everything else is passed on as it comes.",
	.options = serve_specs,
	.run = run_serve,
};

static const struct command file_command = {
	.name = "file",
	.operands = "FILE",
	.summary = "Distil one image, as the server would",
	.options = file_specs,
	.run = run_file,
};

static const struct command *const commands[] = {&serve_command, &file_command, NULL};

const struct command command_distill = {
	.name = "distill",
	.summary = "Images and text made small for thin links, between cache and origin",
	.commands = commands,
	.run = command_dispatch,
};
