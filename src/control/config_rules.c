#include "control/config_rules.h"

#include "place/build.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Values come as text that may be empty; a key that isn't given leaves an empty one. */
static const struct field rule_fields[] = {
	{"host", FIELD_TEXT, offsetof(struct config_rule, host), CONFIG_RULE_TEXT},
	{"path", FIELD_TEXT, offsetof(struct config_rule, path), CONFIG_RULE_TEXT},
	{"suffix", FIELD_TEXT, offsetof(struct config_rule, suffix), CONFIG_RULE_TEXT},
	{"method", FIELD_NAME, offsetof(struct config_rule, method), CONFIG_RULE_METHOD},
	{"header", FIELD_NAME, offsetof(struct config_rule, header), CONFIG_RULE_TEXT},
	{"value", FIELD_TEXT, offsetof(struct config_rule, value), CONFIG_RULE_TEXT},
	{"pool", FIELD_NAME, offsetof(struct config_rule, pool), CONFIG_NAME},
	{NULL},
};

struct pool_reading {
	struct config_pool pool;
	const struct schema_node *nodes;
};

static void keep_nodes(struct schema *schema, const struct schema_node *list, void *at)
{
	(void)schema;
	*(const struct schema_node **)at = list;
}

static const struct field pool_fields[] = {
	{"name", FIELD_NAME, offsetof(struct pool_reading, pool.name), CONFIG_NAME,
	 .required = true},
	{"policy", FIELD_NAME, offsetof(struct pool_reading, pool.policy), CONFIG_NAME},
	{"nodes", FIELD_OTHER, offsetof(struct pool_reading, nodes), .required = true,
	 .read = keep_nodes},
	{NULL},
};

static const struct config_pool *pool_named(const struct config_service *service, const char *name)
{
	for (unsigned int i = 0; i < CONFIG_POOL_SLOTS; i++)
		if (*name && !strcmp(service->pools[i].name, name))
			return &service->pools[i];
	return NULL;
}

void config_nodes_of(struct schema *schema, const struct config *config,
		     const struct schema_node *list, bool node[CONFIG_NODES])
{
	static const struct field field = {"nodes", FIELD_NAME, .room = CONFIG_NAME};
	unsigned int count;

	if (!list) {
		for (unsigned int i = 0; i < config->node_count; i++)
			node[i] = true;
		return;
	}
	count = schema_count(schema, list, CONFIG_NODES);
	for (unsigned int i = 0; i < count; i++) {
		const struct schema_node *item = schema_item(schema, list, i);
		const struct config_node *found;
		char name[CONFIG_NAME];

		if (!schema_value(schema, item, &field, name))
			continue;
		found = config_node_named(config, name);
		if (!found)
			schema_error(schema, schema_line(item), "nodes",
				     "there is no node '%s'; it must be listed under 'nodes'",
				     name);
		else
			node[found - config->nodes] = true;
	}
}

static void read_pool(struct schema *schema, const struct config *config,
		      struct config_service *service, const struct schema_node *item,
		      struct config_pool *pool)
{
	struct pool_reading reading = {.nodes = NULL};
	int line = schema_line(item);

	schema_mapping(schema, item, pool_fields, &reading);
	if (!*reading.pool.policy)
		memcpy(reading.pool.policy, service->policy, CONFIG_NAME);
	if (pool_named(service, reading.pool.name))
		schema_error(schema, line, "name", "'%s' is also another pool of this service",
			     reading.pool.name);
	if (place_policy_by_name(reading.pool.policy) < 0)
		schema_error(schema, line, "policy", "'%s' is none of %s", reading.pool.policy,
			     place_policy_names());
	if (reading.nodes)
		config_nodes_of(schema, config, reading.nodes, reading.pool.node);
	*pool = reading.pool;
}

/* The names of header lines that the rules before `end` go by. */
static unsigned int count_headers(const struct config_service *service, unsigned int end)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < end; i++) {
		bool seen = false;

		for (unsigned int j = 0; j < i && !seen; j++)
			seen = !strcasecmp(service->rules[i].header, service->rules[j].header);
		count += *service->rules[i].header && !seen;
	}
	return count;
}

