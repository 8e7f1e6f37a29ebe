/* Lines are put together by hand, number by number: at 50,000 requests a second on two cores,
 * printf and a JSON library would take a tenth of the machine. */
#include "node/access_line.h"

#include "base/clock.h"
#include "control/config.h"
#include "control/endpoint.h"
#include "control/reasons.h"
#include "wire/cluster.h"
#include "wire/node.h"

#include <arpa/inet.h>
#include <string.h>
#include <time.h>

enum {
	/* All else in a line: names, addresses, numbers, and the words between them. */
	FIXED_MOST = 1024,
	LINE_MOST = FIXED_MOST + 2 * CONFIG_NAME + ACCESS_ESCAPED * RECORD_TEXT,
};

/* Each of these writes at `at` and returns where the next one goes on. */

#define put_literal(at, text) (memcpy(at, text, sizeof(text) - 1), (at) + sizeof(text) - 1)

static char *put_text(char *at, const char *text)
{
	return stpcpy(at, text);
}

static char *put_number(char *at, uint64_t value)
{
	char digits[20], *from = digits + sizeof(digits);
	size_t length;

	do
		*--from = (char)('0' + value % 10);
	while (value /= 10);
	length = (size_t)(digits + sizeof(digits) - from);
	memcpy(at, from, length);
	return at + length;
}

/* With noughts before it, `width` digits. */
static char *put_padded(char *at, uint32_t value, int width)
{
	for (int i = width - 1; i >= 0; i--, value /= 10)
		at[i] = (char)('0' + value % 10);
	return at + width;
}

/* In seconds, with `digits` (6 or 9) behind the point. */
static char *put_seconds(char *at, uint64_t ns, int digits)
{
	if (digits == 6)
		ns += 500;
	at = put_number(at, ns / NS_PER_S);
	*at++ = '.';
	ns %= NS_PER_S;
	return put_padded(at, (uint32_t)(digits == 6 ? ns / NS_PER_US : ns), digits);
}

/* A stranger's bytes as nginx writes them: what could end a field or a line, or isn't ASCII, is
 * \xHH. JSON's strings want that backslash twice. */
static char *put_escaped(char *at, const char *bytes, size_t length, int format)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < length; i++) {
		unsigned char byte = (unsigned char)bytes[i];

		if (byte >= ' ' && byte < 0x7f && byte != '"' && byte != '\\') {
			*at++ = (char)byte;
			continue;
		}
		if (format == LOG_JSON)
			*at++ = '\\';
		*at++ = '\\';
		*at++ = 'x';
		*at++ = hex[byte >> 4];
		*at++ = hex[byte & 15];
	}
	return at;
}

static char *put_address(char *at, const struct address *address)
{
	const unsigned char *byte = (const unsigned char *)&address->words[3];

	if (!address_is_ipv4(address))
		return strchr(address_text(address, at), 0);
	for (int i = 0; i < 4; i++) {
		at = put_number(at, byte[i]);
		if (i < 3)
			*at++ = '.';
	}
	return at;
}

/* The request's second as the format writes it. */
static const char *second_text(int format, uint64_t wall_ns, struct access_second *known)
{
	time_t second = (time_t)(wall_ns / NS_PER_S);
	struct tm parts;

	if (known->text[0] && known->second == wall_ns / NS_PER_S)
		return known->text;
	known->second = wall_ns / NS_PER_S;
	if (format == LOG_JSON) {
		gmtime_r(&second, &parts);
		strftime(known->text, sizeof(known->text), "%Y-%m-%dT%H:%M:%S", &parts);
	} else {
		localtime_r(&second, &parts);
		strftime(known->text, sizeof(known->text), "%d/%b/%Y:%H:%M:%S %z", &parts);
	}
	return known->text;
}

/* Why this node served it. What stayed although another was wanted says why it stayed. */
static const char *reason(const struct access *access)
{
	if (access->wanted)
		return reason_text(access->pin ? PLACE_REASON_PINNED : PLACE_REASON_STAY);
	return reason_text(access->reason);
}

static const char *handoff(const struct access *access)
{
	return access->flags & RECORD_FIRST   ? "first"
	       : access->flags & RECORD_LATER ? "later"
					      : "none";
}

