/* A model's numbers: a file of lines "name value", '#' begins a comment. */
#ifndef BATON_SIMULATE_PARAMETERS_H
#define BATON_SIMULATE_PARAMETERS_H

#include "base/buffer.h"
#include "base/command.h"

enum { PARAMETERS_MAX = 64 };

struct parameters {
	struct parameter {
		char name[40];
		double value;
	} items[PARAMETERS_MAX];
	unsigned int count;
};

/* Reads a preset's text, then the file `path` (NULL: none), then each "name=value" of `changes`;
 * later ones replace earlier ones, and only names of the preset are known. Returns 0, or -EINVAL /
 * -errno with the reason in `error`. */
int parameters_read(struct parameters *parameters, const char *preset, const char *path,
		    const struct option_list *changes, struct buffer *error);

/* The value; a name that the preset doesn't have is a mistake of the program's and ends it. */
double parameter(const struct parameters *parameters, const char *name);

#endif
