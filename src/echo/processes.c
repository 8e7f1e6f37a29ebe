/* The models made of processes: iterative, fork, prefork. */
#include "echo/server.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct children {
	pid_t *pids;
	size_t count, room;
};

static int serve_one(struct server *server)
{
	struct sockaddr_storage peer;
	int fd = server_accept(server, &peer, 0);

	if (fd < 0)
		return fd;
	server_serving = fd;
	/* The end may have come between accept and here, when there was nothing to shut down. */
	if (server_stopping)
		shutdown(fd, SHUT_RD);
	server_talk(server, fd, &peer, "pid", getpid());
	server_serving = -1;
	close(fd);
	return 0;
}

int model_iterative(struct server *server)
{
	int error;

	do
		error = serve_one(server);
	while (!error || error == -EINTR);
	return error == -ECANCELED ? 0 : error;
}

static int remember(struct children *children, pid_t pid)
{
	if (children->count == children->room) {
		size_t room = children->room ? 2 * children->room : 64;
		pid_t *pids = realloc(children->pids, room * sizeof(*pids));

		if (!pids)
			return -ENOMEM;
		children->pids = pids;
		children->room = room;
	}
	children->pids[children->count++] = pid;
	return 0;
}

/* Forgets the children that have ended; waits for one when `wait`. */
static void reap(struct children *children, bool wait)
{
	pid_t pid;

	while (children->count && (pid = waitpid(-1, NULL, wait ? 0 : WNOHANG)) != 0) {
		if (pid < 0 && errno != EINTR)
			return;
		for (size_t i = 0; pid > 0 && i < children->count; i++)
			if (children->pids[i] == pid)
				children->pids[i] = children->pids[--children->count];
		if (wait)
			return;
	}
}

/* Asks all to end, which they do when what was sent to them is answered, and waits for that. */
static void end_children(struct children *children)
{
	for (size_t i = 0; i < children->count; i++)
		kill(children->pids[i], SIGTERM);
	while (children->count)
		reap(children, true);
	free(children->pids);
}

/* A child that outlives its parent would keep the port. */
static pid_t fork_child(void)
{
	pid_t parent = getpid(), pid = fork();

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		if (getppid() != parent)
			_exit(0);
	}
	return pid;
}

static int fork_after_accept(struct server *server, struct children *children)
{
	struct sockaddr_storage peer;
	int fd = server_accept(server, &peer, 0), error = 0;
	pid_t pid;

	if (fd < 0)
		return fd;
	pid = fork_child();
	if (!pid) {
		server_serving = fd;
		if (server_stopping)
			shutdown(fd, SHUT_RD);
		close(server->listener);
		server_talk(server, fd, &peer, "pid", getpid());
		_exit(0);
	}
	if (pid < 0) {
		/* No process for it: the client sees its connection closed, the others go on. */
		__atomic_fetch_add(&server->totals->broken, 1, __ATOMIC_RELAXED);
	} else {
		error = remember(children, pid);
	}
	close(fd);
	return error;
}

/* The paper's way: the parent only waits for a connection, the child accepts it. Until the child
 * has done so the connection is still in the queue, and a second look would find it again: so the
 * parent waits for the child's word. */
static int fork_before_accept(struct server *server, struct children *children)
{
	struct pollfd ready = {.fd = server->listener, .events = POLLIN};
	int word[2], error = 0;
	ssize_t got;
	pid_t pid;
	char byte;

	if (poll(&ready, 1, -1) < 0)
		return server_stopping ? -ECANCELED : -errno;
	if (server_stopping)
		return -ECANCELED;
	if (pipe(word))
		return -errno;
	pid = fork_child();
	if (!pid) {
		struct sockaddr_storage peer;
		int fd;

		close(word[0]);
		do
			fd = server_accept(server, &peer, 0);
		while (fd == -EINTR);
		close(word[1]);
		if (fd < 0)
			_exit(0);
		server_serving = fd;
		if (server_stopping)
			shutdown(fd, SHUT_RD);
		close(server->listener);
		server_talk(server, fd, &peer, "pid", getpid());
		_exit(0);
	}
	close(word[1]);
	if (pid < 0) {
		error = -errno;
	} else {
		error = remember(children, pid);
		/* The end of the pipe is the word: it comes too if the child dies first. */
		do
			got = read(word[0], &byte, 1);
		while (got < 0 && errno == EINTR && !server_stopping);
	}
	close(word[0]);
	return error;
}

int model_fork(struct server *server)
{
	struct children children = {0};
	int error;

	do {
		error = server->child_accepts ? fork_before_accept(server, &children)
					      : fork_after_accept(server, &children);
		reap(&children, false);
	} while (!error || error == -EINTR || error == -EAGAIN);
	end_children(&children);
	return error == -ECANCELED ? 0 : error;
}

int model_prefork(struct server *server)
{
	struct children children = {0};
	sigset_t ours, before;
	int error = 0;

	/* Signals come only while we wait for one: none is lost between a look and the waiting. */
	sigemptyset(&ours);
	sigaddset(&ours, SIGINT);
	sigaddset(&ours, SIGTERM);
	sigaddset(&ours, SIGCHLD);
	sigprocmask(SIG_BLOCK, &ours, &before);
	while (!server_stopping && !error) {
		reap(&children, false);
		/* One that has died is replaced. */
		while (children.count < server->options->workers && !error) {
			pid_t pid = fork_child();

			if (!pid) {
				sigprocmask(SIG_SETMASK, &before, NULL);
				_exit(model_iterative(server) ? 1 : 0);
			}
			error = pid < 0 ? -errno : remember(&children, pid);
		}
		if (!error)
			sigsuspend(&before);
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	end_children(&children);
	return error;
}
