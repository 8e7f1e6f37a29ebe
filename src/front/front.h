/* The front's daemon: what its parts share. Everything runs in one loop, in one thread.
 *
 * The program in the kernel does the work; the daemon tells it and the nodes' daemons what the
 * cluster is, watches the nodes' health, forgets flows that are over and answers commands. When it
 * dies, connections go on, and new ones too. */
#ifndef BATON_FRONT_FRONT_H
#define BATON_FRONT_FRONT_H

#include "base/command.h"
#include "control/channel.h"
#include "control/config.h"
#include "control/datapath.h"
#include "control/neighbors.h"
#include "control/paths.h"
#include "control/requests.h"
#include "front/resets.h"
#include "wire/front.h"

#include <bpf/libbpf.h>
#include <uv.h>

struct burial;
struct checks;
struct kills;
struct peers;
struct flow_sweep;
struct slow_path;
struct layer4;
struct sight;
struct web_server;

struct front {
	uv_loop_t loop;
	const char *file; /* of the configuration */
	struct config config;
	struct config_keys keys;
	int ifindex;
	unsigned char mac[6];
	bool native;		    /* how XDP is attached */
	char host[CONFIG_NAME + 8]; /* "front", or "front-NAME" of any but the first */
	char pins[PATH_ROOM], state[PATH_ROOM];
	uint64_t started; /* clock_now() */

	struct front_bpf *skeleton;
	struct bpf_object *object; /* the skeleton's */
	struct datapath *datapath;
	struct registry *registry;

	struct neighbors *neighbors;
	struct address watched[NODES_MAX]; /* what it looks after: zero, or a node's address */
	struct request_server *requests;
	struct checks *checks;
	struct burial *burial;
	struct peers *peers;
	struct kills *kills;
	struct resets resets;
	struct flow_sweep *sweep;
	struct slow_path *slow;
	struct target_clock *targets;
	struct layer4 *layer4;
	struct sight *sight;
	struct web_server *web; /* NULL: none configured, or its address is taken */
	uv_signal_t terminate, interrupt, hangup;
};

extern const struct command command_front;

/* attach.c: loads the program and attaches it, or replaces that of an earlier daemon. Returns 0 or
 * -errno with one sentence in `why`. */
int front_attach(struct front *front, char why[512]);

/* Gives back what that took; what is pinned stays. */
void front_release(struct front *front);

/* front.c: the registry has changed (its version was raised): the program, the state file, the
 * checks and all nodes are told. Returns 0 or -errno. */
int front_changed(struct front *front);

/* Takes over the configuration as `text` or, if NULL, from its file. Returns whether it was right;
 * `errors` says what wasn't. */
bool front_reload(struct front *front, const char *text, struct buffer *errors);

/* ---- peers.c: the nodes' daemons ---- */

struct peers *peers_start(struct front *front, int *error);
void peers_end(struct peers *peers);

/* Sends the registry to all. */
void peers_push(struct peers *peers);

/* Whether the daemon of a node is connected; what it reported last (borrowed, or NULL); the version
 * it goes by. */
bool peers_connected(const struct peers *peers, const char *node);
const json_t *peers_report(const struct peers *peers, const char *node);
uint64_t peers_version(const struct peers *peers, const char *node);

/* What it said last of its load (borrowed, or NULL): [requests in service, received in all,
 * connections, how busy its processors are in 1/1000]. */
const json_t *peers_load(const struct peers *peers, const char *node);

/* Sends the node's daemon a message (taken over). Returns whether it is connected. */
bool peers_send(struct peers *peers, const char *node, json_t *message);

/* Answers `request` with `answer` (taken over), to which "version" and the list "late" are added,
 * as soon as every node goes by the registry's version, or after 2 s; "late" names those that
 * don't. */
void peers_settle(struct peers *peers, struct request *request, json_t *answer);

/* ---- checks.c: the health of every node in every service ---- */

struct checks *checks_start(struct front *front);
void checks_end(struct checks *checks);

/* The registry has changed: checks begin and end. */
void checks_follow(struct checks *checks);

/* What a node's daemon says against its servers: an object, service -> sentence. */
void checks_object(struct checks *checks, uint32_t node, const json_t *problems);

/* Why the node is down for a service, "" if it is not. */
const char *checks_why(const struct checks *checks, uint32_t service, uint32_t node);

/* ---- bury.c: the connections of nodes that are down ---- */

/* NULL with errno set if the kernel refuses. */
struct burial *burial_start(struct front *front);
void burial_end(struct burial *burial);

/* A node is down, and the program knows it: its clients get an RST now, but for those that can go
 * on elsewhere. */
void bury(struct burial *burial, uint32_t node);

/* A node's checkpoints (struct checkpoint, one after the other, in hexadecimal digits). */
void burial_checkpoints(struct burial *burial, uint32_t node, const char *hex);

/* How many came since the daemon's start. */
uint64_t burial_told(const struct burial *burial);

/* ---- sweep.c: forgets flows that are over ---- */

struct flow_sweep *flow_sweep_start(struct front *front);
void flow_sweep_end(struct flow_sweep *sweep);

/* Open flows at the last sweep. */
uint64_t flow_sweep_open(const struct flow_sweep *sweep);

/* ---- layer4.c: counts the flows of services that are only forwarded ---- */

struct layer4 *layer4_start(struct front *front);
void layer4_end(struct layer4 *layer4);

/* ---- status.c ---- */

/* The object that `status --json` prints; a new reference. */
json_t *front_status(const struct front *front);

/* ---- answers.c ---- */

/* Answers one request of the control socket. */
void front_answer(struct request *request, const json_t *message, void *owner);

/* ---- where.c ---- */

/* The answer to {"command": "where", "url": URL}; a new reference, with "error" if there is none.
 */
json_t *front_where(const struct front *front, const json_t *message);

/* ---- flows.c ---- */

/* The answer to {"command": "flows"}. */
json_t *front_flows(const struct front *front, const json_t *message);

typedef void (*flow_taker)(void *owner, const struct flow_key *key, const struct front_flow *flow);

/* Calls `taker` for each flow that the message's "client" (an address, with a port or without) and
 * "node" let through, tombstones only with "ended", at most "limit" (0: all). Returns 0, or -ENOENT
 * if no node has that name. */
int front_flows_each(const struct front *front, const json_t *message, flow_taker taker,
		     void *owner);

/* A flow as people see it; a new reference. */
json_t *front_flow_json(const struct front *front, const struct flow_key *key,
			const struct front_flow *flow);

/* ---- seen.c ---- */

struct sight *sight_start(struct front *front);
void sight_end(struct sight *sight);

/* The answer to {"command": "seen"}: "nodes", each with what its daemon says (node/seen.h) if it
 * has said something yet, and "front": {"at": s, "traffic": see traffic_json}. Nodes tell, and the
 * front's program counts, for 10 s after the last such request. */
json_t *front_seen(struct front *front);

/* ---- kill.c: ends connections by order ---- */

struct kills *kills_start(struct front *front);
void kills_end(struct kills *kills);

/* Answers {"command": "kill", ...}: the same keys choose as for "flows", and "all" must be true if
 * none does. The answer has "flows", each with its "result", "killed", how many were, and "left",
 * how many go on. */
void kills_answer(struct kills *kills, struct request *request, const json_t *message);

/* A node's daemon says what became of some. */
void kills_done(struct kills *kills, const json_t *message);

#endif
