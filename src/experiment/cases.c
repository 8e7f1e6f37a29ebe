#include "experiment/cases.h"
#include "experiment/paper_tables.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct experiment_case experiment_cases[] = {
	{"haproxy", "rr", "--central", "haproxy:rr", "RR"},
	{"haproxy", "hash", "--central", "haproxy:hash", "MD5"},
	{"haproxy", "ring", "--central", "haproxy:ring", "MIT_CH"},
	{"nginx", "rr", "--central", "nginx:rr", "RR"},
	{"nginx", "hash", "--central", "nginx:hash", "MD5"},
	{"nginx", "ring", "--central", "nginx:ring", "MIT_CH"},
	{"relay", "rr", "--relay", "nginx:rr", "AS-RR"},
	{"relay", "hash", "--relay", "nginx:hash", "AS-MD5"},
	{"relay", "ring", "--relay", "nginx:ring", "AS-MIT_CH"},
	{"relay", "carp", "--relay", "squid:carp", "AS-CARP"},
	{"relay", "sourcehash", "--relay", "squid:sourcehash", NULL},
	{"inline", "rr", "--place", "inline", "AS-RR"},
	{"inline", "md5", "--place", "inline", "AS-MD5"},
	{"inline", "mit-ch", "--place", "inline", "AS-MIT_CH"},
	{"inline", "carp", "--place", "inline", "AS-CARP"},
	{"inline", "mod-ch", "--place", "inline", "AS-MOD_CH"},
	{"inline", "ht-rr", "--place", "inline", "AS-HT_RR"},
	{"inline", "hrw", "--place", "inline", NULL},
	{"inline", "bounded-ch", "--place", "inline", NULL},
	{"inline", "lard-r", "--place", "inline", NULL},
	{"inline", "ds", "--place", "inline", NULL},
	{"spread", "rr", "--place", "spread", "AS-RR"},
	{"spread", "md5", "--place", "spread", "AS-MD5"},
	{"spread", "mit-ch", "--place", "spread", "AS-MIT_CH"},
	{"spread", "carp", "--place", "spread", "AS-CARP"},
	{"spread", "mod-ch", "--place", "spread", "AS-MOD_CH"},
	{"spread", "ht-rr", "--place", "spread", "AS-HT_RR"},
	{"spread", "hrw", "--place", "spread", NULL},
	{0},
};

/* The field `wanted` of a line of comma-separated values. */
static const char *field(const char *line, int wanted)
{
	while (wanted--) {
		line += strcspn(line, ",\n");
		if (*line != ',')
			return "";
		line++;
	}
	return line;
}

static int column_of(const char *head, const char *name)
{
	for (int i = 0; *field(head, i); i++) {
		const char *at = field(head, i);

		if (strcspn(at, ",\n") == strlen(name) && !strncmp(at, name, strlen(name)))
			return i;
	}
	return -1;
}

double paper_value(const char *workload, const char *column, unsigned int nodes, bool mbit)
{
	static const char *const tables[] = {PAPER_TABLE4, PAPER_TABLE5, PAPER_TABLE6,
					     PAPER_TABLE7, PAPER_TABLE8, PAPER_TABLE9};
	int first = !strcmp(workload, "surge") ? 0 : !strcmp(workload, "website") ? 2 : 4;
	const char *table = tables[first + mbit];
	int at = column ? column_of(table, column) : -1;

	for (const char *line = table; at >= 0 && *line;
	     line += strcspn(line, "\n"), line += *line == '\n')
		if (strtoul(line, NULL, 10) == nodes)
			return strtod(field(line, at), NULL);
	return -1;
}
