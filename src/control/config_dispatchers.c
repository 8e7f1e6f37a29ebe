#include "control/config_dispatchers.h"

#include "place/build.h"
#include "wire/cluster.h"

#include <string.h>

_Static_assert((int)CONFIG_DISPATCHERS == (int)DISPATCHERS_MAX, "all have room in the programs");

enum { CONTROL_PORT = 7702 };

static const struct field fields[] = {
	{"name", FIELD_NAME, offsetof(struct config_dispatcher, name), CONFIG_NAME,
	 .required = true},
	{"address", FIELD_ADDRESS, offsetof(struct config_dispatcher, address), .required = true},
	{"address6", FIELD_ADDRESS, offsetof(struct config_dispatcher, address6)},
	{"interface", FIELD_NAME, offsetof(struct config_dispatcher, interface), IFNAMSIZ},
	{"xdp", FIELD_CHOICE, offsetof(struct config_dispatcher, xdp), .choices = CONFIG_XDPS},
	{"control", FIELD_ENDPOINT, offsetof(struct config_dispatcher, control)},
	{NULL},
};

/* Names and addresses tell hosts apart. */
static void no_clash(struct schema *schema, const struct config_dispatcher *dispatcher,
		     const char *name, const struct address *address, int line)
{
	if (*dispatcher->name && !strcmp(dispatcher->name, name))
		schema_error(schema, dispatcher->line, "name",
			     "'%s' is also the host of line %d; names must differ", name, line);
	if (!address_is_zero(&dispatcher->address) && address_equal(&dispatcher->address, address))
		schema_error(schema, dispatcher->line, "address",
			     "is also that of the host of line %d; give each its own", line);
}

/* A flow that is only forwarded weighs from its first packet to its last, which the front alone
 * sees: a dispatcher would choose by loads without them, and remember targets (a flow's address and
 * port) that never come again. */
static void no_flows(struct schema *schema, const struct config *config)
{
	for (unsigned int i = 0; i < config->service_count; i++) {
		const struct config_service *service = &config->services[i];
		int policy = place_policy_by_name(service->policy);

		if ((service->protocol == PROTOCOL_TCP || service->protocol == PROTOCOL_UDP) &&
		    policy >= 0 &&
		    place_policy_wants((enum place_policy)policy) & PLACE_WANT_CENTRAL)
			schema_error(schema, service->line, "policy",
				     "'%s' is for http and tls where there are 'dispatchers', "
				     "which see no tcp or udp flow's end; use lc, wlc or p2c",
				     service->policy);
	}
}

void config_dispatchers_read(struct schema *schema, const struct schema_node *list,
			     struct config *config)
{
	unsigned int count = schema_count(schema, list, CONFIG_DISPATCHERS);

	for (unsigned int i = 0; i < count; i++) {
		const struct schema_node *item = schema_item(schema, list, i);
		struct config_dispatcher *dispatcher = &config->dispatchers[i];

		dispatcher->line = schema_line(item);
		strcpy(dispatcher->interface, "eth0");
		schema_mapping(schema, item, fields, dispatcher);
		config->dispatcher_count++;
		if (!dispatcher->control.port)
			dispatcher->control = (struct endpoint){dispatcher->address, CONTROL_PORT};
		if (!address_is_zero(&dispatcher->address6) &&
		    address_is_ipv4(&dispatcher->address6))
			schema_error(schema, dispatcher->line, "address6",
				     "is an IPv4 address; that one belongs under 'address'");
		for (unsigned int j = 0; j < config->front_count; j++)
			no_clash(schema, dispatcher, config->fronts[j].name,
				 &config->fronts[j].address, config->fronts[j].line);
		for (unsigned int j = 0; j < config->node_count; j++)
			no_clash(schema, dispatcher, config->nodes[j].name,
				 &config->nodes[j].address, config->nodes[j].line);
		for (unsigned int j = 0; j < i; j++)
			no_clash(schema, dispatcher, config->dispatchers[j].name,
				 &config->dispatchers[j].address, config->dispatchers[j].line);
	}
	if (count)
		no_flows(schema, config);
}
