/* The balancers that Baton is compared with, each on a host of its own before the same nodes,
 * configured as its documentation advises for speed; and what shows how far the figures can be
 * trusted: second ones of the same kind. */
#ifndef BATON_COMPARE_PEERS_H
#define BATON_COMPARE_PEERS_H

#include <stdbool.h>
#include <sys/types.h>

/* Which lab a peer is in. A second Baton has nodes of its own, for nodes belong to one cluster;
 * nodes that are asked directly know nothing of Baton. */
enum peer_lab { LAB_MAIN, LAB_SECOND, LAB_MOVING, LAB_BARE, PEER_LABS };

struct peer {
	const char *name;
	const char *host;    /* of the lab; NULL: no host of its own (direct) */
	const char *address; /* where the client asks */
	const char *about;   /* how it is set up, for the report */
	/* Starts it in the lab's namespace of `host`, before `nodes` nodes. Returns its pid, 0 when
	 * it needs no process, or -errno. */
	pid_t (*start)(const struct peer *peer, const char *lab, unsigned int nodes);
	const char *twin; /* the peer it is a second one of: their ratio ought to be 1 */
	enum peer_lab lab;
	bool floor;    /* does less than Baton has to: Baton is told as a multiple of it */
	bool shielded; /* only under a flood, which is dropped before it */
	bool moves; /* every request of a connection belongs to another node than the one before */
};

/* All peers, ended by one without a name. */
extern const struct peer peers[];

const struct peer *peer_by_name(const char *name);

/* The MAC address of a host's eth0, as text. Returns 0 or -errno. */
int peer_mac(const char *lab, const char *host, char mac[18]);

/* The hosts that the main lab needs for them, in the order of their addresses; NULL at the end. */
extern const char *const peer_hosts[];

#endif
