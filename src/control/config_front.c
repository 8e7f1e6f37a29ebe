#include "control/config_front.h"

#include <stdio.h>
#include <string.h>

enum { CONTROL_PORT = 7701 };

static const struct field slow_fields[] = {
	{"size", FIELD_COUNT, offsetof(struct config_slow, size), .least = 2048, .most = 32768},
	{"time", FIELD_DURATION, offsetof(struct config_slow, time), .least = 0.5,
	 .most = CONFIG_SLOW_TIME_MOST_S},
	{"flows", FIELD_COUNT, offsetof(struct config_slow, flows), .least = 0, .most = 65536},
	{NULL},
};

static void read_slow(struct schema *schema, const struct schema_node *node, void *at)
{
	schema_mapping(schema, node, slow_fields, at);
}

static const struct field front_fields[] = {
	{"name", FIELD_NAME, offsetof(struct config_front, name), CONFIG_NAME},
	{"address", FIELD_ADDRESS, offsetof(struct config_front, address), .required = true},
	{"address6", FIELD_ADDRESS, offsetof(struct config_front, address6)},
	{"interface", FIELD_NAME, offsetof(struct config_front, interface), IFNAMSIZ,
	 .required = true},
	{"xdp", FIELD_CHOICE, offsetof(struct config_front, xdp), .choices = CONFIG_XDPS},
	{"flows", FIELD_COUNT, offsetof(struct config_front, flows), .least = 1024,
	 .most = 64 << 20},
	{"idle", FIELD_DURATION, offsetof(struct config_front, idle), .least = 10,
	 .most = 7 * 86400},
	{"who_has", FIELD_COUNT, offsetof(struct config_front, who_has), .least = 0,
	 .most = 1000000},
	{"control", FIELD_ENDPOINT, offsetof(struct config_front, control)},
	{"http", FIELD_ENDPOINT, offsetof(struct config_front, http)},
	{"slow_path", FIELD_OTHER, offsetof(struct config_front, slow), .read = read_slow},
	{NULL},
};

static void read_one(struct schema *schema, const struct schema_node *node, struct config *config)
{
	struct config_front *front = &config->fronts[config->front_count];

	*front = (struct config_front){
		.name = "front",
		.number = config->front_count,
		.line = schema_line(node),
		.flows = 1 << 20,
		.who_has = 10000,
		.idle = 3600ull * 1000000000,
		.slow = {.size = 16384, .time = 10ull * 1000000000, .flows = 4096},
	};
	config->front_count++;
	if (front->number)
		snprintf(front->name, sizeof(front->name), "front%u", config->front_count);
	schema_mapping(schema, node, front_fields, front);
	if (address_is_zero(&front->address))
		return;
	if (!address_is_zero(&front->address6) && address_is_ipv4(&front->address6))
		schema_error(schema, front->line, "address6",
			     "is an IPv4 address; that one belongs under 'address'");
	if (!front->control.port)
		front->control = (struct endpoint){front->address, CONTROL_PORT};
}

void config_front_read(struct schema *schema, const struct schema_node *node, void *at)
{
	struct config *config = at;

	if (config->front_count)
		schema_error(schema, schema_line(node), "front",
			     "and 'fronts' are both given; one of them says it all");
	else
		read_one(schema, node, config);
}

void config_fronts_read(struct schema *schema, const struct schema_node *list, void *at)
{
	unsigned int count = schema_count(schema, list, FRONTS_MAX);
	struct config *config = at;

	if (config->front_count) {
		schema_error(schema, schema_line(list), "fronts",
			     "and 'front' are both given; one of them says it all");
		return;
	}
	for (unsigned int i = 0; i < count; i++)
		read_one(schema, schema_item(schema, list, i), config);
}

/* What a node says to the front on its own host comes in by the device a second time, where only a
 * generic program sees it. */
static void check_on_node(struct schema *schema, const struct config *config,
			  struct config_front *front)
{
	for (unsigned int i = 0; i < config->node_count; i++) {
		if (!address_equal(&config->nodes[i].address, &front->address))
			continue;
		if (front->xdp == XDP_NATIVE)
			schema_error(schema, front->line, "xdp",
				     "must be generic on the host of node '%s'",
				     config->nodes[i].name);
		front->xdp = XDP_GENERIC;
	}
}

void config_fronts_check(struct schema *schema, struct config *config)
{
	for (unsigned int i = 0; i < config->front_count; i++)
		check_on_node(schema, config, &config->fronts[i]);
	if (!config->front_count) {
		schema_error(schema, 1, "front", "is missing; it says where clients' packets come");
		return;
	}
	config->front = config->fronts[0];
	for (unsigned int i = 1; i < config->front_count; i++) {
		const struct config_front *front = &config->fronts[i];

		/* Nodes go by the flows' life on all of them. */
		if (front->idle != config->fronts[0].idle)
			schema_error(schema, front->line, "idle",
				     "differs from that of the front of line %d; all fronts need "
				     "the same",
				     config->fronts[0].line);
		for (unsigned int j = 0; j < i; j++) {
			const struct config_front *other = &config->fronts[j];

			if (!strcmp(front->name, other->name))
				schema_error(schema, front->line, "name",
					     "'%s' is also the front of line %d; names must differ",
					     front->name, other->line);
			if (address_equal(&front->address, &other->address))
				schema_error(
					schema, front->line, "address",
					"is also that of the front of line %d; give each its own",
					other->line);
		}
	}
}

void config_dns_check(struct schema *schema, const struct config *config,
		      const struct config_service *service)
{
	unsigned int four = 0, six;

	for (unsigned int i = 0; i < service->address_count; i++)
		four += address_is_ipv4(&service->addresses[i]);
	six = service->address_count - four;
	if ((four && four != config->front_count) || (six && six != config->front_count))
		schema_error(schema, service->line, "addresses",
			     "with 'place: dns' there is one for each of the %u fronts, in their "
			     "order; of IPv6 likewise, if any",
			     config->front_count);
	if ((service->protocol != PROTOCOL_HTTP && service->protocol != PROTOCOL_TLS) ||
	    service->forward != FORWARD_DIRECT)
		schema_error(schema, service->line, "place",
			     "dns is for http and tls, with 'forward: direct'");
}

bool config_fronts_share(const struct config *config)
{
	for (unsigned int i = 0; i < config->service_count && config->front_count > 1; i++)
		if (config->services[i].place != PLACE_DNS)
			return true;
	return false;
}

bool config_front_choose(struct config *config, const char *name)
{
	for (unsigned int i = 0; i < config->front_count; i++) {
		if (strcmp(config->fronts[i].name, name))
			continue;
		config->front = config->fronts[i];
		return true;
	}
	return false;
}
