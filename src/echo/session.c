#include "echo/session.h"
#include "base/clock.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

void session_init(struct session *session, const struct sockaddr_storage *peer, uint64_t limit)
{
	*session = (struct session){.limit = limit};
	if (peer->ss_family == AF_INET) {
		const struct sockaddr_in *v4 = (const struct sockaddr_in *)peer;

		inet_ntop(AF_INET, &v4->sin_addr, session->address, sizeof(session->address));
		session->port = ntohs(v4->sin_port);
	} else if (peer->ss_family == AF_INET6) {
		const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)peer;

		/* An IPv4 client of a socket for both is shown as what it is. */
		if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
			inet_ntop(AF_INET, &v6->sin6_addr.s6_addr[12], session->address,
				  sizeof(session->address));
		else
			inet_ntop(AF_INET6, &v6->sin6_addr, session->address,
				  sizeof(session->address));
		session->port = ntohs(v6->sin6_port);
	}
}

void session_release(struct session *session)
{
	buffer_release(&session->line);
}

/* "2026-11-21 14:00:00.123456", local time; the calendar is asked once a second. */
static void add_time(struct buffer *out)
{
	static __thread time_t cached;
	static __thread char text[32];
	uint64_t now = clock_wall();
	time_t second = (time_t)(now / NS_PER_S);

	if (second != cached) {
		struct tm local;

		localtime_r(&second, &local);
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &local);
		cached = second;
	}
	buffer_format(out, "[%s.%06u] ", text, (unsigned int)(now % NS_PER_S / NS_PER_US));
}

static void reply(struct session *session, const char *message, size_t length, struct buffer *out)
{
	add_time(out);
	buffer_format(out, "[%s] [%u] [", session->address, session->port);
	buffer_add(out, message, length);
	buffer_add(out, "]\n", 2);
	session->messages++;
	if (session->limit && session->messages >= session->limit)
		session->closing = true;
}

void session_take(struct session *session, const char *bytes, size_t length, struct buffer *out)
{
	while (length && !session->closing) {
		const char *newline = memchr(bytes, '\n', length);
		size_t part = newline ? (size_t)(newline - bytes) : length;

		if (session->line.length + part > LINE_MOST) {
			add_time(out);
			buffer_format(out, "[%s] [%u] a line may have %d bytes: closing\n",
				      session->address, session->port, LINE_MOST);
			session->overlong = session->closing = true;
			break;
		}
		if (newline && !session->line.length) {
			reply(session, bytes, part, out);
		} else {
			buffer_add(&session->line, bytes, part);
			if (newline) {
				reply(session, session->line.data, session->line.length, out);
				buffer_clear(&session->line);
			}
		}
		part += newline != NULL;
		bytes += part;
		length -= part;
	}
}

void session_end(struct session *session, struct buffer *out)
{
	if (session->line.length && !session->closing)
		reply(session, session->line.data, session->line.length, out);
	buffer_clear(&session->line);
	session->closing = true;
}

bool session_discard(struct session *session, size_t length)
{
	session->discarded += (uint32_t)length;
	return !length || session->discarded > DISCARD_MOST;
}

/* The length of the UTF-8 character that begins here, when it is one that is to be shown: whole,
 * not longer than need be, no control character; else 0. */
static size_t character_length(const unsigned char *at, size_t left)
{
	size_t length = at[0] >= 0xc2 && at[0] < 0xe0	? 2
			: (at[0] & 0xf0) == 0xe0	? 3
			: at[0] >= 0xf0 && at[0] < 0xf5 ? 4
							: 0;

	if (!length || length > left || (at[0] == 0xc2 && at[1] < 0xa0) ||
	    (at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f) ||
	    (at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] > 0x8f))
		return 0;
	for (size_t i = 1; i < length; i++)
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	return length;
}

void text_printable(struct buffer *out, const char *bytes, size_t length)
{
	for (size_t i = 0; i < length;) {
		unsigned char c = (unsigned char)bytes[i];
		size_t part =
			c == '\n' || c == '\t' || (c >= 0x20 && c < 0x7f)
				? 1
				: character_length((const unsigned char *)bytes + i, length - i);

		if (part)
			buffer_add(out, bytes + i, part);
		else
			buffer_format(out, "\\x%02x", c);
		i += part ? part : 1;
	}
}
