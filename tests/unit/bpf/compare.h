/* Baton's readers of HTTP beside llhttp on the same bytes: used by the unit tests and the fuzzers.
 *
 * The rule: what ours calls whole and good, llhttp reads the same way; what ours still waits for,
 * llhttp has not finished. Ours may refuse what llhttp takes, never the other way round. */
#ifndef BATON_TESTS_COMPARE_H
#define BATON_TESTS_COMPARE_H

#include "bpf/http_request.h"
#include "bpf/http_response.h"

/* Both have these names. */
#define HTTP_HEAD    LLHTTP_HEAD
#define HTTP_CONNECT LLHTTP_CONNECT
#include <llhttp/llhttp.h>
#undef HTTP_HEAD
#undef HTTP_CONNECT

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* What llhttp saw. Text is kept in the order it came; lengths are those of the text. */
struct seen {
	llhttp_t parser;
	char url[SCRATCH_SIZE + 1], field[SCRATCH_SIZE + 1], value[SCRATCH_SIZE + 1];
	char host[SCRATCH_SIZE + 1];
	size_t url_length, field_length, value_length, host_length;
	bool has_host, head;
	bool framing_trailer; /* behind a chunked body stood a field that is for framing */
	int messages;
	unsigned int heads, index; /* responses: bit n: request n was a HEAD */
};

static inline int seen_url(llhttp_t *parser, const char *at, size_t length)
{
	struct seen *seen = parser->data;

	memcpy(seen->url + seen->url_length, at, length);
	seen->url_length += length;
	return 0;
}

static inline int seen_field(llhttp_t *parser, const char *at, size_t length)
{
	struct seen *seen = parser->data;

	memcpy(seen->field + seen->field_length, at, length);
	seen->field_length += length;
	return 0;
}

static inline int seen_value(llhttp_t *parser, const char *at, size_t length)
{
	struct seen *seen = parser->data;

	memcpy(seen->value + seen->value_length, at, length);
	seen->value_length += length;
	return 0;
}

static inline int seen_value_end(llhttp_t *parser)
{
	struct seen *seen = parser->data;

	while (seen->value_length && (seen->value[seen->value_length - 1] == ' ' ||
				      seen->value[seen->value_length - 1] == '\t'))
		seen->value_length--;
	if (!seen->has_host && seen->field_length == 4 && !strncasecmp(seen->field, "host", 4)) {
		memcpy(seen->host, seen->value, seen->value_length);
		seen->host_length = seen->value_length;
		seen->has_host = true;
	}
	seen->field_length = seen->value_length = 0;
	return 0;
}

static inline int seen_head_end(llhttp_t *parser)
{
	((struct seen *)parser->data)->head = true;
	return HPE_PAUSED;
}

/* Why ours and llhttp disagree on the request head in bytes[0, length), length at most
 * SCRATCH_SIZE; NULL if they don't. */
