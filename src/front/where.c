/* Which node a request would go to, by the same lines that decide in the kernel, on the same
 * tables.
 */
#include "front/front.h"

#include "base/clock.h"
#include "base/fail.h"
#include "control/config_rules.h"
#include "control/reasons.h"
#include "control/target_clock.h"
#include "front/head.h"
#include "place/build.h"
#include "place/place.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

/* The parts of a URL that place a request. */
struct target {
	char *host, *port, *path, *query;
	bool port_given;
};

static void target_release(struct target *target)
{
	curl_free(target->host);
	curl_free(target->port);
	curl_free(target->path);
	curl_free(target->query);
}

static bool target_read(const char *url, struct target *target)
{
	CURLU *handle = curl_url();
	char *port = NULL;
	bool good;

	memset(target, 0, sizeof(*target));
	if (!handle)
		out_of_memory();
	good = !curl_url_set(handle, CURLUPART_URL, url, CURLU_DEFAULT_SCHEME) &&
	       !curl_url_get(handle, CURLUPART_HOST, &target->host, 0) &&
	       !curl_url_get(handle, CURLUPART_PORT, &target->port, CURLU_DEFAULT_PORT) &&
	       !curl_url_get(handle, CURLUPART_PATH, &target->path, 0);
	if (good) {
		curl_url_get(handle, CURLUPART_QUERY, &target->query, 0);
		target->port_given = !curl_url_get(handle, CURLUPART_PORT, &port, 0);
		curl_free(port);
	}
	curl_url_cleanup(handle);
	if (!good)
		target_release(target);
	return good;
}

/* The service called `name`; or that whose address and port the URL names; or, since a host's name
 * tells no address, the first one with that port. -1: none. */
static int find_service(const struct registry *registry, const char *name,
			const struct target *target)
{
	uint32_t port = (uint32_t)atoi(target->port);
	struct address address;
	int found = -1;
	bool literal;

	if (name)
		return registry_service_id(registry, name);
	literal = !address_parse(target->host, &address);
	if (target->host[0] == '[') {
		char text[ADDRESS_TEXT];

		snprintf(text, sizeof(text), "%.*s", (int)strcspn(target->host + 1, "]"),
			 target->host + 1);
		literal = !address_parse(text, &address);
	}
	for (int id = 0; id < CONFIG_SERVICES && found < 0; id++) {
		const struct registry_service *service = &registry->services[id];

		if (!service->used || service->settings.port != port ||
		    service->settings.protocol == PROTOCOL_UDP)
			continue;
		if (!literal)
			found = id;
		for (unsigned int i = 0; i < service->settings.address_count && found < 0; i++)
			if (literal && address_equal(&service->settings.addresses[i], &address))
				found = id;
	}
	return found;
}

/* Appends the head that a client would send. */
static void write_head(const struct target *target, const json_t *message, struct buffer *head)
{
	const char *method = json_string_value(json_object_get(message, "method"));
	const json_t *header;
	size_t index;

	buffer_format(head, "%s %s%s%s HTTP/1.1\r\nHost: %s%s%s\r\n", method ? method : "GET",
		      target->path, target->query ? "?" : "", target->query ? target->query : "",
		      target->host, target->port_given ? ":" : "",
		      target->port_given ? target->port : "");
	json_array_foreach (json_object_get(message, "headers"), index, header)
		buffer_format(head, "%s\r\n", json_string_value(header));
	buffer_text(head, "\r\n");
}

static json_t *fail(const char *why)
{
	return json_pack("{s:s}", "error", why);
}

