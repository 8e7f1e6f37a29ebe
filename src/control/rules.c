#include "control/rules.h"

#include <string.h>
#include <strings.h>

__thread const struct rule_table *rule_table;

static void put(struct rule_text *to, const char *text, size_t length, __u32 flags)
{
	if (length > RULE_TEXT_MAX)
		length = RULE_TEXT_MAX;
	memcpy(to->words, text, length);
	to->length = (__u32)length;
	to->flags = flags;
	for (size_t i = 0; flags & RULE_FOLD && i < RULE_TEXT_MAX / 8; i++)
		to->words[i] = place_lower(to->words[i]);
}

/* The ports that schemes imply are left out, as they are of requests. */
static void put_host(struct rule_text *to, const char *host)
{
	size_t length = strlen(host);
	bool below = host[0] == '*';

	if (length > 3 && !strcmp(host + length - 3, ":80"))
		length -= 3;
	else if (length > 4 && !strcmp(host + length - 4, ":443"))
		length -= 4;
	put(to, host + below, length - below, RULE_FOLD | (below ? RULE_END : 0));
}

/* A star at a value's end: it need only begin so. The star alone is any value. */
static void put_value(struct rule_text *to, const char *value)
{
	size_t length = strlen(value);
	bool open = length && value[length - 1] == '*';

	put(to, value, length - open, open ? RULE_BEGIN : 0);
}

static __u32 header_index(struct rule_set *set, const char *name)
{
	struct rule_text text = {0};

	put(&text, name, strlen(name), RULE_FOLD);
	for (__u32 i = 0; i < set->headers; i++)
		if (!memcmp(&set->names[i], &text, sizeof(text)))
			return i;
	if (set->headers == RULE_HEADERS_MAX)
		return 0;
	set->names[set->headers] = text;
	return set->headers++;
}

uint32_t rules_pool(const struct config_service *settings, uint32_t service, const char *pool)
{
	for (uint32_t i = 0; *pool && i < CONFIG_POOL_SLOTS; i++)
		if (!strcmp(settings->pools[i].name, pool))
			return RULE_POOL(service, i);
	return service;
}

void rules_make(struct rule_table *table, const struct config_service *settings, uint32_t service)
{
	memset(table, 0, sizeof(*table));
	for (unsigned int i = 0; i < settings->rule_count; i++) {
		const struct config_rule *from = &settings->rules[i];
		struct rule *to = &table->rules[i];

		if (*from->host)
			put_host(&to->host, from->host);
		put(&to->path, from->path, strlen(from->path), RULE_BEGIN);
		put(&to->suffix, from->suffix, strlen(from->suffix), RULE_END);
		put(&to->method, from->method, strlen(from->method), 0);
		if (*from->header) {
			to->header = 1 + header_index(&table->set, from->header);
			put_value(&to->value, from->value);
		}
		to->pool = rules_pool(settings, service, from->pool);
	}
	table->set.count = settings->rule_count;
}
