/* A guest that sits on the link to the outside itself, without a bridge:
 *
 *	external 10.78.0.2 --- rate --- wire --+-- macvtap tap0 === guest 10.78.0.3
 *					       +-- macvlan door 10.78.0.1 (namespace "host")
 *
 * What has a link below it can't be reached through that link, so the host gets a door of its own
 * beside the guest's. */
#ifndef BATON_MEASURE_MACVTAP_H
#define BATON_MEASURE_MACVTAP_H

#include "base/buffer.h"

/* Makes it in the run's namespace "host" in place of the bridge. `scratch` is a folder for its
 * device node. Returns an open file that takes and gives the guest's frames, inherited by children;
 * or -1 with the reason. */
int macvtap_up(const char *run, const char *scratch, struct buffer *why);

/* Puts the bridge back. */
void macvtap_down(const char *run);

#endif
