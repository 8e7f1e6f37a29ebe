#include "control/config.h"

#include "base/fail.h"
#include "control/config_dispatchers.h"
#include "control/config_front.h"
#include "control/config_rules.h"
#include "control/config_source.h"
#include "control/schema.h"
#include "place/build.h"
#include "wire/cluster.h"
#include "wire/header.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MOST = 4 << 20 };

/* ---- cluster ---- */

static const struct field cluster_fields[] = {
	{"name", FIELD_NAME, offsetof(struct config, name), CONFIG_NAME, .required = true},
	{"key_file", FIELD_TEXT, offsetof(struct config, key_file), 256, .required = true},
	{"port", FIELD_SMALL, offsetof(struct config, port), .least = 1, .most = 65535},
	{"origin", FIELD_ADDRESS, offsetof(struct config, origin)},
	{NULL},
};

static void read_cluster(struct schema *schema, const struct schema_node *node, void *at)
{
	schema_mapping(schema, node, cluster_fields, at);
}

/* ---- nodes ---- */

static const struct field node_fields[] = {
	{"name", FIELD_NAME, offsetof(struct config_node, name), CONFIG_NAME, .required = true},
	{"address", FIELD_ADDRESS, offsetof(struct config_node, address), .required = true},
	{"address6", FIELD_ADDRESS, offsetof(struct config_node, address6)},
	{"interface", FIELD_NAME, offsetof(struct config_node, interface), IFNAMSIZ},
	{"weight", FIELD_SMALL, offsetof(struct config_node, weight), .least = 0, .most = 65535},
	{NULL},
};

static void read_nodes(struct schema *schema, const struct schema_node *list, void *at)
{
	struct config *config = at;
	unsigned int count = schema_count(schema, list, CONFIG_NODES);

	config->nodes = calloc(count + 1, sizeof(*config->nodes));
	if (!config->nodes)
		out_of_memory();
	for (unsigned int i = 0; i < count; i++) {
		const struct schema_node *item = schema_item(schema, list, i);
		struct config_node *node = &config->nodes[i];

		node->line = schema_line(item);
		node->weight = 1;
		strcpy(node->interface, "eth0");
		schema_mapping(schema, item, node_fields, node);
		config->node_count++;
		for (unsigned int j = 0; j < i; j++) {
			const struct config_node *other = &config->nodes[j];

			if (*node->name && !strcmp(node->name, other->name))
				schema_error(schema, node->line, "name",
					     "'%s' is also the node of line %d; names must differ",
					     node->name, other->line);
			if (!address_is_zero(&node->address) &&
			    address_equal(&node->address, &other->address))
				schema_error(
					schema, node->line, "address",
					"is also that of the node of line %d; give each its own",
					other->line);
		}
		if (!address_is_zero(&node->address6) && address_is_ipv4(&node->address6))
			schema_error(schema, node->line, "address6",
				     "is an IPv4 address; that one belongs under 'address'");
	}
}

/* ---- services ---- */

static const struct field health_fields[] = {
	{"type", FIELD_CHOICE, offsetof(struct config_health, type), .choices = CONFIG_HEALTHS},
	{"path", FIELD_TEXT, offsetof(struct config_health, path), 256},
	{"host", FIELD_NAME, offsetof(struct config_health, host), 256},
	{"interval", FIELD_DURATION, offsetof(struct config_health, interval), .least = 0.05,
	 .most = 3600},
	{"timeout", FIELD_DURATION, offsetof(struct config_health, timeout), .least = 0.05,
	 .most = 3600},
	{"slow_start", FIELD_DURATION, offsetof(struct config_health, slow_start), .least = 0,
	 .most = 3600},
	{"rise", FIELD_SMALL, offsetof(struct config_health, rise), .least = 1, .most = 100},
	{"fall", FIELD_SMALL, offsetof(struct config_health, fall), .least = 1, .most = 100},
	{NULL},
};

static void read_health(struct schema *schema, const struct schema_node *node, void *at)
{
	struct config_health *health = at;

	/* Whoever writes the section and no type means the usual one of the protocol. */
	schema_mapping(schema, node, health_fields, health);
	if (health->path[0] && (health->path[0] != '/' || strpbrk(health->path, " \r\n\t")))
		schema_error(schema, schema_line(node), "path",
			     "'%s' must begin with '/' and have no blanks", health->path);
}

