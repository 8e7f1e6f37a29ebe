/* The balancers that Baton is compared with, each on a host of its own before the same nodes,
 * configured as its documentation advises for speed. */
#ifndef BATON_COMPARE_PEERS_H
#define BATON_COMPARE_PEERS_H

#include <stdbool.h>
#include <sys/types.h>

struct peer {
	const char *name;
	const char *host;    /* of the lab; NULL: no host of its own (direct) */
	const char *address; /* where the client asks */
	const char *about;   /* how it is set up, for the report */
	/* Starts it in the lab's namespace of `host`, before `nodes` nodes. Returns its pid, 0 when
	 * it needs no process, or -errno. */
	pid_t (*start)(const struct peer *peer, const char *lab, unsigned int nodes);
};

/* All peers, ended by one without a name. */
extern const struct peer peers[];

const struct peer *peer_by_name(const char *name);

#endif
