/* `front` and `fronts` of the configuration. */
#include "../unit.h"

#include "control/config.h"
#include "control/registry.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define REST                                                                                       \
	"cluster: {name: lab, key_file: /k}\n"                                                     \
	"nodes: [{name: node1, address: 10.77.0.11}]\n"                                            \
	"services: [{name: web, addresses: 10.77.0.100, port: 80}]\n"
#define ONE "{address: 10.77.0.2, interface: eth0}"
#define TWO "{address: 10.77.0.4, interface: eth1, flows: 4096, http: \"127.0.0.1:7780\"}"

static int parse(struct config *config, const char *text, struct buffer *errors)
{
	buffer_clear(errors);
	return config_parse(config, "f.yaml", text, strlen(text), errors);
}

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
	struct buffer errors = BUFFER_EMPTY, text = BUFFER_EMPTY;
	struct config config;

	buffer_format(&text, REST "%s", fronts);
	assert_int_equal(parse(&config, text.data, &errors), -EINVAL);
	assert_string_equal(errors.data, message);
	buffer_release(&text);
	buffer_release(&errors);
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
	refused("fronts: [" ONE ", " ONE ", " ONE ", " ONE ", " ONE ", " ONE ", " ONE ", " ONE
		", " ONE "]\n",
		"f.yaml:4: a list of 9; at most 8 are possible\n"
		"f.yaml:1: front: is missing; it says where clients' packets come\n");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(several),
	cmocka_unit_test(wrong),
};

UNIT_MAIN(tests)
