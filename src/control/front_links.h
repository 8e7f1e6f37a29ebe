/* A host's connections to the daemons of all fronts. All of them are told all; the host goes by
 * what one of them says of the cluster until that connection ends: if each were heard, fronts that
 * see a node's health differently would make the others waver. One that comes back is not
 * preferred, for it may have been cut off and know less; but for the front on this very host
 * (`place: dns`), whose program's flows are held here too. */
#ifndef BATON_CONTROL_FRONT_LINKS_H
#define BATON_CONTROL_FRONT_LINKS_H

#include "control/front_follower.h"
#include "control/link.h"

struct front_links;

/* Never NULL. */
struct front_links *front_links_start(const struct front_follower *follower);
void front_links_end(struct front_links *links);

/* Whether any is connected. */
bool front_links_are_up(const struct front_links *links);

/* Sends a message (taken over) to every front that is connected. */
void front_links_send(struct front_links *links, json_t *message);

#endif
