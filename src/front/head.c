/* The same parsers as elsewhere, in a larger buffer. */
#define SCRATCH_SIZE 32768

#include "front/head.h"

#include "control/rules.h"

#include <errno.h>
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

/* Takes the headers between the records of a ClientHello out of text[0, *length), so that it reads
 * like one that came in a single record. By RFC 8446, 5.1 a message may be cut anywhere, no part of
 * it is empty, and nothing comes in between. Returns 0, or -EBADMSG for what is no ClientHello. */
static int join_records(__u32 *length)
{
	const __u32 message_at = TLS_RECORD_HEADER + TLS_HANDSHAKE_HEADER;
	__u32 at = 0, to = TLS_RECORD_HEADER, end = 0, records = 0;

	while (*length - at >= TLS_RECORD_HEADER && (!end || to < end)) {
		__u32 size = scratch_be16(&text, at + 3), there;

		if (text.bytes[at] != TLS_HANDSHAKE || text.bytes[at + 1] != TLS_VERSION_MAJOR ||
		    !size || size > TLS_FRAGMENT_MAX)
			return -EBADMSG;
		at += TLS_RECORD_HEADER;
		there = size < *length - at ? size : *length - at;
		memmove(text.bytes + to, text.bytes + at, there);
		at += there;
		to += there;
		records++;
		if (to >= message_at)
			end = message_at + (scratch_be32(&text, TLS_RECORD_HEADER) & 0xffffff);
		/* Nothing follows in the record that ends the message. */
		if (end && to - there + size > end)
			return -EBADMSG;
	}
	if (records < 2)
		return 0;
	*length = to;
	if (end) {
		/* One that no record has room for stays incomplete. */
		__u32 size = end - TLS_RECORD_HEADER;

		size = size < TLS_FRAGMENT_MAX ? size : TLS_FRAGMENT_MAX;
		text.bytes[3] = (__u8)(size >> 8);
		text.bytes[4] = (__u8)size;
	}
	return 0;
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
	if (settings->protocol == PROTOCOL_TLS && join_records(&length))
		result = FIRST_STRANGE;
	else if (settings->protocol == PROTOCOL_TLS)
		result = first_tls(&text, length, &hello, &search, rules, query, FIRST_WANTS);
	else
		result = first_http(&text, length, &request, &search, rules, query, FIRST_WANTS,
				    config_target(settings));
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
