#include "place/carp.h"

#include "place/tables.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

__u32 carp_member_hash(const char *name)
{
	__u32 hash = 0;

	for (const unsigned char *at = (const unsigned char *)name; *at; at++)
		hash += (hash << 19 | hash >> 13) + *at;
	return carp_finish(hash);
}

static int compare_factors(const void *a, const void *b)
{
	const struct place_member *const *left = a, *const *right = b;

	return ((*left)->weight > (*right)->weight) - ((*left)->weight < (*right)->weight);
}

/* The draft's section 3.3: with load factors p_k in ascending order and K members,
 *
 *	X_1 = (K p_1)^(1/K)
 *	X_k = [(K-k+1)(p_k - p_(k-1)) / (X_1 ... X_(k-1)) + X_(k-1)^(K-k+1)]^(1/(K-k+1))
 *
 * Only their ratios matter to a comparison, so the largest one becomes 2^32 - 1. */
int carp_factors(struct place_member *members, __u32 count)
{
	struct place_member **order = calloc(count, sizeof(*order));
	double *x = calloc(count, sizeof(*x));
	double total = 0, product = 1, last = 0;

	if (!order || !x) {
		free(order);
		free(x);
		return -ENOMEM;
	}
	for (__u32 i = 0; i < count; i++) {
		order[i] = &members[i];
		total += members[i].weight;
	}
	qsort(order, count, sizeof(*order), compare_factors);
	for (__u32 k = 0; k < count; k++) {
		double p = order[k]->weight / total, left = count - k;

		x[k] = k ? pow(left * (p - last) / product + pow(x[k - 1], left), 1 / left)
			 : pow(left * p, 1 / left);
		product *= x[k];
		last = p;
	}
	for (__u32 k = 0; k < count; k++)
		order[k]->factor = lround(x[k] / x[count - 1] * 4294967295.0);
	free(order);
	free(x);
	return 0;
}
