/* `baton load raw`: random data at a rate, in messages of random size, to `baton sink`. */
#include "load/load.h"

#include "base/block.h"
#include "base/clock.h"
#include "base/fail.h"
#include "base/random.h"
#include "load/laws.h"

#include <errno.h>
#include <jansson.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* A datagram with its headers fits one frame of 1,500 bytes less Baton's header. */
enum { DATAGRAM_MOST = 1300, EVENTS_MOST = 256 };

struct options {
	uint64_t duration, messages, seed, connections, timeout, run;
	double rate;
	const char *sizes;
	bool udp, json;
};

struct sizes {
	enum { SIZES_CONSTANT, SIZES_UNIFORM, SIZES_LAW } kind;
	double a, b;
	struct law law;
};

/* One message on its way: a connection. */
struct message {
	int fd;
	bool sent; /* all of it; the receiver's end is awaited */
	uint64_t number, left, began;
	uint32_t index;
	uint32_t at, length; /* of the block that is being sent */
	unsigned char block[BLOCK_HEADER + BLOCK_MOST];
};

struct raw {
	struct options options;
	struct sizes sizes;
	struct random_state random;
	struct sockaddr_storage address;
	socklen_t address_length;
	int poll, datagrams;
	struct message **messages;
	uint64_t open, begun, done, errors, bytes, blocks, late_most;
};

static int sizes_parse(const char *text, struct sizes *sizes)
{
	char end;

	*sizes = (struct sizes){0};
	if (sscanf(text, "constant:%lf%c", &sizes->a, &end) == 1)
		sizes->kind = SIZES_CONSTANT;
	else if (sscanf(text, "uniform:%lf-%lf%c", &sizes->a, &sizes->b, &end) == 2)
		sizes->kind = SIZES_UNIFORM;
	else if (sscanf(text, "pareto:%lf:%lf%c", &sizes->law.a, &sizes->law.b, &end) == 2)
		sizes->kind = SIZES_LAW, sizes->law.kind = LAW_PARETO;
	else if (sscanf(text, "lognormal:%lf:%lf%c", &sizes->law.a, &sizes->law.b, &end) == 2)
		sizes->kind = SIZES_LAW, sizes->law.kind = LAW_LOGNORMAL;
	else
		return -EINVAL;
	if (sizes->kind == SIZES_LAW)
		return sizes->law.a > 0 && sizes->law.b > 0 && sizes->law.a < 1e9 ? 0 : -EINVAL;
	if (sizes->kind == SIZES_CONSTANT)
		sizes->b = sizes->a;
	return sizes->a >= 1 && sizes->b >= sizes->a && sizes->b <= 1e9 ? 0 : -EINVAL;
}

static uint64_t draw_size(struct raw *raw)
{
	double u = random_unit(&raw->random), size;

	if (raw->sizes.kind == SIZES_LAW)
		size = law_at(&raw->sizes.law, u);
	else
		size = raw->sizes.a + u * (raw->sizes.b + 1 - raw->sizes.a);
	return size < 1 ? 1 : size > 1e9 ? 1000000000 : (uint64_t)size;
}

/* Makes the next block of a message of `left` more bytes. Returns its length with the header. */
static uint32_t make_block(struct raw *raw, unsigned char *bytes, uint64_t message, uint32_t index,
			   uint64_t left, uint32_t most)
{
	struct block block = {.run = raw->options.run,
			      .message = message,
			      .index = index,
			      .length = left < most ? (uint32_t)left : most,
			      .time = clock_wall()};

	for (uint32_t i = 0; i < block.length; i += 8) {
		uint64_t word = random_next(&raw->random);

		memcpy(bytes + BLOCK_HEADER + i, &word,
		       block.length - i < 8 ? block.length - i : 8);
	}
	block.checksum = block_checksum(bytes + BLOCK_HEADER, block.length);
	block_pack(&block, bytes);
	raw->blocks++;
	return BLOCK_HEADER + block.length;
}

static void message_end(struct raw *raw, struct message *message, bool right)
{
	close(message->fd);
	raw->messages[message->number % raw->options.connections] = NULL;
	free(message);
	raw->open--;
	if (right)
		raw->done++;
	else
		raw->errors++;
}

