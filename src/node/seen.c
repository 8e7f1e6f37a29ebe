#include "node/seen.h"

#include "base/clock.h"
#include "base/fail.h"
#include "base/space_saving.h"
#include "control/traffic.h"
#include "node/access_line.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LATEST = 20, COUNTERS = 1000, HOTTEST = 20 };

#define FADE_S 30.0

struct latest {
	struct access access;
	char text[RECORD_TEXT];
};

struct seen {
	const struct node *node;
	struct space_saving *targets;
	struct traffic_watch *traffic; /* NULL: can't be had */
	uint64_t began, faded;	       /* clock_now() */
	uint64_t count;		       /* requests added */
	struct latest latest[LATEST];
};

struct seen *seen_start(const struct node *node)
{
	const struct traffic_options options = {.port = (uint16_t)node->config.port,
						.origin = node->config.origin};
	struct seen *seen = calloc(1, sizeof(*seen));

	if (!seen)
		out_of_memory();
	seen->node = node;
	seen->targets = space_saving_new(COUNTERS);
	seen->traffic = traffic_start(node->ifindex, &options);
	if (!seen->traffic)
		log_line(LOG_LEVEL_WARNING, "the page's mix of protocols can't be counted: %s",
			 strerror(errno));
	seen->began = seen->faded = clock_now();
	return seen;
}

void seen_end(struct seen *seen)
{
	if (!seen)
		return;
	traffic_end(seen->traffic);
	space_saving_free(seen->targets);
	free(seen);
}

static const struct registry_service *service_of(const struct seen *seen, uint32_t id)
{
	const struct registry_service *service =
		id < CONFIG_SERVICES ? &seen->node->registry->services[id] : NULL;

	return service && service->used ? service : NULL;
}

/* How much of a request-target placement by this service goes by. */
static size_t target_length(const struct registry_service *service, const char *target,
			    size_t length)
{
	const char *end, *at = target;
	uint32_t left;

	if (!service || service->settings.target == TARGET_URL)
		return length;
	end = memchr(target, '?', length);
	if (!end)
		end = target + length;
	left = service->settings.path_segments;
	if (left == CONFIG_SEGMENTS_ALL)
		return (size_t)(end - target);
	/* The path of an absolute target is behind its authority. */
	if (*target != '/' && (at = memmem(target, (size_t)(end - target), "://", 3)))
		at += 3;
	while (at && (at = memchr(at, '/', (size_t)(end - at)))) {
		if (!left--)
			return (size_t)(at - target);
		at++;
	}
	return (size_t)(end - target);
}

/* Host and target, as far as placement goes by them. */
static void count_target(struct seen *seen, const struct access *access)
{
	const char *space = memchr(access->line, ' ', access->line_length);
	char key[RECORD_TEXT];
	size_t host = 0, path;

	if (!space)
		return;
	path = (size_t)(access->line + access->line_length - ++space);
	/* An absolute target has its own host. */
	if (path && *space == '/') {
		host = access->host_length;
		memcpy(key, access->host, host);
	}
	path = target_length(service_of(seen, access->service), space, path);
	memcpy(key + host, space, path);
	space_saving_add(seen->targets, key, host + path, 1);
}

void seen_add(struct seen *seen, const struct access *access)
{
	struct latest *latest = &seen->latest[seen->count++ % LATEST];

	latest->access = *access;
	memcpy(latest->text, access->line, access->line_length);
	memcpy(latest->text + access->line_length, access->host, access->host_length);
	latest->access.line = latest->text;
	latest->access.host = latest->text + access->line_length;
	count_target(seen, access);
}

static json_t *latest_json(const struct seen *seen)
{
	uint64_t have = seen->count < LATEST ? seen->count : LATEST;
	struct access_second second = {0};
	struct buffer text = BUFFER_EMPTY;
	json_t *list = json_array();

	for (uint64_t i = seen->count - have; i < seen->count; i++) {
		const struct access *access = &seen->latest[i % LATEST].access;
		const struct registry_service *service = service_of(seen, access->service);
		const struct access_names names = {seen->node->name,
						   service ? service->settings.name : "-"};

		buffer_clear(&text);
		access_format(&text, LOG_JSON, access, &names, &second);
		json_array_append_new(list, json_loadb(text.data, text.length, 0, NULL));
	}
	buffer_release(&text);
	return list;
}

/* Divided by it, a faded count is a mean rate, from the first second on. */
static double weighed_seconds(const struct seen *seen, uint64_t now)
{
	double age = (double)(now - seen->began) / 1e9;

	return FADE_S * -expm1(-(age > 0.5 ? age : 0.5) / FADE_S);
}

static json_t *hottest_json(const struct seen *seen, double seconds)
{
	struct space_saving_entry entries[HOTTEST];
	unsigned int count = space_saving_top(seen->targets, entries, HOTTEST);
	char text[ACCESS_ESCAPED * RECORD_TEXT];
	json_t *list = json_array();

	for (unsigned int i = 0; i < count; i++) {
		size_t length = access_escape(text, entries[i].key, entries[i].length);

		json_array_append_new(list,
				      json_pack("{s:s%, s:f}", "target", text, length,
						"requests_per_second", entries[i].count / seconds));
	}
	return list;
}

json_t *seen_report(struct seen *seen)
{
	uint64_t now = clock_now();
	double seconds = weighed_seconds(seen, now);
	struct traffic_counts traffic;

	space_saving_scale(seen->targets, exp(-(double)(now - seen->faded) / 1e9 / FADE_S));
	seen->faded = now;
	return json_pack("{s:f, s:o, s:f, s:f, s:o, s:o*}", "at", (double)now / 1e9, "latest",
			 latest_json(seen), "requests_per_second",
			 space_saving_total(seen->targets) / seconds, "error_per_second",
			 space_saving_total(seen->targets) / COUNTERS / seconds, "hottest",
			 hottest_json(seen, seconds), "traffic",
			 seen->traffic && !traffic_read(seen->traffic, &traffic)
				 ? traffic_json(&traffic)
				 : NULL);
}
