/* What measurements say: means with 95 % confidence intervals, ranks and whether neighbours in rank
 * can be told apart, and one choice by weights. */
#ifndef BATON_MEASURE_ANALYSIS_H
#define BATON_MEASURE_ANALYSIS_H

#include "base/sample.h"
#include "measure/results.h"

/* One cell: the good repetitions of a metric at one place. */
struct cell {
	const struct row *first; /* names it */
	double *values;
	unsigned int *repeats; /* which repetition each value is of */
	size_t count, outliers, failed;
	struct interval mean;
	double deviation;  /* of the sample; 0 for fewer than two */
	double client_cpu; /* seconds a unit of work */
	double guest_cpu;
	const char *reason; /* of the first failure, or NULL */
};

struct cells {
	struct cell *list;
	size_t count;
};

/* Makes the cells of rows, in the order in which they first appear sorted by workload, metric,
 * vantage, subject, network, memory. `rows` must outlive them. */
void cells_make(struct cells *cells, const struct rows *rows);
void cells_free(struct cells *cells);

/* An option that can be chosen: a guest on a network with a memory, ranked for one use. */
struct choice {
	char name[3 * PLAN_NAME]; /* "uml (nat, 256)" */
	char subject[PLAN_NAME];
	unsigned int memory;   /* MiB */
	struct interval score; /* geometric mean over the use's workloads and their repetitions; 1
				  is best */
	size_t samples;	       /* of the workload with fewest */
	bool distinct;	       /* told apart from the one ranked before it */
	double logs[2];	       /* mean and variance of the mean of the score's logarithm */
	double freedom;
};

enum { CHOICES_MAX = 256 };

/* The chance that two choices of one score look as far apart as these (Welch's test on logarithms);
 * 1 where it can't be said. */
double choices_chance(const struct choice *a, const struct choice *b);

/* How many times as good as `b` `a` is, with its 95 % interval by the same. */
struct interval choices_ratio(const struct choice *a, const struct choice *b);

/* Ranks the choices for a use ("file", "web" or "raw") from a vantage: best first. With `best`,
 * only each subject's best network and memory, as in the paper's table 3. Returns how many. Choices
 * with a hole in one of the use's workloads are left out. */
unsigned int rank(const struct cells *cells, const struct plan *plan, const char *use,
		  enum vantage vantage, bool best, struct choice *choices);

/* Weighs uses and vantages into one order: scores are the weighted geometric means of the four
 * rankings. Returns how many choices are in all rankings that have weight. */
unsigned int weigh(const struct cells *cells, const struct plan *plan,
		   const struct plan_weights *weights, struct choice *choices);

#endif
