/* HTTP/1.x header fields (RFC 9112, 5), the part that requests and responses share.
 *
 * Eight bytes a step: a name is checked for token characters and a value for control characters
 * with the arithmetic of Mycroft (1987; "Hacker's Delight" 6-1), so a byte that doesn't matter
 * costs an eighth of a step. Only the fields that framing and placement depend on are looked into.
 *
 * Strict on purpose. What servers are known to read differently (a folded line, a bare CR or LF,
 * white space before the colon, a name with rare characters, two lengths, a length and a coding,
 * a tab beside either, codings other than "chunked") is `bad`: such a connection is left where it
 * is, and its server decides.
 */
#ifndef BATON_BPF_HTTP_FIELDS_H
#define BATON_BPF_HTTP_FIELDS_H

#include "bpf/scratch.h"

enum http_flags {
	HTTP_COMPLETE = 1 << 0,	    /* the whole head is there */
	HTTP_BAD = 1 << 1,	    /* not understood, or read differently by different servers */
	HTTP_TARGET_KNOWN = 1 << 2, /* the request line is whole */
	HTTP_HOST_KNOWN = 1 << 3,   /* a Host line is whole, or the target says it */
	HTTP_MINOR_1 = 1 << 4,	    /* HTTP/1.1, else 1.0 */
	HTTP_CLOSE = 1 << 5,	    /* Connection: close */
	HTTP_KEEP_ALIVE = 1 << 6,   /* Connection: keep-alive */
	HTTP_CHUNKED = 1 << 7,	    /* Transfer-Encoding: chunked */
	HTTP_LENGTH = 1 << 8,	    /* Content-Length was given */
	HTTP_UPGRADE = 1 << 9,	    /* an Upgrade line, or Connection: upgrade */
	HTTP_CONNECT = 1 << 10,	    /* the method is CONNECT */
	HTTP_HEAD = 1 << 11,	    /* the method is HEAD: the response has no body */
	HTTP_EXPECT = 1 << 12,	    /* an Expect line */
	HTTP_BOUND_AUTH = 1 << 13,  /* NTLM or Negotiate: the connection itself is authenticated */
	HTTP_ABSOLUTE = 1 << 14,    /* absolute-form: the target names the host */
	HTTP_HOST_LINE = 1 << 15,   /* a Host line was seen */
};

enum http_field {
	HTTP_FIELD_OTHER = 1,
	HTTP_FIELD_HOST,
	HTTP_FIELD_CONTENT_LENGTH,
	HTTP_FIELD_TRANSFER_ENCODING,
	HTTP_FIELD_CONNECTION,
	HTTP_FIELD_UPGRADE,
	HTTP_FIELD_EXPECT,
	HTTP_FIELD_AUTHORIZATION,
	HTTP_FIELD_LONG, /* a name longer than any that matters, not whole */
};

#define HTTP_NAME_MAX 19 /* longest name that matters: Proxy-Authorization */

/* Where a scan begins. */
enum http_skip {
	HTTP_SKIP_NOTHING, /* at the beginning of a line */
	HTTP_SKIP_VALUE,   /* inside the value of a line that doesn't matter */
	HTTP_SKIP_NAME,	   /* inside a name that is longer than any that matters */
};

struct http_fields {
	__u64 content_length;
	__u32 flags; /* enum http_flags */
	__u16 next;  /* where the first line begins that isn't whole; the head's end if complete */
	__u16 limit; /* in: of a response, whose lines that frame it are bad if longer; 0: a request
		      */
	__u16 host_at, host_length;
	__u16 pending; /* enum http_field of the line at `next`; 0: its name isn't whole */
	__u16 skip;    /* in: enum http_skip */
};

#define HTTP_ONES 0x0101010101010101ull
#define HTTP_TOPS 0x8080808080808080ull

/* The index of the lowest byte whose top bit is set in `mask`, which has only top bits, not none.
 */