static void read_addresses(struct schema *schema, const struct schema_node *list, void *at)
{
	static const struct field field = {"addresses", FIELD_ADDRESS};
	struct config_service *service = at;
	unsigned int count = schema_count(schema, list, CONFIG_VIPS);

	for (unsigned int i = 0; i < count; i++) {
		struct address *address = &service->addresses[service->address_count];

		if (schema_value(schema, schema_item(schema, list, i), &field, address))
			service->address_count++;
	}
}

static void read_allow(struct schema *schema, const struct schema_node *list, void *at)
{
	config_sources_read(schema, list, at, false);
}

static void read_deny(struct schema *schema, const struct schema_node *list, void *at)
{
	config_sources_read(schema, list, at, true);
}

/* Services may come before the nodes in the file, so their lists are kept until all is read. */
struct service_list {
	const struct schema_node *list; /* NULL: not given */
};

struct service_reading {
	struct config_service service;
	struct service_list nodes, pools, rules;
};

static void keep_list(struct schema *schema, const struct schema_node *list, void *at)
{
	struct service_list *kept = at;

	(void)schema;
	kept->list = list;
}

#define SERVICE(member) offsetof(struct service_reading, service.member)

static const struct field service_fields[] = {
	{"name", FIELD_NAME, SERVICE(name), CONFIG_NAME, .required = true},
	{"addresses", FIELD_OTHER, SERVICE(name), .required = true, .read = read_addresses},
	{"port", FIELD_SMALL, SERVICE(port), .required = true, .least = 1, .most = 65535},
	{"protocol", FIELD_CHOICE, SERVICE(protocol), .choices = CONFIG_PROTOCOLS},
	{"policy", FIELD_NAME, SERVICE(policy), CONFIG_NAME},
	{"window", FIELD_DURATION, SERVICE(window), .least = 0.01, .most = 86400},
	{"decay", FIELD_DURATION, SERVICE(decay), .least = 0.01, .most = 60},
	{"nodes", FIELD_OTHER, offsetof(struct service_reading, nodes), .read = keep_list},
	{"target", FIELD_CHOICE, SERVICE(target), .choices = CONFIG_TARGETS},
	{"path_segments", FIELD_SMALL, SERVICE(path_segments), .least = 0,
	 .most = CONFIG_SEGMENTS_ALL},
	{"place", FIELD_CHOICE, SERVICE(place), .choices = CONFIG_PLACES},
	{"forward", FIELD_CHOICE, SERVICE(forward), .choices = CONFIG_FORWARDS},
	{"release", FIELD_CHOICE, SERVICE(release), .choices = CONFIG_RELEASES},
	{"switch", FIELD_BOOL, SERVICE(switching)},
	{"schedule", FIELD_CHOICE, SERVICE(schedule), .choices = CONFIG_SCHEDULES},
	{"allow", FIELD_OTHER, SERVICE(name), .read = read_allow},
	{"deny", FIELD_OTHER, SERVICE(name), .read = read_deny},
	{"source_rate", FIELD_SMALL, SERVICE(source_rate), .least = 0, .most = 1000000000},
	{"source_connections", FIELD_SMALL, SERVICE(source_connections), .least = 0,
	 .most = 1000000000},
	{"health", FIELD_OTHER, SERVICE(health), .read = read_health},
	{"pools", FIELD_OTHER, offsetof(struct service_reading, pools), .read = keep_list},
	{"rules", FIELD_OTHER, offsetof(struct service_reading, rules), .read = keep_list},
	{NULL},
};

/* What two services can't have both: the same address, port and transport. */
static void no_clash(struct schema *schema, const struct config_service *service,
		     const struct config_service *other)
{
	bool udp = service->protocol == PROTOCOL_UDP;
	char text[ADDRESS_TEXT];

	if (*service->name && !strcmp(service->name, other->name))
		schema_error(schema, service->line, "name",
			     "'%s' is also the service of line %d; names must differ",
			     service->name, other->line);
	if (service->port != other->port || udp != (other->protocol == PROTOCOL_UDP))
		return;
	for (unsigned int i = 0; i < service->address_count; i++)
		for (unsigned int j = 0; j < other->address_count; j++)
			if (address_equal(&service->addresses[i], &other->addresses[j]))
				schema_error(schema, service->line, "addresses",
					     "%s port %u is also the service's of line %d",
					     address_text(&service->addresses[i], text),
					     service->port, other->line);
}

