/* A plan: what is measured. subjects x networks x memory x vantages x workloads x repeats, read
 * from YAML by tables (control/schema.h). docs/measuring.md has every key. */
#ifndef BATON_MEASURE_PLAN_H
#define BATON_MEASURE_PLAN_H

#include "base/buffer.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

enum {
	PLAN_SUBJECTS = 16,
	PLAN_MEMORIES = 8,
	PLAN_WORKLOADS = 32,
	PLAN_NAME = 32,
};

#define NETWORK_NAMES "nat|passt|tap|macvtap|vhost"
enum network {
	NETWORK_NAT,
	NETWORK_PASST,
	NETWORK_TAP,
	NETWORK_MACVTAP,
	NETWORK_VHOST,
	NETWORK_COUNT
};
#define VANTAGE_NAMES "internal|external"
enum vantage { INTERNAL, EXTERNAL, VANTAGE_COUNT };
#define SUBJECT_KINDS  "qemu-tcg|qemu-kvm|uml|namespace|virtualbox|remote|fake"
#define WORKLOAD_KINDS "samba|web|demand|goodput|round-trip|connect|iperf3|sockperf"
enum workload_type {
	SAMBA,
	WEB,
	DEMAND,
	GOODPUT,
	ROUND_TRIP,
	CONNECT,
	IPERF3,
	SOCKPERF,
	WORKLOAD_TYPES
};
/* Whether data go to the guest or come from it. */
#define DIRECTION_NAMES "put|get"
enum direction { PUT, GET };
#define FAIL_NAMES "nothing|boot|guest|share|database"
enum fail { FAIL_NOTHING, FAIL_BOOT, FAIL_GUEST, FAIL_SHARE, FAIL_DATABASE };

struct plan_subject {
	char name[PLAN_NAME];
	int kind;		/* index in SUBJECT_KINDS */
	char cpu[64];		/* QEMU's -cpu */
	char kernel[PATH_MAX];	/* a kernel instead of the image's */
	char initrd[PATH_MAX];	/* its initial file system */
	char command[PATH_MAX]; /* what reaches a remote machine's shell: "ssh HOST" */
	char address[64];	/* a remote machine's */
	char machine[64];	/* VirtualBox's name of it */
	int fail;		/* enum fail: what is made to fail, for tests and drills */
	uint64_t mean;		/* fake: ns for a piece of work seen from inside ... */
	uint64_t external;	/* ... and from outside */
};

struct plan_workload {
	char name[PLAN_NAME];
	int type; /* enum workload_type */
	uint64_t repeats;
	uint64_t files, size; /* samba: how many and how large; demand: the package's size */
	int direction;	      /* samba, goodput */
	uint64_t count;	      /* web: requests; round-trip, connect: how many */
	uint64_t time;	      /* goodput: ns; round-trip: no longer than this, 0 for no bound */
	uint64_t omit;	      /* goodput, iperf3: ns at the start that do not count */
};

struct plan_weights {
	uint32_t internal, external, file, web;
};

struct plan {
	char name[PLAN_NAME];
	uint64_t seed, rounds, warm_up;
	uint64_t host_memory; /* bytes for guest, its helpers and clients together; 0: no bound */
	bool pin;	      /* guests and clients have each processors of their own */
	uint64_t rate;	      /* bits/s of the external link; 0: as fast as it goes */
	uint64_t boot_timeout, timeout; /* ns */
	char root[PATH_MAX];		/* the tree of namespaces, instead of the image's */
	struct plan_subject subjects[PLAN_SUBJECTS];
	struct plan_workload workloads[PLAN_WORKLOADS];
	uint64_t memories[PLAN_MEMORIES]; /* bytes */
	int networks[NETWORK_COUNT], vantages[VANTAGE_COUNT];
	unsigned int subject_count, workload_count, memory_count, network_count, vantage_count;
	struct plan_weights weights;
};

/* The name at `index` of a list "a|b|c", in `text` of PLAN_NAME bytes. Returns text. */
char *plan_word(const char *names, int index, char *text);

/* Fills `plan` from YAML text. Returns whether it is right; what isn't is in `errors`, a line each,
 * as FILE:LINE: KEY: what is wrong; what to do. */
bool plan_parse(struct plan *plan, const char *name, const char *text, size_t length,
		struct buffer *errors);

/* What of `now` measures something else than `old` did under the same name, so that their results
 * don't belong together: the rate, a subject's or workload's name. NULL: nothing. More of anything,
 * repeats, rounds, time-outs and weights may differ. */
const char *plan_conflict(const struct plan *old, const struct plan *now);

/* Every repetition that the plan asks for, warm-up left out. */
uint64_t plan_repetitions(const struct plan *plan);

#endif
