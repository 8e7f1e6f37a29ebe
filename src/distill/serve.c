/* A request goes to the origin as it came, less what concerns only the connection, Range (a part of
 * a distilled object is no part of the original) and the distiller's own mark in If-None-Match. The
 * answer is collected up to a bound; if it is a whole 200 that may be transformed (RFC 9110, 7.7)
 * and gets smaller, the small one is sent with its own entity tag ("W/" because it is not the same
 * bytes; the profile and form behind the original's tag) and Vary naming what the choice depended
 * on. In every other case the original is passed on, byte for byte, as it comes. */
#include "distill/serve.h"
#include "base/buffer.h"
#include "base/fail.h"
#include "distill/exchange.h"
#include "distill/image.h"
#include "distill/text.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINES_MAX = 128, BLOCK = 64 * 1024 };

#define MARK ";baton-" /* between the original's entity tag and ours */

static const struct serve_options *options;
static sem_t jobs;

static const char *const hop_by_hop[] = {"Connection", "Keep-Alive",	      "Proxy-Connection",
					 "TE",	       "Transfer-Encoding",   "Trailer",
					 "Upgrade",    "Proxy-Authorization", "Proxy-Authenticate"};

static bool is_hop_by_hop(const char *name)
{
	for (size_t i = 0; i < sizeof(hop_by_hop) / sizeof(hop_by_hop[0]); i++)
		if (!strcasecmp(hop_by_hop[i], name))
			return true;
	return false;
}

/* Whether a comma-separated header value holds the token. */
static bool has_token(const char *value, const char *token)
{
	size_t length = strlen(token);

	for (const char *at = value; at && *at; at += strcspn(at, ","), at += *at == ',') {
		at += strspn(at, " \t");
		if (!strncasecmp(at, token, length) &&
		    (!at[length] || strchr(",; \t=", at[length])))
			return true;
	}
	return false;
}

struct lines {
	const char *items[LINES_MAX + 1];
	unsigned int count;
	const char *connection; /* names more headers that stay on this connection */
};

/* `"tag;baton-3g-webp"` as the origin knows it: `"tag"`. In place. */
static void unmark(char *tags)
{
	char *mark;

	while ((mark = strstr(tags, MARK))) {
		char *end = strchr(mark, '"');

		memmove(mark, end ? end : mark + strlen(mark), end ? strlen(end) + 1 : 1);
	}
}

static enum MHD_Result take_line(void *context, enum MHD_ValueKind kind, const char *name,
				 const char *value)
{
	struct lines *lines = context;
	struct buffer line = BUFFER_EMPTY;

	(void)kind;
	if (is_hop_by_hop(name) || has_token(lines->connection, name) ||
	    !strcasecmp(name, "Range") || !strcasecmp(name, "If-Range") ||
	    !strcasecmp(name, "Expect") || lines->count == LINES_MAX)
		return MHD_YES;
	/* libcurl sends "Name;" as a header without a value. */
	buffer_format(&line, value && *value ? "%s: %s" : "%s;%s", name, value ? value : "");
	if (!strcasecmp(name, "If-None-Match"))
		unmark(line.data);
	lines->items[lines->count++] = buffer_detach(&line);
	return MHD_YES;
}

static void release_lines(struct lines *lines)
{
	while (lines->count)
		free((void *)lines->items[--lines->count]);
}

/* What of the answer's head is passed on. */
struct onward {
	struct MHD_Response *response;
	const char *connection;
	bool distilled; /* then length, coding, tag and ranges are no longer the original's */
};

static void pass_header(void *context, const char *name, const char *value)
{
	struct onward *onward = context;

	if (is_hop_by_hop(name) || has_token(onward->connection, name) ||
	    !strcasecmp(name, "Content-Length"))
		return;
	if (onward->distilled &&
	    (!strcasecmp(name, "Content-Type") || !strcasecmp(name, "ETag") ||
	     !strcasecmp(name, "Accept-Ranges") || !strcasecmp(name, "Content-MD5") ||
	     !strcasecmp(name, "Digest") || !strcasecmp(name, "Vary")))
		return;
	MHD_add_response_header(onward->response, name, value);
}

static ssize_t stream(void *context, uint64_t at, char *bytes, size_t most)
{
	ssize_t got = exchange_read(context, bytes, most);

	(void)at;
	if (!got)
		return MHD_CONTENT_READER_END_OF_STREAM;
	return got < 0 ? MHD_CONTENT_READER_END_WITH_ERROR : got;
}

static void stream_over(void *context)
{
	exchange_free(context);
}

static enum MHD_Result answer_text(struct MHD_Connection *connection, unsigned int status,
				   const char *text)
{
	struct MHD_Response *response =
		MHD_create_response_from_buffer(strlen(text), (void *)text, MHD_RESPMEM_PERSISTENT);
	enum MHD_Result queued;

	MHD_add_response_header(response, "Content-Type", "text/plain; charset=utf-8");
	queued = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return queued;
}

