#include "../unit.h"

#include "control/requests.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* A server and a client in one loop; the client sends `says` and keeps what comes back. */
struct talk {
	uv_loop_t loop;
	char path[64];
	struct request_server *server;
	uv_pipe_t client;
	uv_connect_t connecting;
	uv_write_t writing;
	const char *says;
	char heard[4096];
	size_t length;
	unsigned int lines;   /* end when so many have come; 0: when the server closes */
	struct request *kept; /* of the command "later" */
};

static void on_request(struct request *request, const json_t *message, void *owner)
{
	const char *command = json_string_value(json_object_get(message, "command"));
	struct talk *talk = owner;

	if (!strcmp(command, "later")) {
		talk->kept = request;
	} else if (!strcmp(command, "fail")) {
		request_fail(request, "no %d", 7);
	} else {
		request_answer(request, json_pack("{s:s}", "you", command));
		if (talk->kept)
			request_answer(talk->kept, json_pack("{s:s}", "you", "waited"));
		talk->kept = NULL;
	}
}

static void end(struct talk *talk)
{
	uv_close((uv_handle_t *)&talk->client, NULL);
	requests_end(talk->server);
}

static void room(uv_handle_t *handle, size_t suggested, uv_buf_t *part)
{
	struct talk *talk = handle->data;

	(void)suggested;
	*part = uv_buf_init(talk->heard + talk->length,
			    (unsigned int)(sizeof(talk->heard) - 1 - talk->length));
}

static void heard(uv_stream_t *stream, ssize_t got, const uv_buf_t *part)
{
	struct talk *talk = stream->data;
	unsigned int lines = 0;

	(void)part;
	if (got < 0) {
		end(talk);
		return;
	}
	talk->length += (size_t)got;
	for (size_t i = 0; i < talk->length; i++)
		lines += talk->heard[i] == '\n';
	if (talk->lines && lines == talk->lines)
		end(talk);
}

static void connected(uv_connect_t *request, int status)
{
	struct talk *talk = request->data;
	uv_buf_t part = uv_buf_init((char *)talk->says, (unsigned int)strlen(talk->says));

	assert_int_equal(status, 0);
	uv_write(&talk->writing, (uv_stream_t *)&talk->client, &part, 1, NULL);
	uv_read_start((uv_stream_t *)&talk->client, room, heard);
}

static void run(struct talk *talk, const char *says, unsigned int lines)
{
	snprintf(talk->path, sizeof(talk->path), "/tmp/baton-requests-%d", getpid());
	talk->says = says;
	talk->lines = lines;
	/* As the daemons do: a peer that went is an error of a write. */
	signal(SIGPIPE, SIG_IGN);
	uv_loop_init(&talk->loop);
	assert_int_equal(requests_serve(&talk->loop, talk->path, on_request, talk, &talk->server),
			 0);
	uv_pipe_init(&talk->loop, &talk->client, 0);
	talk->client.data = talk;
	talk->connecting.data = talk;
	uv_pipe_connect(&talk->connecting, &talk->client, talk->path, connected);
	uv_run(&talk->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&talk->loop), 0);
	assert_int_equal(access(talk->path, F_OK), -1);
}

static void answers(void **state)
{
	struct talk talk = {0};

	(void)state;
	run(&talk,
	    "{\"command\":\"later\"}\n{\"command\":\"fail\"}\nnonsense\n{\"command\":3}\n"
	    "{\"command\":\"a\"}\n",
	    5);
	assert_string_equal(talk.heard,
			    "{\"error\":\"no 7\"}\n"
			    "{\"error\":\"a request is one line of JSON with a \\\"command\\\"\"}\n"
			    "{\"error\":\"a request is one line of JSON with a \\\"command\\\"\"}\n"
			    "{\"you\":\"a\"}\n{\"you\":\"waited\"}\n");
}

static void endless_line(void **state)
{
	struct talk talk = {0};
	char *line = malloc((2 << 20) + 1);

	(void)state;
	memset(line, 'x', 2 << 20);
	line[2 << 20] = 0;
	run(&talk, line, 0);
	assert_int_equal(talk.length, 0);
	free(line);
}

/* A request whose client has gone may still be answered. */
static void client_gone(void **state)
{
	struct talk talk = {0};

	(void)state;
	run(&talk, "{\"command\":\"later\"}\n{\"command\":\"fail\"}\n", 1);
	assert_non_null(talk.kept);
	request_answer(talk.kept, json_object());
}

static void one_server_only(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct request_server *one, *two;
	struct stat status;
	uv_loop_t loop;
	int dead;

	(void)state;
	snprintf(address.sun_path, sizeof(address.sun_path), "/tmp/baton-requests-%d", getpid());
	/* What a daemon leaves that was killed. */
	dead = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(dead, (struct sockaddr *)&address, sizeof(address)), 0);
	close(dead);
	uv_loop_init(&loop);
	assert_int_equal(requests_serve(&loop, address.sun_path, on_request, NULL, &one), 0);
	assert_int_equal(stat(address.sun_path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	assert_int_equal(requests_serve(&loop, address.sun_path, on_request, NULL, &two),
			 -EADDRINUSE);
	requests_end(one);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(answers),
	cmocka_unit_test(endless_line),
	cmocka_unit_test(client_gone),
	cmocka_unit_test(one_server_only),
};

UNIT_MAIN(tests)
