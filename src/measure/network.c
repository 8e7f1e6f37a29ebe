#include "measure/network.h"

#include "base/clock.h"
#include "base/process.h"
#include "guest/agent.h"

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const int network_ports[] = {445, 80, TALK_PORT, 5201, 11111, 0};

char *network_netns(const char *run, const char *host, char *text)
{
	snprintf(text, 64, "baton-%s-%s", run, host);
	return text;
}

static int batch(const char *const argv[], const char *lines, struct buffer *why)
{
	struct buffer said = BUFFER_EMPTY;
	int code = process_run(argv, lines, &said);

	if (code)
		buffer_format(why, "%s: %.*s", argv[0],
			      said.length ? (int)strcspn(said.data, "\n") : 9,
			      said.length ? said.data : "can't run");
	buffer_release(&said);
	return code ? -1 : 0;
}

int network_ip(const char *run, const char *host, const char *lines, struct buffer *why)
{
	char netns[64];
	const char *argv[] = {"ip", "-n", network_netns(run, host, netns), "-batch", "-", NULL};

	return batch(argv, lines, why);
}

static int limit(const char *run, const char *host, const char *device, uint64_t rate,
		 struct buffer *why)
{
	char netns[64], lines[160];
	const char *argv[] = {"tc", "-n", network_netns(run, host, netns), "-batch", "-", NULL};

	/* A bucket of 64 KB or 2 ms of the rate, whichever is more, and 20 ms of queue. */
	snprintf(lines, sizeof(lines),
		 "qdisc add dev %s root tbf rate %lubit burst %lu latency 20ms\n", device, rate,
		 rate / 4000 > 65536 ? rate / 4000 : 65536);
	return batch(argv, lines, why);
}

static int add(const char *run, const char *host, struct buffer *why)
{
	char netns[64], lines[128];
	const char *argv[] = {"ip", "-batch", "-", NULL};

	snprintf(lines, sizeof(lines), "netns add %s\n", network_netns(run, host, netns));
	return batch(argv, lines, why);
}

int network_up(const char *run, uint64_t rate, struct buffer *why)
{
	char netns[64], lines[512];

	if (add(run, "host", why) || add(run, "external", why))
		return -1;
	snprintf(lines, sizeof(lines),
		 "link set lo up\nlink add br0 type bridge mcast_snooping 0\n"
		 "addr add " HOST_ADDRESS "/24 dev br0\nlink set br0 up\n"
		 "link add wire type veth peer name eth0 netns %s\n"
		 "link set wire master br0\nlink set wire up\n",
		 network_netns(run, "external", netns));
	if (network_ip(run, "host", lines, why) ||
	    network_ip(run, "external",
		       "link set lo up\naddr add " EXTERNAL_ADDRESS "/24 dev eth0\n"
		       "link set eth0 up\n",
		       why))
		return -1;
	return rate && (limit(run, "host", "wire", rate, why) ||
			limit(run, "external", "eth0", rate, why))
		       ? -1
		       : 0;
}

/* Kills what is in a namespace. Returns whether there was anything. */
static bool kill_all(const char *netns)
{
	const char *argv[] = {"ip", "netns", "pids", netns, NULL};
	struct buffer pids = BUFFER_EMPTY;
	bool any = false;

	if (!process_run(argv, NULL, &pids))
		for (char *at = pids.data; at && *at;) {
			long pid = strtol(at, &at, 10);

			if (pid > 1 && pid != getpid()) {
				kill((pid_t)pid, SIGKILL);
				any = true;
			}
			at += strspn(at, " \n");
		}
	buffer_release(&pids);
	return any;
}

void network_empty(const char *run, const char *host)
{
	uint64_t end = clock_now() + 10 * NS_PER_S;
	char netns[64], path[96];

	snprintf(path, sizeof(path), "/run/netns/%s", network_netns(run, host, netns));
	if (access(path, F_OK))
		return;
	while (kill_all(netns) && clock_now() < end)
		poll(NULL, 0, 10);
}

void network_remove(const char *run, const char *host)
{
	char netns[64], path[96];
	const char *argv[] = {"ip", "netns", "del", network_netns(run, host, netns), NULL};

	snprintf(path, sizeof(path), "/run/netns/%s", netns);
	if (access(path, F_OK))
		return;
	network_empty(run, host);
	process_run(argv, NULL, NULL);
}

void network_down(const char *run)
{
	network_remove(run, "guest");
	network_remove(run, "external");
	network_remove(run, "host");
}
