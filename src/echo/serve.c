#include "base/fail.h"
#include "base/process.h"
#include "echo/echo.h"
#include "echo/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PATIENCE_S = 30 }; /* from the signal to the end, at most */

#define AT(member) offsetof(struct server_options, member)
static const struct option_spec specs[] = {
	{"model", 'm', OPTION_TEXT, "MODEL",
	 "iterative, fork, prefork, thread, pool, epoll or uring [epoll]", AT(model),
	 "iterative|fork|prefork|thread|pool|epoll|uring"},
	{"address", 'a', OPTION_TEXT, "ADDRESS", "listen on this address only [all]", AT(address)},
	{"port", 'p', OPTION_COUNT, "PORT", "port; 0: any that is free [1234]", AT(port), NULL, 0,
	 65535},
	{"accept", 0, OPTION_TEXT, "WHO",
	 "fork and thread: who accepts a connection, parent or child [parent]", AT(accept),
	 "parent|child"},
	{"queue", 'Q', OPTION_COUNT, "N", "length of the listen queue [128]", AT(queue), NULL, 0,
	 65535},
	{"workers", 'w', OPTION_COUNT, "N", "processes of prefork, threads of pool [8]",
	 AT(workers), NULL, 1, 16384},
	{"close-after", 'k', OPTION_COUNT, "N",
	 "close a connection after N messages, so that others get their turn [never]",
	 AT(close_after)},
	{"quiet", 'q', OPTION_FLAG, NULL, "don't print connections and replies", AT(quiet)},
	{NULL},
};

static const struct {
	const char *name;
	int (*serve)(struct server *server);
	bool blocks; /* wants a listener that blocks */
} models[] = {
	{"iterative", model_iterative, true}, {"fork", model_fork, true},
	{"prefork", model_prefork, true},     {"thread", model_thread, true},
	{"pool", model_pool, true},	      {"epoll", model_epoll, false},
	{"uring", model_uring, true},
};

static int listener = -1;

static void on_stop(int number)
{
	int saved = errno;

	(void)number;
	server_stopping = 1;
	shutdown(listener, SHUT_RDWR);
	alarm(PATIENCE_S);
	if (server_serving >= 0)
		shutdown(server_serving, SHUT_RD);
	errno = saved;
}

/* A client that doesn't take its replies keeps nobody from ending. */
static void on_alarm(int number)
{
	(void)number;
	_exit(EXIT_FAILED);
}

/* Only so that accept() and poll() return when a child has ended. */
static void on_child(int number)
{
	(void)number;
}

static void catch_signals(void)
{
	struct sigaction stop = {.sa_handler = on_stop}, child = {.sa_handler = on_child};
	struct sigaction late = {.sa_handler = on_alarm};

	sigaction(SIGINT, &stop, NULL);
	sigaction(SIGTERM, &stop, NULL);
	sigaction(SIGCHLD, &child, NULL);
	sigaction(SIGALRM, &late, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* Listens on one address, or on all of IPv4 and IPv6 with one socket. Returns the descriptor or
 * -errno. */
static int open_listener(const struct server_options *options)
{
	struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV,
				 .ai_socktype = SOCK_STREAM};
	const char *addresses[] = {options->address ? options->address : "::",
				   options->address ? NULL : "0.0.0.0"};
	char port[8];
	int fd = -1, error = -EADDRNOTAVAIL, on = 1, off = 0;

	snprintf(port, sizeof(port), "%u", (unsigned int)options->port);
	for (size_t i = 0; i < 2 && addresses[i] && fd < 0; i++) {
		struct addrinfo *found;

		if (getaddrinfo(addresses[i], port, &hints, &found))
			return -EINVAL;
		fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd >= 0) {
			setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
			/* Clients that vanished without a word are found out in time. */
			setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
			setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
			if (found->ai_family == AF_INET6)
				setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
		}
		if (fd < 0 || bind(fd, found->ai_addr, found->ai_addrlen) ||
		    listen(fd, (int)options->queue)) {
			error = -errno;
			if (fd >= 0)
				close(fd);
			fd = -1;
		}
		freeaddrinfo(found);
		if (error == -EADDRINUSE)
			break;
	}
	return fd < 0 ? error : fd;
}

static unsigned int bound_port(int fd)
{
	struct sockaddr_storage address;
	socklen_t length = sizeof(address);

	if (getsockname(fd, (struct sockaddr *)&address, &length))
		return 0;
	return ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
						   : ((struct sockaddr_in *)&address)->sin_port);
}

static int run_serve(const struct command *self, int argc, char **argv)
{
	struct server_options options = {
		.model = "epoll", .accept = "parent", .port = 1234, .queue = 128, .workers = 8};
	struct server server = {.options = &options};
	int error;
	const char *place = options.address ? options.address : "all addresses";
	size_t model = 0;

	command_parse(self, argc, argv, &options);
	while (strcmp(models[model].name, options.model))
		model++;
	process_raise_files(0); /* a client is one */
	server.child_accepts = !strcmp(options.accept, "child");
	server.totals = mmap(NULL, sizeof(*server.totals), PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (server.totals == MAP_FAILED)
		return failed_errno(errno, "no memory for the counts");
	server.listener = listener = open_listener(&options);
	if (listener == -EINVAL)
		return misused("--address '%s' is no address", options.address);
	if (listener < 0)
		return failed_errno(listener, "can't listen on %s port %u", place,
				    (unsigned int)options.port);
	if (!models[model].blocks && fcntl(listener, F_SETFL, O_NONBLOCK))
		return failed_errno(errno, "fcntl");
	catch_signals();
	fprintf(stderr, "baton: echo (%s) on %s port %u, pid %d\n", options.model, place,
		bound_port(listener), getpid());
	error = models[model].serve(&server);
	close(listener);
	if (error == -EPERM && !strcmp(options.model, "uring"))
		return failed_errno(error, "io_uring (kernel.io_uring_disabled forbids it?)");
	if (error)
		return failed_errno(error, "echo (%s)", options.model);
	fprintf(stderr,
		"baton: %llu connections, %llu messages, %llu lines too long, %llu connections "
		"broken\n",
		(unsigned long long)server.totals->connections,
		(unsigned long long)server.totals->messages,
		(unsigned long long)server.totals->overlong,
		(unsigned long long)server.totals->broken);
	return EXIT_DONE;
}

const struct command echo_serve = {
	.name = "serve",
	.summary = "Answer every line with time, client address, client port and the line",
	.description =
		"The models differ in who waits: iterative serves one client after the other; fork "
		"and thread make a process or thread for each; prefork has its processes made "
		"before; pool lets a few threads take turns; epoll and uring are one process that "
		"waits for all.\n\n"
		"With --accept child a connection is accepted by the process or thread made for "
		"it, and the parent waits for its word. SIGINT or SIGTERM: what was received is "
		"answered, then the connections end.",
	.options = specs,
	.run = run_serve,
};