/* Sends on until the socket is full, then awaits the receiver's end. */
static void message_go(struct raw *raw, struct message *message)
{
	unsigned char byte;
	ssize_t length;

	while (!message->sent) {
		if (message->at == message->length) {
			if (!message->left) {
				shutdown(message->fd, SHUT_WR);
				message->sent = true;
				break;
			}
			message->length = make_block(raw, message->block, message->number,
						     message->index++, message->left, BLOCK_MOST);
			message->left -= message->length - BLOCK_HEADER;
			message->at = 0;
		}
		length = send(message->fd, message->block + message->at,
			      message->length - message->at, MSG_NOSIGNAL);
		if (length < 0 && (errno == EAGAIN || errno == ENOTCONN))
			return;
		if (length < 0) {
			message_end(raw, message, false);
			return;
		}
		message->at += (uint32_t)length;
		raw->bytes += (uint64_t)length;
	}
	length = recv(message->fd, &byte, 1, 0);
	if (length >= 0 || errno != EAGAIN)
		message_end(raw, message, length == 0);
}

static void message_begin(struct raw *raw)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET};
	struct message *message = calloc(1, sizeof(*message));

	if (!message) {
		raw->begun++;
		raw->errors++;
		return;
	}
	message->number = raw->begun++;
	message->left = draw_size(raw);
	message->began = clock_now();
	raw->messages[message->number % raw->options.connections] = message;
	raw->open++;
	message->fd = socket(raw->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	event.data.ptr = message;
	if (message->fd < 0 ||
	    (connect(message->fd, (struct sockaddr *)&raw->address, raw->address_length) &&
	     errno != EINPROGRESS) ||
	    epoll_ctl(raw->poll, EPOLL_CTL_ADD, message->fd, &event))
		message_end(raw, message, false);
}

static void send_datagrams(struct raw *raw)
{
	static unsigned char bytes[BLOCK_HEADER + DATAGRAM_MOST + 8];
	uint64_t left = draw_size(raw);
	bool right = true;

	for (uint32_t index = 0; left; index++) {
		uint32_t length = make_block(raw, bytes, raw->begun, index, left, DATAGRAM_MOST);

		left -= length - BLOCK_HEADER;
		if (sendto(raw->datagrams, bytes, length, MSG_NOSIGNAL,
			   (struct sockaddr *)&raw->address,
			   raw->address_length) == (ssize_t)length)
			raw->bytes += length;
		else
			right = false;
	}
	raw->begun++;
	if (right)
		raw->done++;
	else
		raw->errors++;
}

static void end_overdue(struct raw *raw, uint64_t now)
{
	for (uint64_t i = 0; i < raw->options.connections; i++)
		if (raw->messages[i] && now - raw->messages[i]->began > raw->options.timeout)
			message_end(raw, raw->messages[i], false);
}

static void play(struct raw *raw, uint64_t start)
{
	static struct epoll_event events[EVENTS_MOST];
	uint64_t end = raw->options.duration ? start + raw->options.duration : UINT64_MAX;
	double gap = 1e9 / raw->options.rate;

	for (;;) {
		uint64_t now = clock_now(), due = start + (uint64_t)((double)raw->begun * gap);
		bool more = due < end && raw->begun < raw->options.messages;
		/* The place of the oldest message may still be taken: one more must wait then. */
		bool room = !raw->messages[raw->begun % raw->options.connections];
		int count, timeout = 250;

		if (!more && !raw->open)
			return;
		if (more && room && due <= now) {
			raw->late_most = now - due > raw->late_most ? now - due : raw->late_most;
			if (raw->options.udp)
				send_datagrams(raw);
			else
				message_begin(raw);
			timeout = 0;
		} else if (more && room && due - now < 250 * NS_PER_MS) {
			timeout = (int)((due - now) / NS_PER_MS);
		}
		count = epoll_wait(raw->poll, events, EVENTS_MOST, timeout);
		for (int i = 0; i < count; i++)
			message_go(raw, events[i].data.ptr);
		if (!count && timeout)
			end_overdue(raw, clock_now());
	}
}

static int look_up(struct raw *raw, const char *text)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
	const char *colon = strrchr(text, ':');
	char host[256];
	size_t length = colon ? (size_t)(colon - text) : 0;

	if (!colon || !length || length >= sizeof(host))
		return -EINVAL;
	snprintf(host, sizeof(host), "%.*s", (int)length, text);
	if (*host == '[' && host[length - 1] == ']') {
		host[length - 1] = 0;
		memmove(host, host + 1, length - 1);
	}
	if (getaddrinfo(host, colon + 1, &hints, &found))
		return -EINVAL;
	memcpy(&raw->address, found->ai_addr, found->ai_addrlen);
	raw->address_length = found->ai_addrlen;
	freeaddrinfo(found);
	return 0;
}

