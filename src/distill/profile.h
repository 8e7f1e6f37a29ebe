/* What a kind of link is worth: how hard images are pressed. */
#ifndef BATON_DISTILL_PROFILE_H
#define BATON_DISTILL_PROFILE_H

#include <stdbool.h>

struct profile {
	const char *name, *summary;
	int width, height;    /* an image is made no larger than this; 0: as it is */
	int jpeg, webp, avif; /* quality, 1-100 */
	bool grey;
};

/* The profile of that name, or NULL. */
const struct profile *profile_by_name(const char *name);

/* All of them, ended by an entry without a name. */
extern const struct profile profiles[];

#endif
