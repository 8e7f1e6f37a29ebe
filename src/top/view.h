/* What `baton top` shows: rates between two answers of the front's daemon, sorted and filtered. No
 * terminal in here. */
#ifndef BATON_TOP_VIEW_H
#define BATON_TOP_VIEW_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

enum { VIEW_NODES_MAX = 1024, VIEW_FILTER_MAX = 32 };

struct view_node {
	char name[32], state[16];
	double weight, active, flows;
	double requests; /* a second, as the following */
	double in, out;	 /* handoffs received and given */
	double bytes;
	double first_us; /* median time to the first byte of the interval's requests; NAN: none */
	double whole_us; /* the same to the last byte */
	double slow_us;	 /* to the last byte, which one in a hundred exceeds */
	bool connected;
};

enum view_sort {
	SORT_NAME,
	SORT_REQUESTS,
	SORT_ACTIVE,
	SORT_BYTES,
	SORT_LATENCY,
	SORT_HANDOFFS,
	SORT_COUNT
};

struct view {
	char cluster[32];
	double seconds; /* of the interval */
	double flows, syn, handoffs, moved, fallbacks,
		refused;	/* of the front; rates but for flows */
	double requests, bytes; /* of all nodes */
	struct view_node nodes[VIEW_NODES_MAX];
	unsigned int count;
};

/* Computes the view from two answers to "status"; `before` may be NULL: rates are 0 then. */
void view_make(struct view *view, const json_t *before, const json_t *now, double seconds,
	       enum view_sort sort, const char *filter);

/* What a sort is called on the screen. */
const char *view_sort_name(enum view_sort sort);

/* "12.3k": at most five columns. `text` holds 16 bytes. Returns text. */
char *view_number(double value, char *text);

/* The whole view as lines of text, for --batch. */
void view_print(const struct view *view, FILE *out);

#endif
