#include "sink/sink.h"

#include "base/block.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/fail.h"
#include "base/process.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CONNECTIONS_MOST = 65536, EVENTS_MOST = 256, READ_ROOM = 64 << 10 };

struct options {
	uint64_t port, limit, duration;
	const char *address, *directory;
	bool json, udp;
};

struct counts {
	uint64_t bytes, blocks, messages, connections, bad, cut, stored, not_stored;
};

struct sink {
	struct options options;
	struct counts counts;
	FILE *data, *index;
	int poll, listener, signals;
	uint64_t start;
	unsigned int open;
};

/* What came over one connection and is not a whole block yet: at most one block. */
struct peer {
	int fd;
	struct buffer pending;
	bool bad;
};

/* Takes a whole block in: counts, checks, stores. */
static void take_block(struct sink *sink, const struct block *block, const unsigned char *bytes)
{
	bool right = block_checksum(bytes + BLOCK_HEADER, block->length) == block->checksum;
	uint64_t whole = BLOCK_HEADER + block->length;

	sink->counts.blocks++;
	sink->counts.bad += !right;
	sink->counts.messages += !block->index;
	if (!sink->index)
		return;
	fprintf(sink->index, "%llu\t%llu\t%llu\t%llu\t%u\t%u\t%d\n",
		(unsigned long long)clock_wall(), (unsigned long long)block->time,
		(unsigned long long)block->run, (unsigned long long)block->message, block->index,
		block->length, right);
	if (sink->counts.stored + whole > sink->options.limit) {
		sink->counts.not_stored += whole;
	} else {
		fwrite(bytes, 1, whole, sink->data);
		sink->counts.stored += whole;
	}
}

/* Takes all whole blocks off the buffer's front. Returns -EINVAL when it doesn't hold blocks. */
static int take_blocks(struct sink *sink, struct buffer *pending)
{
	size_t at = 0;
	int result = 0;

	while (pending->length - at >= BLOCK_HEADER) {
		const unsigned char *bytes = (const unsigned char *)pending->data + at;
		struct block block;

		result = block_unpack(&block, bytes);
		if (result || pending->length - at < BLOCK_HEADER + block.length)
			break;
		take_block(sink, &block, bytes);
		at += BLOCK_HEADER + block.length;
	}
	if (at)
		buffer_consume(pending, at);
	return result;
}

static void peer_end(struct sink *sink, struct peer *peer)
{
	/* Bytes of a block that never became whole. */
	sink->counts.cut += !peer->bad && peer->pending.length;
	close(peer->fd);
	buffer_release(&peer->pending);
	free(peer);
	sink->open--;
}

