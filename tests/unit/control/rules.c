/* Rules from a configuration's lines to the decision, by the lines that the kernel runs. */
#include "../unit.h"

#include "base/random.h"
#include "control/registry.h"
#include "control/rules.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SERVICE = 0 };

/* A file whose service has the pools a (node n1), b (n2) and c (n3, policy maglev). */
static int parse(struct config *config, const char *rules, const char *protocol,
		 struct buffer *errors)
{
	struct buffer text = BUFFER_EMPTY;
	int error;

	buffer_format(&text,
		      "cluster: {name: lab, key_file: /k}\n"
		      "front: {address: 10.0.0.2, interface: eth0}\n"
		      "nodes: [{name: n1, address: 10.0.1.1}, {name: n2, address: 10.0.1.2},\n"
		      "  {name: n3, address: 10.0.1.3}, {name: n4, address: 10.0.1.4}]\n"
		      "services:\n"
		      "  - name: web\n"
		      "    addresses: [10.0.0.9]\n"
		      "    port: 80\n"
		      "    protocol: %s\n"
		      "    policy: carp\n"
		      "    nodes: [n4]\n"
		      "    pools: [{name: a, nodes: [n1]}, {name: b, nodes: [n2]},\n"
		      "      {name: c, nodes: n3, policy: maglev}]\n"
		      "    rules:\n%s",
		      protocol, rules);
	error = config_parse(config, "f", text.data, text.length, errors);
	buffer_release(&text);
	return error;
}

static struct rule_table table;

static void rules_are(const char *rules)
{
	struct buffer errors = BUFFER_EMPTY;
	struct config config;

	if (parse(&config, rules, "http", &errors))
		fail_msg("%s", errors.data);
	rules_make(&table, &config.services[0], SERVICE);
	rule_table = &table;
	config_release(&config);
	buffer_release(&errors);
}

/* The letter of the pool that the head goes to; '-' the service's own. */
static char pool_of(const char *head)
{
	static struct scratch scratch;
	struct rule_search search;
	struct http_request request;

	memset(&scratch, 'z', sizeof(scratch));
	memcpy(scratch.bytes, head, strlen(head));
	http_request_parse(&scratch, strlen(head), &request);
	assert_true(request.fields.flags & HTTP_COMPLETE);
	if (!rules_request(&scratch, &request, &search, 1)) {
		assert_int_equal(search.rule, 0);
		return '-';
	}
	if (search.pool == SERVICE)
		return 'o';
	assert_in_range(search.pool, RULE_POOL(SERVICE, 0), RULE_POOL(SERVICE, 2));
	return (char)('a' + search.pool - RULE_POOL(SERVICE, 0));
}

#define LINE(first, more) first " HTTP/1.1\r\nHost: www.Example.org\r\n" more "\r\n"

