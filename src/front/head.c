/* The same parsers as elsewhere, in a larger buffer. */
#define SCRATCH_SIZE 32768

#include "front/head.h"

#include "control/rules.h"

#include <string.h>

_Static_assert(SCRATCH_SIZE == HEAD_MOST, "all that is looked at fits into the buffer");

static struct scratch text;

/* Makes the service's rules those that the readers go by. Returns their set, 0: there are none. */
static __u32 with_rules(const struct config_service *settings, uint32_t service)
{
	static struct rule_table table;

	if (!settings->rule_count)
		return 0;
	rules_make(&table, settings, service);
	rule_table = &table;
	return 1;
}

enum first_request head_read(const uint8_t *bytes, uint32_t length,
			     const struct config_service *settings, uint32_t service,
			     struct place_query *query, unsigned int *rule)
{
	__u32 rules = with_rules(settings, service);
	struct rule_search search = {0};
	struct http_request request;
	struct client_hello hello;
	enum first_request result;

	if (length > HEAD_MOST)
		length = HEAD_MOST;
	memcpy(text.bytes, bytes, length);
	query->pool = service;
	if (settings->protocol == PROTOCOL_TLS)
		result = first_tls(&text, length, &hello, &search, rules, query, FIRST_WANTS);
	else
		result = first_http(&text, length, &request, &search, rules, query, FIRST_WANTS,
				    settings->target == TARGET_URL);
	rule_table = NULL;
	if (rule)
		*rule = search.rule;
	return result;
}

void head_read_name(const char *name, const struct config_service *settings, uint32_t service,
		    struct place_query *query, unsigned int *rule)
{
	__u32 rules = with_rules(settings, service);
	struct rule_search search = {0};
	size_t length = strlen(name);

	if (length > 255)
		length = 255;
	memcpy(text.bytes, name, length);
	query->pool = service;
	first_name(&text, 0, (__u32)length, &search, rules, query, FIRST_WANTS);
	rule_table = NULL;
	if (rule)
		*rule = search.rule;
}