static void peer_read(struct sink *sink, struct peer *peer)
{
	for (;;) {
		ssize_t length =
			recv(peer->fd, buffer_reserve(&peer->pending, READ_ROOM), READ_ROOM, 0);

		if (length < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (length <= 0) {
			peer_end(sink, peer);
			return;
		}
		sink->counts.bytes += (uint64_t)length;
		/* Behind bytes that are no block nothing can be told apart: only counted. */
		if (!peer->bad) {
			peer->pending.length += (size_t)length;
			if (take_blocks(sink, &peer->pending)) {
				peer->bad = true;
				sink->counts.bad++;
				buffer_clear(&peer->pending);
			}
		}
	}
}

static void accept_all(struct sink *sink)
{
	for (;;) {
		int fd = accept4(sink->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		struct epoll_event event = {.events = EPOLLIN};
		struct peer *peer;

		if (fd < 0)
			return;
		peer = sink->open < CONNECTIONS_MOST ? calloc(1, sizeof(*peer)) : NULL;
		event.data.ptr = peer;
		if (!peer || epoll_ctl(sink->poll, EPOLL_CTL_ADD, fd, &event)) {
			free(peer);
			close(fd);
			continue;
		}
		peer->fd = fd;
		sink->open++;
		sink->counts.connections++;
	}
}

static void datagrams(struct sink *sink)
{
	static unsigned char bytes[65536];
	struct block block;

	for (;;) {
		ssize_t length = recv(sink->listener, bytes, sizeof(bytes), MSG_DONTWAIT);

		if (length < 0)
			return;
		sink->counts.bytes += (uint64_t)length;
		if (length < BLOCK_HEADER || block_unpack(&block, bytes) ||
		    (size_t)length != BLOCK_HEADER + block.length)
			sink->counts.bad++;
		else
			take_block(sink, &block, bytes);
	}
}

static int listen_on(struct sink *sink)
{
	struct sockaddr_in6 any = {.sin6_family = AF_INET6,
				   .sin6_port = htons((uint16_t)sink->options.port)};
	struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = any.sin6_port};
	struct sockaddr *address = (struct sockaddr *)&any;
	socklen_t length = sizeof(any);
	int yes = 1, no = 0, room = 8 << 20;

	if (sink->options.address && inet_pton(AF_INET, sink->options.address, &four.sin_addr) == 1)
		address = (struct sockaddr *)&four, length = sizeof(four);
	else if (sink->options.address &&
		 inet_pton(AF_INET6, sink->options.address, &any.sin6_addr) != 1)
		return -EINVAL;
	sink->listener = socket(
		address->sa_family,
		(sink->options.udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (sink->listener < 0)
		return -errno;
	setsockopt(sink->listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	setsockopt(sink->listener, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	if (address->sa_family == AF_INET6)
		setsockopt(sink->listener, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof(no));
	if (bind(sink->listener, address, length) ||
	    (!sink->options.udp && listen(sink->listener, 4096)))
		return -errno;
	return 0;
}

static int open_files(struct sink *sink)
{
	char path[PATH_MAX];

	if (!sink->options.directory)
		return 0;
	if (mkdir(sink->options.directory, 0755) && errno != EEXIST)
		return -errno;
	snprintf(path, sizeof(path), "%s/received.raw", sink->options.directory);
	sink->data = fopen(path, "we");
	snprintf(path, sizeof(path), "%s/received.tsv", sink->options.directory);
	sink->index = fopen(path, "we");
	if (!sink->data || !sink->index)
		return -errno;
	fprintf(sink->index, "received_ns\tsent_ns\trun\tmessage\tindex\tbytes\tright\n");
	return 0;
}

static int prepare(struct sink *sink)
{
	struct epoll_event event = {.events = EPOLLIN};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	process_raise_files(0);
	sink->poll = epoll_create1(EPOLL_CLOEXEC);
	sink->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	event.data.ptr = &sink->signals;
	if (sink->poll < 0 || sink->signals < 0 ||
	    epoll_ctl(sink->poll, EPOLL_CTL_ADD, sink->signals, &event))
		return -errno;
	event.data.ptr = &sink->listener;
	return epoll_ctl(sink->poll, EPOLL_CTL_ADD, sink->listener, &event) ? -errno : 0;
}

static int serve(struct sink *sink)
{
	static struct epoll_event events[EVENTS_MOST];
	uint64_t end = sink->options.duration ? clock_now() + sink->options.duration : UINT64_MAX;

	for (;;) {
		uint64_t now = clock_now();
		int timeout = end == UINT64_MAX ? -1 : (int)((end - now) / NS_PER_MS + 1), count;

		if (now >= end)
			return 0;
		count = epoll_wait(sink->poll, events, EVENTS_MOST, timeout);
		if (count < 0 && errno != EINTR)
			return -errno;
		for (int i = 0; i < count; i++) {
			if (events[i].data.ptr == &sink->signals)
				return 0;
			if (events[i].data.ptr != &sink->listener)
				peer_read(sink, events[i].data.ptr);
			else if (sink->options.udp)
				datagrams(sink);
			else
				accept_all(sink);
		}
	}
}

static void print_counts(const struct sink *sink)
{
	const struct counts *c = &sink->counts;

	printf(sink->options.json
		       ? "{\"bytes\": %llu, \"blocks\": %llu, \"messages\": %llu, \"connections\": "
			 "%llu, \"bad\": %llu, \"cut\": %llu, \"stored\": %llu, \"not_stored\": "
			 "%llu}\n"
		       : "%llu bytes, %llu blocks of %llu messages over %llu connections; %llu "
			 "wrong blocks, %llu cut ones; %llu bytes stored, %llu beyond the limit\n",
	       (unsigned long long)c->bytes, (unsigned long long)c->blocks,
	       (unsigned long long)c->messages, (unsigned long long)c->connections,
	       (unsigned long long)c->bad, (unsigned long long)c->cut,
	       (unsigned long long)c->stored, (unsigned long long)c->not_stored);
}

static int run(const struct command *self, int argc, char **argv)
{
	struct sink sink = {.options = {.port = 9000, .limit = 1 << 30}};
	int result;

	command_parse(self, argc, argv, &sink.options);
	result = listen_on(&sink);
	if (result == -EINVAL)
		return misused("--address '%s' is no address", sink.options.address);
	if (result)
		return failed_errno(result, "port %llu", (unsigned long long)sink.options.port);
	result = open_files(&sink);
	if (result)
		return failed_errno(result, "%s", sink.options.directory);
	result = prepare(&sink);
	if (!result)
		result = serve(&sink);
	if (result)
		return failed_errno(result, "receiving on port %llu",
				    (unsigned long long)sink.options.port);
	print_counts(&sink);
	if (sink.data && (fclose(sink.data) | fclose(sink.index)))
		return failed_errno(errno, "%s", sink.options.directory);
	return sink.counts.bad || sink.counts.cut ? failed("what came is not what was sent")
						  : EXIT_DONE;
}

const struct command command_sink = {
	.name = "sink",
	.operands = "",
	.summary = "Receive raw traffic, check every block and store it",
	.description =
		"The receiving end of 'baton load raw'. Ends on SIGINT or SIGTERM and prints what "
		"came. Below --dir it writes received.raw, the blocks as they came, up to --limit, "
		"and received.tsv, a line a block: when it came and was sent, run, message, index, "
		"bytes, whether its checksum is right.",
	.options =
		(const struct option_spec[]){
			{"port", 'p', OPTION_COUNT, "N", "where to listen [9000]",
			 offsetof(struct options, port), .least = 1, .most = 65535},
			{"address", 'a', OPTION_TEXT, "ADDRESS", "where to listen [any]",
			 offsetof(struct options, address)},
			{"udp", 'u', OPTION_FLAG, NULL, "datagrams instead of connections",
			 offsetof(struct options, udp)},
			{"dir", 'd', OPTION_TEXT, "DIR", "store what comes [only counted]",
			 offsetof(struct options, directory)},
			{"limit", 0, OPTION_COUNT, "BYTES", "store at most so much [1Gi]",
			 offsetof(struct options, limit)},
			{"duration", 0, OPTION_DURATION, "TIME",
			 "end after this time [at a signal]", offsetof(struct options, duration),
			 .least = 0, .most = 86400},
			{"json", 0, OPTION_FLAG, NULL, "print one JSON object",
			 offsetof(struct options, json)},
			{NULL},
		},
	.run = run,
};
