#include "distill/profile.h"

#include <stddef.h>
#include <string.h>

/* Widths are those of the screens the links were made for (a GPRS telephone of 2008: 320 x 480). */
const struct profile profiles[] = {
	{"gprs", "115 kbit/s: small grey images", 320, 480, 25, 20, 25, true},
	{"3g", "1 Mbit/s: images for a small screen", 640, 960, 45, 40, 40, false},
	{"4g", "20 Mbit/s: large images, less quality than nobody sees", 1920, 1920, 75, 72, 55,
	 false},
	{"save-data", "a client that asked for less", 1024, 1024, 40, 35, 35, false},
	{0},
};

const struct profile *profile_by_name(const char *name)
{
	for (const struct profile *profile = profiles; profile->name; profile++)
		if (!strcmp(profile->name, name))
			return profile;
	return NULL;
}
