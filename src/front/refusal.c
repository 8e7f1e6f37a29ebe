#include "front/refusal.h"

#include <stddef.h>

/* RFC 9110, 15.5 and 15.6; RFC 6585, 5. Each fits one segment. */
#define RESPONSE(status, length, sentence)                                                         \
	"HTTP/1.1 " status "\r\nContent-Type: text/plain\r\nContent-Length: " length               \
	"\r\nConnection: close\r\n\r\n" sentence "\n"

/* A fatal alert in a record of its own (RFC 8446, 6). */
#define ALERT(description) "\x15\x03\x01\x00\x02\x02" description

#define TEXT(text)                                                                                 \
	{                                                                                          \
		text, sizeof(text) - 1                                                             \
	}

static const struct refusal http[] = {
	[REFUSAL_TOO_LONG] = TEXT(RESPONSE("431 Request Header Fields Too Large", "35",
					   "The request's header is too large.")),
	[REFUSAL_URI_TOO_LONG] =
		TEXT(RESPONSE("414 URI Too Long", "31", "The request's URL is too long.")),
	[REFUSAL_TIMED_OUT] =
		TEXT(RESPONSE("408 Request Timeout", "35", "The request took too long to come.")),
	[REFUSAL_NO_NODE] =
		TEXT(RESPONSE("503 Service Unavailable", "30", "No server is up at this time.")),
	[REFUSAL_CLOSED] = {"", 0},
};

static const struct refusal tls[] = {
	[REFUSAL_TOO_LONG] = TEXT(ALERT("\x2f")),
	[REFUSAL_URI_TOO_LONG] = TEXT(ALERT("\x2f")),
	[REFUSAL_NO_NODE] = TEXT(ALERT("\x50")),
	[REFUSAL_CLOSED] = {"", 0},
};

const struct refusal *refusal_of(enum refusal_kind kind, bool is_tls)
{
	if (is_tls && kind == REFUSAL_TIMED_OUT)
		return NULL;
	return is_tls ? &tls[kind] : &http[kind];
}
