/* Measured guests on a lab's cables: a node's cable passes what the guest's network passed (its
 * goodput as a rate) and holds every frame up for half of its round trip, each way. What the lab's
 * own path takes (tens of microseconds, and a line's own work) comes on top. */
#ifndef BATON_LAB_PROFILE_H
#define BATON_LAB_PROFILE_H

#include "base/command.h"

enum { PROFILES_MAX = 32 };

struct profiles {
	struct lab_profile {
		char host[16];	/* "node": every node */
		char rate[48];	/* a word of --rate: HOST=BITS */
		uint64_t delay; /* ns, each way; 0: none */
	} items[PROFILES_MAX];
	unsigned int count;
};

/* Reads "[HOST=]FILE" words, files as `baton measure profile` prints them; HOST is "node" or one of
 * `nodes` nodes. Returns 0, or EXIT_USAGE with a line on stderr. */
int profiles_read(struct profiles *profiles, const struct option_list *words, uint64_t nodes);

/* Puts the rates in front of those of --rate, which so count more. `profiles` must outlive them.
 * Returns 0, or EXIT_USAGE with a line on stderr. */
int profiles_rates(const struct profiles *profiles, struct option_list *rate);

/* How long a host's cable holds a frame up, ns; the last word for a host counts. */
uint64_t profiles_delay(const struct profiles *profiles, const char *host);

#endif
