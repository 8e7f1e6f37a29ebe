#include "echo/clients.h"
#include "base/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS_AT_ONCE = 256, REPLY_MOST = 8192, ONE_MOST = 1 << 22 };

struct client {
	int fd;
	bool connected, answered;
	uint64_t begun, sent;
	uint64_t messages; /* on this connection */
	size_t have;
	char *reply;
};

struct engine {
	const struct clients_options *options;
	struct clients_result *result;
	struct client *clients;
	char *message; /* with its newline */
	char *ending;  /* how a right reply ends: "[message]\n" */
	size_t message_length, ending_length;
	uint64_t begun, settled; /* settled 0: not yet */
	unsigned int answered;	 /* clients that had a reply */
	int events;
};

static void hang_up(struct client *client)
{
	if (client->fd >= 0)
		close(client->fd);
	client->fd = -1;
}

static int dial(struct engine *engine, struct client *client)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons((uint16_t)engine->options->port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct epoll_event event = {.events = EPOLLOUT, .data.ptr = client};
	int on = 1;

	client->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (client->fd < 0)
		return -errno;
	setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	client->connected = false;
	client->messages = 0;
	client->have = 0;
	client->begun = clock_now();
	/* A refusal on this machine comes at once; the event tells it all the same. */
	if (connect(client->fd, (struct sockaddr *)&to, sizeof(to)) && errno != EINPROGRESS &&
	    errno != ECONNREFUSED)
		return -errno;
	return epoll_ctl(engine->events, EPOLL_CTL_ADD, client->fd, &event) ? -errno : 0;
}

/* After an error of one connection: the client tries again. A refusal would come again at once, so
 * the client whose connection is refused stays away. */
static int lost(struct engine *engine, struct client *client, int error)
{
	struct clients_result *result = engine->result;

	hang_up(client);
	if (error == ECONNREFUSED) {
		result->refused++;
		return 0;
	}
	if (error)
		result->reset++;
	else
		result->closed++;
	return dial(engine, client);
}

static int say(struct engine *engine, struct client *client)
{
	ssize_t put;

	client->sent = clock_now();
	put = send(client->fd, engine->message, engine->message_length, MSG_NOSIGNAL);
	/* One short line always fits where all before were answered. */
	if (put == (ssize_t)engine->message_length)
		return 0;
	return lost(engine, client, put < 0 ? errno : EPROTO);
}

static void account(struct engine *engine, struct client *client)
{
	struct clients_result *result = engine->result;
	uint64_t now = clock_now(), rtt = now - client->sent;

	result->all_messages++;
	result->messages += engine->settled != 0;
	engine->answered += !client->answered;
	client->answered = true;
	if (!client->messages++) {
		histogram_add(result->first_reply, now - client->begun);
		return;
	}
	if (engine->settled)
		histogram_add(result->rtt, rtt);
	if (client == engine->clients && result->one_count < ONE_MOST)
		result->one[result->one_count++] = rtt;
	if (engine->options->rtts)
		fprintf(engine->options->rtts, "%u,%llu,%.1f,%d\n",
			(unsigned int)(client - engine->clients),
			(unsigned long long)((client->sent - engine->begun) / NS_PER_US),
			(double)rtt / 1e3, engine->settled != 0);
}

static int listen_to(struct engine *engine, struct client *client)
{
	ssize_t got = read(client->fd, client->reply + client->have, REPLY_MOST - client->have);

	if (got < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : lost(engine, client, errno);
	if (!got)
		return lost(engine, client, 0);
	client->have += (size_t)got;
	if (client->reply[client->have - 1] != '\n' && client->have < REPLY_MOST)
		return 0;
	if (client->have < engine->ending_length ||
	    memcmp(client->reply + client->have - engine->ending_length, engine->ending,
		   engine->ending_length)) {
		engine->result->wrong++;
		hang_up(client);
		return dial(engine, client);
	}
	client->have = 0;
	account(engine, client);
	if (engine->options->per_connection &&
	    client->messages >= engine->options->per_connection) {
		hang_up(client);
		return dial(engine, client);
	}
	return say(engine, client);
}

static int attend(struct engine *engine, struct client *client, uint32_t ready)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
	socklen_t length = sizeof(int);
	int error = 0;

	if (client->connected)
		return listen_to(engine, client);
	if (!(ready & (EPOLLOUT | EPOLLERR | EPOLLHUP)))
		return 0;
	getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &error, &length);
	if (error)
		return lost(engine, client, error);
	client->connected = true;
	engine->result->connections++;
	if (epoll_ctl(engine->events, EPOLL_CTL_MOD, client->fd, &event))
		return -errno;
	return say(engine, client);
}

