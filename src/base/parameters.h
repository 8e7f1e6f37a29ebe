/* A model's numbers: a file of lines "name value", '#' begins a comment. */
#ifndef BATON_BASE_PARAMETERS_H
#define BATON_BASE_PARAMETERS_H

#include "base/buffer.h"
#include "base/command.h"

enum { PARAMETERS_MAX = 64 };

/* The names of a profile of `baton measure profile`; 0 is what was not measured:
 *	hit_us		this host's CPU time of the guest for a connection made, answered and ended
 *	link_mbit	goodput from the guest, Mbit/s
 *	rtt_us		round trip of 64 bytes to the guest and back */
#define PARAMETERS_MEASURED "hit_us 0\nlink_mbit 0\nrtt_us 0\n"

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