/* The original, as it comes; takes the exchange over. */
static enum MHD_Result pass(struct MHD_Connection *connection, struct exchange *exchange)
{
	const char *length = exchange_header(exchange, "Content-Length");
	unsigned int status = (unsigned int)exchange_status(exchange);
	uint64_t size = length ? strtoull(length, NULL, 10) : MHD_SIZE_UNKNOWN;
	struct onward onward = {.connection = exchange_header(exchange, "Connection")};
	enum MHD_Result queued;

	if (status == 304 || status == 204)
		size = 0;
	onward.response =
		MHD_create_response_from_callback(size, BLOCK, stream, exchange, stream_over);
	exchange_each(exchange, pass_header, &onward);
	queued = MHD_queue_response(connection, status, onward.response);
	MHD_destroy_response(onward.response);
	return queued;
}

/* One distilled body, of either kind. */
struct body {
	void *bytes;
	size_t length;
	const char *type, *coding, *form, *vary;
};

static void add_tag(struct MHD_Response *response, const char *tag, const char *form)
{
	struct buffer text = BUFFER_EMPTY;
	size_t length;

	if (!tag)
		return;
	if (!strncmp(tag, "W/", 2))
		tag += 2;
	length = strlen(tag);
	if (length < 2 || tag[length - 1] != '"')
		return;
	buffer_format(&text, "W/%.*s" MARK "%s-%s\"", (int)length - 1, tag, options->profile->name,
		      form);
	MHD_add_response_header(response, "ETag", text.data);
	buffer_release(&text);
}

static enum MHD_Result answer_distilled(struct MHD_Connection *connection,
					struct exchange *exchange, size_t original,
					struct body *body)
{
	struct onward onward = {.connection = exchange_header(exchange, "Connection"),
				.distilled = true};
	const char *vary = exchange_header(exchange, "Vary");
	struct buffer text = BUFFER_EMPTY;
	enum MHD_Result queued;

	onward.response =
		MHD_create_response_from_buffer(body->length, body->bytes, MHD_RESPMEM_MUST_COPY);
	exchange_each(exchange, pass_header, &onward);
	MHD_add_response_header(onward.response, "Content-Type", body->type);
	if (body->coding)
		MHD_add_response_header(onward.response, "Content-Encoding", body->coding);
	buffer_format(&text, "%s%s%s", vary ? vary : "", vary ? ", " : "", body->vary);
	MHD_add_response_header(onward.response, "Vary", text.data);
	add_tag(onward.response, exchange_header(exchange, "ETag"), body->form);
	buffer_clear(&text);
	buffer_format(&text, "%s %s %zu %zu", options->profile->name, body->form, original,
		      body->length);
	MHD_add_response_header(onward.response, "X-Distilled", text.data);
	buffer_release(&text);
	queued = MHD_queue_response(connection, (unsigned int)exchange_status(exchange),
				    onward.response);
	MHD_destroy_response(onward.response);
	return queued;
}

/* Whether the head allows a transformation at all. */
static bool may_distil(struct exchange *exchange)
{
	const char *length = exchange_header(exchange, "Content-Length");

	return exchange_status(exchange) == 200 && !exchange_header(exchange, "Content-Encoding") &&
	       !exchange_header(exchange, "Content-Range") &&
	       !has_token(exchange_header(exchange, "Cache-Control"), "no-transform") &&
	       (!length || strtoull(length, NULL, 10) <= options->bytes);
}

