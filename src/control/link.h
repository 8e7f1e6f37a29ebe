/* A daemon's connection to another host's daemon: to the front's, which tells what the cluster is
 * and takes reports; or to a dispatcher's, which takes loads. When it breaks it is made again, for
 * ever; the programs go on by what they know. */
#ifndef BATON_CONTROL_LINK_H
#define BATON_CONTROL_LINK_H

#include "control/channel.h"
#include "control/datapath.h"

struct link;

/* Who makes a link, and what goes over it. The pointers must outlive it; functions may be NULL. */
struct link_side {
	uv_loop_t *loop;
	struct endpoint endpoint;
	const char *name;		/* the own host's */
	const char *peer;		/* what log lines call the other end */
	const struct config_keys *keys; /* as they are when it connects */
	void (*up)(void *owner);
	void (*down)(void *owner);
	void (*message)(struct link *link, json_t *message, const char *type, void *owner);
	json_t *(*report)(void *owner); /* sent every half second; a new reference */
	json_t *(*load)(void *owner);	/* every 20 ms if it has changed, while by_load */
	bool (*by_load)(void *owner);	/* whether any policy goes by it */
	void *owner;
};

/* Never NULL. */
struct link *link_start(const struct link_side *side);

/* Ends it; nothing of `side` but the loop is needed from now on. */
void link_end(struct link *link);

/* Sends a message (taken over); nothing while there is no connection. */
void link_send(struct link *link, json_t *message);
bool link_is_up(const struct link *link);

/* From now on `clock` goes by the other end's; NULL: no more. */
void link_follow_clock(struct link *link, struct datapath *clock);

/* What by_load says may be something else now. */
void link_pace(struct link *link);

#endif