static void rows(void **state)
{
	static const struct {
		const char *rules, *head;
		char pool;
	} all[] = {
		{"    - {path: /img/, pool: a}\n", LINE("GET /img/x", ""), 'a'},
		{"    - {path: /img/, pool: a}\n", LINE("GET /img/?a=b", ""), 'a'},
		{"    - {path: /img/, pool: a}\n", LINE("GET /img", ""), '-'},
		{"    - {path: /img/, pool: a}\n", LINE("GET /Img/x", ""), '-'},
		{"    - {path: /img/, pool: a}\n", LINE("GET http://h/img/x", ""), 'a'},
		{"    - {path: /a-path-longer-than-eight-bytes, pool: b}\n",
		 LINE("GET /a-path-longer-than-eight-bytes", ""), 'b'},
		{"    - {path: /a-path-longer-than-eight-bytes, pool: b}\n",
		 LINE("GET /a-path-longer-than-eight-bytez", ""), '-'},
		{"    - {path: /a-path-longer-than-eight-bytes, pool: b}\n",
		 LINE("GET /a-path-longer-than-eight-byte", ""), '-'},
		/* The end of the path, not of the query. */
		{"    - {suffix: .jpg, pool: b}\n", LINE("GET /x/y.jpg", ""), 'b'},
		{"    - {suffix: .jpg, pool: b}\n", LINE("GET /x/y.jpg?v=2", ""), 'b'},
		{"    - {suffix: .jpg, pool: b}\n", LINE("GET /x?y=z.jpg", ""), '-'},
		{"    - {suffix: .jpg, pool: b}\n", LINE("GET /x.jpg/y", ""), '-'},
		{"    - {suffix: .a-suffix-of-many-bytes, pool: b}\n",
		 LINE("GET /x.a-suffix-of-many-bytes", ""), 'b'},
		{"    - {path: /img/, suffix: .jpg, pool: c}\n", LINE("GET /img/a.jpg", ""), 'c'},
		{"    - {path: /img/, suffix: .jpg, pool: c}\n", LINE("GET /img/a.png", ""), '-'},
		/* Case counts not in hosts; the port that the scheme implies is left out. */
		{"    - {host: WWW.example.org, pool: a}\n", LINE("GET /", ""), 'a'},
		{"    - {host: \"www.example.org:80\", pool: a}\n", LINE("GET /", ""), 'a'},
		{"    - {host: www.example.org, pool: a}\n",
		 "GET / HTTP/1.1\r\nHost: www.example.org:80\r\n\r\n", 'a'},
		{"    - {host: www.example.org, pool: a}\n",
		 "GET / HTTP/1.1\r\nHost: www.example.org:8080\r\n\r\n", '-'},
		{"    - {host: \"*.example.org\", pool: a}\n", LINE("GET /", ""), 'a'},
		{"    - {host: \"*.example.org\", pool: a}\n",
		 "GET / HTTP/1.1\r\nHost: example.org\r\n\r\n", '-'},
		{"    - {host: www.example.org, pool: a}\n", "GET / HTTP/1.0\r\n\r\n", '-'},
		{"    - {method: POST, pool: a}\n", LINE("POST /", ""), 'a'},
		{"    - {method: POST, pool: a}\n", LINE("PUT /", ""), '-'},
		{"    - {method: POST, pool: a}\n", LINE("POSTS /", ""), '-'},
		{"    - {method: M-SEARCH, pool: a}\n", LINE("M-SEARCH /", ""), 'a'},
		{"    - {header: X-Api, pool: a}\n", LINE("GET /", "x-api: 1\r\n"), 'a'},
		{"    - {header: X-Api, pool: a}\n", LINE("GET /", "X-API:\r\n"), 'a'},
		{"    - {header: X-Api, pool: a}\n", LINE("GET /", "X-Apis: 1\r\n"), '-'},
		{"    - {header: X-Api, pool: a}\n", LINE("GET /", "Y: X-Api: 1\r\n"), '-'},
		{"    - {header: X-Api, pool: a}\n", LINE("GET /X-Api:", ""), '-'},
		{"    - {header: X-Api, pool: a}\n",
		 LINE("GET /", "A: 1\r\nLonger-Than-Eight: 2\r\nX-Api: 3\r\nB: 4\r\n"), 'a'},
		{"    - {header: X-Api, value: v1, pool: a}\n",
		 LINE("GET /", "X-Api: \t v1 \t\r\n"), 'a'},
		{"    - {header: X-Api, value: v1, pool: a}\n", LINE("GET /", "X-Api: v10\r\n"),
		 '-'},
		{"    - {header: X-Api, value: v1*, pool: a}\n", LINE("GET /", "X-Api: v10\r\n"),
		 'a'},
		{"    - {header: X-Api, value: v1*, pool: a}\n", LINE("GET /", "X-Api: v\r\n"),
		 '-'},
		{"    - {header: Accept, value: application/json*, pool: a}\n",
		 LINE("GET /", "Accept: application/json, text/plain\r\n"), 'a'},
		/* The first line of a name counts. */
		{"    - {header: X-Api, value: v1, pool: a}\n",
		 LINE("GET /", "X-Api: v2\r\nX-Api: v1\r\n"), '-'},
		/* The first rule that matches holds; one may name nobody. */
		{"    - {path: /img/raw/}\n    - {path: /img/, pool: a}\n    - {suffix: .jpg, "
		 "pool: b}\n",
		 LINE("GET /img/raw/x.jpg", ""), 'o'},
		{"    - {path: /img/raw/}\n    - {path: /img/, pool: a}\n    - {suffix: .jpg, "
		 "pool: b}\n",
		 LINE("GET /img/x.jpg", ""), 'a'},
		{"    - {path: /img/raw/}\n    - {path: /img/, pool: a}\n    - {suffix: .jpg, "
		 "pool: b}\n",
		 LINE("GET /x.jpg", ""), 'b'},
		/* Four header names, each with its own value. */
		{"    - {header: A, value: x, pool: a}\n    - {header: B, value: x, pool: b}\n"
		 "    - {header: C, value: x, pool: c}\n    - {header: D, value: x}\n",
		 LINE("GET /", "A: y\r\nB: y\r\nD: x\r\nC: x\r\n"), 'c'},
		{"    - {header: A, value: x, pool: a}\n    - {header: B, value: x, pool: b}\n"
		 "    - {header: C, value: x, pool: c}\n    - {header: D, value: x}\n",
		 LINE("GET /", "A: y\r\nB: y\r\nD: x\r\n"), 'o'},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		rules_are(all[i].rules);
		if (pool_of(all[i].head) != all[i].pool)
			fail_msg("row %zu: %s with rules\n%s", i, all[i].head, all[i].rules);
	}
}

