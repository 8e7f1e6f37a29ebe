/* A daemon that goes by what a front says of the cluster: a node's, a dispatcher's. What the two do
 * alike with it. */
#ifndef BATON_CONTROL_FRONT_FOLLOWER_H
#define BATON_CONTROL_FRONT_FOLLOWER_H

#include "control/config.h"
#include "control/datapath.h"
#include "control/registry.h"

#include <jansson.h>
#include <uv.h>

/* The pointers must outlive all that it is given to. */
struct front_follower {
	uv_loop_t *loop;
	const struct config *config; /* its fronts */
	const char *name;	     /* the own host's */
	struct address here;	     /* the same */
	struct config_keys *keys;
	struct registry *registry; /* what the programs go by */
	struct datapath *datapath; /* goes by the followed front's clock */
	const char *state;	   /* the file that keeps the last snapshot */
	/* Puts the registry in force: 0 or -errno. */
	int (*publish)(void *owner);
	void (*up)(void *owner); /* a front is connected; NULL: never mind */
	/* Any other message: NULL, or what that front is answered, a new reference. NULL: none. */
	json_t *(*message)(const json_t *message, const char *type, void *owner);
	json_t *(*report)(void *owner); /* these as in struct link_side */
	json_t *(*load)(void *owner);
	bool (*by_load)(void *owner);
	void *owner;
};

/* What to go by until a front says: what one said last; what the programs go by already; or the
 * file, so that a host serves even if no front ever answered its daemon. Returns 0 or -errno. */
int front_follower_begin(const struct front_follower *follower);

/* Puts a front's snapshot in force and keeps it for the next start. Returns 0 or -errno. */
int front_follower_take(const struct front_follower *follower, const json_t *snapshot);

/* SIGHUP: the keys may be others; all else comes from the front. Logs what came of it. */
void front_follower_keys(const struct front_follower *follower);

#endif
