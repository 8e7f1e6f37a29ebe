/* HTTP at the front: metrics and status for reading, commands for those who have the token.
 *
 *	GET /metrics		Prometheus
 *	GET /api/status		as `status --json`; likewise /api/flows
 *	POST /api/COMMAND	the control socket's requests, the rest of the object as body
 *
 * What changes something needs "Authorization: Bearer TOKEN" with the token of the file in the run
 * directory, which only root can read. A browser that shows somebody else's page sends an Origin,
 * or a Host that is none of this machine's: both are refused, reading included.
 *
 * libmicrohttpd runs in the daemon's loop, by its epoll descriptor; no thread of its own. */
#include "front/front.h"

#include "base/fail.h"

#include <errno.h>
#include <microhttpd.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

enum { TOKEN_BYTES = 16, BODY_MOST = 1 << 20, IDLE_S = 30, CONNECTIONS = 256 };

struct pages {
	struct front *front;
	struct MHD_Daemon *daemon;
	uv_poll_t poll;
	uv_timer_t timer;
	unsigned int handles;
	bool running, again;
	char token[2 * TOKEN_BYTES + 1];
};

/* One HTTP request; lives until libmicrohttpd says that it is completed. */
struct visit {
	struct pages *pages;
	struct MHD_Connection *connection;
	struct buffer body;
	json_t *answer;
	bool asked, suspended, gone;
};

static void drive(struct pages *pages);

static enum MHD_Result send_text(struct MHD_Connection *connection, unsigned int status,
				 const char *type, const char *text, size_t length)
{
	struct MHD_Response *response =
		MHD_create_response_from_buffer(length, (void *)text, MHD_RESPMEM_MUST_COPY);
	enum MHD_Result result;

	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, "Content-Type", type);
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	MHD_add_response_header(response, "Cache-Control", "no-store");
	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result send_json(struct MHD_Connection *connection, unsigned int status,
				 const json_t *answer)
{
	char *text = json_dumps(answer, JSON_COMPACT);
	enum MHD_Result result;

	if (!text)
		return MHD_NO;
	result = send_text(connection, status, "application/json", text, strlen(text));
	free(text);
	return result;
}

static enum MHD_Result send_error(struct MHD_Connection *connection, unsigned int status,
				  const char *why)
{
	json_t *answer = json_pack("{s:s}", "error", why);
	enum MHD_Result result = send_json(connection, status, answer);

	json_decref(answer);
	return result;
}

