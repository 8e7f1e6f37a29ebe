#include "control/http.h"
#include "control/assets.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum { CONNECTIONS_MAX = 128, IDLE_S = 30 };

enum MHD_Result http_send(struct MHD_Connection *connection, unsigned int status, const char *type,
			  const void *bytes, size_t length, enum MHD_ResponseMemoryMode mode)
{
	struct MHD_Response *response =
		MHD_create_response_from_buffer(length, (void *)bytes, mode);
	enum MHD_Result queued;

	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, "Content-Type", type);
	MHD_add_response_header(response, "Cache-Control", "no-store");
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	MHD_add_response_header(response, "X-Frame-Options", "DENY");
	MHD_add_response_header(
		response, "Content-Security-Policy",
		"default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:");
	if (status == MHD_HTTP_UNAUTHORIZED)
		MHD_add_response_header(response, "WWW-Authenticate", "Bearer");
	queued = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return queued;
}

enum MHD_Result http_send_json(struct MHD_Connection *connection, unsigned int status,
			       json_t *object)
{
	char *text = json_dumps(object, JSON_COMPACT);
	enum MHD_Result queued = http_send(connection, status, "application/json", text,
					   strlen(text), MHD_RESPMEM_MUST_FREE);

	json_decref(object);
	return queued;
}

enum MHD_Result http_send_error(struct MHD_Connection *connection, unsigned int status,
				const char *why)
{
	return http_send_json(connection, status, json_pack("{s:s}", "error", why));
}

const char *http_header(struct MHD_Connection *connection, const char *name)
{
	return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

const char *http_argument(struct MHD_Connection *connection, const char *name)
{
	return MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, name);
}

bool http_is_self(const struct http *http, const char *host)
{
	static const char *const local[] = {"localhost", "127.0.0.1", "[::1]"};
	char wanted[ENDPOINT_TEXT + 16];

	if (!strcmp(host, http->host))
		return true;
	for (size_t i = 0; i < sizeof(local) / sizeof(local[0]); i++) {
		snprintf(wanted, sizeof(wanted), "%s:%u", local[i], http->port);
		if (!strcmp(host, wanted))
			return true;
	}
	return false;
}

static enum MHD_Result send_file(const struct http *http, struct MHD_Connection *connection,
				 const char *path)
{
	const char *page = strrchr(path, '.');

	if (!strcmp(path, "/"))
		path = http->page;
	else if (page && !strcmp(page, ".html") && strcmp(path, http->page))
		return MHD_NO;
	for (const struct asset *asset = assets; asset->path; asset++)
		if (!strcmp(asset->path, path))
			return http_send(connection, MHD_HTTP_OK, asset->type, asset->bytes,
					 asset->length, MHD_RESPMEM_PERSISTENT);
	return MHD_NO;
}

static enum MHD_Result handle(void *context, struct MHD_Connection *connection, const char *path,
			      const char *method, const char *version, const char *upload,
			      size_t *upload_size, void **state)
{
	static int begun;
	struct http *http = context;
	const char *host = http_header(connection, "Host");

	(void)version, (void)upload;
	if (!*state) {
		*state = &begun;
		return MHD_YES;
	}
	if (*upload_size) {
		*upload_size = 0; /* nothing here takes a body */
		return MHD_YES;
	}
	if (!host || !http_is_self(http, host))
		return http_send_error(connection, MHD_HTTP_MISDIRECTED_REQUEST,
				       "ask by the address this server listens on");
	if (!strcmp(method, "GET") || !strcmp(method, "HEAD")) {
		if (send_file(http, connection, path) || http->get(http->owner, connection, path))
			return MHD_YES;
		return http_send_error(connection, MHD_HTTP_NOT_FOUND, "there is nothing here");
	}
	if (http->post && !strcmp(method, "POST"))
		return http->post(http->owner, connection, path);
	return http_send_error(connection, MHD_HTTP_METHOD_NOT_ALLOWED,
			       http->post ? "GET and POST are served" : "only GET is served");
}

int http_start(struct http *http, const struct endpoint *listen)
{
	struct sockaddr_storage address = {0};

	endpoint_text(listen, http->host);
	http->port = listen->port;
	endpoint_sockaddr(listen, &address);
	http->daemon = MHD_start_daemon(
		MHD_USE_AUTO_INTERNAL_THREAD | (address.ss_family == AF_INET6 ? MHD_USE_IPv6 : 0),
		0, NULL, NULL, handle, http, MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&address,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned int)CONNECTIONS_MAX,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int)IDLE_S,
		MHD_OPTION_LISTENING_ADDRESS_REUSE, 1u, MHD_OPTION_END);
	if (http->daemon)
		return 0;
	return errno ? -errno : -EADDRINUSE;
}

void http_stop(struct http *http)
{
	MHD_stop_daemon(http->daemon);
}
