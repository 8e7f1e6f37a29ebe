#include "control/channel.h"

#include "base/fail.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum {
	MAC_BYTES = 32,
	NONCE_BYTES = 16,
	HANDSHAKE_MOST = 1024, /* bytes of a line that a stranger may make us keep */
	LINE_MOST = 8 << 20,
	HANDSHAKE_MS = 10000,
	UNSENT_MOST = 64 << 20, /* a peer that reads nothing is let go */
};

enum channel_state {
	CONNECTING, /* node */
	SAYING,	    /* front: awaits the hello; node: awaits the nonce */
	PROVING,    /* awaits the proof */
	READY,
	CLOSED,
};

struct channel {
	union {
		uv_handle_t handle;
		uv_stream_t stream;
		uv_tcp_t tcp;
	} u;
	uv_timer_t timer;
	uv_connect_t connecting;
	struct sockaddr_storage remote;
	unsigned int handles; /* open ones; the last one's end frees the channel */
	enum channel_state state;
	bool is_front;
	char name[CONFIG_NAME];
	char why[128];
	unsigned char nonces[2][NONCE_BYTES]; /* node's, front's */
	unsigned char session[MAC_BYTES];
	uint64_t sent, received;
	struct config_keys keys;
	struct buffer input;
	const struct channel_events *events;
	void *owner;
};

/* ---- MACs ---- */

static void hex(const unsigned char *bytes, size_t length, char *text)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < length; i++) {
		text[2 * i] = digits[bytes[i] >> 4];
		text[2 * i + 1] = digits[bytes[i] & 15];
	}
	text[2 * length] = 0;
}

static bool unhex(const char *text, unsigned char *bytes, size_t length)
{
	for (size_t i = 0; i < 2 * length; i++) {
		char c = text[i];
		int digit = c >= '0' && c <= '9'   ? c - '0'
			    : c >= 'a' && c <= 'f' ? c - 'a' + 10
						   : -1;

		if (digit < 0)
			return false;
		bytes[i / 2] = (unsigned char)(i % 2 ? bytes[i / 2] | digit : digit << 4);
	}
	return !text[2 * length];
}

static void mac(const unsigned char key[32], const struct buffer *bytes, unsigned char out[32])
{
	unsigned int length = MAC_BYTES;

	if (!HMAC(EVP_sha256(), key, 32, (const unsigned char *)bytes->data, bytes->length, out,
		  &length))
		abort();
}

/* HMAC(key, word N F NAME). The nonces have a fixed length, so the parts can't run together. */
static void handshake_mac(const struct channel *channel, const unsigned char key[32],
			  const char *word, unsigned char out[MAC_BYTES])
{
	struct buffer bytes = BUFFER_EMPTY;

	buffer_text(&bytes, word);
	buffer_add(&bytes, channel->nonces, sizeof(channel->nonces));
	buffer_text(&bytes, channel->name);
	mac(key, &bytes, out);
	buffer_release(&bytes);
}

static void line_mac(const struct channel *channel, bool from_front, uint64_t counter,
		     const char *json, size_t length, unsigned char out[MAC_BYTES])
{
	struct buffer bytes = BUFFER_EMPTY;
	unsigned char head[9] = {from_front};

	for (int i = 0; i < 8; i++)
		head[1 + i] = (unsigned char)(counter >> (56 - 8 * i));
	buffer_add(&bytes, head, sizeof(head));
	buffer_add(&bytes, json, length);
	mac(channel->session, &bytes, out);
	buffer_release(&bytes);
}

/* ---- the end ---- */

static void on_handle_closed(uv_handle_t *handle)
{
	struct channel *channel = handle->data;

	if (--channel->handles)
		return;
	channel->events->closed(channel, channel->why, channel->owner);
	buffer_release(&channel->input);
	OPENSSL_cleanse(channel, sizeof(*channel));
	free(channel);
}

void channel_close(struct channel *channel, const char *why)
{
	if (channel->state == CLOSED)
		return;
	channel->state = CLOSED;
	snprintf(channel->why, sizeof(channel->why), "%s", why);
	uv_close(&channel->u.handle, on_handle_closed);
	uv_close((uv_handle_t *)&channel->timer, on_handle_closed);
}

static void on_timer(uv_timer_t *timer)
{
	channel_close(timer->data, "no proof of the cluster's key in time");
}

/* ---- sending ---- */

struct sending {
	uv_write_t request;
	struct buffer bytes;
};

static void on_written(uv_write_t *request, int status)
{
	struct sending *sending = (struct sending *)request;

	if (status && status != UV_ECANCELED)
		channel_close(request->data, uv_strerror(status));
	buffer_release(&sending->bytes);
	free(sending);
}

