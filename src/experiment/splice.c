/* A front that splices: it accepts the client's connection, reads its first request, opens one to
 * the node that the path's hash says, and leaves both to the kernel (splice.bpf.c). All bytes of
 * both ways still cross this host, and a connection stays where its first request went: what TCP
 * splicing is, at its best. */
#include "base/fail.h"
#include "base/process.h"
#include "control/endpoint.h"
#include "experiment/experiment.h"
#include "splice.skel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PAIRS_MAX = 8192, NODES_MOST = 64, FIRST_ROOM = 64 << 10, EVENTS = 256 };

struct values {
	const char *listen;
	struct option_list nodes;
};

/* One connection: the client's socket and, once its first request is read, the node's. */
struct pair {
	int client, server; /* -1: none */
	__u64 cookies[2];
	bool ending; /* the server has said all; what it said is still on its way */
};

struct front {
	struct endpoint nodes[NODES_MOST];
	unsigned int node_count;
	struct splice_bpf *skeleton;
	struct pair pairs[PAIRS_MAX];
	int spare[PAIRS_MAX], spare_count;
	int events, listener;
	unsigned int ending;
	char first[FIRST_ROOM];
};

static const struct option_spec options[] = {
	{"listen", 'l', OPTION_TEXT, "ADDRESS:PORT", "where clients come [0.0.0.0:80]",
	 offsetof(struct values, listen)},
	{"node", 0, OPTION_LIST, "ADDRESS:PORT", "a server; may be repeated",
	 offsetof(struct values, nodes)},
	{0},
};

static bool stopped;

static void on_signal(int number)
{
	(void)number;
	stopped = true;
}

/* FNV-1a of the request's target: which node is alike for all that ask for it. */
static unsigned int node_of(const struct front *front, ssize_t length)
{
	const char *at = memchr(front->first, ' ', (size_t)length);
	const char *end = front->first + length;
	unsigned int hash = 2166136261u;

	for (at = at ? at + 1 : end; at < end && *at != ' ' && *at != '\r'; at++)
		hash = (hash ^ (unsigned char)*at) * 16777619u;
	return hash % front->node_count;
}

static void watch(struct front *front, int socket, __u32 events, __u32 number, int how)
{
	struct epoll_event event = {.events = events, .data.u32 = number};

	epoll_ctl(front->events, how, socket, &event);
}

static void end_pair(struct front *front, unsigned int number)
{
	struct pair *pair = &front->pairs[number];
	int others = bpf_map__fd(front->skeleton->maps.others);

	if (pair->client < 0)
		return;
	close(pair->client);
	if (pair->server >= 0) {
		close(pair->server);
		bpf_map_delete_elem(others, &pair->cookies[0]);
		bpf_map_delete_elem(others, &pair->cookies[1]);
	}
	front->ending -= pair->ending;
	*pair = (struct pair){.client = -1, .server = -1};
	front->spare[front->spare_count++] = (int)number;
}

static int cookie_of(int socket, __u64 *cookie)
{
	socklen_t size = sizeof(*cookie);

	return getsockopt(socket, SOL_SOCKET, SO_COOKIE, cookie, &size) ? -errno : 0;
}

/* Gives both sockets to the kernel. Nothing may have arrived on the server's yet. */
static int join(struct front *front, unsigned int number)
{
	struct pair *pair = &front->pairs[number];
	int ends = bpf_map__fd(front->skeleton->maps.ends);
	int others = bpf_map__fd(front->skeleton->maps.others);
	__u32 places[2] = {2 * number, 2 * number + 1};
	__u64 sockets[2] = {(__u64)pair->client, (__u64)pair->server};

	if (cookie_of(pair->client, &pair->cookies[0]) ||
	    cookie_of(pair->server, &pair->cookies[1]))
		return -errno;
	for (int i = 0; i < 2; i++)
		if (bpf_map_update_elem(others, &pair->cookies[i], &places[!i], BPF_ANY) ||
		    bpf_map_update_elem(ends, &places[i], &sockets[i], BPF_ANY))
			return -errno;
	return 0;
}

static void first_request(struct front *front, unsigned int number)
{
	struct pair *pair = &front->pairs[number];
	ssize_t length = recv(pair->client, front->first, sizeof(front->first), 0);
	struct sockaddr_storage address;
	socklen_t size;
	int one = 1;

	if (length <= 0)
		goto end;
	size = endpoint_sockaddr(&front->nodes[node_of(front, length)], &address);
	pair->server = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (pair->server < 0 ||
	    setsockopt(pair->server, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) ||
	    connect(pair->server, (struct sockaddr *)&address, size) || join(front, number) ||
	    send(pair->server, front->first, (size_t)length, MSG_NOSIGNAL) != length)
		goto end;
	watch(front, pair->client, EPOLLRDHUP, 2 * number, EPOLL_CTL_MOD);
	watch(front, pair->server, EPOLLRDHUP, 2 * number + 1, EPOLL_CTL_ADD);
	return;
end:
	end_pair(front, number);
}

/* The kernel hands bytes on by itself, but not the end behind them: it follows when the client's
 * socket has got what the server's has. (A FIN counts as one byte received.) */
