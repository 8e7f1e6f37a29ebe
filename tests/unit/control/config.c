#include "parse.h"

#include "base/random.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char whole[] = "cluster:\n"
			    "  name: lab\n"
			    "  key_file: /run/baton/lab/key\n"
			    "front:\n"
			    "  address: 10.77.0.2\n"
			    "  address6: fd77::2\n"
			    "  interface: eth0\n"
			    "  flows: 64Ki\n"
			    "  http: 127.0.0.1:7780\n"
			    "services:\n"
			    "  - name: web\n"
			    "    addresses: [10.77.0.100, \"fd77::100\"]\n"
			    "    port: 80\n"
			    "    policy: maglev\n"
			    "    nodes: [node2]\n"
			    "    health: {path: /ok, interval: 250ms, fall: 5}\n"
			    "  - {name: mail, addresses: 10.77.0.100, port: 25, protocol: tcp}\n"
			    "nodes:\n"
			    "  - {name: node1, address: 10.77.0.11, weight: 3}\n"
			    "  - name: node2\n"
			    "    address: 10.77.0.12\n"
			    "    address6: fd77::12\n";

static void everything(void **state)
{
	struct buffer errors = BUFFER_EMPTY;
	struct config config;
	char text[ENDPOINT_TEXT];

	(void)state;
	assert_int_equal(parse(&config, whole, &errors), 0);
	assert_int_equal(errors.length, 0);
	assert_string_equal(config.name, "lab");
	assert_int_equal(config.port, 7700);
	assert_string_equal(address_text(&config.front.address6, text), "fd77::2");
	assert_int_equal(config.front.flows, 65536);
	assert_string_equal(endpoint_text(&config.front.control, text), "10.77.0.2:7701");
	assert_string_equal(endpoint_text(&config.front.http, text), "127.0.0.1:7780");
	assert_int_equal(config.node_count, 2);
	assert_int_equal(config.nodes[0].weight, 3);
	assert_int_equal(config.nodes[1].weight, 1);
	assert_string_equal(config.nodes[1].interface, "eth0");
	assert_int_equal(config.service_count, 2);
	assert_int_equal(config.services[0].address_count, 2);
	assert_string_equal(config.services[0].policy, "maglev");
	assert_false(config.services[0].node[0]);
	assert_true(config.services[0].node[1]);
	assert_int_equal(config.services[0].health.type, HEALTH_HTTP);
	assert_int_equal(config.services[0].health.interval, 250000000);
	assert_int_equal(config.services[0].health.rise, 2);
	assert_int_equal(config.services[0].health.fall, 5);
	assert_int_equal(config.services[1].protocol, PROTOCOL_TCP);
	assert_int_equal(config.services[1].health.type, HEALTH_TCP);
	assert_true(config.services[1].node[0]);
	assert_ptr_equal(config_node_named(&config, "node2"), &config.nodes[1]);
	assert_null(config_service_named(&config, "nothing"));
	config_release(&config);
	buffer_release(&errors);
}

/* The whole file with `from` replaced by `to` must be refused with exactly `message`. */
static void refused(const char *from, const char *to, const char *message)
{
	struct buffer text = BUFFER_EMPTY;
	const char *at = strstr(whole, from);

	assert_non_null(at);
	buffer_add(&text, whole, (size_t)(at - whole));
	buffer_text(&text, to);
	buffer_text(&text, at + strlen(from));
	parse_refused(text.data, message);
	buffer_release(&text);
}

static void wrong(void **state)
{
	(void)state;
	refused("port: 80\n", "prot: 80\n",
		"f.yaml:13: prot: unknown key; known here: name, addresses, port, protocol, "
		"policy, window, decay, nodes, target, path_segments, place, forward, release, "
		"switch, "
		"schedule, allow, "
		"deny, "
		"source_rate, source_connections, health, pools, rules\n"
		"f.yaml:11: port: is missing; add it\n");
	refused("port: 80\n", "port: 80\n    allow: [10.0.0.1/8]\n",
		"f.yaml:14: allow: '10.0.0.1/8' is no address and no network; write for example "
		"10.0.0.0/8, without bits behind the prefix\n");
	refused("port: 80\n", "port: 80000\n", "f.yaml:13: port: must lie between 1 and 65535\n");
	refused("port: 80\n", "port: -1\n", "f.yaml:13: port: '-1' is no whole number\n");
	refused("port: 80\n", "port: [80]\n",
		"f.yaml:13: port: a plain value belongs here, not a list or mapping\n");
	refused("port: 80\n", "port: 80\n    port: 81\n",
		"f.yaml:14: port: is given twice; remove one\n");
	refused("interval: 250ms", "interval: fast",
		"f.yaml:16: interval: 'fast' is no duration; write for example 500ms, 2s or 1h\n");
	refused("[node2]", "[node9]",
		"f.yaml:15: nodes: there is no node 'node9'; it must be listed under 'nodes'\n");
	refused("name: node2", "name: node1",
		"f.yaml:20: name: 'node1' is also the node of line 19; names must differ\n"
		"f.yaml:15: nodes: there is no node 'node2'; it must be listed under 'nodes'\n");
	refused("policy: maglev", "forward: nat",
		"f.yaml:11: forward: nat is for tcp and udp: http and tls go direct or tunnel, and "
		"need the service's addresses on each node\n");
	refused("10.77.0.100, port: 25", "\"fd77::9\", port: 25, forward: nat",
		"f.yaml:17: forward: nat of an IPv6 address needs 'address6' of node 'node1'\n");
	refused("policy: maglev", "path_segments: 101",
		"f.yaml:14: path_segments: must lie between 0 and 100\n");
	refused("policy: maglev", "target: url\n    path_segments: 0",
		"f.yaml:11: path_segments: a part of the path and target: url can't both be\n");
	refused("port: 25", "port: 25, schedule: packet",
		"f.yaml:17: schedule: packet is for udp: a connection's packets belong together\n");
	refused("port: 25", "port: 25, forward: tunnel",
		"f.yaml:17: forward: tunnel is for http and tls: tcp and udp go direct\n");
	refused("port: 25", "port: 80",
		"f.yaml:17: addresses: 10.77.0.100 port 80 is also the service's of line 11\n");
	refused("10.77.0.12\n", "node2.example\n",
		"f.yaml:21: address: 'node2.example' is no IPv4 or IPv6 address; names are not "
		"looked up\n");
	refused("http: 127.0.0.1:7780", "http: 7780",
		"f.yaml:9: http: '7780' is no ADDRESS:PORT; write for example 10.0.0.1:80 or "
		"[fd00::1]:80\n");
	refused("name: lab", "name: ../lab",
		"f.yaml:2: name: '../lab' may only have letters, digits, '-', '_' and (not first) "
		"'.'\n");
	/* Still one line, and nothing that a terminal obeys. */
	refused("name: lab", "name: \"a\\n\\eb\"",
		"f.yaml:2: name: 'a  b' may only have letters, digits, '-', '_' and (not first) "
		"'.'\n");
	refused("policy: maglev", "policy: \"\"", "f.yaml:14: policy: is empty; give it a value\n");
}