static char *put_combined(char *at, const struct access *access, const struct access_names *names,
			  const char *second)
{
	at = put_address(at, &access->key.client);
	at = put_literal(at, " - - [");
	at = put_text(at, second);
	at = put_literal(at, "] \"");
	at = put_escaped(at, access->line, access->line_length, LOG_COMBINED);
	if (access->flags & RECORD_CUT_LINE)
		at = put_literal(at, "...");
	at = put_text(at, access->flags & RECORD_MINOR_1 ? " HTTP/1.1\" " : " HTTP/1.0\" ");
	if (access->status)
		at = put_number(at, access->status);
	else
		*at++ = '-';
	*at++ = ' ';
	at = put_number(at, access->bytes);
	at = put_literal(at, " \"-\" \"-\" host=\"");
	at = put_escaped(at, access->host, access->host_length, LOG_COMBINED);
	if (access->flags & RECORD_CUT_HOST)
		at = put_literal(at, "...");
	at = put_literal(at, "\" first_byte=");
	if (access->first_byte_ns)
		at = put_seconds(at, access->first_byte_ns, 6);
	else
		*at++ = '-';
	at = put_literal(at, " time=");
	at = put_seconds(at, access->whole_ns, 6);
	at = put_literal(at, " port=");
	at = put_number(at, ntohs(access->key.client_port));
	at = put_literal(at, " service=");
	at = put_text(at, names->service);
	at = put_literal(at, " node=");
	at = put_text(at, names->node);
	at = put_literal(at, " handoff=");
	at = put_text(at, handoff(access));
	at = put_literal(at, " reason=");
	at = put_text(at, reason(access));
	return put_text(at, access->flags & RECORD_CUT ? " complete=no\n" : " complete=yes\n");
}

static char *put_json(char *at, const struct access *access, const struct access_names *names,
		      const char *second)
{
	const char *blank = memchr(access->line, ' ', access->line_length);
	size_t method = blank ? (size_t)(blank - access->line) : access->line_length;
	size_t path = blank ? method + 1 : method;

	at = put_literal(at, "{\"time\":\"");
	at = put_text(at, second);
	*at++ = '.';
	at = put_padded(at, (uint32_t)(access->wall_ns % NS_PER_S / NS_PER_MS), 3);
	at = put_literal(at, "Z\",\"client\":\"");
	at = put_address(at, &access->key.client);
	at = put_literal(at, "\",\"port\":");
	at = put_number(at, ntohs(access->key.client_port));
	at = put_literal(at, ",\"service\":\"");
	at = put_text(at, names->service);
	at = put_literal(at, "\",\"method\":\"");
	at = put_escaped(at, access->line, method, LOG_JSON);
	at = put_literal(at, "\",\"host\":\"");
	at = put_escaped(at, access->host, access->host_length, LOG_JSON);
	at = put_literal(at, "\",\"path\":\"");
	at = put_escaped(at, access->line + path, access->line_length - path, LOG_JSON);
	at = put_text(at, access->flags & RECORD_MINOR_1
				  ? "\",\"protocol\":\"HTTP/1.1\",\"status\":"
				  : "\",\"protocol\":\"HTTP/1.0\",\"status\":");
	at = put_number(at, access->status);
	at = put_literal(at, ",\"bytes\":");
	at = put_number(at, access->bytes);
	if (access->first_byte_ns) {
		at = put_literal(at, ",\"first_byte_s\":");
		at = put_seconds(at, access->first_byte_ns, 9);
	}
	at = put_literal(at, ",\"time_s\":");
	at = put_seconds(at, access->whole_ns, 9);
	at = put_literal(at, ",\"node\":\"");
	at = put_text(at, names->node);
	at = put_literal(at, "\",\"handoff\":\"");
	at = put_text(at, handoff(access));
	at = put_literal(at, "\",\"reason\":\"");
	at = put_text(at, reason(access));
	at = put_text(at, access->flags & RECORD_CUT ? "\",\"complete\":false"
						     : "\",\"complete\":true");
	if (access->flags & (RECORD_CUT_LINE | RECORD_CUT_HOST))
		at = put_literal(at, ",\"truncated\":true");
	if (access->pin > PIN_NONE && access->pin < PIN_REASON_COUNT) {
		at = put_literal(at, ",\"pinned\":\"");
		at = put_text(at, pin_text(access->pin));
		*at++ = '"';
	}
	return put_literal(at, "}\n");
}

size_t access_escape(char *to, const char *bytes, size_t length)
{
	return (size_t)(put_escaped(to, bytes, length, LOG_COMBINED) - to);
}

void access_format(struct buffer *text, int format, const struct access *access,
		   const struct access_names *names, struct access_second *second)
{
	const char *when = second_text(format, access->wall_ns, second);
	char *at = buffer_reserve(text, LINE_MOST);

	at = format == LOG_JSON ? put_json(at, access, names, when)
				: put_combined(at, access, names, when);
	*at = 0;
	text->length = (size_t)(at - text->data);
}