/* Takes over what is in `bytes`. */
static void send_bytes(struct channel *channel, struct buffer *bytes)
{
	struct sending *sending = calloc(1, sizeof(*sending));
	uv_buf_t part = uv_buf_init(bytes->data, (unsigned int)bytes->length);
	int error;

	if (!sending)
		out_of_memory();
	sending->bytes = *bytes;
	sending->request.data = channel;
	error = uv_write(&sending->request, &channel->u.stream, &part, 1, on_written);
	if (error) {
		buffer_release(&sending->bytes);
		free(sending);
		channel_close(channel, uv_strerror(error));
		return;
	}
	if (uv_stream_get_write_queue_size(&channel->u.stream) > UNSENT_MOST)
		channel_close(channel, "the other end does not read");
}

static void send_json(struct channel *channel, json_t *message, bool plain)
{
	char *text = json_dumps(message, JSON_COMPACT);
	struct buffer bytes = BUFFER_EMPTY;
	unsigned char sum[MAC_BYTES];
	char digits[2 * MAC_BYTES + 1];

	json_decref(message);
	if (!text)
		out_of_memory();
	if (!plain) {
		line_mac(channel, channel->is_front, channel->sent++, text, strlen(text), sum);
		hex(sum, sizeof(sum), digits);
		buffer_format(&bytes, "%s ", digits);
	}
	buffer_format(&bytes, "%s\n", text);
	free(text);
	send_bytes(channel, &bytes);
}

void channel_send(struct channel *channel, json_t *message)
{
	if (channel->state == READY)
		send_json(channel, message, false);
	else
		json_decref(message);
}

static void send_proof(struct channel *channel, const unsigned char key[32], const char *word)
{
	unsigned char sum[MAC_BYTES];
	char digits[2 * MAC_BYTES + 1];

	handshake_mac(channel, key, word, sum);
	hex(sum, sizeof(sum), digits);
	send_json(channel, json_pack("{s:s}", "proof", digits), true);
}

/* ---- handshake ---- */

static void begin(struct channel *channel)
{
	if (getrandom(channel->nonces[channel->is_front], NONCE_BYTES, 0) != NONCE_BYTES)
		abort();
}

static void say_nonce(struct channel *channel)
{
	char digits[2 * NONCE_BYTES + 1];

	begin(channel);
	hex(channel->nonces[channel->is_front], NONCE_BYTES, digits);
	if (channel->is_front)
		send_json(channel, json_pack("{s:s}", "nonce", digits), true);
	else
		send_json(channel, json_pack("{s:s, s:s}", "hello", channel->name, "nonce", digits),
			  true);
}

static void ready(struct channel *channel, const unsigned char key[32])
{
	handshake_mac(channel, key, "session", channel->session);
	channel->state = READY;
	uv_timer_stop(&channel->timer);
	channel->events->ready(channel, channel->is_front ? channel->name : "", channel->owner);
}

static void on_proof(struct channel *channel, const json_t *message)
{
	const char *word = channel->is_front ? "node" : "front";
	unsigned char said[MAC_BYTES], right[MAC_BYTES];
	const char *proof = json_string_value(json_object_get(message, "proof"));

	if (!proof || !unhex(proof, said, sizeof(said))) {
		channel_close(channel, "not Baton's protocol");
		return;
	}
	for (unsigned int i = 0; i < channel->keys.count; i++) {
		/* A node has sent its proof by its first key, so the answer must be by that. */
		if (!channel->is_front && i)
			break;
		handshake_mac(channel, channel->keys.keys[i], word, right);
		if (CRYPTO_memcmp(said, right, sizeof(right)))
			continue;
		if (channel->is_front)
			send_proof(channel, channel->keys.keys[i], "front");
		if (channel->state == PROVING)
			ready(channel, channel->keys.keys[i]);
		return;
	}
	channel_close(channel, "the other end has another cluster key");
}

static void on_hello(struct channel *channel, const json_t *message)
{
	const char *nonce = json_string_value(json_object_get(message, "nonce"));
	const char *name = json_string_value(json_object_get(message, "hello"));

	if (!nonce || !unhex(nonce, channel->nonces[!channel->is_front], NONCE_BYTES) ||
	    (channel->is_front && (!name || !*name || strlen(name) >= CONFIG_NAME))) {
		channel_close(channel, "not Baton's protocol");
		return;
	}
	channel->state = PROVING;
	if (channel->is_front) {
		strcpy(channel->name, name);
		say_nonce(channel);
	} else {
		send_proof(channel, channel->keys.keys[0], "node");
	}
}

/* ---- receiving ---- */

