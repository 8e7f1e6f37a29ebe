/* The page's files, inside the command. */
#ifndef BATON_CONTROL_ASSETS_H
#define BATON_CONTROL_ASSETS_H

#include <stddef.h>

struct asset {
	const char *path; /* as in the URL */
	const char *type; /* Content-Type */
	const unsigned char *bytes;
	size_t length;
};

/* Ended by one without a path; made by scripts/embed. */
extern const struct asset assets[];

#endif
