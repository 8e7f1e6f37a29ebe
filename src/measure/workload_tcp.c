/* Raw TCP to the guest's baton-guest: goodput, round trips, connections a second. */
#include "measure/workload.h"

#include "base/clock.h"
#include "base/sample.h"
#include "guest/agent.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ECHO_BYTES = 64, WARM_TRIPS = 1000 };

static int prepare(struct session *session, const struct plan_workload *workload,
		   struct buffer *why)
{
	(void)workload;
	return session_guest(session, why, NULL,
			     "ss -ltn | grep -q ':%d ' && exit 0\nsetsid " AGENT_PATH
			     " serve %d >/dev/null 2>&1 &\n"
			     "for i in $(seq 600); do ss -ltn | grep -q ':%d ' && exit 0; "
			     "sleep 0.1; done; echo baton-guest does not listen; exit 1",
			     TALK_PORT, TALK_PORT, TALK_PORT);
}

struct talk {
	char address[64];
	int direction;
	uint64_t time, omit, count;
	double seconds, bytes; /* what came of it */
	double all;	       /* bytes, with those of the time that does not count */
	double trips[];	       /* us */
};

static int dial(const struct talk *talk)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(TALK_PORT)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	inet_pton(AF_INET, talk->address, &address.sin_addr);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		dprintf(2, "can't connect to %s:%d: %s\n", talk->address, TALK_PORT,
			strerror(errno));
		close(fd);
		return -1;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

/* The byte that says what for, and a length where one follows. */
static int begin(int fd, char kind, uint64_t length)
{
	unsigned char bytes[9] = {(unsigned char)kind};
	size_t size = kind == TALK_DOWN || kind == TALK_ECHO ? 9 : 1;

	for (int i = 0; i < 8; i++)
		bytes[1 + i] = (unsigned char)(length >> (56 - 8 * i));
	return write(fd, bytes, size) == (ssize_t)size ? 0 : -1;
}

static int read_whole(int fd, void *bytes, size_t length)
{
	return recv(fd, bytes, length, MSG_WAITALL) == (ssize_t)length ? 0 : -1;
}

/* How many bytes the other end has acknowledged. What a user-mode network on the way holds is the
 * same at both ends of a measurement, once it is full. */
static double acknowledged(int fd)
{
	struct tcp_info info = {0};
	socklen_t length = sizeof(info);

	getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length);
	return (double)info.tcpi_bytes_acked;
}

/* One block on its way: waiting and reading are two calls, as they are for iperf3. */
static ssize_t move_block(int fd, int direction, char *block)
{
	struct pollfd wait = {.fd = fd, .events = POLLIN};

	if (direction == PUT)
		return write(fd, block, TALK_BLOCK);
	return poll(&wait, 1, -1) > 0 ? read(fd, block, TALK_BLOCK) : -1;
}

/* The guest says how much has really arrived. */
static int arrived(int fd, double *bytes)
{
	unsigned char count[8];

	shutdown(fd, SHUT_WR);
	if (read_whole(fd, count, sizeof(count)))
		return -1;
	*bytes = 0;
	for (int i = 0; i < 8; i++)
		*bytes = *bytes * 256 + count[i];
	return 0;
}

/* Moves blocks for `time` ns. Returns 0, or -1 when the stream breaks. */
static int move_for(int fd, int direction, char *block, uint64_t time, double *bytes)
{
	uint64_t end = clock_now() + time;

	while (clock_now() < end) {
		ssize_t moved = move_block(fd, direction, block);

		if (moved <= 0)
			return -1;
		*bytes += (double)moved;
	}
	return 0;
}

/* To the guest: what it got until the end over the time until it had it; after a start that does
 * not count, what it acknowledged over the time. */
static int put_stream(struct talk *talk, int fd, char *block)
{
	double sent = 0, before;
	uint64_t start;

	if (begin(fd, TALK_UP, 0) || move_for(fd, PUT, block, talk->omit, &sent))
		return -1;
	before = acknowledged(fd);
	start = clock_now();
	if (move_for(fd, PUT, block, talk->time, &sent))
		return -1;
	talk->bytes = acknowledged(fd) - before;
	talk->seconds = (double)(clock_now() - start) / 1e9;
	if (arrived(fd, &talk->all))
		return -1;
	if (!talk->omit) {
		talk->bytes = talk->all;
		talk->seconds = (double)(clock_now() - start) / 1e9;
	}
	return 0;
}

/* From the guest. It is asked for far more than fits the time: the client ends it. */
static int get_stream(struct talk *talk, int fd, char *block)
{
	double omitted = 0;
	uint64_t start;

	if (begin(fd, TALK_DOWN, 1ull << 50) || move_for(fd, GET, block, talk->omit, &omitted))
		return -1;
	start = clock_now();
	if (move_for(fd, GET, block, talk->time, &talk->bytes))
		return -1;
	talk->seconds = (double)(clock_now() - start) / 1e9;
	talk->all = omitted + talk->bytes;
	return 0;
}

