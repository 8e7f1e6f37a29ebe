/* A workload: what is done with a guest and timed. Each type is one `struct workload_kind` in a
 * file of its own. `prepare` brings the guest to the state that every repetition begins with and is
 * not timed: services run (again), data of earlier repetitions are gone, the guest's caches are
 * dropped where its kernel is its own. `measure` is one repetition. */
#ifndef BATON_MEASURE_WORKLOAD_H
#define BATON_MEASURE_WORKLOAD_H

#include "measure/subject.h"

enum { OUTCOME_METRICS = 8 };

struct metric {
	char name[16]; /* "time", "rate", "fetch" ... */
	double value;
	char unit[16];
};

/* What a repetition gave. The first metric is the one that ranks. */
struct outcome {
	struct metric metrics[OUTCOME_METRICS];
	unsigned int count;
	double work;	    /* bytes, requests, round trips, connections that were done ... */
	char work_unit[16]; /* ... of these */
	struct buffer raw;  /* web: a line "start,end,before,after" for each request */
};

struct session {
	const struct plan *plan;
	struct guest *guest;
	enum vantage vantage;
	const char *run, *scratch;
};

struct workload_kind {
	const char *name;
	bool more;	 /* the more the better; else the less */
	const char *use; /* "file", "web" or "raw": for weights and rankings; "reference" */
	int (*prepare)(struct session *session, const struct plan_workload *workload,
		       struct buffer *why);
	int (*measure)(struct session *session, const struct plan_workload *workload,
		       struct outcome *outcome, struct buffer *why);
};

extern const struct workload_kind workload_samba, workload_web, workload_demand, workload_goodput,
	workload_round_trip, workload_connect, workload_iperf3, workload_sockperf;

/* The kind at an index of WORKLOAD_KINDS. */
const struct workload_kind *workload_kind(int type);

/* Adds a metric. */
void outcome_add(struct outcome *outcome, const char *name, double value, const char *unit);

/* Runs a command in the guest, which must exit with 0; otherwise the reason, with what it printed
 * last, goes to `why` and -1 is returned. */
int session_guest(struct session *session, struct buffer *why, struct buffer *output,
		  const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Makes the guest's caches cold, if they are its own. */
int session_cold(struct session *session, struct buffer *why);

/* Has `work` done in a child that is in the namespace of the session's vantage and in the run's
 * control group "client"; it is ended when the plan's time is over. `context` of `size` bytes is
 * shared with it. Returns what `work` returned, 0 for good, -1 with the reason in `why` (from
 * `work`'s output on stderr, if it wrote any). */
int session_client(struct session *session, int (*work)(void *context), void *context, size_t size,
		   struct buffer *why);

/* The share, for the workloads that use it: starts Samba in the guest with an empty share. */
int share_start(struct session *session, struct buffer *why);

/* Apache with PHP in the guest; `www` of it is /var/www/html. */
int page_start(struct session *session, struct buffer *why);

/* Runs smbclient on the guest's share in the client's namespace with these commands of its own. */
int share_client(const char *address, const char *commands);

#endif
