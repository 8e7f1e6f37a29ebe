#include "../unit.h"

#include "control/document.h"

#include <stdlib.h>
#include <string.h>

static const char text[] =
	"cluster: {name: lab, key_file: /k, port: 7710}\n"
	"front: {address: 10.0.0.2, address6: fd00::2, interface: eth1, xdp: generic, idle: 90m,\n"
	"  http: \"[::1]:7780\"}\n"
	"nodes:\n"
	"  - {name: a, address: 10.0.1.1, address6: fd00::1:1, weight: 3}\n"
	"  - {name: b, address: 10.0.1.2}\n"
	"services:\n"
	"  - {name: web, addresses: [10.0.0.9, fd00::9], port: 80, policy: maglev, target: url,\n"
	"     window: 90s, decay: 250ms, nodes: [b], place: spread, forward: tunnel,\n"
	"     release: fin, switch: no,\n"
	"     pools: [{name: big, policy: lard, nodes: [a]}, {name: all, nodes: [a, b]}],\n"
	"     rules: [{host: \"*.Example\", path: /big/, pool: big}, {suffix: .x, method: PUT},\n"
	"       {header: X-Api, value: v1*, pool: all}],\n"
	"     health: {type: tcp, host: www.example, interval: 1500ms, timeout: 2s, rise: 4, fall: "
	"7}}\n"
	"  - {name: names, addresses: [10.0.0.9], port: 53, protocol: udp, policy: sh, "
	"path_segments: 0,\n"
	"     schedule: packet, forward: nat}\n";

static void parse(struct config *config, const char *from)
{
	struct buffer errors = BUFFER_EMPTY;

	if (config_parse(config, "f", from, strlen(from), &errors))
		fail_msg("%s", errors.data);
	buffer_release(&errors);
}

/* What the document says, read again, is what it was made from. */
static void there_and_back(void **state)
{
	struct registry *one = registry_new(), *two = registry_new();
	struct config config, again;
	json_t *document;
	char *said;

	(void)state;
	parse(&config, text);
	registry_configure(one, &config);
	document = document_make(one, &config);
	said = json_dumps(document, 0);
	parse(&again, said);
	assert_memory_equal(&again.front.control, &config.front.control,
			    sizeof(config.front.control));
	assert_memory_equal(&again.front.http, &config.front.http, sizeof(config.front.http));
	assert_int_equal(again.front.xdp, XDP_GENERIC);
	assert_int_equal(again.front.flows, config.front.flows);
	assert_int_equal(again.services[0].decay, 250000000);
	registry_configure(two, &again);
	assert_memory_equal(one, two, sizeof(*one));
	assert_false(registry_configure(one, &again));
	free(said);
	json_decref(document);
	config_release(&config);
	config_release(&again);
	free(one);
	free(two);
}

static void found_by_name(void **state)
{
	json_t *document = json_pack("{s:[{s:s}, {s:s}, {}]}", "nodes", "name", "a", "name", "b");
	size_t index = 9;

	(void)state;
	assert_ptr_equal(document_find(document, "nodes", "b", &index),
			 json_array_get(json_object_get(document, "nodes"), 1));
	assert_int_equal(index, 1);
	assert_null(document_find(document, "nodes", "c", &index));
	assert_null(document_find(document, "services", "a", &index));
	assert_int_equal(index, 1);
	json_decref(document);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(there_and_back),
	cmocka_unit_test(found_by_name),
};

UNIT_MAIN(tests)