static int stream(void *context)
{
	struct talk *talk = context;
	char *block = malloc(TALK_BLOCK);
	int fd = dial(talk), error = -1;

	if (fd < 0 || !block)
		return -1;
	/* Memory never written to is one page of zeros, which is faster to send than any data. */
	memset(block, 'b', TALK_BLOCK);
	error = talk->direction == PUT ? put_stream(talk, fd, block) : get_stream(talk, fd, block);
	close(fd);
	free(block);
	if (error || talk->bytes <= 0)
		dprintf(2, "the stream broke after %.0f bytes\n", talk->bytes);
	return error || talk->bytes <= 0 ? -1 : 0;
}

static int echo(void *context)
{
	struct talk *talk = context;
	uint64_t warm = talk->count / 10 < WARM_TRIPS ? talk->count / 10 : WARM_TRIPS, begun;
	uint64_t most = talk->count, end = 0;
	char block[ECHO_BYTES] = {0};
	int fd = dial(talk), error;

	if (fd < 0)
		return -1;
	error = begin(fd, TALK_ECHO, sizeof(block));
	talk->count = 0;
	for (uint64_t i = 0; i < warm + most && !error; i++) {
		begun = clock_now();
		if (i == warm && talk->time)
			end = begun + talk->time;
		if (end && begun >= end)
			break;
		error = write(fd, block, sizeof(block)) != sizeof(block) ||
			read_whole(fd, block, sizeof(block));
		if (i >= warm)
			talk->trips[talk->count++] = (double)(clock_now() - begun) / 1e3;
	}
	close(fd);
	if (error)
		dprintf(2, "an echo did not come back\n");
	return error ? -1 : 0;
}

static int call(void *context)
{
	struct talk *talk = context;
	uint64_t start = clock_now();

	for (uint64_t i = 0; i < talk->count; i++) {
		int fd = dial(talk);
		char byte;

		if (fd < 0)
			return -1;
		if (begin(fd, TALK_CONNECT, 0) || read_whole(fd, &byte, 1)) {
			dprintf(2, "connection %lu got no answer\n", i + 1);
			close(fd);
			return -1;
		}
		close(fd);
	}
	talk->seconds = (double)(clock_now() - start) / 1e9;
	return 0;
}

/* Runs one of them; the caller frees what is returned, NULL with the reason in `why`. */
static struct talk *run(struct session *session, const struct plan_workload *workload,
			int (*work)(void *), struct buffer *why)
{
	size_t size = sizeof(struct talk) + workload->count * sizeof(double);
	struct talk *talk = calloc(1, size);

	if (!talk) {
		buffer_text(why, "out of memory");
		return NULL;
	}
	snprintf(talk->address, sizeof(talk->address), "%s", session->guest->address);
	talk->direction = workload->direction;
	talk->time = workload->time;
	talk->omit = workload->omit;
	talk->count = workload->count;
	if (!session_client(session, work, talk, size, why))
		return talk;
	free(talk);
	return NULL;
}

static int measure_goodput(struct session *session, const struct plan_workload *workload,
			   struct outcome *outcome, struct buffer *why)
{
	struct talk *talk = run(session, workload, stream, why);

	if (!talk)
		return -1;
	outcome_add(outcome, "rate", talk->bytes * 8 / talk->seconds / 1e6, "Mbit/s");
	outcome->work = talk->all;
	strcpy(outcome->work_unit, "byte");
	free(talk);
	return 0;
}

static int measure_round_trip(struct session *session, const struct plan_workload *workload,
			      struct outcome *outcome, struct buffer *why)
{
	struct talk *talk = run(session, workload, echo, why);
	double sum = 0;

	if (!talk)
		return -1;
	for (uint64_t i = 0; i < talk->count; i++)
		sum += talk->trips[i];
	outcome_add(outcome, "median", sample_median(talk->trips, talk->count), "us");
	outcome_add(outcome, "mean", sum / (double)talk->count, "us");
	outcome_add(outcome, "p99", talk->trips[talk->count * 99 / 100], "us");
	outcome->work = (double)talk->count;
	strcpy(outcome->work_unit, "round trip");
	free(talk);
	return 0;
}

static int measure_connect(struct session *session, const struct plan_workload *workload,
			   struct outcome *outcome, struct buffer *why)
{
	struct talk *talk = run(session, workload, call, why);

	if (!talk)
		return -1;
	outcome_add(outcome, "rate", (double)talk->count / talk->seconds, "1/s");
	outcome->work = (double)talk->count;
	strcpy(outcome->work_unit, "connection");
	free(talk);
	return 0;
}

const struct workload_kind workload_goodput = {
	.name = "goodput",
	.more = true,
	.use = "raw",
	.prepare = prepare,
	.measure = measure_goodput,
};

const struct workload_kind workload_round_trip = {
	.name = "round-trip",
	.use = "raw",
	.prepare = prepare,
	.measure = measure_round_trip,
};

const struct workload_kind workload_connect = {
	.name = "connect",
	.more = true,
	.use = "raw",
	.prepare = prepare,
	.measure = measure_connect,
};
