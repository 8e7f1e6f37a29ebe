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

/* Whether the means of two samples differ: Welch's t test (1947) at 5 %, the degrees of freedom
 * after Satterthwaite (1946). False where one has fewer than two values. */
bool cells_differ(const struct cell *a, const struct cell *b);

/* An option that can be chosen: a guest on a network with a memory, ranked for one use. */
struct choice {
	char name[3 * PLAN_NAME]; /* "uml (nat, 256)" */
	char subject[PLAN_NAME];
	struct interval
		score;	/* geometric mean over the use's workloads of value / best; 1 is best */
	size_t samples; /* of the workload with fewest */
	bool distinct;	/* told apart from the one ranked before it */
	double logs[2]; /* mean and variance of the mean of the score's logarithm */
	double freedom;
};

enum { CHOICES_MAX = 256 };

/* Whether the scores of two choices can be told apart (Welch, on logarithms). */
bool choices_apart(const struct choice *a, const struct choice *b);

/* A pair of choices whose order from inside is not that from outside. */
struct reversal {
	char better[3 * PLAN_NAME], worse[3 * PLAN_NAME]; /* from inside */
	double inside, outside; /* worse over better: above 1 inside, below 1 outside */
	bool certain;		/* both orders are distinguishable */
};

/* Finds them for a use, the certain ones first. Returns how many of at most `room`; *pairs is how
 * many pairs there are. */
unsigned int reversals(const struct cells *cells, const struct plan *plan, const char *use,
		       struct reversal *list, unsigned int room, unsigned int *pairs);

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