static const char *header(struct MHD_Connection *connection, const char *name)
{
	return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

/* An address, or localhost, as whoever types the address of this page has it; a name that somebody
 * else's DNS made point here is neither. */
static bool host_is_ours(const char *host)
{
	struct address address;
	char text[ADDRESS_TEXT];
	const char *colon;
	size_t length;

	if (!host)
		return false;
	colon = strrchr(host, ':');
	length = host[0] == '[' ? strcspn(host, "]")
		 : colon	? (size_t)(colon - host)
				: strlen(host);
	if (host[0] == '[') {
		host++;
		length--;
	}
	if (length >= sizeof(text))
		return false;
	memcpy(text, host, length);
	text[length] = 0;
	return !strcmp(text, "localhost") || !address_parse(text, &address);
}

static bool origin_is_ours(const char *origin, const char *host)
{
	return !origin || (!strncmp(origin, "http://", 7) && !strcmp(origin + 7, host));
}

static bool has_token(const struct pages *pages, struct MHD_Connection *connection)
{
	static const char scheme[] = "Bearer ";
	const char *said = header(connection, "Authorization");
	size_t length = strlen(pages->token);

	if (!said || strncmp(said, scheme, strlen(scheme)))
		return false;
	said += strlen(scheme);
	return strlen(said) == length && !CRYPTO_memcmp(said, pages->token, length);
}

static void visit_free(struct visit *visit)
{
	json_decref(visit->answer);
	buffer_release(&visit->body);
	free(visit);
}

/* The command was answered; perhaps before on_visit has come back, perhaps seconds later. */
static void on_answer(json_t *answer, void *owner)
{
	struct visit *visit = owner;

	visit->answer = answer;
	if (visit->gone) {
		visit_free(visit);
		return;
	}
	if (!visit->suspended)
		return;
	visit->suspended = false;
	MHD_resume_connection(visit->connection);
	drive(visit->pages);
}

static enum MHD_Result send_answer(struct visit *visit)
{
	return send_json(visit->connection,
			 json_object_get(visit->answer, "error") ? MHD_HTTP_BAD_REQUEST
								 : MHD_HTTP_OK,
			 visit->answer);
}

/* Runs a command of the control socket with `message` (taken over). */
static enum MHD_Result command(struct visit *visit, const char *name, json_t *message)
{
	json_object_set_new(message, "command", json_string(name));
	visit->asked = true;
	front_answer(request_new(on_answer, visit), message, visit->pages->front);
	json_decref(message);
	if (visit->answer)
		return send_answer(visit);
	visit->suspended = true;
	MHD_suspend_connection(visit->connection);
	return MHD_YES;
}

static enum MHD_Result get(struct visit *visit, const char *path)
{
	struct buffer text = BUFFER_EMPTY;
	enum MHD_Result result;
	json_t *status;

	if (!strcmp(path, "/api/status") || !strcmp(path, "/api/flows"))
		return command(visit, path + strlen("/api/"), json_pack("{s:i}", "limit", 1000));
	if (strcmp(path, "/metrics"))
		return send_error(visit->connection, MHD_HTTP_NOT_FOUND,
				  "there are /metrics, /api/status and /api/flows");
	status = front_status(visit->pages->front);
	front_metrics(status, &text);
	json_decref(status);
	result = send_text(visit->connection, MHD_HTTP_OK, "text/plain; version=0.0.4", text.data,
			   text.length);
	buffer_release(&text);
	return result;
}

static enum MHD_Result post(struct visit *visit, const char *path)
{
	json_t *message;

	if (strncmp(path, "/api/", 5))
		return send_error(visit->connection, MHD_HTTP_NOT_FOUND,
				  "commands are at /api/COMMAND");
	if (!has_token(visit->pages, visit->connection))
		return send_error(visit->connection, MHD_HTTP_UNAUTHORIZED,
				  "a command needs the token of the file in the run directory");
	if (visit->body.length > BODY_MOST)
		return send_error(visit->connection, MHD_HTTP_CONTENT_TOO_LARGE, "too long");
	message = visit->body.length ? json_loadb(visit->body.data, visit->body.length,
						  JSON_REJECT_DUPLICATES, NULL)
				     : json_object();
	if (!json_is_object(message)) {
		json_decref(message);
		return send_error(visit->connection, MHD_HTTP_BAD_REQUEST,
				  "the body must be one JSON object");
	}
	return command(visit, path + 5, message);
}

static enum MHD_Result on_visit(void *owner, struct MHD_Connection *connection, const char *path,
				const char *method, const char *version, const char *bytes,
				size_t *length, void **mine)
{
	struct visit *visit = *mine;
	const char *host = header(connection, "Host");

	(void)version;
	if (!visit) {
		visit = calloc(1, sizeof(*visit));
		if (!visit)
			return MHD_NO;
		visit->pages = owner;
		visit->connection = connection;
		*mine = visit;
		return MHD_YES;
	}
	if (*length) {
		if (visit->body.length <= BODY_MOST)
			buffer_add(&visit->body, bytes, *length);
		*length = 0;
		return MHD_YES;
	}
	if (visit->answer)
		return send_answer(visit);
	if (visit->asked)
		return MHD_YES;
	if (!host_is_ours(host) || !origin_is_ours(header(connection, "Origin"), host))
		return send_error(connection, MHD_HTTP_FORBIDDEN,
				  "only pages of this address may ask here");
	if (!strcmp(method, "GET"))
		return get(visit, path);
	if (!strcmp(method, "POST"))
		return post(visit, path);
	return send_error(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "GET or POST");
}

static void on_completed(void *owner, struct MHD_Connection *connection, void **mine,
			 enum MHD_RequestTerminationCode code)
{
	struct visit *visit = *mine;

	(void)owner;
	(void)connection;
	(void)code;
	*mine = NULL;
	if (!visit)
		return;
	/* The command may still be answered. */
	if (visit->asked && !visit->answer)
		visit->gone = true;
	else
		visit_free(visit);
}

/* ---- in the loop ---- */

static void on_timer(uv_timer_t *timer)
{
	drive(timer->data);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	drive(poll->data);
}

static void drive(struct pages *pages)
{
	MHD_UNSIGNED_LONG_LONG wait;

	/* An answer to one visit may settle another: that one is taken up when this has ended. */
	if (pages->running) {
		pages->again = true;
		return;
	}
	do {
		pages->again = false;
		pages->running = true;
		MHD_run(pages->daemon);
		pages->running = false;
	} while (pages->again);
	if (MHD_get_timeout(pages->daemon, &wait) == MHD_YES)
		uv_timer_start(&pages->timer, on_timer, wait, 0);
	else
		uv_timer_stop(&pages->timer);
}

/* The token of an earlier daemon stays good: whoever holds it goes on. */
static int find_token(struct pages *pages)
{
	char line[sizeof(pages->token) + 1], path[PATH_ROOM];
	struct buffer kept = BUFFER_EMPTY;
	unsigned char bytes[TOKEN_BYTES];
	bool good;

	snprintf(path, sizeof(path), RUN_ROOT "/%s/token", pages->front->config.name);
	good = !buffer_read_file(&kept, path, 4096) && kept.length == 2 * TOKEN_BYTES + 1 &&
	       strspn(kept.data, "0123456789abcdef") == 2 * TOKEN_BYTES;
	if (good)
		memcpy(pages->token, kept.data, 2 * TOKEN_BYTES);
	buffer_release(&kept);
	if (good)
		return 0;
	if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
		return -EIO;
	for (int i = 0; i < TOKEN_BYTES; i++)
		snprintf(pages->token + 2 * i, 3, "%02x", bytes[i]);
	snprintf(line, sizeof(line), "%s\n", pages->token);
	return file_write_whole(path, line, strlen(line), 0600);
}

static int listen_at(const struct endpoint *endpoint)
{
	struct sockaddr_storage storage;
	socklen_t length = endpoint_sockaddr(endpoint, &storage);
	int fd, one = 1, error;

	fd = socket(storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(fd, (struct sockaddr *)&storage, length) || listen(fd, 128)) {
		error = -errno;
		close(fd);
		return error;
	}
	return fd;
}

struct pages *pages_start(struct front *front)
{
	struct pages *pages = calloc(1, sizeof(*pages));
	const union MHD_DaemonInfo *info;
	int fd, error;

	if (!pages)
		abort();
	pages->front = front;
	error = find_token(pages);
	if (error)
		goto no_token;
	fd = listen_at(&front->config.front.http);
	error = fd;
	if (fd < 0)
		goto no_token;
	pages->daemon = MHD_start_daemon(
		MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_visit, pages,
		MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int)IDLE_S, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned int)CONNECTIONS, MHD_OPTION_END);
	error = -EIO;
	if (!pages->daemon)
		goto no_daemon;
	info = MHD_get_daemon_info(pages->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	uv_poll_init(&front->loop, &pages->poll, info->epoll_fd);
	uv_timer_init(&front->loop, &pages->timer);
	pages->handles = 2;
	pages->poll.data = pages;
	pages->timer.data = pages;
	uv_poll_start(&pages->poll, UV_READABLE, on_poll);
	return pages;

no_daemon:
	close(fd);
no_token:
	free(pages);
	errno = -error;
	return NULL;
}

static void on_closed(uv_handle_t *handle)
{
	struct pages *pages = handle->data;

	if (--pages->handles)
		return;
	/* Closes the listener as well. */
	MHD_stop_daemon(pages->daemon);
	free(pages);
}

void pages_end(struct pages *pages)
{
	uv_close((uv_handle_t *)&pages->poll, on_closed);
	uv_close((uv_handle_t *)&pages->timer, on_closed);
}
