/* The daemon of a dispatcher on a host of its own: what its parts share. Everything runs in one
 * loop, in one thread.
 *
 * The program in the kernel answers; the daemon tells it what the cluster is (from the front's
 * snapshots) and how loaded the nodes are (from their daemons), and keeps room in the table of
 * targets. When it dies the program goes on by what it knows. */
#ifndef BATON_DISPATCHER_DISPATCHER_H
#define BATON_DISPATCHER_DISPATCHER_H

#include "base/command.h"
#include "control/config.h"
#include "control/datapath.h"
#include "control/front_links.h"
#include "control/neighbors.h"
#include "control/paths.h"
#include "control/requests.h"

#include <bpf/libbpf.h>
#include <uv.h>

struct loads;

struct dispatcher {
	uv_loop_t loop;
	char name[CONFIG_NAME];
	struct config config;
	struct config_keys keys;
	struct config_dispatcher self;
	int ifindex;
	unsigned char mac[6];
	bool native; /* how XDP is attached */
	char pins[PATH_ROOM], state[PATH_ROOM];

	struct dispatcher_bpf *skeleton;
	struct bpf_object *object; /* the skeleton's */
	struct datapath *datapath;
	struct registry *registry; /* what the program goes by */

	struct neighbors *neighbors;
	struct request_server *requests;
	struct front_follower follower;
	struct front_links *fronts;
	struct loads *loads;
	struct target_clock *targets;
	uv_signal_t terminate, interrupt, hangup;
};

extern const struct command command_dispatcher;

/* attach.c: loads the program and attaches it, or replaces that of an earlier daemon. Returns 0 or
 * -errno with one sentence in `why`. */
int dispatcher_attach(struct dispatcher *dispatcher, char why[512]);

/* Gives back what that took; what is pinned stays. */
void dispatcher_release(struct dispatcher *dispatcher);

/* ---- loads.c: the nodes' daemons tell how loaded they are ---- */

/* NULL with *error set (of libuv) if it can't listen. */
struct loads *loads_start(struct dispatcher *dispatcher, int *error);
void loads_end(struct loads *loads);

/* How many nodes' daemons are connected. */
unsigned int loads_connected(const struct loads *loads);

/* ---- report.c ---- */

/* What it counts, as JSON (a new reference): for the front, and for its own control socket. */
json_t *dispatcher_report(const struct dispatcher *dispatcher);

/* The control socket's requests. */
void dispatcher_answer(struct request *request, const json_t *message, void *owner);

#endif