INLINE __u32 http_first(__u64 mask)
{
	return (((mask ^ (mask - 1)) & HTTP_ONES) * HTTP_ONES >> 56) - 1;
}

/* Top bits of the bytes in `word` that equal `byte`. Exact for the lowest one. */
INLINE __u64 http_equal(__u64 word, __u8 byte)
{
	word ^= HTTP_ONES * byte;
	return (word - HTTP_ONES) & ~word & HTTP_TOPS;
}

/* Top bits of control characters (below 32, and 127). Exact for the lowest one. */
INLINE __u64 http_controls(__u64 word)
{
	return ((word - HTTP_ONES * 0x20) & ~word & HTTP_TOPS) | http_equal(word, 0x7f);
}

/* The same and the space. */
INLINE __u64 http_blanks(__u64 word)
{
	return ((word - HTTP_ONES * 0x21) & ~word & HTTP_TOPS) | http_equal(word, 0x7f);
}

/* Top bits of the bytes of `word` (7 bits each) from `low` to `high`. Exact for all. */
INLINE __u64 http_range(__u64 word, __u8 low, __u8 high)
{
	return ((word + HTTP_ONES * (0x80 - low)) ^ (word + HTTP_ONES * (0x7f - high))) & HTTP_TOPS;
}

/* Top bits of what is not a letter, a digit, '-' or '_'. Exact for all. */
INLINE __u64 http_not_name(__u64 word)
{
	__u64 low = word & ~HTTP_TOPS;
	__u64 good = http_range(low | HTTP_ONES * 0x20, 'a', 'z') | http_range(low, '0', '9');

	good |= ~((low ^ HTTP_ONES * '-') + ~HTTP_TOPS) | ~((low ^ HTTP_ONES * '_') + ~HTTP_TOPS);
	return (~good | word) & HTTP_TOPS;
}

/* Upper-case letters made lower-case, everything else unchanged, bytes above 127 too. */
INLINE __u64 http_lower(__u64 word)
{
	return word | (http_range(word & ~HTTP_TOPS, 'A', 'Z') & ~word) >> 2;
}

/* Eight characters as the word they are read as; the low `length` bytes of a word. */
#define HTTP_WORD(a, b, c, d, e, f, g, h)                                                          \
	((__u64)(a) | (__u64)(b) << 8 | (__u64)(c) << 16 | (__u64)(d) << 24 | (__u64)(e) << 32 |   \
	 (__u64)(f) << 40 | (__u64)(g) << 48 | (__u64)(h) << 56)
#define HTTP_LOW(word, length) ((word) & (~0ull >> (64 - 8 * (length))))

