/* What the proxy cluster's experiment compares: structures and policies, and what the paper
 * measured for them. */
#ifndef BATON_EXPERIMENT_CASES_H
#define BATON_EXPERIMENT_CASES_H

#include <stdbool.h>

struct experiment_case {
	const char *structure, *policy;
	const char *option, *value; /* of `baton lab up` */
	const char *paper;	    /* the column of the paper's tables; NULL: not in the paper */
};

/* All of them, ended by one without a structure. A structure's `rr` comes first. */
extern const struct experiment_case experiment_cases[];

#define EXPERIMENT_STRUCTURES "haproxy,nginx,relay,inline,spread"
#define EXPERIMENT_WORKLOADS  "surge,website,web07"

/* The paper's figure, requests or Mbit a second; below 0 where it has none. Our traces stand where
 * its traces did: website for UNC-2001, web07 for Berkeley-1998. */
double paper_value(const char *workload, const char *column, unsigned int nodes, bool mbit);

#endif