/* Whether each node has an address of its own for every family that the service has. */
static void check_nat(struct schema *schema, const struct config *config,
		      const struct config_service *service)
{
	bool four = false, six = false;

	for (unsigned int i = 0; i < service->address_count; i++) {
		four |= address_is_ipv4(&service->addresses[i]);
		six |= !address_is_ipv4(&service->addresses[i]);
	}
	for (unsigned int i = 0; i < config->node_count; i++) {
		const struct config_node *node = &config->nodes[i];
		bool own = address_is_ipv4(&node->address);

		if (!service->node[i])
			continue;
		if (four && !own)
			schema_error(schema, service->line, "forward",
				     "nat of an IPv4 address needs one of node '%s'", node->name);
		if (six && own && address_is_zero(&node->address6))
			schema_error(schema, service->line, "forward",
				     "nat of an IPv6 address needs 'address6' of node '%s'",
				     node->name);
	}
}

static void service_defaults(struct config_service *service)
{
	*service = (struct config_service){
		.policy = "hrw",
		.path_segments = CONFIG_SEGMENTS_ALL,
		.switching = true,
		.health = {.type = -1,
			   .path = "/",
			   .interval = 1000000000,
			   .timeout = 1000000000,
			   .slow_start = 10000000000,
			   .rise = 2,
			   .fall = 3},
	};
}

static void read_services(struct schema *schema, const struct schema_node *list,
			  struct config *config)
{
	unsigned int count = schema_count(schema, list, CONFIG_SERVICES);

	config->services = calloc(count + 1, sizeof(*config->services));
	if (!config->services)
		out_of_memory();
	for (unsigned int i = 0; i < count; i++) {
		const struct schema_node *item = schema_item(schema, list, i);
		struct config_service *service = &config->services[i];
		struct service_reading reading = {0};

		service_defaults(&reading.service);
		schema_mapping(schema, item, service_fields, &reading);
		*service = reading.service;
		service->line = schema_line(item);
		if (service->health.type < 0)
			service->health.type = service->protocol == PROTOCOL_HTTP  ? HEALTH_HTTP
					       : service->protocol == PROTOCOL_UDP ? HEALTH_NONE
										   : HEALTH_TCP;
		if (place_policy_by_name(service->policy) < 0)
			schema_error(schema, service->line, "policy", "'%s' is none of %s",
				     service->policy, place_policy_names());
		if (service->forward == FORWARD_NAT &&
		    (service->protocol == PROTOCOL_HTTP || service->protocol == PROTOCOL_TLS))
			schema_error(
				schema, service->line, "forward",
				"nat is for tcp and udp: http and tls go direct or tunnel, and "
				"need the service's addresses on each node");
		if (service->target == TARGET_URL && service->path_segments != CONFIG_SEGMENTS_ALL)
			schema_error(schema, service->line, "path_segments",
				     "a part of the path and target: url can't both be");
		if (service->schedule == SCHEDULE_PACKET && service->protocol != PROTOCOL_UDP)
			schema_error(schema, service->line, "schedule",
				     "packet is for udp: a connection's packets belong together");
		if (service->forward == FORWARD_TUNNEL &&
		    (service->protocol == PROTOCOL_TCP || service->protocol == PROTOCOL_UDP))
			schema_error(schema, service->line, "forward",
				     "tunnel is for http and tls: tcp and udp go direct");
		config_nodes_of(schema, config, reading.nodes.list, service->node);
		if (service->forward == FORWARD_NAT)
			check_nat(schema, config, service);
		if (service->place == PLACE_DNS)
			config_dns_check(schema, config, service);
		if ((service->place == PLACE_DNS) != (config->services[0].place == PLACE_DNS))
			schema_error(schema, service->line, "place",
				     "must be dns for all services or for none");
		config_rules_read(schema, config, service, reading.pools.list, reading.rules.list);
		config->service_count++;
		for (unsigned int j = 0; j < i; j++)
			no_clash(schema, service, &config->services[j]);
	}
}

/* ---- log ---- */

static const struct field log_fields[] = {
	{"format", FIELD_CHOICE, offsetof(struct config_log, format), .choices = CONFIG_LOGS},
	{"to", FIELD_TEXT, offsetof(struct config_log, to), 256},
	{"rotate", FIELD_COUNT, offsetof(struct config_log, rotate)},
	{"keep", FIELD_SMALL, offsetof(struct config_log, keep), .least = 0, .most = 1000},
	{NULL},
};

