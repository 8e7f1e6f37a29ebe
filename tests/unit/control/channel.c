#include "../unit.h"

#include "control/channel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A front and a node in one loop, with somebody between them who may change what the node says. */
struct meeting {
	uv_loop_t loop;
	uv_tcp_t listener;
	struct config_keys keys[2]; /* front's, node's */
	struct channel *channels[2];
	bool ready[2], closed[2];
	char peer[CONFIG_NAME], why[2][128];
	int messages; /* at the front */
	json_int_t last;
};

static int side(const struct meeting *meeting, const struct channel *channel)
{
	return channel == meeting->channels[1];
}

static void on_ready(struct channel *channel, const char *peer, void *owner)
{
	struct meeting *meeting = owner;
	int at = side(meeting, channel);

	meeting->ready[at] = true;
	if (!at)
		strcpy(meeting->peer, peer);
	if (at)
		for (int i = 1; i <= 3; i++)
			channel_send(channel, json_pack("{s:i}", "number", i));
}

static void end(struct meeting *meeting)
{
	for (int i = 0; i < 2; i++)
		if (meeting->channels[i] && !meeting->closed[i])
			channel_close(meeting->channels[i], "done");
	if (!uv_is_closing((uv_handle_t *)&meeting->listener))
		uv_close((uv_handle_t *)&meeting->listener, NULL);
}

static void on_message(struct channel *channel, const json_t *message, void *owner)
{
	struct meeting *meeting = owner;

	assert_int_equal(side(meeting, channel), 0);
	meeting->messages++;
	meeting->last = json_integer_value(json_object_get(message, "number"));
	if (meeting->last == 3)
		end(meeting);
}

static void on_closed(struct channel *channel, const char *why, void *owner)
{
	struct meeting *meeting = owner;
	int at = side(meeting, channel);

	meeting->closed[at] = true;
	snprintf(meeting->why[at], sizeof(meeting->why[at]), "%s", why);
	end(meeting);
}

static const struct channel_events events = {on_ready, on_message, on_closed};

static void on_connection(uv_stream_t *stream, int status)
{
	struct meeting *meeting = stream->data;

	assert_int_equal(status, 0);
	meeting->channels[0] = channel_accept(stream, &meeting->keys[0], &events, meeting);
}

static struct endpoint listening(struct meeting *meeting)
{
	struct endpoint endpoint;
	struct sockaddr_storage storage;
	int length = sizeof(storage);

	uv_loop_init(&meeting->loop);
	endpoint_parse("127.0.0.1:1", &endpoint);
	endpoint.port = 0;
	meeting->listener.data = meeting;
	assert_int_equal(
		channel_listen(&meeting->loop, &meeting->listener, &endpoint, on_connection), 0);
	uv_tcp_getsockname(&meeting->listener, (struct sockaddr *)&storage, &length);
	assert_int_equal(endpoint_from_sockaddr((struct sockaddr *)&storage, &endpoint), 0);
	return endpoint;
}

static void meet(struct meeting *meeting)
{
	struct endpoint endpoint = listening(meeting);

	meeting->channels[1] = channel_connect(&meeting->loop, &endpoint, "node1",
					       &meeting->keys[1], &events, meeting);
	uv_run(&meeting->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&meeting->loop), 0);
	assert_true(meeting->closed[0] && meeting->closed[1]);
}

static void key(struct config_keys *keys, unsigned char byte)
{
	memset(keys->keys[keys->count++], byte, 32);
}

static void same_key(void **state)
{
	struct meeting meeting = {0};

	(void)state;
	key(&meeting.keys[0], 1);
	key(&meeting.keys[1], 1);
	meet(&meeting);
	assert_true(meeting.ready[0] && meeting.ready[1]);
	assert_string_equal(meeting.peer, "node1");
	assert_int_equal(meeting.messages, 3);
	assert_int_equal(meeting.last, 3);
}

