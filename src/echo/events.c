/* The models of one process that waits for events: epoll (readiness), io_uring (completion). */
#include "echo/server.h"

#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

enum {
	EVENTS_AT_ONCE = 256,
	RING_ENTRIES = 1024,
	PENDING_MOST = 64 * 1024, /* replies not sent yet; no more is read before they are */
	READ_BYTES = 8192,
};

struct guest {
	struct session session;
	struct guest *next, **back;
	struct buffer out;
	size_t sent;
	int fd;
	bool ended; /* the client won't send any more */
	bool broken;
	bool waiting; /* epoll: for room to write */
	bool closing_write;
	char *bytes; /* io_uring: where it reads into */
};

struct hall {
	struct server *server;
	struct guest *first;
	size_t count;
	int events;
	struct io_uring ring;
};

static struct guest *enter(struct hall *hall, int fd, const struct sockaddr_storage *peer)
{
	struct guest *guest = calloc(1, sizeof(*guest));

	if (!guest)
		return NULL;
	guest->fd = fd;
	session_init(&guest->session, peer, hall->server->options->close_after);
	server_say_connected(hall->server, &guest->session, "pid", getpid());
	guest->next = hall->first;
	guest->back = &hall->first;
	if (guest->next)
		guest->next->back = &guest->next;
	hall->first = guest;
	hall->count++;
	if (server_stopping)
		shutdown(fd, SHUT_RD);
	return guest;
}

static void leave(struct hall *hall, struct guest *guest)
{
	*guest->back = guest->next;
	if (guest->next)
		guest->next->back = guest->back;
	hall->count--;
	close(guest->fd);
	server_account(hall->server, &guest->session, guest->broken);
	session_release(&guest->session);
	buffer_release(&guest->out);
	free(guest->bytes);
	free(guest);
}

/* At the end: every client has said its last; what it said is still answered. */
static void send_all_home(struct hall *hall)
{
	for (struct guest *guest = hall->first; guest; guest = guest->next)
		shutdown(guest->fd, SHUT_RD);
}

/* What came from read: `got` bytes, 0 at the end, negative for an error. */
static void take(struct hall *hall, struct guest *guest, const char *bytes, ssize_t got)
{
	struct session *session = &guest->session;
	size_t before = guest->out.length;

	if (got < 0) {
		guest->broken = guest->ended = true;
		return;
	}
	if (session->closing) {
		guest->ended = session_discard(session, (size_t)got);
		return;
	}
	if (got) {
		session_take(session, bytes, (size_t)got, &guest->out);
		guest->ended = session->closing && !session->overlong;
	} else {
		session_end(session, &guest->out);
		guest->ended = true;
	}
	if (guest->out.length > before)
		server_say(hall->server, guest->out.data + before, guest->out.length - before);
}

static bool all_sent(const struct guest *guest)
{
	return guest->sent == guest->out.length;
}

/* After `put` bytes went out. */
static void account_sent(struct guest *guest, size_t put)
{
	guest->sent += put;
	if (!all_sent(guest))
		return;
	buffer_clear(&guest->out);
	guest->sent = 0;
	if (guest->session.overlong && !guest->ended && !guest->closing_write) {
		shutdown(guest->fd, SHUT_WR);
		guest->closing_write = true;
	}
}

static void arm(struct hall *hall, struct guest *guest, int operation)
{
	struct epoll_event event = {.data.ptr = guest};

	/* With replies pending nothing more is read: a client that doesn't take them can't make us
	 * keep more than PENDING_MOST. */
	guest->waiting = !all_sent(guest);
	event.events = guest->waiting ? EPOLLOUT : EPOLLIN;
	if (guest->waiting && guest->out.length - guest->sent < PENDING_MOST && !guest->ended)
		event.events |= EPOLLIN;
	epoll_ctl(hall->events, operation, guest->fd, &event);
}

static void serve_ready(struct hall *hall, struct guest *guest, uint32_t ready)
{
	bool waited = guest->waiting;
	char bytes[READ_BYTES];
	ssize_t done;

	if (ready & (EPOLLIN | EPOLLHUP | EPOLLERR) && !guest->ended) {
		done = read(guest->fd, bytes, sizeof(bytes));
		if (done >= 0 || (errno != EAGAIN && errno != EINTR))
			take(hall, guest, bytes, done);
	}
	if (!guest->broken && !all_sent(guest)) {
		done = send(guest->fd, guest->out.data + guest->sent,
			    guest->out.length - guest->sent, MSG_NOSIGNAL);
		if (done >= 0)
			account_sent(guest, (size_t)done);
		else if (errno != EAGAIN && errno != EINTR)
			guest->broken = true;
	}
	if (guest->broken || (guest->ended && all_sent(guest)))
		leave(hall, guest);
	else if (waited || !all_sent(guest))
		arm(hall, guest, EPOLL_CTL_MOD);
}

/* Takes in everybody who waits at the door. Returns 0 or -errno. */
static int admit_all(struct hall *hall)
{
	for (;;) {
		struct sockaddr_storage peer;
		int fd = server_accept(hall->server, &peer, SOCK_NONBLOCK);
		struct guest *guest;

		if (fd == -EAGAIN || fd == -EINTR)
			return 0;
		if (fd < 0)
			return fd;
		guest = enter(hall, fd, &peer);
		if (!guest) {
			close(fd);
			return -ENOMEM;
		}
		arm(hall, guest, EPOLL_CTL_ADD);
	}
}