/* Against the same said with the C library, on paths and rules of three letters. */
static void as_strings_do(void **state)
{
	struct random_state random;

	(void)state;
	random_seed(&random, 7);
	for (int round = 0; round < 300; round++) {
		char prefix[12] = "/", suffix[12] = "", rules[160], path[40] = "/", head[200];
		size_t length;

		for (unsigned int i = 1, n = 1 + random_below(&random, 9); i < n; i++)
			prefix[i] = "ab."[random_below(&random, 3)], prefix[i + 1] = 0;
		for (unsigned int i = 0, n = 1 + random_below(&random, 9); i < n; i++)
			suffix[i] = "ab."[random_below(&random, 3)], suffix[i + 1] = 0;
		snprintf(rules, sizeof(rules),
			 "    - {path: \"%s\", pool: a}\n    - {suffix: \"%s\", pool: b}\n", prefix,
			 suffix);
		rules_are(rules);
		for (int i = 0; i < 50; i++) {
			bool begins, ends;

			length = 1 + random_below(&random, 20);
			for (size_t j = 1; j < length; j++)
				path[j] = "ab."[random_below(&random, 3)];
			path[length] = 0;
			if (i & 1 && strlen(prefix) <= length)
				memcpy(path, prefix, strlen(prefix));
			if (i & 2 && strlen(suffix) < length)
				strcpy(path + length - strlen(suffix), suffix);
			begins = !strncmp(path, prefix, strlen(prefix));
			ends = strlen(suffix) <= length &&
			       !strcmp(path + length - strlen(suffix), suffix);
			snprintf(head, sizeof(head), "GET %s HTTP/1.1\r\nHost: h\r\n\r\n", path);
			assert_int_equal(pool_of(head), begins ? 'a' : ends ? 'b' : '-');
		}
	}
}

static void server_names(void **state)
{
	struct buffer errors = BUFFER_EMPTY;
	struct config config;
	static struct scratch scratch;
	struct rule_search search;

	(void)state;
	assert_int_equal(parse(&config, "    - {host: \"*.org\", pool: b}\n", "tls", &errors), 0);
	rules_make(&table, &config.services[0], SERVICE);
	rule_table = &table;
	memcpy(scratch.bytes, "xxEXAMPLE.ORG", 13);
	assert_int_equal(rules_name(&scratch, 2, 11, &search, 1), 1);
	assert_int_equal(search.pool, RULE_POOL(SERVICE, 1));
	assert_int_equal(rules_name(&scratch, 2, 10, &search, 1), 0);
	assert_int_equal(rules_name(&scratch, 2, 11, &search, 0), 0);
	config_release(&config);
	buffer_release(&errors);
}

static void refused(const char *rules, const char *protocol, const char *message)
{
	struct buffer errors = BUFFER_EMPTY;
	struct config config;

	assert_int_equal(parse(&config, rules, protocol, &errors), -EINVAL);
	assert_string_equal(errors.data, message);
	buffer_release(&errors);
}

