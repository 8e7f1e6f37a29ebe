/* The head of an HTTP/1.x request (RFC 9112), read in a scratch buffer, and its target.
 *
 * What is found is where things lie: nothing is copied, nothing is decoded. See http_fields.h for
 * what is refused; a refused head is `bad`, and the caller never lets such a connection move.
 */
#ifndef BATON_BPF_HTTP_REQUEST_H
#define BATON_BPF_HTTP_REQUEST_H

#include "bpf/http_fields.h"

enum http_method {
	HTTP_METHOD_OTHER,
	HTTP_METHOD_GET,
	HTTP_METHOD_HEAD,
	HTTP_METHOD_POST,
	HTTP_METHOD_PUT,
	HTTP_METHOD_DELETE,
	HTTP_METHOD_CONNECT,
	HTTP_METHOD_OPTIONS,
};

#define HTTP_METHOD_MAX 32 /* longest method token */

struct http_request {
	struct http_fields fields;	/* flags, content_length, host_at, host_length */
	__u16 head_length;		/* bytes up to and with the empty line; 0: not complete */
	__u16 target_at, target_length; /* the request-target as it stands */
	__u16 path_at, path_length;	/* its path, up to '?': "*" of OPTIONS, empty for CONNECT */
	__u16 method;			/* enum http_method */
};

/* Reads the request line. Returns where the first header line begins; 0: not whole, or bad. */
SUBPROGRAM __u32 http_request_line(struct scratch *scratch, __u32 length,
				   struct http_request *request)
{
	struct http_fields *fields;
	__u64 zero, at, path, query, word, stops;

	if (!scratch || !request)
		return 0;
	fields = &request->fields;
	if (length > SCRATCH_SIZE)
		length = SCRATCH_SIZE;
	zero = scratch_zero(scratch);
	at = query = 0;
	FORGET(at, zero);
	FORGET(query, zero);
	word = scratch_u64(scratch, 0);
	if ((__u32)word == (__u32)HTTP_WORD('G', 'E', 'T', ' ', 0, 0, 0, 0)) {
		request->method = HTTP_METHOD_GET;
		at += 3;
	} else {
		while (at < HTTP_METHOD_MAX) {
			LOOP_STEP(at, zero);
			stops = http_not_name(scratch_u64(scratch, at));
			if (stops) {
				at += http_first(stops);
				break;
			}
			at += 8;
		}
		if (at >= length)
			goto incomplete;
		if (!at || at > HTTP_METHOD_MAX || scratch_u8(scratch, at) != ' ')
			goto bad;
		if ((__u32)word == (__u32)HTTP_WORD('H', 'E', 'A', 'D', 0, 0, 0, 0) && at == 4) {
			request->method = HTTP_METHOD_HEAD;
			fields->flags |= HTTP_HEAD;
		} else if ((__u32)word == (__u32)HTTP_WORD('P', 'O', 'S', 'T', 0, 0, 0, 0) &&
			   at == 4) {
			request->method = HTTP_METHOD_POST;
		} else if ((__u32)word == (__u32)HTTP_WORD('P', 'U', 'T', ' ', 0, 0, 0, 0)) {
			request->method = HTTP_METHOD_PUT;
		} else if (HTTP_LOW(word, 7) == HTTP_WORD('D', 'E', 'L', 'E', 'T', 'E', ' ', 0)) {
			request->method = HTTP_METHOD_DELETE;
		} else if (word == HTTP_WORD('C', 'O', 'N', 'N', 'E', 'C', 'T', ' ')) {
			request->method = HTTP_METHOD_CONNECT;
			fields->flags |= HTTP_CONNECT;
		} else if (word == HTTP_WORD('O', 'P', 'T', 'I', 'O', 'N', 'S', ' ')) {
			request->method = HTTP_METHOD_OPTIONS;
		}
	}
	at++;
	if (at >= length)
		goto incomplete;

