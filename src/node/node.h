/* The node's daemon: what its parts share. Everything runs in one loop, in one thread.
 *
 * The programs do the work; the daemon tells them what the cluster is (from the front's snapshots),
 * forgets flows that are over, gives parked segments back, and reports to the front. When it dies,
 * connections go on, and new ones too. */
#ifndef BATON_NODE_NODE_H
#define BATON_NODE_NODE_H

#include "base/command.h"
#include "control/channel.h"
#include "control/config.h"
#include "control/datapath.h"
#include "control/front_links.h"
#include "control/neighbors.h"
#include "control/paths.h"
#include "control/requests.h"
#include "node/cpu.h"

#include <bpf/libbpf.h>
#include <uv.h>

struct dispatcher_links;
struct park;
struct quiet;
struct release;
struct held_sweep;
struct served;

struct node {
	uv_loop_t loop;
	const char *file; /* of the configuration */
	char name[CONFIG_NAME];
	struct config config;
	struct config_keys keys;
	struct config_node self;
	int ifindex;
	unsigned char mac[6];
	char pins[PATH_ROOM], state[PATH_ROOM];

	struct node_bpf *skeleton;
	struct bpf_object *object; /* the skeleton's */
	struct datapath *datapath;
	struct registry *registry; /* what the programs go by */

	struct neighbors *neighbors;
	struct request_server *requests;
	struct front_follower follower;
	struct front_links *fronts;
	struct dispatcher_links *dispatchers;
	struct park *park;
	struct quiet *quiet;
	struct release *release;
	struct held_sweep *sweep;
	struct target_clock *targets;
	struct served *served;
	int check; /* the program node_check */
	struct cpu cpu;
	uv_signal_t terminate, interrupt, hangup;
};

extern const struct command command_node;

/* attach.c: loads the programs and attaches them, or replaces those of an earlier daemon. Returns 0
 * or -errno with one sentence in `why`. */
int node_attach(struct node *node, char why[512]);

/* Gives back what that took; what is pinned stays. */
void node_release(struct node *node);

/* Makes the programs go by node->registry. Returns 0 or -errno. */
int node_publish(struct node *node);

/* links.c: what the connections to the fronts are made of. */
struct front_follower links_follower(struct node *node);

/* Connections to the dispatchers on hosts of their own, which take loads. */
struct dispatcher_links *dispatcher_links_start(struct node *node);
void dispatcher_links_end(struct dispatcher_links *links);

/* The registry has changed: connections begin and end. */
void dispatcher_links_follow(struct dispatcher_links *links);

/* park.c: segments that wait for an old socket to go. Returns NULL with errno set if it can't. */
struct park *park_start(struct node *node);
void park_end(struct park *park);

/* release.c: tells the front of flows that are over without its seeing it. Returns NULL with errno
 * set if it can't. */
struct release *release_start(struct node *node);
void release_end(struct release *release);

/* Tells of one: the segment that its client would send next begins at `seq` and acknowledges `ack`.
 */
void release_flow(struct release *release, const struct flow_key *key, uint32_t seq, uint32_t ack);

/* quiet.c: tells the front of flows that have nothing under way. Returns NULL with errno set if it
 * can't. */
struct quiet *quiet_start(struct node *node);
void quiet_end(struct quiet *quiet);

/* The front at the other end is perhaps another one: it is told everything again. */
void quiet_again(struct quiet *quiet);

/* sweep.c: forgets flows that are over. */
struct held_sweep *held_sweep_start(struct node *node);
void held_sweep_end(struct held_sweep *sweep);

/* Whether the kernel has a socket for the flow; true if it can't be told. */
bool held_has_socket(const struct node *node, const struct flow_key *key);

/* Flows held open at the last sweep. */
uint64_t held_sweep_open(const struct held_sweep *sweep);

/* Of these, pinned. */
uint64_t held_sweep_pinned(const struct held_sweep *sweep);
/* Its TLS connections of one service. */
uint64_t held_sweep_tls(const struct held_sweep *sweep, uint32_t service);

/* served.c: what is made of the requests that were served here: the access log, and what the page
 * shows of them. Returns NULL with one sentence in `why` if the log can't be opened. */
struct served *served_start(struct node *node, char why[512]);
void served_end(struct served *served);

/* Goes by node->config.log from now on, and opens the log's file again. Returns 0, or -EINVAL with
 * a sentence in `why`: all stays as it was. */
int served_reload(struct served *served, char why[512]);

/* What status and page show of it, a new reference; NULL if requests are not told of. */
json_t *served_report(const struct served *served);

/* kill.c: destroys the sockets of the flows that a "kill" of the front's names, each only in the
 * generation that it names. Returns the answer, a new reference. */
json_t *node_kill(const struct node *node, const json_t *message);

/* Somebody looks at the page for so long from now on; what it is to show is reported meanwhile. */
void served_look(struct served *served, unsigned int seconds);

/* That (see node/seen.h), a new reference; NULL while nobody looks. */
json_t *served_seen(const struct served *served);

/* report.c: what the node counts, as JSON (a new reference); and only what policies go by. */
json_t *node_report(struct node *node);
json_t *node_load(struct node *node);

/* answers.c: the control socket's requests. */
void node_answer(struct request *request, const json_t *message, void *owner);

#endif
