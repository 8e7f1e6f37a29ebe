#include "load/slot.h"

#include "base/clock.h"
#include "load/answer.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* Reads in a row from one connection before the others have their turn. */
enum { READS_MOST = 16 };

static enum load_error error_of(int error)
{
	switch (error) {
	case ECONNREFUSED:
		return LOAD_ERROR_REFUSED;
	case ECONNRESET:
	case EPIPE:
	case ECONNABORTED:
		return LOAD_ERROR_RESET;
	case ETIMEDOUT:
		return LOAD_ERROR_TIMEOUT;
	case ENETUNREACH:
	case EHOSTUNREACH:
	case EHOSTDOWN:
	case ENETDOWN:
		return LOAD_ERROR_UNREACHABLE;
	default:
		return LOAD_ERROR_LOCAL;
	}
}

void slot_close(struct slot *slot)
{
	if (slot->ssl) {
		/* Without this OpenSSL takes the session for a broken one that can't be resumed. */
		SSL_set_shutdown(slot->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
		SSL_free(slot->ssl);
		slot->ssl = NULL;
		ERR_clear_error();
	}
	if (slot->fd >= 0)
		close(slot->fd);
	slot->fd = -1;
	slot->state = SLOT_CLOSED;
	slot->generation++;
	slot->asked = slot->answered = 0;
	slot->node = -1;
	slot->last = slot->parting = slot->begun = false;
	buffer_clear(&slot->out);
}

void slot_fail(struct slot *slot, enum load_error error)
{
	struct engine *engine = slot->engine;
	bool connecting = slot->state == SLOT_CONNECTING || slot->state == SLOT_HANDSHAKE ||
			  slot->state == SLOT_CLOSED;
	uint32_t count = slot->pending_count;

	slot->pending_count = 0;
	/* Bytes that nobody asked for are wrong ones too. */
	if (!count && error == LOAD_ERROR_PROTOCOL) {
		engine->tally->errors++;
		engine->tally->by_error[error]++;
	}
	for (uint32_t i = 0; i < count; i++)
		answer_failed(slot, &slot->pending[i], error);
	slot_close(slot);
	if (connecting)
		engine_slot_rest(engine, slot);
	else
		engine_slot_free(engine, slot);
}

/* The server closed the connection although something is pending on it: sent again over a new one
 * where the server can't have begun with it (RFC 9112, 9.3.1 and 9.3.2), else an error. */
static void parted(struct slot *slot, enum load_error error)
{
	if (!slot->pending_count) {
		if (error == LOAD_ERROR_RESET)
			slot->engine->tally->idle_resets++;
		slot_close(slot);
		engine_slot_free(slot->engine, slot);
	} else if (slot->answered && !slot->begun && error == LOAD_ERROR_SHORT) {
		slot->engine->tally->retried += slot->pending_count;
		slot_close(slot);
		slot_go(slot);
	} else {
		slot_fail(slot, error);
	}
}

/* Writes as much of `bytes` as the socket takes. Returns how much, or -errno. */
static ssize_t put(struct slot *slot, const char *bytes, size_t length)
{
	ssize_t written;
	int reason;

	if (!slot->ssl) {
		written = send(slot->fd, bytes, length, MSG_NOSIGNAL);
		return written >= 0 ? written : errno == EAGAIN ? 0 : -errno;
	}
	errno = 0;
	written = SSL_write(slot->ssl, bytes, (int)length);
	if (written > 0)
		return written;
	reason = SSL_get_error(slot->ssl, (int)written);
	if (reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE)
		return 0;
	ERR_clear_error();
	return errno ? -errno : -EPROTO;
}

/* The write side is shut: a server that closed an idle connection shows it here as EPIPE. Reading
 * says which way it ended, so the error is left to that. */
static void write_failed(struct slot *slot, int error)
{
	if (error == EPIPE || error == ECONNRESET)
		parted(slot, error == EPIPE ? LOAD_ERROR_SHORT : LOAD_ERROR_RESET);
	else
		slot_fail(slot, error == EPROTO ? LOAD_ERROR_TLS : error_of(error));
}

static void flush(struct slot *slot)
{
	ssize_t written = put(slot, slot->out.data, slot->out.length);

	if (written < 0)
		write_failed(slot, (int)-written);
	else
		buffer_consume(&slot->out, (size_t)written);
}

/* Sends all of the pending that was not sent over this connection. */
static void send_pending(struct slot *slot)
{
	struct engine *engine = slot->engine;
	const char *bytes = NULL;
	size_t length = 0;
	ssize_t written;

	for (uint32_t i = 0; i < slot->pending_count; i++) {
		struct pending *pending = &slot->pending[i];
		const struct target *target = pending->request.target;
		bool last;

		slot->asked++;
		last = pending->request.last || (engine->options->per_connection &&
						 slot->asked == engine->options->per_connection);
		slot->last |= last;
		if (!pending->sent) {
			pending->sent = engine->now;
			if (pending->request.due && engine->now > pending->request.due)
				histogram_add(engine->tally->late,
					      engine->now - pending->request.due);
		}
		if (slot->pending_count == 1) {
			bytes = last ? target->close : target->keep;
			length = last ? target->close_length : target->keep_length;
			break;
		}
		if (!i)
			buffer_clear(&engine->write_buffer);
		buffer_add(&engine->write_buffer, last ? target->close : target->keep,
			   last ? target->close_length : target->keep_length);
		bytes = engine->write_buffer.data;
		length = engine->write_buffer.length;
	}
	if (!length)
		return;
	written = put(slot, bytes, length);
	if (written < 0)
		write_failed(slot, (int)-written);
	else if ((size_t)written < length)
		buffer_add(&slot->out, bytes + written, length - (size_t)written);
}

static void opened(struct slot *slot)
{
	struct engine *engine = slot->engine;

	histogram_add(engine->tally->connect, engine->now - slot->began);
	engine->tally->connects++;
	if (slot->ssl && SSL_session_reused(slot->ssl))
		engine->tally->resumed++;
	slot->state = SLOT_OPEN;
	llhttp_init(&slot->parser, HTTP_RESPONSE, &engine->parsing);
	slot->parser.data = slot;
	send_pending(slot);
}

static void handshake(struct slot *slot)
{
	int result, reason;

	errno = 0;
	result = SSL_connect(slot->ssl);
	if (result == 1) {
		opened(slot);
		return;
	}
	reason = SSL_get_error(slot->ssl, result);
	if (reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE)
		return;
	ERR_clear_error();
	slot_fail(slot, reason == SSL_ERROR_SYSCALL && errno ? error_of(errno) : LOAD_ERROR_TLS);
}

static void begin_tls(struct slot *slot)
{
	struct engine *engine = slot->engine;
	const char *name = engine->options->server_name;

	slot->state = SLOT_HANDSHAKE;
	if (!name)
		name = engine->options->url->host;
	slot->ssl = SSL_new(engine->tls);
	if (!slot->ssl || !SSL_set_fd(slot->ssl, slot->fd) ||
	    !SSL_set_tlsext_host_name(slot->ssl, name) || !SSL_set1_host(slot->ssl, name)) {
		slot_fail(slot, LOAD_ERROR_LOCAL);
		return;
	}
	if (engine->session)
		SSL_set_session(slot->ssl, engine->session);
	handshake(slot);
}

static void slot_open(struct slot *slot)
{
	struct engine *engine = slot->engine;
	const struct engine_options *options = engine->options;
	const struct sockaddr *address = (const struct sockaddr *)&slot->address;
	struct epoll_event event = {
		.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
		.data.u64 = (uint64_t)slot->generation << 32 | slot->number,
	};
	int yes = 1;

	slot->began = engine->now;
	slot->fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (slot->fd < 0)
		goto failed;
	setsockopt(slot->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	if (options->source_count) {
		const struct sockaddr_storage *from =
			&options->sources[slot->number % options->source_count];

		/* The port is chosen with the peer known, so it need not be free for all peers. */
		setsockopt(slot->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof(yes));
		if (bind(slot->fd, (const struct sockaddr *)from, sizeof(*from)))
			goto failed;
	}
	if (connect(slot->fd, address, slot->address_length) && errno != EINPROGRESS)
		goto failed;
	if (epoll_ctl(engine->poll, EPOLL_CTL_ADD, slot->fd, &event))
		goto failed;
	slot->state = SLOT_CONNECTING;
	return;
failed:
	slot_fail(slot, error_of(errno));
}

void slot_go(struct slot *slot)
{
	if (slot->state == SLOT_OPEN)
		send_pending(slot);
	else if (slot->state == SLOT_CLOSED)
		slot_open(slot);
}

/* The server sent all it will. */
static void ended(struct slot *slot)
{
	/* A body without a length ends here, and is in then. */
	if (slot->begun)
		llhttp_finish(&slot->parser);
	parted(slot, LOAD_ERROR_SHORT);
}

/* Takes what is there. Returns bytes, 0 at the end, -EAGAIN, or -errno. */
static ssize_t take(struct slot *slot)
{
	ssize_t length;
	int reason;

	if (!slot->ssl) {
		length = recv(slot->fd, slot->engine->read_buffer, READ_ROOM, 0);
		return length < 0 ? -errno : length;
	}
	errno = 0;
	length = SSL_read(slot->ssl, slot->engine->read_buffer, READ_ROOM);
	if (length > 0)
		return length;
	reason = SSL_get_error(slot->ssl, (int)length);
	if (reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE)
		return -EAGAIN;
	ERR_clear_error();
	/* Servers often close without TLS's own goodbye; the framing says if something is missing.
	 */
	if (reason == SSL_ERROR_ZERO_RETURN || !errno)
		return 0;
	return -errno;
}

/* Takes in and reads what came. The slot may have a new connection afterwards. */
static void readable(struct slot *slot, bool to_end)
{
	struct engine *engine = slot->engine;
	uint32_t generation = slot->generation;
	ssize_t length;
	llhttp_errno_t result;

	for (int i = 0;; i++) {
		length = take(slot);
		if (length == -EAGAIN)
			return;
		engine->now = clock_now();
		if (!length) {
			ended(slot);
			return;
		}
		if (length < 0) {
			parted(slot, length == -EPIPE ? LOAD_ERROR_SHORT : error_of((int)-length));
			return;
		}
		engine->tally->received += (uint64_t)length;
		result = llhttp_execute(&slot->parser, engine->read_buffer, (size_t)length);
		if (result != HPE_OK &&
		    !(result == HPE_CLOSED_CONNECTION && slot->parting && !slot->pending_count)) {
			slot_fail(slot, LOAD_ERROR_PROTOCOL);
			return;
		}
		if (!slot->pending_count && slot->state == SLOT_OPEN) {
			if (slot->parting || slot->last) {
				slot->state = SLOT_ENDING;
				slot->began = engine->now;
			} else {
				engine_slot_free(engine, slot);
			}
		} else if (slot->parting && slot->pending_count && !slot->begun) {
			parted(slot, LOAD_ERROR_SHORT);
		}
		if (slot->generation != generation)
			return;
		/* A short read emptied the socket; another event tells of more. */
		if (!slot->ssl && length < READ_ROOM && !to_end)
			return;
		if (i == READS_MOST) {
			struct epoll_event event = {
				.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
				.data.u64 = (uint64_t)generation << 32 | slot->number,
			};

			epoll_ctl(engine->poll, EPOLL_CTL_MOD, slot->fd, &event);
			return;
		}
	}
}

static void connected(struct slot *slot)
{
	socklen_t length = sizeof(int);
	int error = 0;

	getsockopt(slot->fd, SOL_SOCKET, SO_ERROR, &error, &length);
	if (error)
		slot_fail(slot, error_of(error));
	else if (slot->engine->tls)
		begin_tls(slot);
	else
		opened(slot);
}

void slot_event(struct slot *slot, uint32_t events)
{
	uint32_t generation = slot->generation;

	switch (slot->state) {
	case SLOT_CONNECTING:
		connected(slot);
		return;
	case SLOT_HANDSHAKE:
		handshake(slot);
		/* What came with the end of the handshake gives no further event. */
		if (slot->state != SLOT_OPEN || slot->generation != generation)
			return;
		break;
	case SLOT_OPEN:
	case SLOT_ENDING:
		break;
	default:
		return;
	}
	if (events & EPOLLOUT && slot->out.length) {
		flush(slot);
		if (slot->generation != generation)
			return;
	}
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR) || slot->ssl)
		readable(slot, events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR));
}
