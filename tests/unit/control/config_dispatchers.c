/* `dispatchers` of the configuration. */
#include "parse.h"

#include "control/document.h"
#include "control/registry.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define REST                                                                                       \
	"cluster: {name: lab, key_file: /k}\n"                                                     \
	"front: {address: 10.77.0.2, interface: eth0}\n"                                           \
	"nodes: [{name: node1, address: 10.77.0.11}]\n"                                            \
	"services: [{name: web, addresses: 10.77.0.100, port: 80, policy: lard}]\n"
#define ONE "{name: d1, address: 10.77.0.151}"
#define TWO "{name: d2, address: 10.77.0.152, interface: eth1, control: \"10.77.0.152:99\"}"

static void several(void **state)
{
	struct registry *registry = registry_new(), *again = registry_new();
	struct buffer errors = BUFFER_EMPTY;
	json_t *snapshot, *document;
	char text[ENDPOINT_TEXT];
	struct config config;
	char *file;

	(void)state;
	assert_int_equal(parse(&config, REST "dispatchers: [" ONE ", " TWO "]\n", &errors), 0);
	assert_int_equal(config.dispatcher_count, 2);
	assert_string_equal(endpoint_text(&config.dispatchers[0].control, text),
			    "10.77.0.151:7702");
	assert_string_equal(endpoint_text(&config.dispatchers[1].control, text), "10.77.0.152:99");
	assert_string_equal(config.dispatchers[0].interface, "eth0");
	assert_string_equal(config_dispatcher_named(&config, "d2")->interface, "eth1");
	assert_null(config_dispatcher_named(&config, "node1"));

	/* Every host learns of them. */
	assert_true(registry_configure(registry, &config));
	assert_false(registry_configure(registry, &config));
	snapshot = registry_snapshot(registry);
	assert_int_equal(registry_restore(again, snapshot), 0);
	json_decref(snapshot);
	assert_int_equal(again->dispatcher_count, 2);
	assert_int_equal(registry_dispatcher_number(again, "d2"), 1);
	assert_int_equal(registry_dispatcher_number(again, "d3"), -ENOENT);

	/* A command that changes the cluster leaves them what they are. */
	document = document_make(again, &config);
	file = json_dumps(document, 0);
	config_release(&config);
	assert_int_equal(parse(&config, file, &errors), 0);
	assert_false(registry_configure(registry, &config));
	config_release(&config);
	json_decref(document);
	free(file);

	/* Without them the front decides again. */
	assert_int_equal(parse(&config, REST, &errors), 0);
	assert_true(registry_configure(registry, &config));
	assert_int_equal(registry->dispatcher_count, 0);
	config_release(&config);
	buffer_release(&errors);
	free(registry);
	free(again);
}

static void refused(const char *dispatchers, const char *message)
{
	struct buffer text = BUFFER_EMPTY;

	buffer_format(&text, REST "dispatchers: [%s]\n", dispatchers);
	parse_refused(text.data, message);
	buffer_release(&text);
}

static void wrong(void **state)
{
	(void)state;
	refused("{name: d1}", "f.yaml:5: address: is missing; add it\n");
	refused(ONE ", {name: d1, address: 10.77.0.153}",
		"f.yaml:5: name: 'd1' is also the host of line 5; names must differ\n");
	refused("{name: node1, address: 10.77.0.153}",
		"f.yaml:5: name: 'node1' is also the host of line 3; names must differ\n");
	refused("{name: d1, address: 10.77.0.11}",
		"f.yaml:5: address: is also that of the host of line 3; give each its own\n");
	refused("{name: d1, address: 10.77.0.151, address6: 10.0.0.1}",
		"f.yaml:5: address6: is an IPv4 address; that one belongs under 'address'\n");
}

#define FLOWS "  - {name: mail, addresses: 10.77.0.100, port: 25, protocol: "
#define LIST                                                                                       \
	"cluster: {name: lab, key_file: /k}\n"                                                     \
	"front: {address: 10.77.0.2, interface: eth0}\n"                                           \
	"nodes: [{name: node1, address: 10.77.0.11}]\n"                                            \
	"services:\n"

/* What goes by the memory of a flow's target can't be asked about. */
static void forwarded_flows(void **state)
{
	struct buffer errors = BUFFER_EMPTY;
	struct config config;

	(void)state;
	parse_refused(LIST FLOWS "tcp, policy: lard}\ndispatchers: [" ONE "]\n",
		      "f.yaml:5: policy: 'lard' is for http and tls where there are 'dispatchers', "
		      "which see no tcp or udp flow's end; use lc, wlc or p2c\n");
	parse_refused(LIST FLOWS "udp, policy: ds}\ndispatchers: [" ONE "]\n",
		      "f.yaml:5: policy: 'ds' is for http and tls where there are 'dispatchers', "
		      "which see no tcp or udp flow's end; use lc, wlc or p2c\n");
	assert_int_equal(
		parse(&config, LIST FLOWS "udp, policy: wlc}\ndispatchers: [" ONE "]\n", &errors),
		0);
	config_release(&config);
	assert_int_equal(
		parse(&config, LIST FLOWS "tls, policy: lard}\ndispatchers: [" ONE "]\n", &errors),
		0);
	config_release(&config);
	assert_int_equal(parse(&config, LIST FLOWS "tcp, policy: lard}\n", &errors), 0);
	config_release(&config);
	buffer_release(&errors);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(several), cmocka_unit_test(wrong),
					   cmocka_unit_test(forwarded_flows)};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
