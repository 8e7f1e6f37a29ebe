/* A line between a host's cable and the bridge: frames pass it late, twice, out of order, or not at
 * all, as `lab impair` says. The kernel's netem does this where it is built in. */
#ifndef BATON_LAB_LINE_H
#define BATON_LAB_LINE_H

#include "base/command.h"

#include <jansson.h>

/* What is done to frames; in a line each direction by itself. */
struct impairment {
	double loss, duplicate, reorder; /* chance for each frame, 0 to 1 */
	uint64_t delay;			 /* ns, of every frame */
	uint64_t behind;		 /* ns more, of the reordered ones */
};

/* Sends rules to the line that listens on the socket `path`, and waits until they hold:
 * {"seed": N, "rules": [{"peer": "aa:bb:cc:dd:ee:ff" (absent: every other host), "loss", ...}]}.
 * Returns 0 or -errno. */
int line_tell(const char *path, const json_t *rules);

/* An impairment as a rule; `peer` may be NULL. */
json_t *line_rule(const struct impairment *impairment, const char *peer);

extern const struct command command_lab_line;

#endif