/* Which field has the name at `at`, `length` bytes of token characters. */
INLINE __u32 http_field_of(const struct scratch *scratch, __u64 at, __u64 length)
{
	/* Token characters stay distinct under | 0x20 as far as these names go. */
	__u64 first = scratch_u64(scratch, at) | HTTP_ONES * 0x20;
	__u64 second = scratch_u64(scratch, at + 8) | HTTP_ONES * 0x20;

	switch (length) {
	case 4:
		if ((__u32)first == (__u32)HTTP_WORD('h', 'o', 's', 't', 0, 0, 0, 0))
			return HTTP_FIELD_HOST;
		break;
	case 6:
		if (HTTP_LOW(first, 6) == HTTP_WORD('e', 'x', 'p', 'e', 'c', 't', 0, 0))
			return HTTP_FIELD_EXPECT;
		break;
	case 7:
		if (HTTP_LOW(first, 7) == HTTP_WORD('u', 'p', 'g', 'r', 'a', 'd', 'e', 0))
			return HTTP_FIELD_UPGRADE;
		break;
	case 10:
		if (first == HTTP_WORD('c', 'o', 'n', 'n', 'e', 'c', 't', 'i') &&
		    (__u16)second == ('o' | 'n' << 8))
			return HTTP_FIELD_CONNECTION;
		break;
	case 13:
		if (first == HTTP_WORD('a', 'u', 't', 'h', 'o', 'r', 'i', 'z') &&
		    HTTP_LOW(second, 5) == HTTP_WORD('a', 't', 'i', 'o', 'n', 0, 0, 0))
			return HTTP_FIELD_AUTHORIZATION;
		break;
	case 14:
		if (first == HTTP_WORD('c', 'o', 'n', 't', 'e', 'n', 't', '-') &&
		    HTTP_LOW(second, 6) == HTTP_WORD('l', 'e', 'n', 'g', 't', 'h', 0, 0))
			return HTTP_FIELD_CONTENT_LENGTH;
		break;
	case 16:
		/* What proxies' clients send for Connection. */
		if (first == HTTP_WORD('p', 'r', 'o', 'x', 'y', '-', 'c', 'o') &&
		    second == HTTP_WORD('n', 'n', 'e', 'c', 't', 'i', 'o', 'n'))
			return HTTP_FIELD_CONNECTION;
		break;
	case 17:
		if (first == HTTP_WORD('t', 'r', 'a', 'n', 's', 'f', 'e', 'r') &&
		    second == HTTP_WORD('-', 'e', 'n', 'c', 'o', 'd', 'i', 'n') &&
		    (scratch_u8(scratch, at + 16) | 0x20) == 'g')
			return HTTP_FIELD_TRANSFER_ENCODING;
		break;
	case 19:
		if (first == HTTP_WORD('p', 'r', 'o', 'x', 'y', '-', 'a', 'u') &&
		    second == HTTP_WORD('t', 'h', 'o', 'r', 'i', 'z', 'a', 't') &&
		    ((scratch_u32(scratch, at + 16) & 0xffffff) | 0x202020) ==
			    (__u32)HTTP_WORD('i', 'o', 'n', 0, 0, 0, 0, 0))
			return HTTP_FIELD_AUTHORIZATION;
		break;
	}
	return HTTP_FIELD_OTHER;
}

/* The same in a response: only what frames it, and says whether the connection goes on. */
INLINE __u32 http_response_field_of(const struct scratch *scratch, __u64 at, __u64 length)
{
	__u32 field = http_field_of(scratch, at, length);

	if (field == HTTP_FIELD_CONTENT_LENGTH || field == HTTP_FIELD_TRANSFER_ENCODING ||
	    (field == HTTP_FIELD_CONNECTION && length == 10))
		return field;
	return HTTP_FIELD_OTHER;
}

/* The flag of one member of a Connection list, given as its two lower-cased words. */
INLINE __u32 http_connection_option(__u64 first, __u64 second, __u32 length)
{
	if (length == 10 && first == HTTP_WORD('k', 'e', 'e', 'p', '-', 'a', 'l', 'i') &&
	    HTTP_LOW(second, 2) == ('v' | 'e' << 8))
		return HTTP_KEEP_ALIVE;
	if (length == 5 && HTTP_LOW(first, 5) == HTTP_WORD('c', 'l', 'o', 's', 'e', 0, 0, 0))
		return HTTP_CLOSE;
	if (length == 7 && HTTP_LOW(first, 7) == HTTP_WORD('u', 'p', 'g', 'r', 'a', 'd', 'e', 0))
		return HTTP_UPGRADE;
	return 0;
}