static void print_sent(const struct raw *raw, double seconds)
{
	const char *form = raw->options.json ? "{\"messages\": %llu, \"errors\": %llu, \"bytes\": "
					       "%llu, \"blocks\": %llu, "
					       "\"seconds\": %.3f, \"late_ms\": %.3f}\n"
					     : "%llu messages and %llu errors, %llu bytes in %llu "
					       "blocks, %.3f s; at most "
					       "%.3f ms behind the plan\n";

	printf(form, (unsigned long long)raw->done, (unsigned long long)raw->errors,
	       (unsigned long long)raw->bytes, (unsigned long long)raw->blocks, seconds,
	       (double)raw->late_most / 1e6);
}

static int run(const struct command *self, int argc, char **argv)
{
	struct raw raw = {.options = {.rate = 100,
				      .messages = UINT64_MAX,
				      .connections = 1000,
				      .timeout = 30 * NS_PER_S,
				      .sizes = "uniform:1-1000"}};
	int first = command_parse(self, argc, argv, &raw.options);
	uint64_t start;

	if (argc - first != 1 || look_up(&raw, argv[first]))
		return misused("one HOST:PORT is needed, see '%s --help'", command_path());
	if (sizes_parse(raw.options.sizes, &raw.sizes))
		return misused("--sizes '%s': not constant:N, uniform:A-B, pareto:K:ALPHA or "
			       "lognormal:MU:SIGMA",
			       raw.options.sizes);
	if (!raw.options.duration && raw.options.messages == UINT64_MAX)
		raw.options.duration = 10 * NS_PER_S;
	random_seed(&raw.random, raw.options.seed);
	raw.messages = calloc(raw.options.connections, sizeof(*raw.messages));
	raw.poll = epoll_create1(EPOLL_CLOEXEC);
	raw.datagrams = socket(raw.address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (!raw.messages || raw.poll < 0 || raw.datagrams < 0) {
		free(raw.messages);
		return failed_errno(errno, "the traffic could not be begun");
	}
	start = clock_now();
	play(&raw, start);
	print_sent(&raw, (double)(clock_now() - start) / 1e9);
	free(raw.messages);
	close(raw.poll);
	close(raw.datagrams);
	return raw.errors ? failed("%llu messages could not be sent whole",
				   (unsigned long long)raw.errors)
			  : EXIT_DONE;
}

const struct command load_raw = {
	.name = "raw",
	.operands = "HOST:PORT",
	.summary = "Send random data in checksummed blocks to 'baton sink'",
	.description = "Each message is a connection of its own, or with --udp a row of datagrams. "
		       "A message is done when the receiver, having read all, has closed too.",
	.options =
		(const struct option_spec[]){
			{"rate", 'r', OPTION_NUMBER, "N", "messages a second [100]",
			 offsetof(struct options, rate), .least = 0.01, .most = 1e6},
			{"sizes", 0, OPTION_TEXT, "LAW",
			 "bytes of a message: constant:N, uniform:A-B, pareto:K:ALPHA or "
			 "lognormal:MU:SIGMA [uniform:1-1000]",
			 offsetof(struct options, sizes)},
			{"duration", 'd', OPTION_DURATION, "TIME", "end after this time [10]",
			 offsetof(struct options, duration)},
			{"messages", 'n', OPTION_COUNT, "N", "end after so many",
			 offsetof(struct options, messages), .least = 1, .most = 1e15},
			{"connections", 'c', OPTION_COUNT, "N",
			 "messages on their way at most [1000]",
			 offsetof(struct options, connections), .least = 1, .most = 60000},
			{"timeout", 0, OPTION_DURATION, "TIME",
			 "a message not received by then is an error [30]",
			 offsetof(struct options, timeout), .least = 0.01, .most = 86400},
			{"udp", 'u', OPTION_FLAG, NULL, "datagrams instead of connections",
			 offsetof(struct options, udp)},
			{"seed", 0, OPTION_COUNT, "N", "of the random data and sizes [0]",
			 offsetof(struct options, seed)},
			{"run", 0, OPTION_COUNT, "N", "a number that the blocks carry [0]",
			 offsetof(struct options, run)},
			{"json", 0, OPTION_FLAG, NULL, "print one JSON object",
			 offsetof(struct options, json)},
			{NULL},
		},
	.run = run,
};