static inline const char *compare_request(const void *bytes, size_t length)
{
	static struct scratch scratch;
	static struct seen seen;
	llhttp_settings_t settings;
	struct http_request request;
	unsigned int flags, theirs;
	llhttp_errno_t error;
	const char *end;
	size_t method = 0;

	/* What lies behind the bytes must not matter: blanks once, line ends once. */
	memset(&scratch, 'a', sizeof(scratch));
	memcpy(scratch.bytes, bytes, length);
	http_request_parse(&scratch, length, &request);
	flags = request.fields.flags;
	for (int i = 0; i < 2; i++) {
		struct http_request again;

		memset(&scratch, i ? '\n' : 0, sizeof(scratch));
		memcpy(scratch.bytes, bytes, length);
		http_request_parse(&scratch, length, &again);
		if (memcmp(&request, &again, sizeof(again)))
			return "bytes behind the end matter";
	}
	if (flags & HTTP_BAD)
		return NULL;
	if (flags & HTTP_COMPLETE &&
	    (!request.head_length || request.head_length > length || !(flags & HTTP_TARGET_KNOWN)))
		return "whole, but not its parts";
	if (flags & HTTP_TARGET_KNOWN &&
	    (!request.target_at || !request.target_length ||
	     request.target_at + request.target_length > (int)length ||
	     request.path_at + request.path_length > request.target_at + request.target_length))
		return "target outside";
	if (flags & HTTP_HOST_KNOWN && flags & HTTP_TARGET_KNOWN &&
	    request.fields.host_at + request.fields.host_length > (int)length)
		return "host outside";

	llhttp_settings_init(&settings);
	settings.on_url = seen_url;
	settings.on_header_field = seen_field;
	settings.on_header_value = seen_value;
	settings.on_header_value_complete = seen_value_end;
	settings.on_headers_complete = seen_head_end;
	memset(&seen, 0, sizeof(seen));
	llhttp_init(&seen.parser, HTTP_REQUEST, &settings);
	seen.parser.data = &seen;
	error = llhttp_execute(&seen.parser, bytes, length);
	if (!(flags & HTTP_COMPLETE))
		return seen.head ? "llhttp has the whole head" : NULL;
	/* Methods and characters of a target are the server's to judge, not framing; llhttp has
	 * PRI for HTTP/2's. */
	if ((length > 4 && !memcmp(bytes, "PRI ", 4)) || error == HPE_INVALID_METHOD ||
	    error == HPE_INVALID_URL || error == HPE_INVALID_CONSTANT)
		return NULL;
	if (!seen.head)
		return llhttp_get_error_reason(&seen.parser) ? llhttp_get_error_reason(&seen.parser)
							     : "llhttp wants more";
	end = llhttp_get_error_pos(&seen.parser);
	if (!end || end - (const char *)bytes > request.head_length ||
	    end - (const char *)bytes + 2 < request.head_length)
		return "head's end";
	while (((const char *)bytes)[method] != ' ')
		method++;
	if (strlen(llhttp_method_name(seen.parser.method)) != method ||
	    memcmp(llhttp_method_name(seen.parser.method), bytes, method))
		return "method";
	if (seen.url_length != request.target_length ||
	    memcmp(seen.url, (const char *)bytes + request.target_at, seen.url_length))
		return "target";
	if (!(flags & HTTP_HOST_LINE) != !seen.has_host)
		return "host line";
	if (seen.has_host && !(flags & HTTP_ABSOLUTE) && request.method != HTTP_METHOD_CONNECT &&
	    (seen.host_length != request.fields.host_length ||
	     memcmp(seen.host, (const char *)bytes + request.fields.host_at, seen.host_length)))
		return "host";
	theirs = seen.parser.flags;
	/* llhttp takes a tab behind an option for a part of it. */
	if (!memchr(bytes, '\t', request.head_length)) {
		if (!(theirs & F_CONNECTION_CLOSE) != !(flags & HTTP_CLOSE))
			return "close";
		if (!(theirs & F_CONNECTION_KEEP_ALIVE) != !(flags & HTTP_KEEP_ALIVE))
			return "keep-alive";
	}
	/* Ours says so of an empty Upgrade line too. */
	if (theirs & (F_UPGRADE | F_CONNECTION_UPGRADE) && !(flags & HTTP_UPGRADE))
		return "upgrade";
	if (!(theirs & F_CHUNKED) != !(flags & HTTP_CHUNKED))
		return "chunked";
	if (!(theirs & F_CONTENT_LENGTH) != !(flags & HTTP_LENGTH))
		return "length";
	if (flags & HTTP_LENGTH && seen.parser.content_length != request.fields.content_length)
		return "content length";
	if (seen.parser.http_major != 1 || seen.parser.http_minor != !!(flags & HTTP_MINOR_1))
		return "version";
	return NULL;
}

static inline int seen_response_head(llhttp_t *parser)
{
	struct seen *seen = parser->data;

	bool head;

	if (parser->status_code < 200)
		return 0;
	/* 1: there is no body; llhttp leaves that to its caller. */
	head = seen->heads >> (seen->index++ % 32) & 1;
	return head || parser->status_code == 204 || parser->status_code == 304;
}

static inline int seen_response_field(llhttp_t *parser, const char *at, size_t length)
{
	struct seen *seen = parser->data;

	if (parser->flags & F_TRAILING &&
	    ((length == 17 && !strncasecmp(at, "transfer-encoding", 17)) ||
	     (length == 14 && !strncasecmp(at, "content-length", 14)) ||
	     (length == 10 && !strncasecmp(at, "connection", 10)) ||
	     (length == 7 && !strncasecmp(at, "upgrade", 7))))
		seen->framing_trailer = true;
	return 0;
}

static inline int seen_message(llhttp_t *parser)
{
	struct seen *seen = parser->data;

	if (parser->status_code >= 200)
		seen->messages++;
	return 0;
}

/* The end of a response stream as ours has it. */
struct followed {
	struct response_state state;
	int ended;
};

/* Follows the stream in pieces of lengths from `cuts` (each 1 to 256, gone through again and
 * again); in one if there are none. */
static inline void follow_pieces(struct followed *followed, unsigned int requests,
				 unsigned int heads, const void *bytes, size_t length,
				 const unsigned char *cuts, size_t cut_count)
{
	static struct scratch scratch;
	struct byte_source source = {bytes, length};
	size_t i = 0;

	memset(followed, 0, sizeof(*followed));
	for (unsigned int n = 0; n < requests; n++)
		response_expect(&followed->state, heads >> n & 1);
	for (size_t at = 0; at < length;) {
		size_t piece = cut_count ? 1u + cuts[i++ % cut_count] : length;

		if (piece > length - at)
			piece = length - at;
		memset(&scratch, i & 1 ? '\n' : 'a', sizeof(scratch));
		followed->ended += response_follow(&source, at, piece, &followed->state, &scratch);
		at += piece;
	}
}

