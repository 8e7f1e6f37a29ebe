/* Does the order from inside differ from the order from outside, and can ranks be told apart at
 * all? Asked for each use and memory: the choices are subjects on networks. Pairs are told apart by
 * Welch's test on logarithms, at 5 % for all pairs of an order together (Holm, A Simple
 * Sequentially Rejective Multiple Test Procedure, 1979). A rank then lies between one more than
 * those told better and as many as are not told worse (Mogstad, Romano, Shaikh and Wilhelm,
 * Inference for Ranks, 2024). */
#ifndef BATON_MEASURE_FINDING_H
#define BATON_MEASURE_FINDING_H

#include "measure/analysis.h"

enum { FINDING_CHOICES = 64, FINDING_USES = 3 };

extern const char *const finding_uses[FINDING_USES]; /* "file", "web", "raw" */

/* A choice's place in both orders, from 1: where it stands, and between what its rank lies. */
struct standing {
	char name[3 * PLAN_NAME];
	struct {
		unsigned int rank, first, last;
	} in[VANTAGE_COUNT];
};

/* A pair of choices whose order from inside is not that from outside. */
struct reversal {
	const struct standing *better, *worse; /* from inside */
	struct interval inside, outside;       /* how many times as good `better` is as `worse` */
	bool certain;			       /* told apart in both orders */
};

enum verdict { NOTHING_MEASURED, ORDER_DIFFERS, ORDER_IS_THE_SAME, NOT_SHOWN };

struct finding {
	const char *use;
	unsigned int memory;			    /* MiB */
	struct standing standings[FINDING_CHOICES]; /* by their order from inside */
	unsigned int count, pairs;
	unsigned int told[VANTAGE_COUNT]; /* pairs that are told apart */
	unsigned int told_both;		  /* in both orders */
	struct reversal *reversals;	  /* the certain ones first */
	unsigned int reversed, certain;
	enum verdict verdict;
};

/* Looks; what was not measured from both sides is left out. `finding_free` frees what it holds. */
void finding_make(struct finding *finding, const struct cells *cells, const struct plan *plan,
		  const char *use, unsigned int memory);
void finding_free(struct finding *finding);

/* One sentence about a memory size, from the findings of all uses there. */
void finding_sentence(const struct finding findings[FINDING_USES], struct buffer *text);

#endif