/* The flags of a Connection list with several members. */
SUBPROGRAM __u32 http_connection_list(struct scratch *scratch, __u32 from, __u32 end)
{
	__u64 zero, at, start, stop;
	__u64 flags;

	if (!scratch)
		return 0;
	zero = scratch_zero(scratch);
	at = zero + from;
	start = at; /* of the member that is being read */
	stop = at;  /* behind its last character */
	flags = 0;
	while (at <= end) {
		__u32 byte = at < end ? scratch_u8(scratch, at) : ',';

		FORGET(start, zero);
		FORGET(stop, zero);
		FORGET(flags, zero);
		LOOP_STEP(at, zero);
		if (byte == ',') {
			flags |= http_connection_option(http_lower(scratch_u64(scratch, start)),
							http_lower(scratch_u64(scratch, start + 8)),
							stop - start);
			start = at + 1;
			stop = start;
		} else if (byte == ' ' || byte == '\t') {
			if (start == at) {
				start++;
				stop = start;
			}
		} else {
			stop = at + 1;
		}
		at++;
	}
	return flags;
}

/* 1*DIGIT up to 18 digits; ~0 if it is anything else. */
SUBPROGRAM __u64 http_decimal(struct scratch *scratch, __u32 from, __u32 end)
{
	__u64 zero, at, value;

	if (!scratch || from >= end || end - from > 18)
		return ~0ull;
	zero = scratch_zero(scratch);
	at = zero + from;
	value = 0;
	while (at < end) {
		__u64 digit = (__u64)scratch_u8(scratch, at) - '0';

		LOOP_STEP(at, zero);
		if (digit > 9)
			return ~0ull;
		FORGET(value, zero);
		value = value * 10 + digit;
		at++;
	}
	return value;
}

/* Takes note of the value [at, end) of a field that matters. */
SUBPROGRAM int http_field_note(struct scratch *scratch, __u32 from, __u32 to, __u32 field,
			       struct http_fields *fields)
{
	__u64 zero, start, end, length, first, second, value;
	__u32 tab = '\t';

	if (!scratch || !fields)
		return 0;
	/* nginx takes a tab for a part of the value, llhttp one behind it, Apache neither. Where
	 * that decides how long a body is, it is one here too: nobody's number or coding. */
	if (field == HTTP_FIELD_CONTENT_LENGTH || field == HTTP_FIELD_TRANSFER_ENCODING)
		tab = ' ';
	/* White space around the value. */
	zero = scratch_zero(scratch);
	start = zero + from;
	end = zero + to;
	while (start < end) {
		__u32 byte = scratch_u8(scratch, start);

		LOOP_STEP(start, zero);
		if (byte != ' ' && byte != tab)
			break;
		start++;
	}
	while (start < end) {
		__u32 byte = scratch_u8(scratch, end - 1);

		LOOP_STEP(end, zero);
		if (byte != ' ' && byte != tab)
			break;
		end--;
	}
	length = end - start;
	first = http_lower(scratch_u64(scratch, start));
	second = http_lower(scratch_u64(scratch, start + 8));
	switch (field) {
	case HTTP_FIELD_HOST:
		if (fields->flags & HTTP_HOST_LINE)
			fields->flags |= HTTP_BAD;
		fields->flags |= HTTP_HOST_LINE;
		if (!(fields->flags & HTTP_HOST_KNOWN)) {
			fields->flags |= HTTP_HOST_KNOWN;
			fields->host_at = start;
			fields->host_length = length;
		}
		break;
	case HTTP_FIELD_CONTENT_LENGTH:
		value = http_decimal(scratch, start, end);
		if (value == ~0ull || fields->flags & (HTTP_LENGTH | HTTP_CHUNKED))
			fields->flags |= HTTP_BAD;
		else
			fields->content_length = value;
		fields->flags |= HTTP_LENGTH;
		break;
	case HTTP_FIELD_TRANSFER_ENCODING:
		if (length != 7 ||
		    HTTP_LOW(first, 7) != HTTP_WORD('c', 'h', 'u', 'n', 'k', 'e', 'd', 0) ||
		    fields->flags & (HTTP_LENGTH | HTTP_CHUNKED) || !(fields->flags & HTTP_MINOR_1))
			fields->flags |= HTTP_BAD;
		fields->flags |= HTTP_CHUNKED;
		break;
	case HTTP_FIELD_CONNECTION:
		value = http_connection_option(first, second, length);
		fields->flags |= value ? value : http_connection_list(scratch, start, end);
		break;
	case HTTP_FIELD_UPGRADE:
		fields->flags |= HTTP_UPGRADE;
		break;
	case HTTP_FIELD_EXPECT:
		fields->flags |= HTTP_EXPECT;
		break;
	case HTTP_FIELD_AUTHORIZATION:
		if ((length >= 4 &&
		     (__u32)first == (__u32)HTTP_WORD('n', 't', 'l', 'm', 0, 0, 0, 0)) ||
		    (length >= 9 && first == HTTP_WORD('n', 'e', 'g', 'o', 't', 'i', 'a', 't') &&
		     (__u8)second == 'e'))
			fields->flags |= HTTP_BOUND_AUTH;
		break;
	}
	return 0;
}