/* Why ours disagrees with itself on pieces, or with llhttp on the whole; NULL if it doesn't.
 * `requests`, at most 32, are awaited, `heads` says which of them are HEADs. */
static inline const char *compare_response(unsigned int requests, unsigned int heads,
					   const void *bytes, size_t length,
					   const unsigned char *cuts, size_t cut_count)
{
	static struct seen seen;
	struct followed whole, pieces;
	llhttp_settings_t settings;
	llhttp_errno_t error;

	follow_pieces(&whole, requests, heads, bytes, length, NULL, 0);
	follow_pieces(&pieces, requests, heads, bytes, length, cuts, cut_count);
	if (whole.ended != pieces.ended || whole.state.phase != pieces.state.phase ||
	    whole.state.carried != pieces.state.carried ||
	    whole.state.status != pieces.state.status ||
	    (whole.state.phase != RESPONSE_PINNED &&
	     (whole.state.body.phase != pieces.state.body.phase ||
	      whole.state.body.left != pieces.state.body.left)))
		return "pieces differ from the whole";
	if (whole.state.phase == RESPONSE_PINNED)
		return NULL;
	llhttp_settings_init(&settings);
	settings.on_headers_complete = seen_response_head;
	settings.on_header_field = seen_response_field;
	settings.on_message_complete = seen_message;
	memset(&seen, 0, sizeof(seen));
	llhttp_init(&seen.parser, HTTP_RESPONSE, &settings);
	seen.parser.data = &seen;
	seen.heads = heads;
	error = llhttp_execute(&seen.parser, bytes, length);
	/* Such fields are not to be trailers (RFC 9110, 6.5.1); llhttp obeys them all the same. */
	if (seen.framing_trailer)
		return NULL;
	/* Grammar inside chunk extensions and trailers doesn't move an end. */
	if (error == HPE_INVALID_CHUNK_SIZE || error == HPE_STRICT ||
	    (error != HPE_OK && seen.parser.flags & F_TRAILING))
		return NULL;
	/* What isn't whole yet ours may still come to refuse. */
	if (error != HPE_OK && whole.state.phase == RESPONSE_START && !whole.state.carried)
		return llhttp_get_error_reason(&seen.parser) ? llhttp_get_error_reason(&seen.parser)
							     : "llhttp refuses";
	if (seen.messages != whole.ended)
		return "number of responses";
	return NULL;
}

/* Why a chunked body is read differently in pieces, or by llhttp; NULL if it isn't. */
static inline const char *compare_chunked(const void *bytes, size_t length,
					  const unsigned char *cuts, size_t cut_count)
{
	static const char head[] = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
	static struct scratch scratch;
	static struct seen seen;
	struct byte_source source = {bytes, length};
	struct body_state whole, pieces;
	llhttp_settings_t settings;
	llhttp_errno_t error;
	size_t used = 0, i = 0;
	__u32 end;

	body_start_chunked(&whole);
	end = body_follow(&source, 0, length, &whole, &scratch);
	if (end > length || (end < length && body_running(&whole)))
		return "end";
	pieces = (struct body_state){0};
	body_start_chunked(&pieces);
	while (used < length && body_running(&pieces)) {
		size_t piece = 1u + cuts[i++ % cut_count], took;

		if (piece > length - used)
			piece = length - used;
		took = body_follow(&source, used, piece, &pieces, &scratch);
		used += took;
		if (took < piece)
			break;
	}
	if (pieces.phase != whole.phase || (whole.phase != BODY_BAD && used != end) ||
	    (body_running(&whole) && pieces.left != whole.left))
		return "pieces differ from the whole";
	if (whole.phase == BODY_BAD)
		return NULL;

	llhttp_settings_init(&settings);
	settings.on_message_complete = seen_head_end;
	memset(&seen, 0, sizeof(seen));
	llhttp_init(&seen.parser, HTTP_REQUEST, &settings);
	seen.parser.data = &seen;
	if (llhttp_execute(&seen.parser, head, sizeof(head) - 1) != HPE_OK)
		return "llhttp refuses the head";
	error = llhttp_execute(&seen.parser, bytes, length);
	if (whole.phase != BODY_NONE)
		return seen.head ? "llhttp has the whole body" : NULL;
	/* Grammar inside extensions and trailers doesn't move an end. */
	if (!seen.head)
		return error == HPE_INVALID_CHUNK_SIZE || error == HPE_STRICT ||
				       (error != HPE_OK && seen.parser.flags & F_TRAILING)
			       ? NULL
			       : "llhttp wants more";
	/* It stops before the last byte of the empty line or behind it. */
	used = llhttp_get_error_pos(&seen.parser) - (const char *)bytes;
	return used > end || used + 2 < end ? "body's end" : NULL;
}

#endif