static void read_log(struct schema *schema, const struct schema_node *node, void *at)
{
	struct config_log *log = at;

	*log = (struct config_log){
		.on = true, .format = LOG_COMBINED, .to = "/var/log/baton/{node}.log", .keep = 5};
	schema_mapping(schema, node, log_fields, log);
	if (log->to[0] != '/' && strcmp(log->to, "stdout") && strcmp(log->to, "syslog"))
		schema_error(schema, schema_line(node), "to",
			     "'%s' is no path that begins with '/', and neither stdout nor syslog",
			     log->to);
}

/* ---- the whole ---- */

struct reading {
	struct config config;
	struct service_list services, dispatchers;
};

static const struct field file_fields[] = {
	{"cluster", FIELD_OTHER, offsetof(struct reading, config), .required = true,
	 .read = read_cluster},
	{"front", FIELD_OTHER, offsetof(struct reading, config), .read = config_front_read},
	{"fronts", FIELD_OTHER, offsetof(struct reading, config), .read = config_fronts_read},
	{"nodes", FIELD_OTHER, offsetof(struct reading, config), .required = true,
	 .read = read_nodes},
	{"services", FIELD_OTHER, offsetof(struct reading, services), .required = true,
	 .read = keep_list},
	{"dispatchers", FIELD_OTHER, offsetof(struct reading, dispatchers), .read = keep_list},
	{"log", FIELD_OTHER, offsetof(struct reading, config.log), .read = read_log},
	{NULL},
};

int config_parse(struct config *config, const char *name, const char *text, size_t length,
		 struct buffer *errors)
{
	size_t before = errors->length;
	struct reading reading = {.config = {.port = BATON_PORT}};
	struct schema *schema;

	memset(config, 0, sizeof(*config));
	schema = schema_open(name, text, length, errors);
	if (!schema)
		return -EINVAL;
	if (!schema_root(schema)) {
		schema_error(schema, 1, NULL,
			     "is empty; 'cluster', 'front', 'nodes' and "
			     "'services' belong in it");
	} else {
		schema_mapping(schema, schema_root(schema), file_fields, &reading);
		config_fronts_check(schema, &reading.config);
		if (reading.services.list)
			read_services(schema, reading.services.list, &reading.config);
		if (reading.dispatchers.list)
			config_dispatchers_read(schema, reading.dispatchers.list, &reading.config);
	}
	schema_close(schema);
	if (errors->length != before) {
		config_release(&reading.config);
		return -EINVAL;
	}
	*config = reading.config;
	return 0;
}

int config_read(struct config *config, const char *path, struct buffer *errors)
{
	struct buffer text = BUFFER_EMPTY;
	int error;

	memset(config, 0, sizeof(*config));
	error = buffer_read_file(&text, path, FILE_MOST);
	if (error)
		buffer_format(errors, "%s: can't be read: %s\n", path, strerror(-error));
	else
		error = config_parse(config, path, text.data ? text.data : "", text.length, errors);
	buffer_release(&text);
	return error;
}

void config_release(struct config *config)
{
	free(config->nodes);
	free(config->services);
	memset(config, 0, sizeof(*config));
}

char *config_choice(const char *choices, int index, char *text)
{
	for (; index > 0 && strchr(choices, '|'); index--)
		choices = strchr(choices, '|') + 1;
	snprintf(text, CONFIG_NAME, "%.*s", (int)strcspn(choices, "|"), choices);
	return text;
}

const struct config_node *config_node_named(const struct config *config, const char *name)
{
	for (unsigned int i = 0; i < config->node_count; i++)
		if (!strcmp(config->nodes[i].name, name))
			return &config->nodes[i];
	return NULL;
}

const struct config_dispatcher *config_dispatcher_named(const struct config *config,
							const char *name)
{
	for (unsigned int i = 0; i < config->dispatcher_count; i++)
		if (!strcmp(config->dispatchers[i].name, name))
			return &config->dispatchers[i];
	return NULL;
}

const struct config_service *config_service_named(const struct config *config, const char *name)
{
	for (unsigned int i = 0; i < config->service_count; i++)
		if (!strcmp(config->services[i].name, name))
			return &config->services[i];
	return NULL;
}