int model_epoll(struct server *server)
{
	struct hall hall = {.server = server, .events = epoll_create1(EPOLL_CLOEXEC)};
	struct epoll_event ready[EVENTS_AT_ONCE], door = {.events = EPOLLIN};
	int error = hall.events < 0 ? -errno : 0;
	bool told = false;

	if (!error && epoll_ctl(hall.events, EPOLL_CTL_ADD, server->listener, &door))
		error = -errno;
	while ((!error || error == -ECANCELED) && !(server_stopping && !hall.count)) {
		int count;

		if (server_stopping && !told) {
			epoll_ctl(hall.events, EPOLL_CTL_DEL, server->listener, NULL);
			send_all_home(&hall);
			told = true;
			continue;
		}
		count = epoll_wait(hall.events, ready, EVENTS_AT_ONCE, -1);
		for (int i = 0; i < count; i++) {
			if (!ready[i].data.ptr)
				error = admit_all(&hall);
			else
				serve_ready(&hall, ready[i].data.ptr, ready[i].events);
		}
	}
	close(hall.events);
	return error == -ECANCELED ? 0 : error;
}

/* io_uring: each connection has one read or one write under way; one accept stands all the time. */

/* An entry of the submission queue; the queue is handed over when it is full. */
static struct io_uring_sqe *entry(struct hall *hall)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&hall->ring);

	if (!sqe) {
		io_uring_submit(&hall->ring);
		sqe = io_uring_get_sqe(&hall->ring);
	}
	return sqe;
}

static void stand_at_door(struct hall *hall)
{
	struct io_uring_sqe *sqe = entry(hall);

	io_uring_prep_multishot_accept(sqe, hall->server->listener, NULL, NULL, SOCK_CLOEXEC);
	io_uring_sqe_set_data(sqe, NULL);
}

/* What comes next for this guest: a write if there is something to say, else a read, else goodbye.
 */
static void go_on(struct hall *hall, struct guest *guest)
{
	struct io_uring_sqe *sqe;

	if (guest->broken || (guest->ended && all_sent(guest))) {
		leave(hall, guest);
		return;
	}
	sqe = entry(hall);
	guest->waiting = !all_sent(guest);
	if (guest->waiting)
		io_uring_prep_send(sqe, guest->fd, guest->out.data + guest->sent,
				   guest->out.length - guest->sent, MSG_NOSIGNAL);
	else
		io_uring_prep_recv(sqe, guest->fd, guest->bytes, READ_BYTES, 0);
	io_uring_sqe_set_data(sqe, guest);
}

static int welcome(struct hall *hall, int fd)
{
	struct sockaddr_storage peer = {0};
	socklen_t length = sizeof(peer);
	struct guest *guest;

	/* A multishot accept has no room for each client's address. */
	if (getpeername(fd, (struct sockaddr *)&peer, &length)) {
		close(fd); /* gone already */
		return 0;
	}
	guest = enter(hall, fd, &peer);
	if (!guest || !(guest->bytes = malloc(READ_BYTES))) {
		if (guest)
			leave(hall, guest);
		else
			close(fd);
		return -ENOMEM;
	}
	go_on(hall, guest);
	return 0;
}

static int complete(struct hall *hall, const struct io_uring_cqe *cqe)
{
	struct guest *guest = io_uring_cqe_get_data(cqe);

	if (!guest) {
		int error = cqe->res >= 0 ? welcome(hall, cqe->res) : 0;

		if (!(cqe->flags & IORING_CQE_F_MORE) && !server_stopping) {
			/* Out of descriptors or memory for the moment: try again. */
			if (cqe->res == -EMFILE || cqe->res == -ENFILE || cqe->res == -ENOBUFS ||
			    cqe->res == -ENOMEM)
				usleep(10000);
			else if (cqe->res < 0 && cqe->res != -ECONNABORTED && cqe->res != -EINTR)
				return cqe->res;
			stand_at_door(hall);
		}
		return error;
	}
	if (guest->waiting) {
		if (cqe->res < 0 && cqe->res != -EINTR && cqe->res != -EAGAIN)
			guest->broken = true;
		else if (cqe->res > 0)
			account_sent(guest, (size_t)cqe->res);
	} else if (cqe->res != -EINTR && cqe->res != -EAGAIN) {
		take(hall, guest, guest->bytes, cqe->res);
	}
	go_on(hall, guest);
	return 0;
}

int model_uring(struct server *server)
{
	struct hall hall = {.server = server};
	int error = io_uring_queue_init(RING_ENTRIES, &hall.ring, 0);
	bool told = false;

	if (error)
		return error;
	stand_at_door(&hall);
	while (!error && !(server_stopping && !hall.count)) {
		struct io_uring_cqe *cqe;
		unsigned int head, count = 0;

		if (server_stopping && !told) {
			send_all_home(&hall);
			told = true;
		}
		error = io_uring_submit_and_wait(&hall.ring, 1);
		error = error < 0 && error != -EINTR ? error : 0;
		io_uring_for_each_cqe(&hall.ring, head, cqe)
		{
			count++;
			if (!error)
				error = complete(&hall, cqe);
		}
		io_uring_cq_advance(&hall.ring, count);
	}
	io_uring_queue_exit(&hall.ring);
	return error;
}