static void on_line(struct channel *channel, const char *line, size_t length)
{
	unsigned char said[MAC_BYTES], right[MAC_BYTES];
	char digits[2 * MAC_BYTES + 1];
	json_t *message;

	if (channel->state == READY) {
		if (length < 2 * MAC_BYTES + 1) {
			channel_close(channel, "a line without MAC");
			return;
		}
		memcpy(digits, line, 2 * MAC_BYTES);
		digits[2 * MAC_BYTES] = 0;
		line += 2 * MAC_BYTES + 1;
		length -= 2 * MAC_BYTES + 1;
		line_mac(channel, !channel->is_front, channel->received++, line, length, right);
		if (!unhex(digits, said, sizeof(said)) ||
		    CRYPTO_memcmp(said, right, sizeof(right))) {
			channel_close(channel, "a line with a wrong MAC");
			return;
		}
	}
	message = json_loadb(line, length, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(message))
		channel_close(channel, "not Baton's protocol");
	else if (channel->state == READY)
		channel->events->message(channel, message, channel->owner);
	else if (channel->state == SAYING)
		on_hello(channel, message);
	else
		on_proof(channel, message);
	json_decref(message);
}

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *part)
{
	struct channel *channel = handle->data;

	part->base = buffer_reserve(&channel->input, suggested);
	part->len = suggested;
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *part)
{
	struct channel *channel = stream->data;
	size_t from = channel->input.length, most;
	const char *end;

	(void)part;
	if (got < 0) {
		channel_close(channel,
			      got == UV_EOF ? "closed by the other end" : uv_strerror((int)got));
		return;
	}
	channel->input.length += (size_t)got;
	while (channel->state != CLOSED) {
		struct buffer *input = &channel->input;
		size_t length;

		end = from < input->length ? memchr(input->data + from, '\n', input->length - from)
					   : NULL;
		if (!end)
			break;
		length = (size_t)(end - input->data);
		on_line(channel, input->data, length);
		buffer_consume(input, length + 1);
		from = 0;
	}
	most = channel->state == READY ? LINE_MOST : HANDSHAKE_MOST;
	if (channel->input.length > most)
		channel_close(channel, "a line that does not end");
}

/* ---- the beginning ---- */

static struct channel *channel_new(uv_loop_t *loop, const struct config_keys *keys,
				   const struct channel_events *events, void *owner)
{
	struct channel *channel = calloc(1, sizeof(*channel));

	if (!channel)
		out_of_memory();
	uv_tcp_init(loop, &channel->u.tcp);
	uv_timer_init(loop, &channel->timer);
	channel->handles = 2;
	channel->u.handle.data = channel;
	channel->timer.data = channel;
	channel->keys = *keys;
	channel->events = events;
	channel->owner = owner;
	uv_timer_start(&channel->timer, on_timer, HANDSHAKE_MS, 0);
	return channel;
}

struct channel *channel_accept(uv_stream_t *listener, const struct config_keys *keys,
			       const struct channel_events *events, void *owner)
{
	struct channel *channel = channel_new(listener->loop, keys, events, owner);
	int error;

	channel->is_front = true;
	channel->state = SAYING;
	error = uv_accept(listener, &channel->u.stream);
	if (!error) {
		uv_tcp_nodelay(&channel->u.tcp, 1);
		uv_tcp_keepalive(&channel->u.tcp, 1, 5);
		error = uv_read_start(&channel->u.stream, on_room, on_read);
	}
	if (error)
		channel_close(channel, uv_strerror(error));
	return channel;
}

static void on_connected(uv_connect_t *request, int status)
{
	struct channel *channel = request->data;
	int error = status;

	if (channel->state == CLOSED)
		return;
	if (!error) {
		uv_tcp_nodelay(&channel->u.tcp, 1);
		uv_tcp_keepalive(&channel->u.tcp, 1, 5);
		error = uv_read_start(&channel->u.stream, on_room, on_read);
	}
	if (error) {
		channel_close(channel, uv_strerror(error));
		return;
	}
	channel->state = SAYING;
	say_nonce(channel);
}

struct channel *channel_connect(uv_loop_t *loop, const struct endpoint *endpoint, const char *name,
				const struct config_keys *keys, const struct channel_events *events,
				void *owner)
{
	struct channel *channel = channel_new(loop, keys, events, owner);
	int error;

	snprintf(channel->name, sizeof(channel->name), "%s", name);
	channel->state = CONNECTING;
	channel->connecting.data = channel;
	endpoint_sockaddr(endpoint, &channel->remote);
	error = uv_tcp_connect(&channel->connecting, &channel->u.tcp,
			       (const struct sockaddr *)&channel->remote, on_connected);
	if (error)
		channel_close(channel, uv_strerror(error));
	return channel;
}

int channel_listen(uv_loop_t *loop, uv_tcp_t *tcp, const struct endpoint *endpoint,
		   uv_connection_cb on_connection)
{
	struct sockaddr_storage storage;
	int error;

	endpoint_sockaddr(endpoint, &storage);
	error = uv_tcp_init(loop, tcp);
	if (!error)
		error = uv_tcp_bind(tcp, (const struct sockaddr *)&storage, 0);
	if (!error)
		error = uv_listen((uv_stream_t *)tcp, 128, on_connection);
	return error;
}
