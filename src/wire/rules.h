/* Rules: which of a service's pools a request goes to, by what it asks. Shared by the programs that
 * go by them (bpf/rules.h), the daemons that write them (control/rules.h) and tests.
 *
 * A service has two places for its set, so that a new one is written beside the one that holds;
 * `rules` of struct service says which one that is. */
#ifndef BATON_WIRE_RULES_H
#define BATON_WIRE_RULES_H

#include "wire/cluster.h"

enum {
	RULES_MAX = 32,		/* of a service */
	RULE_HEADERS_MAX = 4,	/* header names that the rules of a service go by */
	RULE_TEXT_MAX = 64,	/* bytes of one text */
	SERVICE_POOLS_MAX = 16, /* of a service, its own pool not counted */
	RULES_SERVICES = 64,	/* services that can have rules and pools: the lowest ids */
	RULE_SETS = 2 * RULES_SERVICES,
};

/* A text to compare with, lower-case where case doesn't count; zeros behind its end. */
struct rule_text {
	__u64 words[RULE_TEXT_MAX / 8];
	__u32 length; /* 0: anything will do */
	__u32 flags;  /* enum rule_text_flags */
};
WIRE_SIZE(struct rule_text, 72);

enum rule_text_flags {
	RULE_FOLD = 1,	/* case doesn't count */
	RULE_BEGIN = 2, /* it need only begin so */
	RULE_END = 4,	/* it need only end so, with something before */
};

/* Map `rules`: ARRAY, RULES_MAX of a set one behind the other. A rule matches if all of its texts
 * do. */
struct rule {
	struct rule_text host, path, suffix, method, value;
	__u32 header; /* 1 + index of the header in its set; 0: none is looked at */
	__u32 pool;   /* of wire/place.h */
};
WIRE_SIZE(struct rule, 368);

/* Map `rule_sets`: ARRAY, RULE_SETS. */
struct rule_set {
	__u32 count;   /* rules */
	__u32 headers; /* of `names` that are used */
	struct rule_text names[RULE_HEADERS_MAX];
};
WIRE_SIZE(struct rule_set, 296);

/* Pool number `index` (from 0) of a service besides its own, whose id is the service's. */
#define RULE_POOL(service, index) (RULES_SERVICES + (service)*SERVICE_POOLS_MAX + (index))

#endif