static void wrong(void **state)
{
	struct buffer many = BUFFER_EMPTY;

	(void)state;
	refused("    - {path: /x, pool: d}\n", "http",
		"f:15: pool: there is no pool 'd'; it must be listed under the service's "
		"'pools'\n");
	refused("    - {pool: a}\n", "http",
		"f:15: this rule matches everything; give it a host, path, suffix, method or "
		"header, and what no rule matches goes to the service's own nodes\n");
	refused("    - {path: x, pool: a}\n", "http",
		"f:15: path: 'x' must begin with '/' and have no blanks\n");
	refused("    - {value: x, path: /, pool: a}\n", "http",
		"f:15: value: is a header's; name it with 'header'\n");
	refused("    - {host: \"a b\", pool: a}\n", "http",
		"f:15: host: 'a b' is no host; write for example www.example.org, or "
		"*.example.org for all hosts below\n");
	refused("    - {suffix: \".a?\", pool: a}\n", "http",
		"f:15: suffix: '.a?' must have no blanks and no '?': it is the path's end\n");
	refused("    - {host: h, pool: a}\n    - {host: h, path: /, pool: a}\n", "tls",
		"f:16: of a TLS connection only the host can be seen; leave path, suffix, "
		"method and header out\n");
	refused("    - {host: h, pool: a}\n", "tcp",
		"f:6: pools: are for http and tls: nothing is read of tcp and udp\n");
	refused("    - {header: A}\n    - {header: B}\n    - {header: a}\n    - {header: C}\n"
		"    - {header: D}\n    - {header: E}\n",
		"http",
		"f:20: header: is one name too many; the rules of a service can go by 4 "
		"different headers\n");
	for (int i = 0; i <= CONFIG_RULES; i++)
		buffer_format(&many, "    - {path: /%d}\n", i);
	refused(many.data, "http", "f:15: a list of 33; at most 32 are possible\n");
	buffer_release(&many);
}

/* A pool keeps its place while others come and go, and a new one takes none that was just in use;
 * what the registry says in JSON is what it was. */
static void places(void **state)
{
	struct registry *registry = registry_new(), *copy = registry_new();
	const struct registry_service *service = &registry->services[0];
	struct buffer errors = BUFFER_EMPTY;
	struct config config;
	json_t *snapshot;

	(void)state;
	assert_int_equal(parse(&config, "    - {path: /x, pool: c}\n", "http", &errors), 0);
	assert_true(registry_configure(registry, &config));
	assert_false(registry_configure(registry, &config));
	for (int node = 1; node <= 4; node++) {
		assert_int_equal(service->member[node], MEMBER_UP);
		assert_int_equal(service->pools[node], node == 4 ? 1 : 2 << (node - 1));
	}
	assert_false(registry_by_load(registry, 0));
	/* b goes, d comes in its place in the file. */
	memset(config.services[0].pools[1].policy, 0, CONFIG_NAME);
	strcpy(config.services[0].pools[1].name, "d");
	strcpy(config.services[0].pools[1].policy, "lc");
	assert_true(registry_configure(registry, &config));
	assert_string_equal(service->settings.pools[0].name, "a");
	assert_string_equal(service->settings.pools[1].name, "");
	assert_string_equal(service->settings.pools[2].name, "c");
	assert_string_equal(service->settings.pools[3].name, "d");
	assert_int_equal(service->pools[2], 2 << 3);
	assert_int_equal(rules_pool(&service->settings, 0, "d"), RULE_POOL(0, 3));
	assert_int_equal(rules_pool(&service->settings, 0, "b"), 0);
	assert_true(registry_by_load(registry, 0));
	snapshot = registry_snapshot(registry);
	assert_int_equal(registry_restore(copy, snapshot), 0);
	assert_memory_equal(copy, registry, sizeof(*copy));
	json_decref(snapshot);
	config_release(&config);
	buffer_release(&errors);
	free(registry);
	free(copy);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(rows),		cmocka_unit_test(as_strings_do), cmocka_unit_test(wrong),
	cmocka_unit_test(server_names), cmocka_unit_test(places),
};

UNIT_MAIN(tests)