/* Puts pool and target of the request into the query. Returns NULL, or what is wrong. */
static const char *read_request(const struct front *front, int id, const struct target *target,
				const json_t *message, struct place_query *query,
				unsigned int *rule)
{
	const struct config_service *settings = &front->registry->services[id].settings;
	struct buffer head = BUFFER_EMPTY;
	const char *wrong = NULL;

	if (settings->protocol == PROTOCOL_TLS) {
		head_read_name(target->host, settings, (uint32_t)id, query, rule);
		return NULL;
	}
	write_head(target, message, &head);
	if (head.length > front->config.front.slow.size)
		wrong = "this URL is longer than the front reads ('size' of its 'slow_path'): such "
			"a request is answered 414";
	else if (head_read((const uint8_t *)head.data, (uint32_t)head.length, settings,
			   (uint32_t)id, query, rule) > FIRST_HOSTLESS)
		wrong = "no server would understand this method and these headers";
	buffer_release(&head);
	return wrong;
}

/* The table of targets of central policies is in the kernel, and a hash: no memory of this program.
 */
static const struct target_clock *targets;

static struct place_target *look_up(const struct place_target_key *key)
{
	static struct place_target copy;

	return target_clock_look(targets, key, &copy) ? NULL : &copy;
}

static json_t *decide(const struct front *front, int id, const struct target *target,
		      const struct address *client, const json_t *message)
{
	const struct config_service *settings = &front->registry->services[id].settings;
	const char *policy = settings->policy, *pool = "", *wrong;
	struct place_query query = {.pool = (__u32)id, .flags = PLACE_PEEK, .now_ns = clock_now()};
	char words[512] = "";
	unsigned int number;
	json_t *answer;
	int node, dispatcher = -1;
	__u32 wants;

	targets = front->targets;
	place_world = datapath_world(front->datapath);
	place_world->peek = look_up;
	wrong = read_request(front, id, target, message, &query, &number);
	if (wrong)
		return fail(wrong);
	query.client = place_client(client);
	wants = place_wants(query.pool);
	if (number) {
		const struct config_rule *rule = &settings->rules[number - 1];

		config_rule_describe(rule, words, sizeof(words));
		pool = rule->pool;
		for (int i = 0; *pool && i < CONFIG_POOL_SLOTS; i++)
			if (!strcmp(settings->pools[i].name, pool))
				policy = settings->pools[i].policy;
	}
	if (wants & PLACE_WANT_CENTRAL)
		dispatcher = datapath_dispatcher_of(front->datapath, query.target);
	/* Another host's table can't be looked into: what holds while that doesn't answer. */
	if (dispatcher >= 0)
		query.reason = PLACE_REASON_FALLBACK;
	node = dispatcher >= 0 ? place_hrw(&query) : place_choose(&query);
	if (node <= 0)
		return fail(*pool ? "no node of the pool that its rule names is up"
				  : "no node of the service is up");
	answer = json_pack("{s:s, s:s, s:s, s:s, s:b}", "service", settings->name, "node",
			   front->registry->nodes[node].name, "policy", policy, "reason",
			   reason_text(query.reason), "certain",
			   !(wants & (PLACE_WANT_LOAD | PLACE_WANT_RANDOM)) && wants);
	if (dispatcher >= 0) {
		json_object_set_new(answer, "dispatcher",
				    json_string(front->registry->dispatchers[dispatcher].name));
		json_object_set_new(answer, "certain", json_false());
	}
	if (number)
		json_object_set_new(answer, "rule",
				    json_pack("{s:i, s:s, s:s}", "number", (int)number, "if", words,
					      "pool", pool));
	return answer;
}

json_t *front_where(const struct front *front, const json_t *message)
{
	const char *url = json_string_value(json_object_get(message, "url"));
	const char *client_text = json_string_value(json_object_get(message, "client"));
	const char *name = json_string_value(json_object_get(message, "service"));
	struct address client = {0};
	struct target target;
	json_t *answer;
	int id;

	if (client_text && address_parse(client_text, &client))
		return fail("the client must be an IPv4 or IPv6 address");
	if (!url || !target_read(url, &target))
		return fail("that is no URL; write for example http://10.77.0.100/index.html");
	id = find_service(front->registry, name, &target);
	if (id < 0)
		answer = fail(name ? "no service has that name; 'baton service list' lists them"
				   : "no service has that address and port; 'baton service list' "
				     "lists them");
	else
		answer = decide(front, id, &target, &client, message);
	target_release(&target);
	return answer;
}
