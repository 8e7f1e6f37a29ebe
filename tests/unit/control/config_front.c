/* `front` and `fronts` of the configuration. */
#include "parse.h"

#include "control/registry.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define REST                                                                                       \
	"cluster: {name: lab, key_file: /k}\n"                                                     \
	"nodes: [{name: node1, address: 10.77.0.11}]\n"                                            \
	"services: [{name: web, addresses: 10.77.0.100, port: 80}]\n"
#define ONE  "{address: 10.77.0.2, interface: eth0}"
#define FOUR ONE ", " ONE ", " ONE ", " ONE
#define TWO  "{address: 10.77.0.4, interface: eth1, flows: 4096, http: \"127.0.0.1:7780\"}"

static void several(void **state)
{
	struct registry *registry = registry_new(), *again = registry_new();
	struct buffer errors = BUFFER_EMPTY;
	char text[ENDPOINT_TEXT];
	struct config config;
	json_t *snapshot;

	(void)state;
	assert_int_equal(parse(&config, REST "fronts: [" ONE ", " TWO "]\n", &errors), 0);
	assert_int_equal(config.front_count, 2);
	assert_string_equal(config.front.name, "front");
	assert_int_equal(config.fronts[0].flows, 1 << 20);
	assert_true(config_front_choose(&config, "front2"));
	assert_false(config_front_choose(&config, "front3"));
	assert_int_equal(config.front.number, 1);
	assert_int_equal(config.front.flows, 4096);
	assert_string_equal(config.front.interface, "eth1");
	assert_string_equal(endpoint_text(&config.front.control, text), "10.77.0.4:7701");

	/* Every node learns where they are. */
	assert_true(registry_configure(registry, &config));
	snapshot = registry_snapshot(registry);
	assert_int_equal(registry_restore(again, snapshot), 0);
	json_decref(snapshot);
	assert_true(address_equal(&again->fronts[0], &config.fronts[0].address));
	assert_true(address_equal(&again->fronts[1], &config.fronts[1].address));
	assert_true(address_is_zero(&again->fronts[2]));
	config_release(&config);

	/* One that goes is a change. */
	assert_int_equal(parse(&config, REST "front: " ONE "\n", &errors), 0);
	assert_true(registry_configure(registry, &config));
	assert_false(registry_configure(registry, &config));
	assert_true(address_is_zero(&registry->fronts[1]));
	config_release(&config);
	free(registry);
	free(again);
	buffer_release(&errors);
}

static void refused(const char *fronts, const char *message)
{
	struct buffer text = BUFFER_EMPTY;

	buffer_format(&text, REST "%s", fronts);
	parse_refused(text.data, message);
	buffer_release(&text);
}

static void wrong(void **state)
{
	(void)state;
	refused("", "f.yaml:1: front: is missing; it says where clients' packets come\n");
	refused("front: " ONE "\nfronts: [" TWO "]\n",
		"f.yaml:5: fronts: and 'front' are both given; one of them says it all\n");
	refused("fronts: [" ONE ", " ONE "]\n",
		"f.yaml:4: address: is also that of the front of line 4; give each its own\n");
	refused("fronts:\n- " ONE "\n- {name: front, address: 10.77.0.4, interface: eth0}\n",
		"f.yaml:6: name: 'front' is also the front of line 5; names must differ\n");
	refused("fronts:\n- " ONE "\n- {address: 10.77.0.4, interface: eth0, idle: 2h}\n",
		"f.yaml:6: idle: differs from that of the front of line 5; all fronts need the "
		"same\n");
	refused("fronts: [" FOUR ", " FOUR ", " FOUR ", " FOUR ", " ONE "]\n",
		"f.yaml:4: a list of 17; at most 16 are possible\n"
		"f.yaml:1: front: is missing; it says where clients' packets come\n");
}

#define ON_NODES                                                                                   \
	"cluster: {name: lab, key_file: /k}\n"                                                     \
	"nodes: [{name: n1, address: 10.77.0.11}, {name: n2, address: 10.77.0.12}]\n"              \
	"fronts:\n- {name: n1, address: 10.77.0.11, interface: eth0}\n"

static void on_nodes_is(const char *rest, const char *message)
{
	struct buffer errors = BUFFER_EMPTY, text = BUFFER_EMPTY;
	struct config config;

	buffer_format(&text, ON_NODES "%s", rest);
	assert_int_equal(parse(&config, text.data, &errors), message ? -EINVAL : 0);
	if (message) {
		assert_string_equal(errors.data, message);
	} else {
		assert_int_equal(config.fronts[0].xdp, XDP_GENERIC);
		assert_int_equal(config.fronts[1].xdp, XDP_GENERIC);
		assert_false(config_fronts_share(&config));
	}
	config_release(&config);
	buffer_release(&text);
	buffer_release(&errors);
}

static void each_front_has_an_address(void **state)
{
#define SECOND "- {name: n2, address: 10.77.0.12, interface: eth0}\n"
	(void)state;
	on_nodes_is(SECOND "services:\n- {name: web, addresses: [10.1.0.1, 10.1.0.2, \"fd01::1\", "
			   "\"fd01::2\"], port: 80, place: dns}\n",
		    NULL);
	on_nodes_is(
		SECOND "services:\n- {name: web, addresses: [10.1.0.1], port: 80, place: dns}\n",
		"f.yaml:7: addresses: with 'place: dns' there is one for each of the 2 fronts, in "
		"their order; of IPv6 likewise, if any\n");
	on_nodes_is(SECOND "services:\n- {name: web, addresses: [10.1.0.1, 10.1.0.2], port: 80, "
			   "protocol: tcp, place: dns}\n",
		    "f.yaml:7: place: dns is for http and tls, with 'forward: direct'\n");
	on_nodes_is(SECOND "services:\n- {name: web, addresses: [10.1.0.1, 10.1.0.2], port: 80, "
			   "place: dns}\n- {name: other, addresses: [10.1.0.3], port: 80}\n",
		    "f.yaml:8: place: must be dns for all services or for none\n");
	on_nodes_is("- {name: n2, address: 10.77.0.12, interface: eth0, xdp: native}\nservices:\n- "
		    "{name: web, addresses: [10.1.0.1, 10.1.0.2], port: 80, place: dns}\n",
		    "f.yaml:5: xdp: must be generic on the host of node 'n2'\n");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(several),
	cmocka_unit_test(wrong),
	cmocka_unit_test(each_front_has_an_address),
};

UNIT_MAIN(tests)