	request->target_at = at;
	path = at;
	word = scratch_u64(scratch, at);
	if ((word & 0xff) != '/') {
		__u64 lower = http_lower(word);
		__u64 authority = at;

		if (length - at < 8) {
			/* Only HTTP/0.9 ends a line here. */
			stops = http_controls(word);
			if (stops && http_first(stops) < length - at)
				goto bad;
			goto incomplete;
		}
		if (request->method == HTTP_METHOD_CONNECT) {
			path = 0; /* authority-form */
		} else if (HTTP_LOW(lower, 7) == HTTP_WORD('h', 't', 't', 'p', ':', '/', '/', 0)) {
			authority += 7;
		} else if (lower == HTTP_WORD('h', 't', 't', 'p', 's', ':', '/', '/')) {
			authority += 8;
		} else if (request->method == HTTP_METHOD_OPTIONS &&
			   (__u16)word == ('*' | ' ' << 8)) {
			authority = 0; /* asterisk-form */
		} else {
			goto bad;
		}
		if (authority) {
			at = authority;
			while (at < length) {
				LOOP_STEP(at, zero);
				word = scratch_u64(scratch, at);
				stops = http_blanks(word) | http_equal(word, '/') |
					http_equal(word, '?') | http_equal(word, '@') |
					http_equal(word, '#');
				if (stops) {
					at += http_first(stops);
					break;
				}
				at += 8;
			}
			if (at >= length)
				goto incomplete;
			word = scratch_u8(scratch, at);
			if (at == authority || word == '@' || word == '#' || (!path && word != ' '))
				goto bad;
			fields->host_at = authority;
			fields->host_length = at - authority;
			/* Believed when the line has ended. */
			if (path) {
				path = at;
				fields->flags |= HTTP_ABSOLUTE;
			}
		}
	}
	while (at < length) {
		FORGET(path, zero);
		FORGET(query, zero);
		LOOP_STEP(at, zero);
		word = scratch_u64(scratch, at);
		stops = http_blanks(word);
		if (!query)
			stops |= http_equal(word, '?');
		if (!stops) {
			at += 8;
			continue;
		}
		at += http_first(stops);
		if (at >= length || scratch_u8(scratch, at) != '?' || query)
			break;
		query = at;
		at++;
	}
	if (at >= length)
		goto incomplete;
	if (scratch_u8(scratch, at) != ' ')
		goto bad;
	request->target_length = at - request->target_at;
	if (path) {
		request->path_at = path;
		request->path_length = (query ? query : at) - path;
	}
	at++;
	word = scratch_u64(scratch, at);
	if (length - at < 10)
		goto incomplete;
	if (word == HTTP_WORD('H', 'T', 'T', 'P', '/', '1', '.', '1'))
		fields->flags |= HTTP_MINOR_1;
	else if (word != HTTP_WORD('H', 'T', 'T', 'P', '/', '1', '.', '0'))
		goto bad;
	if (scratch_u16(scratch, at + 8) != ('\r' | '\n' << 8))
		goto bad;
	fields->flags |= HTTP_TARGET_KNOWN;
	if (fields->host_length)
		fields->flags |= HTTP_HOST_KNOWN;
	return at + 10;
incomplete:
	return 0;
bad:
	fields->flags |= HTTP_BAD;
	return 0;
}

/* Reads the request in scratch[0, length) and fills `request` whole. Flags tell what is known: with
 * HTTP_COMPLETE all of it, with HTTP_TARGET_KNOWN target and path, with HTTP_HOST_KNOWN host (which
 * absolute-form gives whatever a Host line says). Not complete and not HTTP_BAD: more bytes are
 * needed, or the head is longer than the buffer. Nothing behind HTTP_BAD is to be believed. */
INLINE void http_request_parse(struct scratch *scratch, __u32 length, struct http_request *request)
{
	__u32 at;

	__builtin_memset(request, 0, sizeof(*request));
	at = http_request_line(scratch, length, request);
	if (!at)
		return;
	http_fields_scan(scratch, at, length, &request->fields);
	if (request->fields.flags & HTTP_COMPLETE)
		request->head_length = request->fields.next;
}

#endif
