/* The models made of threads: one for each connection, and a pool that takes turns. */
#include "echo/server.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { STACK_BYTES = 128 * 1024 };

struct guest {
	struct server *server;
	struct crowd *crowd;
	struct guest *next, **back; /* in the crowd */
	int fd;			    /* -1: this thread is to accept one itself */
	struct sockaddr_storage peer;
	struct session session; /* pool */
	sem_t *accepted;
};

/* All guests there are: at the end each must be told. */
struct crowd {
	pthread_mutex_t lock;
	pthread_cond_t left;
	struct guest *first;
	size_t count;
};

static void enter(struct crowd *crowd, struct guest *guest)
{
	pthread_mutex_lock(&crowd->lock);
	guest->crowd = crowd;
	guest->next = crowd->first;
	guest->back = &crowd->first;
	if (guest->next)
		guest->next->back = &guest->next;
	crowd->first = guest;
	crowd->count++;
	if (server_stopping && guest->fd >= 0)
		shutdown(guest->fd, SHUT_RD);
	pthread_mutex_unlock(&crowd->lock);
}

/* Before the descriptor is closed, which gives its number to the next connection. */
static void leave(struct guest *guest)
{
	struct crowd *crowd = guest->crowd;

	pthread_mutex_lock(&crowd->lock);
	*guest->back = guest->next;
	if (guest->next)
		guest->next->back = guest->back;
	crowd->count--;
	pthread_cond_broadcast(&crowd->left);
	pthread_mutex_unlock(&crowd->lock);
}

static void send_all_home(struct crowd *crowd)
{
	pthread_mutex_lock(&crowd->lock);
	for (struct guest *guest = crowd->first; guest; guest = guest->next)
		if (guest->fd >= 0)
			shutdown(guest->fd, SHUT_RD);
	while (crowd->count)
		pthread_cond_wait(&crowd->left, &crowd->lock);
	pthread_mutex_unlock(&crowd->lock);
}

static struct guest *new_guest(struct server *server, struct crowd *crowd, int fd)
{
	struct guest *guest = calloc(1, sizeof(*guest));

	if (!guest)
		return NULL;
	guest->server = server;
	guest->fd = fd;
	enter(crowd, guest);
	return guest;
}

static void *serve_guest(void *argument)
{
	struct guest *guest = argument;
	int fd = guest->fd;

	if (fd < 0) {
		do
			fd = server_accept(guest->server, &guest->peer, 0);
		while (fd == -EINTR);
		sem_post(guest->accepted);
		pthread_mutex_lock(&guest->crowd->lock);
		guest->fd = fd;
		if (fd >= 0 && server_stopping)
			shutdown(fd, SHUT_RD);
		pthread_mutex_unlock(&guest->crowd->lock);
	}
	if (fd >= 0)
		server_talk(guest->server, fd, &guest->peer, "thread", (long)gettid());
	leave(guest);
	if (fd >= 0)
		close(fd);
	free(guest);
	return NULL;
}

/* One connection: accepted here, or by its thread for whose word we wait. */
static int receive_guest(struct server *server, struct crowd *crowd, const pthread_attr_t *small,
			 sem_t *accepted)
{
	struct sockaddr_storage peer;
	struct guest *guest;
	pthread_t thread;
	int fd = -1;

	if (server->child_accepts) {
		struct pollfd ready = {.fd = server->listener, .events = POLLIN};

		if (poll(&ready, 1, -1) < 0)
			return server_stopping ? -ECANCELED : -errno;
		if (server_stopping)
			return -ECANCELED;
	} else {
		fd = server_accept(server, &peer, 0);
		if (fd < 0)
			return fd;
	}
	guest = new_guest(server, crowd, fd);
	if (!guest) {
		close(fd);
		return -ENOMEM;
	}
	guest->peer = peer;
	guest->accepted = accepted;
	if (pthread_create(&thread, small, serve_guest, guest)) {
		/* No thread for it: this client is turned away, the others go on. */
		__atomic_fetch_add(&server->totals->broken, 1, __ATOMIC_RELAXED);
		leave(guest);
		if (fd >= 0)
			close(fd);
		else
			usleep(10000);
		free(guest);
		return 0;
	}
	while (server->child_accepts && sem_wait(accepted) && errno == EINTR)
		continue;
	return 0;
}