static void end_when_all_is_sent(struct front *front, unsigned int number)
{
	struct pair *pair = &front->pairs[number];
	struct tcp_info from = {0}, to = {0};
	socklen_t size = sizeof(from), other = sizeof(to);

	if (getsockopt(pair->server, IPPROTO_TCP, TCP_INFO, &from, &size) ||
	    getsockopt(pair->client, IPPROTO_TCP, TCP_INFO, &to, &other) ||
	    to.tcpi_bytes_sent - to.tcpi_bytes_retrans + to.tcpi_notsent_bytes + 1 >=
		    from.tcpi_bytes_received)
		end_pair(front, number);
}

static void take_clients(struct front *front)
{
	int one = 1, client;

	while (front->spare_count &&
	       (client = accept4(front->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		unsigned int number = (unsigned int)front->spare[--front->spare_count];

		setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		front->pairs[number] = (struct pair){.client = client, .server = -1};
		watch(front, client, EPOLLIN, 2 * number, EPOLL_CTL_ADD);
	}
}

static void take_event(struct front *front, const struct epoll_event *event)
{
	unsigned int number = event->data.u32 / 2;
	struct pair *pair = &front->pairs[number];

	if (event->data.u32 == 2 * PAIRS_MAX) {
		take_clients(front);
	} else if (pair->client < 0) {
		return; /* ended by an event of the same turn */
	} else if (pair->server < 0) {
		first_request(front, number);
	} else if (event->data.u32 % 2) {
		watch(front, pair->server, 0, event->data.u32, EPOLL_CTL_DEL);
		front->ending += !pair->ending;
		pair->ending = true;
	} else {
		end_pair(front, number);
	}
}

static int serve(struct front *front)
{
	struct epoll_event events[EVENTS];

	while (!stopped) {
		int count = epoll_wait(front->events, events, EVENTS, front->ending ? 1 : -1);

		if (count < 0 && errno != EINTR)
			return failed_errno(errno, "splice: waiting for clients");
		for (int i = 0; i < count; i++)
			take_event(front, &events[i]);
		for (unsigned int i = 0; i < PAIRS_MAX && front->ending; i++)
			if (front->pairs[i].ending)
				end_when_all_is_sent(front, i);
	}
	return 0;
}

static int open_all(struct front *front, const struct values *values)
{
	struct endpoint listen_at;
	struct sockaddr_storage address;
	socklen_t size;
	int one = 1, error;

	if (endpoint_parse(values->listen, &listen_at))
		return misused("--listen: '%s' is no ADDRESS:PORT", values->listen);
	if (!values->nodes.count)
		return misused("--node: at least one");
	for (unsigned int i = 0; i < values->nodes.count; i++)
		if (endpoint_parse(values->nodes.items[i], &front->nodes[front->node_count++]))
			return misused("--node: '%s' is no ADDRESS:PORT", values->nodes.items[i]);
	front->skeleton = splice_bpf__open_and_load();
	if (!front->skeleton)
		return failed_errno(errno, "splice: can't load the program");
	error = bpf_prog_attach(bpf_program__fd(front->skeleton->progs.splice),
				bpf_map__fd(front->skeleton->maps.ends), BPF_SK_SKB_STREAM_VERDICT,
				0);
	if (error)
		return failed_errno(errno, "splice: can't attach the program");
	size = endpoint_sockaddr(&listen_at, &address);
	front->listener = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	front->events = epoll_create1(EPOLL_CLOEXEC);
	if (front->listener < 0 || front->events < 0 ||
	    setsockopt(front->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(front->listener, (struct sockaddr *)&address, size) ||
	    listen(front->listener, 4096))
		return failed_errno(errno, "splice: can't listen at %s", values->listen);
	watch(front, front->listener, EPOLLIN, 2 * PAIRS_MAX, EPOLL_CTL_ADD);
	for (int i = 0; i < PAIRS_MAX; i++) {
		front->pairs[i] = (struct pair){.client = -1, .server = -1};
		front->spare[front->spare_count++] = i;
	}
	return 0;
}

static int run(const struct command *self, int argc, char **argv)
{
	struct values values = {.listen = "0.0.0.0:80"};
	struct sigaction action = {.sa_handler = on_signal};
	struct front *front = calloc(1, sizeof(*front));
	int error;

	if (!front)
		out_of_memory();
	front->listener = front->events = -1;
	command_parse(self, argc, argv, &values);
	process_raise_files(2 * PAIRS_MAX + 64);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	error = open_all(front, &values);
	if (!error)
		error = serve(front);
	for (unsigned int i = 0; i < PAIRS_MAX && front->spare_count; i++)
		end_pair(front, i);
	if (front->listener >= 0)
		close(front->listener);
	if (front->events >= 0)
		close(front->events);
	splice_bpf__destroy(front->skeleton);
	free(front);
	return error;
}

const struct command experiment_splice = {
	.name = "splice",
	.operands = "",
	.summary = "A front that splices TCP connections, for comparison",
	.description = "Reads a connection's first request, opens one to the server that the "
		       "target's hash says, and joins the two in the kernel (BPF sockmap). `baton "
		       "compare --peers splice,...` runs it. Ends at SIGTERM.",
	.options = options,
	.run = run,
};