/* While keys are changed, the front knows two. */
static void second_key(void **state)
{
	struct meeting meeting = {0};

	(void)state;
	key(&meeting.keys[0], 1);
	key(&meeting.keys[0], 2);
	key(&meeting.keys[1], 2);
	meet(&meeting);
	assert_int_equal(meeting.messages, 3);
}

static void other_key(void **state)
{
	struct meeting meeting = {0};

	(void)state;
	key(&meeting.keys[0], 1);
	key(&meeting.keys[1], 2);
	meet(&meeting);
	assert_false(meeting.ready[0] || meeting.ready[1]);
	assert_int_equal(meeting.messages, 0);
	assert_string_equal(meeting.why[0], "the other end has another cluster key");
}

/* ---- a stranger who connects and says what he likes ---- */

struct stranger {
	uv_tcp_t tcp;
	uv_connect_t connecting;
	uv_write_t writing;
	const char *says;
};

static void stranger_closed(uv_stream_t *stream, ssize_t got, const uv_buf_t *part)
{
	free(part->base);
	if (got < 0 && !uv_is_closing((uv_handle_t *)stream))
		uv_close((uv_handle_t *)stream, NULL);
}

static void stranger_room(uv_handle_t *handle, size_t suggested, uv_buf_t *part)
{
	(void)handle;
	*part = uv_buf_init(malloc(suggested), (unsigned int)suggested);
}

static void stranger_connected(uv_connect_t *request, int status)
{
	struct stranger *stranger = request->data;
	uv_buf_t part = uv_buf_init((char *)stranger->says, (unsigned int)strlen(stranger->says));

	assert_int_equal(status, 0);
	uv_write(&stranger->writing, (uv_stream_t *)&stranger->tcp, &part, 1, NULL);
	uv_read_start((uv_stream_t *)&stranger->tcp, stranger_room, stranger_closed);
}

static void strangers(void **state)
{
	static char endless[4096];
	static const char *const lines[] = {
		"GET / HTTP/1.1\r\n",
		"{}\n",
		"[]\n",
		"{\"hello\":\"node1\"}\n",
		"{\"hello\":\"node1\",\"nonce\":\"00\"}\n",
		"{\"hello\":\"\",\"nonce\":\"00112233445566778899aabbccddeeff\"}\n",
		"{\"hello\":\"a-name-that-is-longer-than-any-node-has\","
		"\"nonce\":\"00112233445566778899aabbccddeeff\"}\n",
		"{\"hello\":\"node1\",\"nonce\":\"00112233445566778899aabbccddeeff\"}\n{}\n",
		"{\"hello\":\"node1\",\"nonce\":\"00112233445566778899aabbccddeeff\"}\n"
		"{\"proof\":\"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\"}"
		"\n{\"number\":3}\n",
		endless,
	};

	(void)state;
	memset(endless, 'x', sizeof(endless) - 1);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct meeting meeting = {0};
		struct endpoint endpoint = listening(&meeting);
		struct stranger stranger = {.says = lines[i]};
		struct sockaddr_storage remote;

		key(&meeting.keys[0], 1);
		meeting.closed[1] = true;
		endpoint_sockaddr(&endpoint, &remote);
		uv_tcp_init(&meeting.loop, &stranger.tcp);
		stranger.connecting.data = &stranger;
		uv_tcp_connect(&stranger.connecting, &stranger.tcp, (struct sockaddr *)&remote,
			       stranger_connected);
		uv_run(&meeting.loop, UV_RUN_DEFAULT);
		assert_int_equal(uv_loop_close(&meeting.loop), 0);
		assert_false(meeting.ready[0]);
		assert_true(meeting.closed[0]);
		assert_int_equal(meeting.messages, 0);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(same_key),
	cmocka_unit_test(second_key),
	cmocka_unit_test(other_key),
	cmocka_unit_test(strangers),
};

UNIT_MAIN(tests)