static int prepare(struct engine *engine)
{
	const struct clients_options *options = engine->options;
	struct clients_result *result = engine->result;

	engine->events = epoll_create1(EPOLL_CLOEXEC);
	if (engine->events < 0)
		return -errno;
	result->rtt = histogram_new();
	result->first_reply = histogram_new();
	result->one = malloc(ONE_MOST * sizeof(*result->one));
	engine->clients = calloc(options->count, sizeof(*engine->clients));
	engine->message_length = options->size + 1;
	engine->ending_length = options->size + 3;
	engine->message = malloc(engine->message_length);
	engine->ending = malloc(engine->ending_length);
	if (!result->rtt || !result->first_reply || !result->one || !engine->clients ||
	    !engine->message || !engine->ending)
		return -ENOMEM;
	for (unsigned int i = 0; i < options->size; i++)
		engine->message[i] = engine->ending[1 + i] = (char)('a' + i % 26);
	engine->message[options->size] = '\n';
	engine->ending[0] = '[';
	memcpy(engine->ending + 1 + options->size, "]\n", 2);
	for (unsigned int i = 0; i < options->count; i++) {
		engine->clients[i].fd = -1;
		engine->clients[i].reply = malloc(REPLY_MOST);
		if (!engine->clients[i].reply)
			return -ENOMEM;
	}
	return 0;
}

/* Begins the measured time when it is due. */
static void settle(struct engine *engine, uint64_t now)
{
	const struct clients_options *options = engine->options;

	if (engine->settled ||
	    (engine->answered < options->count && now - engine->begun < options->settle))
		return;
	engine->settled = now;
	engine->result->settle_seconds = (double)(now - engine->begun) / 1e9;
	if (options->settled)
		options->settled(options->user);
}

static int play(struct engine *engine)
{
	const struct clients_options *options = engine->options;
	struct epoll_event ready[EVENTS_AT_ONCE];
	uint64_t now;
	int error = 0;

	engine->begun = clock_now();
	for (unsigned int i = 0; i < options->count && !error; i++)
		error = dial(engine, &engine->clients[i]);
	for (now = clock_now(); !error; now = clock_now()) {
		uint64_t end;
		int count;

		settle(engine, now);
		end = engine->settled ? engine->settled + options->duration
				      : engine->begun + options->settle;
		if (engine->settled && now >= end)
			break;
		count = epoll_wait(engine->events, ready, EVENTS_AT_ONCE,
				   (int)((end - now) / NS_PER_MS) + 1);
		if (count < 0 && errno != EINTR)
			error = -errno;
		for (int i = 0; i < count && !error; i++)
			error = attend(engine, ready[i].data.ptr, ready[i].events);
	}
	if (engine->settled)
		engine->result->seconds = (double)(now - engine->settled) / 1e9;
	return error;
}

int clients_run(const struct clients_options *options, struct clients_result *result)
{
	struct engine engine = {.options = options, .result = result};
	int error;

	*result = (struct clients_result){0};
	error = prepare(&engine);
	if (!error)
		error = play(&engine);
	for (unsigned int i = 0; engine.clients && i < options->count; i++) {
		result->starved += !engine.clients[i].answered;
		if (engine.clients[i].reply)
			hang_up(&engine.clients[i]);
		free(engine.clients[i].reply);
	}
	free(engine.clients);
	free(engine.message);
	free(engine.ending);
	if (engine.events >= 0)
		close(engine.events);
	return error;
}

void clients_release(struct clients_result *result)
{
	free(result->rtt);
	free(result->first_reply);
	free(result->one);
}
