#include "load/slot.h"

#include "base/clock.h"
#include "load/content.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
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

/* Keeps the first few errors in words: what was asked, and what came of it. */
static void keep_example(const struct slot *slot, const struct target *target,
			 enum load_error error)
{
	struct tally *tally = slot->engine->tally;
	int length;

	if (tally->example_count == EXAMPLES_MOST)
		return;
	length = snprintf(tally->examples[tally->example_count], sizeof(tally->examples[0]),
			  "%s: %.100s", load_error_names[error], target->path);
	if (slot->begun)
		snprintf(tally->examples[tally->example_count] + length,
			 sizeof(tally->examples[0]) - (size_t)length, ": status %u, %llu bytes",
			 slot->parser.status_code, (unsigned long long)slot->body);
	tally->example_count++;
}

static void count_error(struct slot *slot, const struct pending *pending, enum load_error error)
{
	struct engine *engine = slot->engine;
	struct tally *tally = engine->tally;

	keep_example(slot, pending->request.target, error);

	tally->errors++;
	tally->by_error[error]++;
	if (!engine->options->size_classes)
		tally->classes[pending->request.target->class_index].errors++;
	engine->outstanding--;
	if (engine->source->finished)
		engine->source->finished(engine->source, &pending->request, engine->now, false);
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
		count_error(slot, &slot->pending[i], error);
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

/* Counts the answer that is wholly in and takes it off the pending. */
static void answered(struct slot *slot, unsigned int status)
{
	struct engine *engine = slot->engine;
	struct tally *tally = engine->tally;
	struct pending pending = slot->pending[0];
	const struct target *target = pending.request.target;
	uint64_t from = pending.request.due ? pending.request.due : pending.sent;
	uint64_t latency = engine->now - from;
	struct class_tally *class;
	bool wrong_status;
	int node = -1;

	slot->pending_count--;
	memmove(slot->pending, slot->pending + 1, slot->pending_count * sizeof(*slot->pending));
	slot->answered++;
	if (status < STATUS_MOST)
		tally->by_status[status]++;
	while (slot->node_length && strchr(" \t", slot->node_text[slot->node_length - 1]))
		slot->node_length--;
	if (slot->node_length)
		node = (int)tally_node(tally, slot->node_text, slot->node_length);
	wrong_status = !target->status	       ? status >= 400
		       : target->status == 400 ? status < 300
					       : status != target->status;
	if (wrong_status) {
		count_error(slot, &pending, LOAD_ERROR_STATUS);
	} else if (target->length != LENGTH_ANY && !target->head &&
		   slot->body != (uint64_t)target->length) {
		count_error(slot, &pending, LOAD_ERROR_LENGTH);
	} else if (slot->wrong) {
		count_error(slot, &pending, LOAD_ERROR_CHECKSUM);
	} else {
		tally->requests++;
		tally->bytes += slot->body;
		tally->verified += target->verified && !target->head && status == 200;
		histogram_add(tally->latency, latency);
		histogram_add(engine->interval_latency, latency);
		histogram_add(tally->first_byte, slot->first_byte - from);
		class = &tally->classes[engine->options->size_classes ? tally_size_class(slot->body)
								      : target->class_index];
		class->requests++;
		class->bytes += slot->body;
		histogram_add(class->latency, latency);
		if (node >= 0) {
			tally->nodes[node].requests++;
			if (slot->node >= 0)
				histogram_add(node == slot->node ? tally->stayed : tally->switched,
					      latency);
		}
		engine->outstanding--;
		if (engine->source->finished)
			engine->source->finished(engine->source, &pending.request, engine->now,
						 true);
	}
	slot->node = node;
	slot->begun = false;
}

static int on_begin(llhttp_t *parser)
{
	struct slot *slot = parser->data;

	/* Nobody asked. */
	if (!slot->pending_count)
		return -1;
	slot->begun = true;
	slot->wrong = slot->in_node = false;
	slot->body = 0;
	slot->match = slot->node_length = 0;
	slot->first_byte = slot->engine->now;
	return 0;
}

static int on_field(llhttp_t *parser, const char *at, size_t length)
{
	struct slot *slot = parser->data;
	const struct engine *engine = slot->engine;

	/* Pieces of a name are compared as they come; UINT32_MAX / 2 never grows back to a match.
	 */
	if (slot->match + length <= engine->node_header_length &&
	    !strncasecmp(at, engine->options->node_header + slot->match, length))
		slot->match += (uint32_t)length;
	else
		slot->match = UINT32_MAX / 2;
	return 0;
}

static int on_field_complete(llhttp_t *parser)
{
	struct slot *slot = parser->data;

	slot->in_node = slot->match == slot->engine->node_header_length;
	slot->match = 0;
	return 0;
}

static int on_value(llhttp_t *parser, const char *at, size_t length)
{
	struct slot *slot = parser->data;

	if (!slot->in_node)
		return 0;
	if (length > sizeof(slot->node_text) - 1 - slot->node_length)
		length = sizeof(slot->node_text) - 1 - slot->node_length;
	memcpy(slot->node_text + slot->node_length, at, length);
	slot->node_length += (uint32_t)length;
	return 0;
}

static int on_headers(llhttp_t *parser)
{
	struct slot *slot = parser->data;

	return slot->pending[0].request.target->head ? 1 : 0;
}

static int on_body(llhttp_t *parser, const char *at, size_t length)
{
	struct slot *slot = parser->data;
	const struct target *target = slot->pending[0].request.target;

	if (target->verified && parser->status_code == 200 && !slot->wrong)
		slot->wrong = !content_matches(target->seed, slot->body, at, length);
	slot->body += length;
	return 0;
}

static int on_message(llhttp_t *parser)
{
	struct slot *slot = parser->data;

	if (parser->status_code < 200 && parser->status_code != 101) {
		slot->begun = false;
		return 0;
	}
	if (!llhttp_should_keep_alive(parser))
		slot->parting = true;
	answered(slot, parser->status_code);
	return 0;
}

void slot_prepare(struct engine *engine)
{
	llhttp_settings_init(&engine->parsing);
	engine->parsing.on_message_begin = on_begin;
	engine->parsing.on_header_field = on_field;
	engine->parsing.on_header_field_complete = on_field_complete;
	engine->parsing.on_header_value = on_value;
	engine->parsing.on_headers_complete = on_headers;
	engine->parsing.on_body = on_body;
	engine->parsing.on_message_complete = on_message;
	engine->node_header_length = strlen(engine->options->node_header);
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
