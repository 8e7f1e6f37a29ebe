#include "control/requests.h"

#include "base/buffer.h"
#include "base/fail.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { LINE_MOST = 1 << 20 };

struct connection {
	uv_pipe_t pipe;
	struct request_server *server;
	struct connection *next, **link;
	struct buffer input;
	unsigned int requests; /* not yet answered */
	bool closing, closed;
};

struct request_server {
	uv_pipe_t pipe;
	request_handler handler;
	void *owner;
	struct connection *connections;
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
};

struct request {
	struct connection *connection;
};

struct sending {
	uv_write_t request;
	char *text;
};

static void free_if_done(struct connection *connection)
{
	if (!connection->closed || connection->requests)
		return;
	buffer_release(&connection->input);
	free(connection);
}

static void on_closed(uv_handle_t *handle)
{
	struct connection *connection = handle->data;

	connection->closed = true;
	free_if_done(connection);
}

static void close_connection(struct connection *connection)
{
	if (connection->closing)
		return;
	connection->closing = true;
	*connection->link = connection->next;
	if (connection->next)
		connection->next->link = connection->link;
	uv_close((uv_handle_t *)&connection->pipe, on_closed);
}

static void on_written(uv_write_t *request, int status)
{
	struct sending *sending = (struct sending *)request;

	if (status && status != UV_ECANCELED)
		close_connection(request->data);
	free(sending->text);
	free(sending);
}

void request_answer(struct request *request, json_t *answer)
{
	struct connection *connection = request->connection;
	struct buffer line = BUFFER_EMPTY;
	struct sending *sending;
	uv_buf_t part;
	char *text;

	connection->requests--;
	free(request);
	if (connection->closing) {
		json_decref(answer);
		free_if_done(connection);
		return;
	}
	text = json_dumps(answer, JSON_COMPACT);
	json_decref(answer);
	sending = calloc(1, sizeof(*sending));
	if (!text || !sending)
		out_of_memory();
	buffer_format(&line, "%s\n", text);
	free(text);
	part = uv_buf_init(line.data, (unsigned int)line.length);
	sending->text = buffer_detach(&line);
	sending->request.data = connection;
	if (uv_write(&sending->request, (uv_stream_t *)&connection->pipe, &part, 1, on_written)) {
		free(sending->text);
		free(sending);
		close_connection(connection);
	}
}

void request_fail(struct request *request, const char *format, ...)
{
	struct buffer text = BUFFER_EMPTY;
	va_list arguments;

	va_start(arguments, format);
	buffer_vformat(&text, format, arguments);
	va_end(arguments);
	request_answer(request, json_pack("{s:s}", "error", text.data));
	buffer_release(&text);
}

static void on_line(struct connection *connection, size_t length)
{
	json_t *message = json_loadb(connection->input.data, length, JSON_REJECT_DUPLICATES, NULL);
	struct request *request = calloc(1, sizeof(*request));

	if (!request)
		out_of_memory();
	request->connection = connection;
	connection->requests++;
	if (json_is_string(json_object_get(message, "command")))
		connection->server->handler(request, message, connection->server->owner);
	else
		request_fail(request, "a request is one line of JSON with a \"command\"");
	json_decref(message);
}

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *part)
{
	struct connection *connection = handle->data;

	part->base = buffer_reserve(&connection->input, suggested);
	part->len = suggested;
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *part)
{
	struct connection *connection = stream->data;
	struct buffer *input = &connection->input;

	(void)part;
	if (got < 0) {
		close_connection(connection);
		return;
	}
	input->length += (size_t)got;
	while (!connection->closing && input->length) {
		char *end = memchr(input->data, '\n', input->length);
		size_t length;

		if (!end)
			break;
		length = (size_t)(end - input->data);
		on_line(connection, length);
		buffer_consume(input, length + 1);
	}
	if (input->length > LINE_MOST)
		close_connection(connection);
}

static void on_connection(uv_stream_t *stream, int status)
{
	struct request_server *server = stream->data;
	struct connection *connection;

	if (status)
		return;
	connection = calloc(1, sizeof(*connection));
	if (!connection)
		out_of_memory();
	connection->server = server;
	connection->pipe.data = connection;
	connection->next = server->connections;
	connection->link = &server->connections;
	if (connection->next)
		connection->next->link = &connection->next;
	server->connections = connection;
	uv_pipe_init(stream->loop, &connection->pipe, 0);
	if (uv_accept(stream, (uv_stream_t *)&connection->pipe) ||
	    uv_read_start((uv_stream_t *)&connection->pipe, on_room, on_read))
		close_connection(connection);
}

static int remove_dead(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd, error;

	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	error = connect(fd, (struct sockaddr *)&address, sizeof(address)) ? -errno : -EADDRINUSE;
	close(fd);
	if (error == -ECONNREFUSED)
		error = unlink(path) ? -errno : 0;
	return error == -ENOENT ? 0 : error;
}

static void on_server_closed(uv_handle_t *handle)
{
	free(handle->data);
}

int requests_serve(uv_loop_t *loop, const char *path, request_handler handler, void *owner,
		   struct request_server **out)
{
	struct request_server *server;
	mode_t mask;
	int error;

	if (strlen(path) >= sizeof(server->path))
		return -ENAMETOOLONG;
	error = remove_dead(path);
	if (error)
		return error;
	server = calloc(1, sizeof(*server));
	if (!server)
		out_of_memory();
	server->handler = handler;
	server->owner = owner;
	uv_pipe_init(loop, &server->pipe, 0);
	server->pipe.data = server;
	mask = umask(0177);
	error = uv_pipe_bind(&server->pipe, path);
	umask(mask);
	if (!error) {
		strcpy(server->path, path);
		error = uv_listen((uv_stream_t *)&server->pipe, 64, on_connection);
	}
	if (error) {
		requests_end(server);
		return error;
	}
	*out = server;
	return 0;
}

void requests_end(struct request_server *server)
{
	while (server->connections)
		close_connection(server->connections);
	/* libuv removes the file as well; after a failed bind there is none of ours. */
	if (*server->path)
		unlink(server->path);
	uv_close((uv_handle_t *)&server->pipe, on_server_closed);
}