static void check_host(struct schema *schema, int line, char *host)
{
	static const char good[] = "abcdefghijklmnopqrstuvwxyz0123456789.-_:[]";
	const char *name = host + (host[0] == '*' && host[1] == '.');

	for (char *c = host; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	if (!*name || name[strspn(name, good)])
		schema_error(schema, line, "host",
			     "'%s' is no host; write for example www.example.org, or "
			     "*.example.org for all hosts below",
			     host);
}

static bool has_blanks(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text <= ' ' || *text == 0x7f)
			return true;
	return false;
}

static void read_rule(struct schema *schema, const struct config_service *service,
		      const struct schema_node *item, struct config_rule *rule)
{
	int line = schema_line(item);

	schema_mapping(schema, item, rule_fields, rule);
	if (*rule->host)
		check_host(schema, line, rule->host);
	if (*rule->path && (*rule->path != '/' || has_blanks(rule->path)))
		schema_error(schema, line, "path", "'%s' must begin with '/' and have no blanks",
			     rule->path);
	if (has_blanks(rule->suffix) || strchr(rule->suffix, '?'))
		schema_error(schema, line, "suffix",
			     "'%s' must have no blanks and no '?': it is the path's end",
			     rule->suffix);
	if (*rule->value && !*rule->header)
		schema_error(schema, line, "value", "is a header's; name it with 'header'");
	if (!*rule->host && !*rule->path && !*rule->suffix && !*rule->method && !*rule->header)
		schema_error(schema, line, NULL,
			     "this rule matches everything; give it a host, path, suffix, method "
			     "or header, and what no rule matches goes to the service's own nodes");
	if (*rule->pool && !pool_named(service, rule->pool))
		schema_error(schema, line, "pool",
			     "there is no pool '%s'; it must be listed under the service's 'pools'",
			     rule->pool);
	if (service->protocol == PROTOCOL_TLS &&
	    (*rule->path || *rule->suffix || *rule->method || *rule->header))
		schema_error(schema, line, NULL,
			     "of a TLS connection only the host can be seen; leave path, suffix, "
			     "method and header out");
}

void config_rules_read(struct schema *schema, const struct config *config,
		       struct config_service *service, const struct schema_node *pools,
		       const struct schema_node *rules)
{
	unsigned int count = pools ? schema_count(schema, pools, CONFIG_POOLS) : 0;

	if ((pools || rules) &&
	    (service->protocol == PROTOCOL_TCP || service->protocol == PROTOCOL_UDP)) {
		schema_error(schema, service->line, pools ? "pools" : "rules",
			     "are for http and tls: nothing is read of tcp and udp");
		return;
	}
	for (unsigned int i = 0; i < count; i++)
		read_pool(schema, config, service, schema_item(schema, pools, i),
			  &service->pools[i]);
	count = rules ? schema_count(schema, rules, CONFIG_RULES) : 0;
	for (unsigned int i = 0; i < count; i++) {
		const struct schema_node *item = schema_item(schema, rules, i);

		read_rule(schema, service, item, &service->rules[i]);
		service->rule_count++;
		if (count_headers(service, i + 1) > RULE_HEADERS_MAX &&
		    count_headers(service, i) <= RULE_HEADERS_MAX)
			schema_error(schema, schema_line(item), "header",
				     "is one name too many; the rules of a service can go by %d "
				     "different headers",
				     RULE_HEADERS_MAX);
	}
}

static void add(char *text, size_t room, const char *key, const char *value)
{
	size_t length = strlen(text);

	if (*value)
		snprintf(text + length, room - length, "%s%s %s", length ? ", " : "", key, value);
}

char *config_rule_describe(const struct config_rule *rule, char *text, size_t room)
{
	*text = '\0';
	add(text, room, "host", rule->host);
	add(text, room, "path", rule->path);
	add(text, room, "suffix", rule->suffix);
	add(text, room, "method", rule->method);
	add(text, room, "header", rule->header);
	add(text, room, "value", rule->value);
	return text;
}
