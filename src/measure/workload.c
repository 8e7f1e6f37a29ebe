#include "measure/workload.h"

#include "base/clock.h"
#include "base/process.h"
#include "measure/cgroup.h"
#include "measure/network.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* In the order of WORKLOAD_KINDS. */
static const struct workload_kind *const kinds[] = {
	&workload_samba,      &workload_web,	 &workload_demand, &workload_goodput,
	&workload_round_trip, &workload_connect, &workload_iperf3, &workload_sockperf,
};

const struct workload_kind *workload_kind(int type)
{
	return kinds[type];
}

void outcome_add(struct outcome *outcome, const char *name, double value, const char *unit)
{
	struct metric *metric = &outcome->metrics[outcome->count++];

	snprintf(metric->name, sizeof(metric->name), "%s", name);
	snprintf(metric->unit, sizeof(metric->unit), "%s", unit);
	metric->value = value;
}

/* The last line of what was printed. */
static void last_line(struct buffer *why, const struct buffer *said)
{
	size_t end = said->length, begin;

	while (end && said->data[end - 1] == '\n')
		end--;
	for (begin = end; begin && said->data[begin - 1] != '\n';)
		begin--;
	if (end > begin)
		buffer_format(why, ": %.*s", (int)(end - begin), said->data + begin);
}

int session_guest(struct session *session, struct buffer *why, struct buffer *output,
		  const char *format, ...)
{
	struct buffer command = BUFFER_EMPTY, said = BUFFER_EMPTY;
	va_list arguments;
	int code;

	va_start(arguments, format);
	buffer_vformat(&command, format, arguments);
	va_end(arguments);
	code = console_run(&session->guest->console, session->plan->timeout, &said, "%s",
			   command.data);
	if (code == -EPIPE)
		buffer_text(why, "the guest ended");
	else if (code == -ETIMEDOUT)
		buffer_text(why, "the guest took too long");
	else if (code)
		buffer_format(why, "in the guest, exit code %d", code);
	if (code)
		last_line(why, &said);
	else if (output && said.length)
		buffer_add(output, said.data, said.length);
	buffer_release(&said);
	buffer_release(&command);
	return code ? -1 : 0;
}

int session_cold(struct session *session, struct buffer *why)
{
	if (!session->guest->own_kernel)
		return 0;
	return session_guest(session, why, NULL, "sync; echo 3 > /proc/sys/vm/drop_caches");
}

/* What a client says on stderr is the reason of its failure. */
static int child(struct session *session, int (*work)(void *context), void *context, int errors)
{
	char name[64], netns[64];

	setsid();
	dup2(errors, 2);
	signal(SIGPIPE, SIG_IGN);
	snprintf(name, sizeof(name), "baton-%s/client", session->run);
	cgroup_join(name, getpid());
	if (session->plan->pin)
		cgroup_pin(true);
	network_netns(session->run, session->vantage == EXTERNAL ? "external" : "host", netns);
	if (netns_enter(netns)) {
		dprintf(2, "no namespace %s", netns);
		return 1;
	}
	return work(context);
}

int session_client(struct session *session, int (*work)(void *context), void *context, size_t size,
		   struct buffer *why)
{
	uint64_t end = clock_now() + session->plan->timeout;
	int errors[2], status = 0;
	struct buffer said = BUFFER_EMPTY;
	char block[512];
	void *shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ssize_t got;
	pid_t pid;

	if (shared == MAP_FAILED || pipe2(errors, O_CLOEXEC | O_NONBLOCK)) {
		buffer_format(why, "no client: %s", strerror(errno));
		return -1;
	}
	memcpy(shared, context, size);
	fflush(NULL);
	pid = fork();
	if (!pid)
		_exit(child(session, work, shared, errors[1]) ? 1 : 0);
	close(errors[1]);
	/* The pipe's end is the client's end, or its time's. */
	while (clock_now() < end) {
		struct pollfd wait = {.fd = errors[0], .events = POLLIN};

		poll(&wait, 1, 100);
		if (!wait.revents)
			continue;
		got = read(errors[0], block, sizeof(block));
		if (!got || (got < 0 && errno != EAGAIN && errno != EINTR))
			break;
		if (got > 0)
			buffer_add(&said, block, (size_t)got);
	}
	close(errors[0]);
	if (clock_now() >= end) {
		kill(-pid, SIGKILL);
		buffer_text(why, "the client took too long; ");
	}
	waitpid(pid, &status, 0);
	if (status && said.length)
		buffer_format(why, "%.*s", (int)strcspn(said.data, "\n"), said.data);
	else if (status)
		buffer_text(why, "the client failed");
	memcpy(context, shared, size);
	munmap(shared, size);
	buffer_release(&said);
	return status ? -1 : 0;
}
