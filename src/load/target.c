#include "load/target.h"

#include "base/buffer.h"
#include "base/fail.h"
#include "load/content.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

int url_look_up(const struct url *url, struct sockaddr_storage *address, socklen_t *length)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
	char service[8];

	snprintf(service, sizeof(service), "%u", url->port);
	if (getaddrinfo(url->host, service, &hints, &found))
		return -EHOSTUNREACH;
	memcpy(address, found->ai_addr, found->ai_addrlen);
	*length = found->ai_addrlen;
	freeaddrinfo(found);
	return 0;
}

int url_parse(struct url *url, const char *text, bool look_up)
{
	const char *host, *end, *colon;
	size_t length;

	memset(url, 0, sizeof(*url));
	if (!strncasecmp(text, "http://", 7)) {
		text += 7, url->port = 80;
	} else if (!strncasecmp(text, "https://", 8)) {
		text += 8, url->port = 443, url->tls = true;
	} else {
		return -EINVAL;
	}
	end = text + strcspn(text, "/?#");
	host = text;
	if (*host == '[') {
		colon = memchr(host, ']', (size_t)(end - host));
		if (!colon)
			return -EINVAL;
		host++;
		length = (size_t)(colon - host);
		colon++;
	} else {
		colon = memchr(host, ':', (size_t)(end - host));
		if (!colon)
			colon = end;
		length = (size_t)(colon - host);
	}
	if (!length || length >= sizeof(url->host))
		return -EINVAL;
	memcpy(url->host, host, length);
	if (colon < end) {
		char *number_end;
		unsigned long port;

		if (*colon != ':' || colon[1] < '0' || colon[1] > '9')
			return -EINVAL;
		port = strtoul(colon + 1, &number_end, 10);
		if (number_end != end || port < 1 || port > 65535)
			return -EINVAL;
		url->port = (uint16_t)port;
	}
	snprintf(url->authority, sizeof(url->authority), "%.*s", (int)(end - text), text);
	for (const char *c = end; *c; c++)
		if ((unsigned char)*c <= ' ' || *c == 0x7f)
			return -EINVAL;
	if (*end == '/')
		url->path = strdup(end);
	else if (asprintf(&url->path, "/%s", end) < 0)
		url->path = NULL;
	if (!url->path)
		return -ENOMEM;
	url->path[strcspn(url->path, "#")] = 0;
	return look_up ? url_look_up(url, &url->address, &url->address_length) : 0;
}

void url_release(struct url *url)
{
	free(url->path);
	memset(url, 0, sizeof(*url));
}

int target_add(struct targets *targets, const struct url *url, const char *method, const char *path,
	       const struct option_list *headers, bool verified)
{
	struct buffer request = BUFFER_EMPTY;
	struct target *target;
	char name[PATH_MAX];
	size_t length;

	for (const char *c = path; *c; c++)
		if ((unsigned char)*c <= ' ' || *c == 0x7f)
			return -EINVAL;
	if (*path != '/' || (verified && content_name(path, name, sizeof(name))))
		return -EINVAL;
	if (targets->count == targets->room) {
		targets->room = targets->room ? targets->room * 2 : 64;
		targets->items =
			reallocarray(targets->items, targets->room, sizeof(*targets->items));
		if (!targets->items)
			exit(failed("no memory for the requests"));
	}
	target = &targets->items[targets->count];
	*target = (struct target){.length = LENGTH_ANY, .verified = verified, .weight = 1};
	target->head = !strcmp(method, "HEAD");
	target->path = strdup(path);
	if (verified)
		target->seed = content_seed(name);
	buffer_format(&request, "%s %s HTTP/1.1\r\nHost: %s\r\n", method, path, url->authority);
	for (unsigned int i = 0; headers && i < headers->count; i++)
		buffer_format(&request, "%s\r\n", headers->items[i]);
	length = request.length;
	buffer_text(&request, "\r\n");
	target->keep_length = (uint32_t)request.length;
	target->keep = buffer_detach(&request);
	buffer_add(&request, target->keep, length);
	buffer_text(&request, "Connection: close\r\n\r\n");
	target->close_length = (uint32_t)request.length;
	target->close = buffer_detach(&request);
	return (int)targets->count++;
}

void targets_release(struct targets *targets)
{
	for (size_t i = 0; i < targets->count; i++) {
		free(targets->items[i].keep);
		free(targets->items[i].close);
		free(targets->items[i].path);
	}
	free(targets->items);
	memset(targets, 0, sizeof(*targets));
}

struct row {
	unsigned long first, last, now;
	int width;
	const char *begin, *end; /* of "{A..B}" in the pattern */
};

int pattern_each(const char *pattern, int (*take)(void *context, const char *text), void *context)
{
	struct buffer text = BUFFER_EMPTY;
	struct row rows[4];
	unsigned int count = 0;
	double all = 1;
	int result = 0;

	for (const char *open = strchr(pattern, '{'); open; open = strchr(open + 1, '{')) {
		struct row row = {.begin = open};
		char *end;

		if (count == 4 || open[1] < '0' || open[1] > '9')
			return -EINVAL;
		row.first = strtoul(open + 1, &end, 10);
		row.width = open[1] == '0' ? (int)(end - open - 1) : 0;
		if (strncmp(end, "..", 2) || end[2] < '0' || end[2] > '9')
			return -EINVAL;
		row.last = strtoul(end + 2, &end, 10);
		if (*end != '}' || row.last < row.first || row.last > 1000000000)
			return -EINVAL;
		row.end = end + 1;
		row.now = row.first;
		all *= (double)(row.last - row.first + 1);
		rows[count++] = row;
	}
	if (all > 1e7)
		return -EINVAL;
	for (;;) {
		const char *from = pattern;
		unsigned int i;

		buffer_clear(&text);
		for (i = 0; i < count; i++) {
			buffer_add(&text, from, (size_t)(rows[i].begin - from));
			buffer_format(&text, "%0*lu", rows[i].width, rows[i].now);
			from = rows[i].end;
		}
		buffer_text(&text, from);
		result = take(context, text.data ? text.data : "");
		if (result)
			break;
		/* The next, like an odometer. */
		for (i = count; i > 0 && rows[i - 1].now == rows[i - 1].last; i--)
			rows[i - 1].now = rows[i - 1].first;
		if (!i)
			break;
		rows[i - 1].now++;
	}
	buffer_release(&text);
	return result;
}
