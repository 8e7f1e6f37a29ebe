#include "distill/exchange.h"
#include "base/buffer.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { HEADERS_MAX = 128, CONNECT_MS = 5000, STALLED_S = 30 };

struct header {
	char *name, *value;
};

struct exchange {
	CURLM *multi;
	CURL *easy;
	struct curl_slist *sent, *connect;
	struct header headers[HEADERS_MAX];
	unsigned int count;
	struct buffer body;
	size_t bound;
	bool head, done, paused;
	int error;
};

static void forget_headers(struct exchange *exchange)
{
	while (exchange->count) {
		free(exchange->headers[--exchange->count].name);
		free(exchange->headers[exchange->count].value);
	}
}

static size_t take_header(char *line, size_t size, size_t count, void *context)
{
	struct exchange *exchange = context;
	size_t length = size * count, name;
	char *at = line;

	if (length >= 5 && !memcmp(line, "HTTP/", 5)) {
		forget_headers(exchange); /* an interim response's go */
		return length;
	}
	while (length && (at[length - 1] == '\r' || at[length - 1] == '\n'))
		length--;
	if (!length) {
		long status = 0;

		curl_easy_getinfo(exchange->easy, CURLINFO_RESPONSE_CODE, &status);
		exchange->head = status >= 200;
		return size * count;
	}
	for (name = 0; name < length && at[name] != ':'; name++)
		;
	if (name == length || exchange->count == HEADERS_MAX)
		return 0;
	exchange->headers[exchange->count].name = strndup(at, name);
	for (at += name + 1, length -= name + 1; length && (*at == ' ' || *at == '\t'); at++)
		length--;
	exchange->headers[exchange->count].value = strndup(at, length);
	exchange->count++;
	return size * count;
}

static size_t take_body(char *bytes, size_t size, size_t count, void *context)
{
	struct exchange *exchange = context;

	if (exchange->body.length && exchange->body.length + size * count > exchange->bound) {
		exchange->paused = true;
		return CURL_WRITEFUNC_PAUSE;
	}
	buffer_add(&exchange->body, bytes, size * count);
	return size * count;
}

struct exchange *exchange_new(const char *method, const char *url, const char *connect,
			      const char *const *headers, size_t bound)
{
	struct exchange *exchange = calloc(1, sizeof(*exchange));

	if (!exchange)
		return NULL;
	exchange->bound = bound;
	exchange->multi = curl_multi_init();
	exchange->easy = curl_easy_init();
	if (!exchange->multi || !exchange->easy)
		goto free_exchange;
	if (connect) {
		struct buffer rule = BUFFER_EMPTY;

		/* Any host, any port. */
		buffer_format(&rule, "::%s", connect);
		exchange->connect = curl_slist_append(NULL, rule.data);
		buffer_release(&rule);
		if (!exchange->connect)
			goto free_exchange;
		curl_easy_setopt(exchange->easy, CURLOPT_CONNECT_TO, exchange->connect);
	}
	for (; *headers; headers++) {
		struct curl_slist *longer = curl_slist_append(exchange->sent, *headers);

		if (!longer)
			goto free_exchange;
		exchange->sent = longer;
	}
	curl_easy_setopt(exchange->easy, CURLOPT_URL, url);
	curl_easy_setopt(exchange->easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(exchange->easy, CURLOPT_PROXY, "");
	curl_easy_setopt(exchange->easy, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(exchange->easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(exchange->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
	curl_easy_setopt(exchange->easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(exchange->easy, CURLOPT_LOW_SPEED_TIME, (long)STALLED_S);
	curl_easy_setopt(exchange->easy, CURLOPT_HTTPHEADER, exchange->sent);
	curl_easy_setopt(exchange->easy, CURLOPT_HEADERFUNCTION, take_header);
	curl_easy_setopt(exchange->easy, CURLOPT_HEADERDATA, exchange);
	curl_easy_setopt(exchange->easy, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(exchange->easy, CURLOPT_WRITEDATA, exchange);
	if (!strcmp(method, "HEAD"))
		curl_easy_setopt(exchange->easy, CURLOPT_NOBODY, 1L);
	if (curl_multi_add_handle(exchange->multi, exchange->easy))
		goto free_exchange;
	return exchange;
free_exchange:
	exchange_free(exchange);
	return NULL;
}

void exchange_free(struct exchange *exchange)
{
	if (!exchange)
		return;
	if (exchange->multi && exchange->easy)
		curl_multi_remove_handle(exchange->multi, exchange->easy);
	curl_easy_cleanup(exchange->easy);
	curl_multi_cleanup(exchange->multi);
	curl_slist_free_all(exchange->sent);
	curl_slist_free_all(exchange->connect);
	forget_headers(exchange);
	buffer_release(&exchange->body);
	free(exchange);
}

/* Lets libcurl work once, and waits for something to happen if nothing did. */
static void step(struct exchange *exchange)
{
	CURLMsg *message;
	int running, left;

	if (curl_multi_perform(exchange->multi, &running)) {
		exchange->done = true;
		exchange->error = -EIO;
		return;
	}
	while ((message = curl_multi_info_read(exchange->multi, &left))) {
		if (message->msg != CURLMSG_DONE)
			continue;
		exchange->done = true;
		switch (message->data.result) {
		case CURLE_OK:
			break;
		case CURLE_COULDNT_CONNECT:
		case CURLE_COULDNT_RESOLVE_HOST:
			exchange->error = -EHOSTUNREACH;
			break;
		case CURLE_OPERATION_TIMEDOUT:
			exchange->error = -ETIMEDOUT;
			break;
		default:
			exchange->error = -EPROTO;
		}
	}
	if (!exchange->done && !exchange->paused)
		curl_multi_poll(exchange->multi, NULL, 0, 1000, NULL);
}

int exchange_head(struct exchange *exchange)
{
	while (!exchange->head && !exchange->done)
		step(exchange);
	return exchange->head ? 0 : exchange->error ? exchange->error : -EPROTO;
}

long exchange_status(const struct exchange *exchange)
{
	long status = 0;

	curl_easy_getinfo(exchange->easy, CURLINFO_RESPONSE_CODE, &status);
	return status;
}

const char *exchange_header(const struct exchange *exchange, const char *name)
{
	for (unsigned int i = 0; i < exchange->count; i++)
		if (!strcasecmp(exchange->headers[i].name, name))
			return exchange->headers[i].value;
	return NULL;
}

void exchange_each(const struct exchange *exchange,
		   void (*each)(void *context, const char *name, const char *value), void *context)
{
	for (unsigned int i = 0; i < exchange->count; i++)
		each(context, exchange->headers[i].name, exchange->headers[i].value);
}

int exchange_collect(struct exchange *exchange)
{
	while (!exchange->done && !exchange->paused)
		step(exchange);
	return exchange->error ? exchange->error : exchange->done;
}

const void *exchange_body(const struct exchange *exchange, size_t *length)
{
	*length = exchange->body.length;
	return exchange->body.data;
}

ssize_t exchange_read(struct exchange *exchange, void *bytes, size_t most)
{
	size_t taken;

	while (!exchange->body.length && !exchange->done)
		step(exchange);
	if (!exchange->body.length)
		return exchange->error;
	taken = exchange->body.length < most ? exchange->body.length : most;
	memcpy(bytes, exchange->body.data, taken);
	buffer_consume(&exchange->body, taken);
	if (exchange->paused) {
		exchange->paused = false;
		curl_easy_pause(exchange->easy, CURLPAUSE_CONT);
	}
	return (ssize_t)taken;
}
