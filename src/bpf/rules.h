/* Which pool a request goes to by its service's rules (wire/rules.h): the first rule that matches
 * says it. The same lines run on the front, for a connection's first request, on the nodes, for all
 * later ones, and in the daemons, for `baton where`.
 *
 * Rules are tried one after another: with 32 of them each request pays for up to 32 comparisons of
 * a few words. Header lines are looked for once a name, not once a rule.
 */
#ifndef BATON_BPF_RULES_H
#define BATON_BPF_RULES_H

#include "bpf/target.h"
#include "wire/rules.h"

#ifdef __bpf__

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, RULE_SETS *RULES_MAX);
	__type(key, __u32);
	__type(value, struct rule);
} rules SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, RULE_SETS);
	__type(key, __u32);
	__type(value, struct rule_set);
} rule_sets SEC(".maps");

INLINE const struct rule *rule_at(__u32 index)
{
	return bpf_map_lookup_elem(&rules, &index);
}

INLINE const struct rule_set *rule_set_at(__u32 index)
{
	return bpf_map_lookup_elem(&rule_sets, &index);
}

#else

/* The thread's rules: one set, as it would lie in the maps. NULL: there is none. */
struct rule_table {
	struct rule_set set;
	struct rule rules[RULES_MAX];
};

extern __thread const struct rule_table *rule_table;

INLINE const struct rule *rule_at(__u32 index)
{
	return rule_table ? &rule_table->rules[index % RULES_MAX] : NULL;
}

INLINE const struct rule_set *rule_set_at(__u32 index)
{
	(void)index;
	return rule_table ? &rule_table->set : NULL;
}

#endif

/* What rules look at, where the parts of a request lie in the scratch, and what they found. A part
 * that isn't there has no length, and matches nothing but a text that isn't there either. In the
 * programs it lies in the work area: the stack is short. */
struct rule_search {
	__u16 host_at, host_length;
	__u16 path_at, path_length;
	__u16 method_length; /* from the scratch's beginning */
	__u16 lines_at;	     /* of the first header line */
	__u16 lines_end;
	__u16 rule; /* out: the number, from 1, of the rule that matched; 0: none */
	__u32 pool; /* out, if one did: the pool it names */
	__u32 values[RULE_HEADERS_MAX]; /* where the headers' values lie; ~0: there is none */
};

/* 1 if scratch[at, at + length) is what the text wants. */
SUBPROGRAM __u32 rule_text_is(struct scratch *scratch, const struct rule_text *text, __u32 at,
			      __u32 length)
{
	__u32 wanted, flags;

	if (!scratch || !text)
		return 0;
	wanted = text->length;
	flags = text->flags;
	if (!wanted)
		return 1;
	if (wanted > length || (wanted != length && !(flags & (RULE_BEGIN | RULE_END))))
		return 0;
	if (flags & RULE_END)
		at += length - wanted;
	for (__u32 i = 0; i < RULE_TEXT_MAX / 8; i++) {
		__u64 word = scratch_u64(scratch, at + 8 * i);
		__u32 left = wanted - 8 * i;

		if (left < 8)
			word &= ~(~0ull << 8 * left);
		if (flags & RULE_FOLD)
			word = place_lower(word);
		if (word != text->words[i])
			return 0;
		if (left <= 8)
			break;
	}
	return 1;
}

/* Looks for the first header line of that name in scratch[from, end), `from` being the beginning
 * of a line. Returns where its value begins, white space left out, in the lower 16 bits, and how
 * long it is in the upper ones; ~0: there is none. */