int model_thread(struct server *server)
{
	struct crowd crowd = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, NULL, 0};
	pthread_attr_t small;
	sem_t accepted;
	int error;

	sem_init(&accepted, 0, 0);
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, STACK_BYTES);
	pthread_attr_setdetachstate(&small, PTHREAD_CREATE_DETACHED);
	do
		error = receive_guest(server, &crowd, &small, &accepted);
	while (!error || error == -EINTR || error == -EAGAIN);
	send_all_home(&crowd);
	pthread_attr_destroy(&small);
	return error == -ECANCELED ? 0 : error;
}

/* The pool: all connections in one epoll set, each armed for one event, so that one thread at a
 * time has it; a thread reads what is there, answers, and arms it again. */
struct pool {
	struct server *server;
	struct crowd crowd;
	int events, end;
};

static void dismiss(struct guest *guest, bool broken)
{
	int fd = guest->fd;

	server_account(guest->server, &guest->session, broken);
	session_release(&guest->session);
	leave(guest);
	close(fd);
	free(guest);
}

/* Returns false when the guest is gone. */
static bool serve_turn(struct guest *guest, struct buffer *out)
{
	char bytes[16384];
	ssize_t got = read(guest->fd, bytes, sizeof(bytes));
	struct session *session = &guest->session;

	if (got < 0 && (errno == EINTR || errno == EAGAIN))
		return true;
	if (got < 0) {
		dismiss(guest, true);
		return false;
	}
	if (session->closing) {
		if (!session_discard(session, (size_t)got))
			return true;
		dismiss(guest, false);
		return false;
	}
	if (got)
		session_take(session, bytes, (size_t)got, out);
	else
		session_end(session, out);
	server_say(guest->server, out->data, out->length);
	for (size_t at = 0; at < out->length;) {
		ssize_t put = send(guest->fd, out->data + at, out->length - at, MSG_NOSIGNAL);

		if (put < 0 && errno != EINTR) {
			dismiss(guest, true);
			return false;
		}
		at += put > 0 ? (size_t)put : 0;
	}
	if (session->overlong && got) {
		shutdown(guest->fd, SHUT_WR);
		return true;
	}
	if (session->closing) {
		dismiss(guest, false);
		return false;
	}
	return true;
}

static void *take_turns(void *argument)
{
	struct pool *pool = argument;
	struct buffer out = BUFFER_EMPTY;
	struct epoll_event event;

	for (;;) {
		struct guest *guest;

		if (epoll_wait(pool->events, &event, 1, -1) < 0)
			continue;
		guest = event.data.ptr;
		if (!guest)
			break;
		if (serve_turn(guest, &out)) {
			event.events = EPOLLIN | EPOLLONESHOT;
			epoll_ctl(pool->events, EPOLL_CTL_MOD, guest->fd, &event);
		}
		buffer_clear(&out);
	}
	buffer_release(&out);
	return NULL;
}

static int admit(struct pool *pool)
{
	struct sockaddr_storage peer;
	struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT};
	int fd = server_accept(pool->server, &peer, 0);
	struct guest *guest;

	if (fd < 0)
		return fd;
	guest = new_guest(pool->server, &pool->crowd, fd);
	if (!guest) {
		close(fd);
		return -ENOMEM;
	}
	session_init(&guest->session, &peer, pool->server->options->close_after);
	server_say_connected(pool->server, &guest->session, "pid", getpid());
	event.data.ptr = guest;
	if (epoll_ctl(pool->events, EPOLL_CTL_ADD, fd, &event))
		dismiss(guest, true);
	return 0;
}

int model_pool(struct server *server)
{
	struct pool pool = {
		.server = server,
		.crowd = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, NULL, 0},
		.events = epoll_create1(EPOLL_CLOEXEC),
		.end = eventfd(0, EFD_CLOEXEC),
	};
	struct epoll_event end = {.events = EPOLLIN};
	unsigned int count = (unsigned int)server->options->workers, started = 0;
	pthread_t *threads = calloc(count, sizeof(*threads));
	int error = 0;

	if (pool.events < 0 || pool.end < 0 || !threads)
		error = -ENOMEM;
	if (!error && epoll_ctl(pool.events, EPOLL_CTL_ADD, pool.end, &end))
		error = -errno;
	while (!error && started < count) {
		error = -pthread_create(&threads[started], NULL, take_turns, &pool);
		started += !error;
	}
	while (!error || error == -EINTR)
		error = admit(&pool);
	if (started)
		send_all_home(&pool.crowd);
	/* Level-triggered and never read: every thread sees it. */
	if (pool.end >= 0 && write(pool.end, &(uint64_t){1}, 8) < 0)
		error = -errno;
	for (unsigned int i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
	free(threads);
	close(pool.events);
	close(pool.end);
	return error == -ECANCELED ? 0 : error;
}
