/* A subject: a way to host a guest. Each kind is one `struct subject_kind` in a file of its own;
 * subject.c lists them. What a kind has to do is little: say whether it is there, start a guest
 * whose console speaks guest/agent.h, and say at what address clients reach it. */
#ifndef BATON_MEASURE_SUBJECT_H
#define BATON_MEASURE_SUBJECT_H

#include "guest/console.h"
#include "measure/plan.h"

#include <stdbool.h>

enum { SUBJECT_PIDS = 4 };

/* A guest that runs, or is about to. */
struct guest {
	const struct plan_subject *subject;
	enum network network;
	uint64_t memory;
	const char *run;     /* the run's name: prefix of namespaces and control groups */
	const char *scratch; /* a folder for this guest alone */
	const char *image;   /* the image's folder; see image.h */
	const char *root;    /* the tree of namespaces: the image's, or the plan's */
	uint64_t boot_timeout;
	bool pin; /* its processes keep off the client's processor */
	struct console console;
	pid_t pids[SUBJECT_PIDS]; /* to be ended with the guest; 0 none */
	char address[64];	  /* where clients reach it */
	bool own_kernel;	  /* its caches are its own, and may be dropped */
};

struct subject_kind {
	const char *name, *about;
	bool needs_image;

	/* Whether such guests can be on this network of this machine: 0, or -1 with the reason. */
	int (*check)(const struct plan_subject *subject, enum network network, struct buffer *why);

	/* Starts the guest: fills console, pids, address. The agent is awaited by the caller.
	 * Returns 0, or -1 with the reason; what was started by then is ended by `stop`. */
	int (*start)(struct guest *guest, struct buffer *why);

	/* Ends what the console's end does not; may be NULL. */
	void (*stop)(struct guest *guest);

	/* A test double measures by itself: the value of one repetition of a workload. NULL: real
	 * guests, whose workloads are run. */
	int (*pretend)(struct guest *guest, const struct plan_workload *workload,
		       enum vantage vantage, uint64_t seed, double *seconds, struct buffer *why);
};

extern const struct subject_kind subject_fake, subject_namespace, subject_qemu_kvm,
	subject_qemu_tcg, subject_remote, subject_uml, subject_virtualbox;

/* The kind at an index of SUBJECT_KINDS; NULL behind the last. */
const struct subject_kind *subject_kind(int kind);

/* Starts argv in the run's namespace `host` (NULL: stays) and in the run's control group `group`,
 * with the guest's console as standard input and output. Returns 0 or -1 with the reason. */
int subject_spawn(struct guest *guest, const char *host, const char *group,
		  const char *const argv[], struct buffer *why);

/* Starts a helper in namespace `host` and control group `group`; its output goes to
 * scratch/helper.log. Returns its pid, or -1 with the reason. */
pid_t subject_help(struct guest *guest, const char *host, const char *group,
		   const char *const argv[], struct buffer *why);

/* Boots and waits for the agent. Returns 0 or -1 with the reason. */
int subject_boot(struct guest *guest, struct buffer *why);

/* Kills the guest as a power cut would, for a drill; it is halted later. */
void subject_kill(struct guest *guest);

/* Ends the guest and everything of it. */
void subject_halt(struct guest *guest);

/* Whether a program can be found; the reason otherwise. */
bool subject_has(const char *program, const char *package, struct buffer *why);

/* A TAP called "tap0" on the bridge for the guest, which clients reach at BRIDGED_ADDRESS then.
 * Returns 0 or -1 with the reason. */
int subject_tap(struct guest *guest, struct buffer *why);

/* Takes it away, if the guest has one; a kind's `stop`. */
void subject_untap(struct guest *guest);

/* A user-mode network for a guest that has a TAP called "tap0" or nothing at all, by slirp4netns:
 * in the run's namespace "guest", ports forwarded from "host". Returns 0 or -1 with the reason. */
int subject_slirp(struct guest *guest, const char *device, struct buffer *why);

#endif