SUBPROGRAM __u32 rule_header_find(struct scratch *scratch, const struct rule_text *name, __u32 from,
				  __u32 end)
{
	__u64 zero, at, stop, line;

	if (!scratch || !name || end > SCRATCH_SIZE)
		return ~0u;
	zero = scratch_zero(scratch);
	at = zero + from;
	line = at; /* the beginning of the line in hand */
	while (at < end) {
		__u64 ends;

		LOOP_STEP(at, zero);
		FORGET(line, zero);
		if (at == line && rule_text_is(scratch, name, at, name->length) &&
		    scratch_u8(scratch, at + name->length) == ':')
			break;
		ends = http_equal(scratch_u64(scratch, at), '\n');
		if (ends) {
			at += http_first(ends) + 1;
			line = at;
		} else {
			at += 8;
		}
	}
	if (at >= end)
		return ~0u;
	at += name->length + 1;
	stop = at;
	while (stop < end) {
		__u64 ends = http_equal(scratch_u64(scratch, stop), '\r');

		LOOP_STEP(stop, zero);
		if (ends) {
			stop += http_first(ends);
			break;
		}
		stop += 8;
	}
	if (stop > end)
		stop = end;
	while (at < stop) {
		__u32 byte = scratch_u8(scratch, at);

		LOOP_STEP(at, zero);
		if (byte != ' ' && byte != '\t')
			break;
		at++;
	}
	while (stop > at) {
		__u32 byte = scratch_u8(scratch, stop - 1);

		LOOP_STEP(stop, zero);
		if (byte != ' ' && byte != '\t')
			break;
		stop--;
	}
	return (__u32)at | (__u32)(stop - at) << 16;
}

/* Looks for the first rule of set `index` (as in struct service: 1 + index, 0 none) that matches
 * what the search says. Returns its number, 0: none. */
SUBPROGRAM __u32 rules_find(struct scratch *scratch, struct rule_search *search, __u32 index)
{
	const struct rule_set *set;
	__u64 zero, i = 0;

	if (!scratch || !search)
		return 0;
	search->rule = 0;
	if (!index)
		return 0;
	set = rule_set_at(index - 1);
	if (!set)
		return 0;
	for (__u32 h = 0; h < RULE_HEADERS_MAX; h++)
		search->values[h] = h < set->headers
					    ? rule_header_find(scratch, &set->names[h],
							       search->lines_at, search->lines_end)
					    : ~0u;
	zero = scratch_zero(scratch);
	FORGET(i, zero);
	while (i < set->count) {
		const struct rule *rule = rule_at((index - 1) * RULES_MAX + i);
		__u32 value = 0;

		LOOP_STEP(i, zero);
		if (!rule || i >= RULES_MAX)
			break;
		i++;
		if (rule->header)
			value = search->values[BOUND(rule->header - 1, RULE_HEADERS_MAX - 1)];
		if (value != ~0u &&
		    rule_text_is(scratch, &rule->host, search->host_at, search->host_length) &&
		    rule_text_is(scratch, &rule->path, search->path_at, search->path_length) &&
		    rule_text_is(scratch, &rule->suffix, search->path_at, search->path_length) &&
		    rule_text_is(scratch, &rule->method, 0, search->method_length) &&
		    rule_text_is(scratch, &rule->value, value & 0xffff, value >> 16)) {
			search->pool = rule->pool;
			search->rule = i;
			break;
		}
	}
	return search->rule;
}

/* The same for an HTTP request that has been read. */
INLINE __u32 rules_request(struct scratch *scratch, const struct http_request *request,
			   struct rule_search *search, __u32 index)
{
	const struct http_fields *fields = &request->fields;

	search->host_at = fields->host_at;
	search->host_length = text_host_length(scratch, fields->host_at, fields->host_length);
	search->path_at = request->path_at;
	search->path_length = request->path_length;
	search->method_length = request->target_at - 1;
	/* " HTTP/1.1" and the line's end are behind the target. */
	search->lines_at = request->target_at + request->target_length + 11;
	search->lines_end = fields->next;
	return rules_find(scratch, search, index);
}

/* And for a server's name. */
INLINE __u32 rules_name(struct scratch *scratch, __u32 at, __u32 length, struct rule_search *search,
			__u32 index)
{
	__builtin_memset(search, 0, sizeof(*search));
	search->host_at = at;
	search->host_length = length;
	return rules_find(scratch, search, index);
}

/* Whether the rules of set `index` go by header lines: then a request counts as read only when its
 * head is whole. */
INLINE int rules_want_head(__u32 index)
{
	const struct rule_set *set = index ? rule_set_at(index - 1) : NULL;

	return set && set->headers;
}

#endif