static void broken(void **state)
{
	static const char *const texts[] = {
		"",
		"\n",
		"---\n...\n",
		"42",
		"[1, 2]",
		"cluster: {",
		"cluster: &a [*a]\nfront: *a\nnodes: *a\nservices: *a\n",
		"nodes: {a: b}\nservices: [[]]\nfront: ~\ncluster: ~\n",
		"a: b\n---\nc: d\n",
		"? [x]\n: y\n",
		"\"a\\0b\": c\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct buffer errors = BUFFER_EMPTY;
		struct config config;

		assert_int_equal(parse(&config, texts[i], &errors), -EINVAL);
		assert_true(errors.length > 0);
		buffer_release(&errors);
		config_release(&config);
	}
}

/* Whatever becomes of the file, reading it ends, releases all it took (the sanitizer build watches)
 * and either succeeds or says why not. */
static void mangled(void **state)
{
	struct random_state random;

	(void)state;
	random_seed(&random, 20);
	for (int i = 0; i < 3000; i++) {
		struct buffer text = BUFFER_EMPTY, errors = BUFFER_EMPTY;
		struct config config;
		int error;

		buffer_add(&text, whole, sizeof(whole) - 1);
		for (uint64_t changes = 1 + random_below(&random, 4); changes; changes--) {
			size_t at = random_below(&random, text.length);

			switch (random_below(&random, 3)) {
			case 0:
				text.data[at] = (char)random_below(&random, 256);
				break;
			case 1:
				text.data[at] = "{}[]:,-&*#\n \"'"[random_below(&random, 14)];
				break;
			case 2:
				memmove(text.data + at, text.data + at + 1, text.length - at);
				text.length--;
				break;
			}
		}
		error = config_parse(&config, "f.yaml", text.data, text.length, &errors);
		assert_true(error ? errors.length > 0 && !config.nodes : !errors.length);
		config_release(&config);
		buffer_release(&errors);
		buffer_release(&text);
	}
}

static int keys_from(const char *text, mode_t mode, struct config_keys *keys, struct buffer *errors)
{
	char path[] = "/tmp/baton-keys-XXXXXX";
	int fd = mkstemp(path), error;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
	error = config_keys_read(path, keys, errors);
	unlink(path);
	return error;
}

static void keys(void **state)
{
	static const char one[] =
		"000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F\n";
	static const char even[] =
		"000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1E\n";
	struct buffer errors = BUFFER_EMPTY, two = BUFFER_EMPTY;
	struct config_keys keys;

	(void)state;
	assert_int_equal(keys_from(one, 0600, &keys, &errors), 0);
	assert_int_equal(keys.count, 1);
	assert_int_equal(keys.keys[0][31], 0x1f);
	buffer_format(&two, "%s%s", one, even);
	assert_int_equal(keys_from(two.data, 0600, &keys, &errors), 0);
	assert_int_equal(keys.count, 2);
	assert_int_equal(errors.length, 0);
	buffer_text(&two, one);
	assert_int_equal(keys_from(two.data, 0600, &keys, &errors), -EINVAL);
	assert_non_null(strstr(errors.data, ":3: a key file has one or two lines"));
	assert_int_equal(keys.count, 0);
	buffer_clear(&two);
	buffer_format(&two, "%s%s", one, one);
	assert_int_equal(keys_from(two.data, 0600, &keys, &errors), -EINVAL);
	assert_int_equal(keys_from(one, 0640, &keys, &errors), -EINVAL);
	assert_int_equal(keys_from("", 0600, &keys, &errors), -EINVAL);
	assert_int_equal(keys_from("short\n", 0600, &keys, &errors), -EINVAL);
	assert_int_equal(config_keys_read("/nonexistent/key", &keys, &errors), -ENOENT);
	buffer_release(&two);
	buffer_release(&errors);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(everything), cmocka_unit_test(wrong), cmocka_unit_test(broken),
	cmocka_unit_test(mangled),    cmocka_unit_test(keys),
};

UNIT_MAIN(tests)