static const char *request_header(struct MHD_Connection *connection, const char *name)
{
	return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

/* Makes the small body, or leaves bytes NULL. */
static void distil(struct MHD_Connection *connection, struct exchange *exchange, struct body *body)
{
	const char *type = exchange_header(exchange, "Content-Type");
	size_t length;
	const void *bytes = exchange_body(exchange, &length);

	*body = (struct body){0};
	while (sem_wait(&jobs) && errno == EINTR)
		;
	if (image_sniff(bytes, length) != IMAGE_NONE) {
		struct image_result result;

		image_distil(bytes, length, options->profile,
			     image_accepted(request_header(connection, "Accept")), &result);
		if (result.bytes) {
			/* One kind of memory for both kinds of body. */
			body->bytes = malloc(result.length);
			if (body->bytes)
				memcpy(body->bytes, result.bytes, result.length);
			body->length = result.length;
			body->type = image_type(result.format);
			body->form = body->type + strlen("image/");
			body->vary = "Accept";
		}
		image_release(&result);
	} else if (text_is(type)) {
		struct text_result result;

		text_distil(bytes, length, request_header(connection, "Accept-Encoding"), &result);
		body->bytes = result.bytes;
		body->length = result.length;
		body->type = type;
		body->coding = body->form = result.coding;
		body->vary = "Accept-Encoding";
	}
	sem_post(&jobs);
}

/* libmicrohttpd cuts the query off the URL and undoes its escapes; what goes to the origin is the
 * target as it was sent, kept here from the moment it was read. */
struct request {
	bool begun;
	char target[];
};

static void *keep_target(void *context, const char *target, struct MHD_Connection *connection)
{
	struct request *request = malloc(sizeof(*request) + strlen(target) + 1);

	(void)context, (void)connection;
	if (request) {
		request->begun = false;
		strcpy(request->target, target);
	}
	return request;
}

static void forget_target(void *context, struct MHD_Connection *connection, void **state,
			  enum MHD_RequestTerminationCode why)
{
	(void)context, (void)connection, (void)why;
	free(*state);
	*state = NULL;
}

static enum MHD_Result handle(void *context, struct MHD_Connection *connection, const char *path,
			      const char *method, const char *version, const char *upload,
			      size_t *upload_size, void **state)
{
	struct request *request = *state;
	struct lines lines = {.connection = request_header(connection, "Connection")};
	struct exchange *exchange = NULL;
	struct buffer target = BUFFER_EMPTY;
	const char *url;
	enum MHD_Result queued;
	struct body body = {0};
	int error, whole;

	(void)context, (void)path, (void)version, (void)upload;
	if (!request)
		return MHD_NO;
	url = request->target;
	if (!request->begun) {
		request->begun = true;
		return MHD_YES;
	}
	if (*upload_size) {
		*upload_size = 0; /* a body is read to its end before it is refused */
		return MHD_YES;
	}
	if (strcmp(method, "GET") && strcmp(method, "HEAD"))
		return answer_text(connection, 501, "The distiller serves GET and HEAD.\n");
	if (*url != '/' && options->parent)
		return answer_text(connection, 400,
				   "The distiller has one origin; ask for a path.\n");
	if (*url == '/' && !options->parent)
		return answer_text(connection, 400,
				   "The distiller is a proxy here; ask for a whole URL.\n");
	buffer_format(&target, "%s%s", *url == '/' ? options->parent : "", url);
	MHD_get_connection_values(connection, MHD_HEADER_KIND, take_line, &lines);
	exchange = exchange_new(method, target.data, options->connect, lines.items, options->bytes);
	error = exchange ? exchange_head(exchange) : -ENOMEM;
	if (error) {
		queued = answer_text(connection, error == -ETIMEDOUT ? 504 : 502,
				     "The origin does not answer.\n");
		goto free_exchange;
	}
	whole = strcmp(method, "GET") || !may_distil(exchange) ? 0 : exchange_collect(exchange);
	if (whole > 0)
		distil(connection, exchange, &body);
	if (body.bytes) {
		size_t original;

		exchange_body(exchange, &original);
		queued = answer_distilled(connection, exchange, original, &body);
		if (!options->quiet)
			printf("%s %s %zu -> %zu\n", url, body.form, original, body.length);
	} else {
		queued = pass(connection, exchange);
		exchange = NULL; /* the response's now */
	}
free_exchange:
	free(body.bytes);
	exchange_free(exchange);
	release_lines(&lines);
	buffer_release(&target);
	return queued;
}

static int resolve(const char *listen, struct addrinfo **found)
{
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_PASSIVE,
				 .ai_socktype = SOCK_STREAM};
	const char *colon = strrchr(listen, ':');
	char host[64] = "";
	size_t length;

	if (!colon)
		return -EINVAL;
	length = (size_t)(colon - listen);
	if (length >= 2 && *listen == '[' && listen[length - 1] == ']') {
		listen++;
		length -= 2;
	}
	if (length >= sizeof(host))
		return -EINVAL;
	memcpy(host, listen, length);
	return getaddrinfo(length ? host : NULL, colon + 1, &hints, found) ? -EINVAL : 0;
}

int serve(const struct serve_options *wanted)
{
	struct addrinfo *address;
	struct MHD_Daemon *daemon;
	sigset_t ends;
	int got;

	options = wanted;
	if (resolve(options->listen, &address))
		return misused("--listen %s is not ADDRESS:PORT", options->listen);
	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &ends, NULL);
	signal(SIGPIPE, SIG_IGN);
	sem_init(&jobs, 0, (unsigned int)options->jobs);
	curl_global_init(CURL_GLOBAL_DEFAULT);
	daemon = MHD_start_daemon(
		MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL |
			(address->ai_family == AF_INET6 ? MHD_USE_IPv6 : 0),
		0, NULL, NULL, handle, NULL, MHD_OPTION_SOCK_ADDR, address->ai_addr,
		MHD_OPTION_CONNECTION_TIMEOUT, 60u, MHD_OPTION_LISTENING_ADDRESS_REUSE, 1u,
		MHD_OPTION_URI_LOG_CALLBACK, keep_target, NULL, MHD_OPTION_NOTIFY_COMPLETED,
		forget_target, NULL, MHD_OPTION_END);
	freeaddrinfo(address);
	if (!daemon)
		return failed_errno(errno, "can't listen on %s", options->listen);
	printf("distilling for %s on %s\n", options->profile->name, options->listen);
	fflush(stdout);
	sigwait(&ends, &got);
	MHD_stop_daemon(daemon);
	curl_global_cleanup();
	sem_destroy(&jobs);
	return EXIT_DONE;
}
