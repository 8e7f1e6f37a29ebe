/* The same path by others' programs, to see that ours agree: iperf3's goodput and sockperf's round
 * trips. */
#include "measure/workload.h"

#include "base/process.h"
#include "guest/agent.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SOCKPERF_PORT = 11111 };

static int prepare_iperf(struct session *session, const struct plan_workload *workload,
			 struct buffer *why)
{
	(void)workload;
	return session_guest(session, why, NULL,
			     "ss -ltn | grep -q ':5201 ' || iperf3 -s -D >/dev/null 2>&1\n"
			     "for i in $(seq 600); do ss -ltn | grep -q ':5201 ' && exit 0; "
			     "sleep 0.1; done; echo iperf3 does not listen; exit 1");
}

static int prepare_sockperf(struct session *session, const struct plan_workload *workload,
			    struct buffer *why)
{
	(void)workload;
	return session_guest(session, why, NULL,
			     "ss -ltn | grep -q ':%d ' ||\n"
			     " setsid sockperf server --tcp -i 0.0.0.0 -p %d >/dev/null 2>&1 &\n"
			     "for i in $(seq 600); do ss -ltn | grep -q ':%d ' && exit 0; "
			     "sleep 0.1; done; echo sockperf does not listen; exit 1",
			     SOCKPERF_PORT, SOCKPERF_PORT, SOCKPERF_PORT);
}

struct reference {
	char address[64];
	int direction;
	uint64_t time, omit;
	double value;
};

static int run_iperf(void *context)
{
	struct reference *this = context;
	char seconds[32], omit[32], block[32];
	const char *argv[] = {"iperf3",
			      "-c",
			      this->address,
			      "-J",
			      "-l",
			      block,
			      "-O",
			      omit,
			      "-t",
			      seconds,
			      this->direction == GET ? "-R" : NULL,
			      NULL};
	struct buffer said = BUFFER_EMPTY;
	json_t *all;
	int code;

	snprintf(seconds, sizeof(seconds), "%lu", (this->time + 999999999) / 1000000000);
	snprintf(omit, sizeof(omit), "%lu", (this->omit + 999999999) / 1000000000);
	snprintf(block, sizeof(block), "%d", TALK_BLOCK);
	code = process_run(argv, NULL, &said);
	all = said.length ? json_loads(said.data, JSON_DISABLE_EOF_CHECK, NULL) : NULL;
	this->value = json_number_value(json_object_get(
			      json_object_get(json_object_get(all, "end"), "sum_received"),
			      "bits_per_second")) /
		      1e6;
	if (code || this->value <= 0)
		dprintf(2, "iperf3: exit code %d, %s\n", code,
			all && json_object_get(all, "error")
				? json_string_value(json_object_get(all, "error"))
				: "no result");
	json_decref(all);
	buffer_release(&said);
	return code || this->value <= 0;
}

/* sockperf says half of a round trip. */
static int run_sockperf(void *context)
{
	static const char median[] = "percentile 50.000 =";
	struct reference *this = context;
	char seconds[32];
	const char *argv[] = {"sockperf", "ping-pong", "--tcp", "-i", this->address, "-p",
			      "11111",	  "-t",	       seconds, "-m", "64",	     NULL};
	struct buffer said = BUFFER_EMPTY;
	const char *at;
	int code;

	snprintf(seconds, sizeof(seconds), "%lu", (this->time + 999999999) / 1000000000);
	code = process_run(argv, NULL, &said);
	at = said.length ? strstr(said.data, median) : NULL;
	this->value = at ? 2 * strtod(at + strlen(median), NULL) : 0;
	buffer_release(&said);
	if (code || this->value <= 0)
		dprintf(2, "sockperf: exit code %d\n", code);
	return code || this->value <= 0;
}

static int run(struct session *session, const struct plan_workload *workload, int (*work)(void *),
	       double *value, struct buffer *why)
{
	struct reference this = {
		.direction = workload->direction, .time = workload->time, .omit = workload->omit};
	int error;

	snprintf(this.address, sizeof(this.address), "%s", session->guest->address);
	error = session_client(session, work, &this, sizeof(this), why);
	*value = this.value;
	return error;
}

static int measure_iperf(struct session *session, const struct plan_workload *workload,
			 struct outcome *outcome, struct buffer *why)
{
	double value;

	if (run(session, workload, run_iperf, &value, why))
		return -1;
	outcome_add(outcome, "rate", value, "Mbit/s");
	return 0;
}

static int measure_sockperf(struct session *session, const struct plan_workload *workload,
			    struct outcome *outcome, struct buffer *why)
{
	double value;

	if (run(session, workload, run_sockperf, &value, why))
		return -1;
	outcome_add(outcome, "median", value, "us");
	return 0;
}

const struct workload_kind workload_iperf3 = {
	.name = "iperf3",
	.more = true,
	.use = "reference",
	.prepare = prepare_iperf,
	.measure = measure_iperf,
};

const struct workload_kind workload_sockperf = {
	.name = "sockperf",
	.use = "reference",
	.prepare = prepare_sockperf,
	.measure = measure_sockperf,
};
