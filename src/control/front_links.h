/* A host's connections to the daemons of all fronts. All of them are told all; the host goes by
 * what one of them says of the cluster until that connection ends: if each were heard, fronts that
 * see a node's health differently would make the others waver. One that comes back is not
 * preferred, for it may have been cut off and know less; but for the front on this very host
 * (`place: dns`), whose program's flows are held here too. */
#ifndef BATON_CONTROL_FRONT_LINKS_H
#define BATON_CONTROL_FRONT_LINKS_H

#include "control/link.h"

struct front_links;

/* Who makes them; the pointers must outlive them. */
struct front_follower {
	uv_loop_t *loop;
	const struct config *config; /* its fronts */
	const char *name;	     /* the own host's */
	struct address here;	     /* the same */
	const struct config_keys *keys;
	struct datapath *datapath; /* goes by the followed front's clock */
	/* A snapshot is to be in force: 0 or -errno, which is logged. */
	int (*apply)(const json_t *snapshot, void *owner);
	void (*up)(void *owner); /* one is connected; NULL: never mind */
	/* Any other message: NULL, or what that front is answered, a new reference. NULL: none. */
	json_t *(*message)(const json_t *message, const char *type, void *owner);
	json_t *(*report)(void *owner); /* these as in struct link_side */
	json_t *(*load)(void *owner);
	bool (*by_load)(void *owner);
	void *owner;
};

/* Never NULL. */
struct front_links *front_links_start(const struct front_follower *follower);
void front_links_end(struct front_links *links);

/* Whether any is connected. */
bool front_links_are_up(const struct front_links *links);

/* Sends a message (taken over) to every front that is connected. */
void front_links_send(struct front_links *links, json_t *message);

#endif
