/* A connection's first request, or its ClientHello: is enough of it there to place it, and by what?
 * The kernel asks this of a first segment, the front's daemon of all that it has kept, so a request
 * is placed alike however it was cut. */
#ifndef BATON_BPF_FIRST_REQUEST_H
#define BATON_BPF_FIRST_REQUEST_H

#include "bpf/client_hello.h"
#include "bpf/rules.h"
#include "place/place.h"

enum first_request {
	FIRST_PLACED,	/* the query has its pool, and what that wants */
	FIRST_HOSTLESS, /* the same, but there is no Host: by path alone */
	FIRST_SPLIT,	/* more bytes are needed */
	FIRST_NAMELESS, /* there is no server name to place by */
	FIRST_STRANGE,	/* not what the service speaks, as far as can be told */
};

/* All that a pool can want of a target. */
#define FIRST_WANTS (PLACE_WANT_TARGET | PLACE_WANT_CARP | PLACE_WANT_MD5)

/* Gives the query to the pool of the rule that matched. Returns what of the target is to be in it;
 * whoever wanted all of it still does. */
INLINE __u32 first_by_rule(struct place_query *query, const struct rule_search *search, __u32 wants)
{
	query->pool = search->pool;
	return wants == FIRST_WANTS ? wants : place_wants(search->pool);
}

/* Reads text[0, length) as HTTP/1. Puts into the query its pool, if the service's rules (set
 * `rules`, as in struct service) name another one than it has, and its target as far as the pool
 * wants it: `wants` for the one that it has. Where nothing is wanted, nothing is waited for.
 * `target`: as in struct service. */
INLINE enum first_request first_http(struct scratch *text, __u32 length,
				     struct http_request *request, struct rule_search *search,
				     __u32 rules, struct place_query *query, __u32 wants,
				     __u32 target)
{
	__u32 flags;

	http_request_parse(text, length, request);
	flags = request->fields.flags;
	if (flags & HTTP_BAD)
		return FIRST_STRANGE;
	if (!(wants & FIRST_WANTS) && !rules)
		return FIRST_PLACED;
	if (!(flags & HTTP_TARGET_KNOWN) || !(flags & (HTTP_HOST_KNOWN | HTTP_COMPLETE)) ||
	    (!(flags & HTTP_COMPLETE) && rules_want_head(rules)))
		return FIRST_SPLIT;
	if (rules_request(text, request, search, rules))
		wants = first_by_rule(query, search, wants);
	place_request(query, wants, text, request, target);
	return flags & HTTP_HOST_KNOWN ? FIRST_PLACED : FIRST_HOSTLESS;
}

/* The same for the server name text[at, at + length). */
INLINE void first_name(struct scratch *text, __u32 at, __u32 length, struct rule_search *search,
		       __u32 rules, struct place_query *query, __u32 wants)
{
	struct target_text name = {.host_at = at, .host_length = length};

	if (rules_name(text, at, length, search, rules))
		wants = first_by_rule(query, search, wants);
	place_text(query, wants, text, &name);
}

/* The same as first_http for a ClientHello and its server name. One that goes on in a second record
 * has to be joined first. */
INLINE enum first_request first_tls(struct scratch *text, __u32 length, struct client_hello *hello,
				    struct rule_search *search, __u32 rules,
				    struct place_query *query, __u32 wants)
{
	client_hello_parse(text, length, hello);
	if (hello->flags & CLIENT_HELLO_MALFORMED)
		return FIRST_STRANGE;
	if (!(wants & FIRST_WANTS) && !rules)
		return FIRST_PLACED;
	if (!(hello->flags & CLIENT_HELLO_NAME))
		return hello->flags & CLIENT_HELLO_COMPLETE ? FIRST_NAMELESS : FIRST_SPLIT;
	first_name(text, hello->name_at, hello->name_length, search, rules, query, wants);
	return FIRST_PLACED;
}

#endif
