#include "experiment/ratios.h"
#include "base/table.h"
#include "experiment/cases.h"
#include "experiment/tables.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

const char *const ratios_heading =
	"Ratios of requests a second (the paper's). Reached of the bound: a pure hash can't do "
	"more than round robin by the mean over the largest load of a node. Behind a ';' what is "
	"stored beyond one copy of each object.";

static const struct ratio {
	const char *text;
	struct {
		const char *structure, *policy;
	} of, over;
	bool bound;  /* over what the policy can reach, not over what the other one does */
	bool copies; /* the policy copies objects: how many bytes are stored for that */
	bool bits;   /* bodies' bits that reached clients over all that the other's front sends */
} ratios[] = {
	{"inline rr / haproxy rr", {"inline", "rr"}, {"haproxy", "rr"}, false, false},
	{"inline rr's bits / what haproxy rr's front sends",
	 {"inline", "rr"},
	 {"haproxy", "rr"},
	 false,
	 false,
	 true},
	{"inline mit-ch / haproxy ring", {"inline", "mit-ch"}, {"haproxy", "ring"}, false, false},
	{"inline rr / nginx rr", {"inline", "rr"}, {"nginx", "rr"}, false, false},
	{"relay rr / haproxy rr", {"relay", "rr"}, {"haproxy", "rr"}, false, false},
	{"handed off / relayed: rr", {"inline", "rr"}, {"relay", "rr"}, false, false},
	{"handed off / relayed: ring", {"inline", "mit-ch"}, {"relay", "ring"}, false, false},
	{"handed off / relayed: carp", {"inline", "carp"}, {"relay", "carp"}, false, false},
	{"handed off / relayed: md5", {"inline", "md5"}, {"relay", "hash"}, false, false},
	{"read on nodes / on the front: rr", {"spread", "rr"}, {"inline", "rr"}, false, false},
	{"read on nodes / on the front: mit-ch",
	 {"spread", "mit-ch"},
	 {"inline", "mit-ch"},
	 false,
	 false},
	{"reached of the bound: md5", {"inline", "md5"}, {"inline", "rr"}, true, false},
	{"reached of the bound: mit-ch", {"inline", "mit-ch"}, {"inline", "rr"}, true, false},
	{"reached of the bound: carp", {"inline", "carp"}, {"inline", "rr"}, true, false},
	{"reached of the bound: hrw", {"inline", "hrw"}, {"inline", "rr"}, true, false},
	{"lard-r / rr", {"inline", "lard-r"}, {"inline", "rr"}, false, true},
	{"ds / rr", {"inline", "ds"}, {"inline", "rr"}, false, true},
};

static double number(json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

/* The paper's column for a case; NULL if it has none. */
static const char *paper_column(const char *structure, const char *policy)
{
	for (const struct experiment_case *which = experiment_cases; which->structure; which++)
		if (!strcmp(which->structure, structure) && !strcmp(which->policy, policy))
			return which->paper;
	return NULL;
}

/* The paper's ratio; 0: it has none, as where two of ours stand for one of its own. */
static double paper_ratio(const struct ratio *ratio, const char *workload, unsigned int nodes)
{
	const char *of = paper_column(ratio->of.structure, ratio->of.policy);
	const char *over = paper_column(ratio->over.structure, ratio->over.policy);
	double base;

	if (!of || !over || !strcmp(of, over))
		return 0;
	base = paper_value(workload, over, nodes, false);
	return base > 0 ? paper_value(workload, of, nodes, false) / base : 0;
}

/* One place of the table; empty where a cell is missing. */
static void place(json_t *cells, const char *workload, const struct ratio *ratio,
		  unsigned int nodes, char *text, size_t room)
{
	json_t *of = tables_find(cells, ratio->of.structure, ratio->of.policy, workload, nodes);
	json_t *over =
		tables_find(cells, ratio->over.structure, ratio->over.policy, workload, nodes);
	const char *what = ratio->bits ? "mbit_per_second" : "requests_per_second";
	double base = over ? number(over, ratio->bits ? "front_mbit" : what) : 0;
	double paper = ratio->bound || ratio->bits ? 0 : paper_ratio(ratio, workload, nodes);
	char stored[16];
	int length;

	*text = 0;
	if (!of || base <= 0)
		return;
	if (ratio->bound)
		base *= number(of, "load");
	length = snprintf(text, room, "%.2f", number(of, what) / base);
	if (ratio->copies)
		snprintf(text + length, room - (size_t)length, "; %s",
			 text_bytes(number(of, "stored_bytes") - number(of, "unique_bytes"),
				    stored));
	else if (paper > 0)
		snprintf(text + length, room - (size_t)length, " (%.2f)", paper);
}

void ratios_rows(json_t *cells, const char *workload, const unsigned int *counts, int count,
		 void (*row)(void *context, const char *text), void *context)
{
	for (size_t i = 0; i < sizeof(ratios) / sizeof(ratios[0]); i++) {
		char text[1024], one[64];
		bool found = false;
		int length = snprintf(text, sizeof(text), "%s", ratios[i].text);

		for (int k = 0; k < count; k++) {
			place(cells, workload, &ratios[i], counts[k], one, sizeof(one));
			found |= *one;
			length +=
				snprintf(text + length, sizeof(text) - (size_t)length, "|%s", one);
		}
		if (found)
			row(context, text);
	}
}