/* Reads header lines from `from` (fields->skip says where in a line that is), to the empty line or
 * to `end`, behind the last byte that is there. Adds to `fields`: flags, content_length, host; sets
 * next and pending. Returns 0. */
SUBPROGRAM int http_fields_scan(struct scratch *scratch, __u32 from, __u32 end,
				struct http_fields *fields)
{
	__u64 zero, at, line, field, value, inside;

	if (!scratch || !fields)
		return 0;
	if (end > SCRATCH_SIZE)
		end = SCRATCH_SIZE;
	zero = scratch_zero(scratch);
	at = zero + from;
	line = at;
	value = at;
	field = fields->skip == HTTP_SKIP_VALUE ? HTTP_FIELD_OTHER : 0;
	/* Of a name, before `line`. */
	inside = fields->skip == HTTP_SKIP_NAME ? HTTP_NAME_MAX + 1 : 0;
	while (at < end) {
		__u64 word = scratch_u64(scratch, at), stops;

		LOOP_STEP(at, zero);
		if (!field) {
			/* In a name, or at the beginning of a line. */
			stops = http_not_name(word);
			if (!stops) {
				at += 8;
				continue;
			}
			at += http_first(stops);
			if (at >= end)
				break;
			word = scratch_u8(scratch, at);
			if (word == ':' && at - line + inside) {
				if (at - line + inside > HTTP_NAME_MAX)
					field = HTTP_FIELD_OTHER;
				else if (fields->limit)
					field = http_response_field_of(scratch, line, at - line);
				else
					field = http_field_of(scratch, line, at - line);
				at++;
				value = at;
				continue;
			}
			if (word == '\r' && at == line && !inside) {
				if (at + 1 >= end)
					break;
				if (scratch_u8(scratch, at + 1) != '\n')
					goto bad;
				fields->flags |= HTTP_COMPLETE;
				fields->next = at + 2;
				fields->pending = 0;
				return 0;
			}
			goto bad;
		}
		/* In a value. */
		stops = http_controls(word);
		if (!stops) {
			at += 8;
			continue;
		}
		at += http_first(stops);
		if (at >= end)
			break;
		word = scratch_u16(scratch, at);
		if ((word & 0xff) == '\t') {
			at++;
			continue;
		}
		if ((word & 0xff) != '\r')
			goto bad;
		if (at + 1 >= end)
			break;
		if (word != ('\r' | '\n' << 8))
			goto bad;
		if (field != HTTP_FIELD_OTHER) {
			if (fields->limit && at - line > fields->limit)
				goto bad;
			http_field_note(scratch, value, at, field, fields);
			if (fields->flags & HTTP_BAD)
				break;
		}
		at += 2;
		line = at;
		field = 0;
		inside = 0;
	}
	fields->next = line;
	fields->pending = field;
	if (!field && end - line + inside > HTTP_NAME_MAX)
		fields->pending = HTTP_FIELD_LONG;
	return 0;
bad:
	fields->flags |= HTTP_BAD;
	fields->next = line;
	return 0;
}

#endif
