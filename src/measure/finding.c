#include "measure/finding.h"

#include "base/fail.h"

#include <stdlib.h>
#include <string.h>

const char *const finding_uses[FINDING_USES] = {"file", "web", "raw"};

/* A pair of choices of one order, by their indexes. */
struct pair {
	unsigned int a, b;
	double chance;
};

/* An order: its choices, best first, and which pairs of them are told apart. */
struct order {
	struct choice *choices;
	unsigned int count, told_count;
	bool *told; /* count x count */
};

static int by_chance(const void *a, const void *b)
{
	double left = ((const struct pair *)a)->chance, right = ((const struct pair *)b)->chance;

	return left < right ? -1 : left > right;
}

/* Holm: the smallest chance is held to 5 % over the number of pairs, the next to 5 % over one less,
 * until one does not hold. */
static void tell_apart(struct order *order)
{
	unsigned int pairs = order->count * (order->count - 1) / 2, used = 0;
	struct pair *list = calloc(pairs + 1, sizeof(*list));

	order->told = calloc((size_t)order->count * order->count + 1, sizeof(*order->told));
	if (!list || !order->told)
		out_of_memory();
	for (unsigned int a = 0; a < order->count; a++)
		for (unsigned int b = a + 1; b < order->count; b++)
			list[used++] = (struct pair){
				a, b, choices_chance(&order->choices[a], &order->choices[b])};
	qsort(list, used, sizeof(*list), by_chance);
	for (unsigned int i = 0; i < used && list[i].chance <= 0.05 / (used - i); i++) {
		order->told[list[i].a * order->count + list[i].b] = true;
		order->told[list[i].b * order->count + list[i].a] = true;
		order->told_count++;
	}
	free(list);
}

static const struct choice *find(const struct choice *choices, unsigned int count, const char *name)
{
	for (unsigned int i = 0; i < count; i++)
		if (!strcmp(choices[i].name, name))
			return &choices[i];
	return NULL;
}

/* Both orders, of the choices with this memory that are in both. */
static void make_orders(struct order orders[VANTAGE_COUNT], const struct cells *cells,
			const struct plan *plan, const char *use, unsigned int memory)
{
	struct choice *all[VANTAGE_COUNT];
	unsigned int counts[VANTAGE_COUNT];

	for (int v = 0; v < VANTAGE_COUNT; v++) {
		all[v] = calloc(CHOICES_MAX, sizeof(*all[v]));
		orders[v] = (struct order){.choices = calloc(CHOICES_MAX, sizeof(struct choice))};
		if (!all[v] || !orders[v].choices)
			out_of_memory();
		counts[v] = rank(cells, plan, use, (enum vantage)v, false, all[v]);
	}
	for (int v = 0; v < VANTAGE_COUNT; v++) {
		struct order *order = &orders[v];

		for (unsigned int i = 0; i < counts[v]; i++)
			if (all[v][i].memory == memory && order->count < FINDING_CHOICES &&
			    find(all[!v], counts[!v], all[v][i].name))
				order->choices[order->count++] = all[v][i];
		tell_apart(order);
	}
	for (int v = 0; v < VANTAGE_COUNT; v++)
		free(all[v]);
}

/* Between what the rank of the choice at `at` lies. */
static void bound_rank(const struct order *order, unsigned int at, unsigned int *first,
		       unsigned int *last)
{
	*first = 1;
	*last = order->count;
	for (unsigned int i = 0; i < order->count; i++) {
		bool told = order->told[at * order->count + i];

		*first += told && i < at;
		*last -= told && i > at;
	}
}

static int certain_first(const void *a, const void *b)
{
	const struct reversal *left = a, *right = b;

	if (left->certain != right->certain)
		return left->certain ? -1 : 1;
	return left->outside.middle < right->outside.middle
		       ? -1
		       : left->outside.middle > right->outside.middle;
}

static void find_reversals(struct finding *finding, const struct order orders[VANTAGE_COUNT])
{
	const struct order *inside = &orders[INTERNAL], *outside = &orders[EXTERNAL];

	finding->reversals = calloc(finding->pairs + 1, sizeof(*finding->reversals));
	if (!finding->reversals)
		out_of_memory();
	for (unsigned int i = 0; i < finding->count; i++)
		for (unsigned int j = i + 1; j < finding->count; j++) {
			unsigned int better = finding->standings[i].in[EXTERNAL].rank - 1,
				     worse = finding->standings[j].in[EXTERNAL].rank - 1;
			bool both = inside->told[i * inside->count + j] &&
				    outside->told[better * outside->count + worse];

			finding->told_both += both;
			if (better < worse)
				continue;
			finding->certain += both;
			finding->reversals[finding->reversed++] = (struct reversal){
				&finding->standings[i], &finding->standings[j],
				choices_ratio(&inside->choices[i], &inside->choices[j]),
				choices_ratio(&outside->choices[better], &outside->choices[worse]),
				both};
		}
	qsort(finding->reversals, finding->reversed, sizeof(*finding->reversals), certain_first);
}

void finding_make(struct finding *finding, const struct cells *cells, const struct plan *plan,
		  const char *use, unsigned int memory)
{
	struct order orders[VANTAGE_COUNT];

	*finding = (struct finding){.use = use, .memory = memory};
	make_orders(orders, cells, plan, use, memory);
	finding->count = orders[INTERNAL].count;
	finding->pairs = finding->count ? finding->count * (finding->count - 1) / 2 : 0;
	for (unsigned int i = 0; i < finding->count; i++) {
		struct standing *standing = &finding->standings[i];

		strcpy(standing->name, orders[INTERNAL].choices[i].name);
		for (int v = 0; v < VANTAGE_COUNT; v++) {
			const struct choice *choices = orders[v].choices;
			unsigned int at =
				(unsigned int)(find(choices, orders[v].count, standing->name) -
					       choices);

			standing->in[v].rank = at + 1;
			bound_rank(&orders[v], at, &standing->in[v].first, &standing->in[v].last);
		}
	}
	find_reversals(finding, orders);
	for (int v = 0; v < VANTAGE_COUNT; v++) {
		finding->told[v] = orders[v].told_count;
		free(orders[v].told);
		free(orders[v].choices);
	}
	if (!finding->pairs)
		finding->verdict = NOTHING_MEASURED;
	else if (finding->certain)
		finding->verdict = ORDER_DIFFERS;
	else if (!finding->reversed && finding->told[INTERNAL] == finding->pairs &&
		 finding->told[EXTERNAL] == finding->pairs)
		finding->verdict = ORDER_IS_THE_SAME;
	else
		finding->verdict = NOT_SHOWN;
}

void finding_free(struct finding *finding)
{
	free(finding->reversals);
	finding->reversals = NULL;
}

static void clause(const struct finding *finding, const char *name, struct buffer *text)
{
	const struct reversal *first = finding->reversals;

	if (finding->verdict == NOTHING_MEASURED) {
		buffer_format(text, "%s was not measured from both sides", name);
	} else if (finding->verdict == ORDER_DIFFERS) {
		buffer_format(text,
			      "for %s %u of the %u pairs that are told apart on both sides stand "
			      "the other way round outside, as %s, which is %.2f times (%.2f to "
			      "%.2f) as good as %s inside and %.2f times (%.2f to %.2f) outside",
			      name, finding->certain, finding->told_both, first->better->name,
			      first->inside.middle, first->inside.low, first->inside.high,
			      first->worse->name, first->outside.middle, first->outside.low,
			      first->outside.high);
	} else if (finding->told_both) {
		buffer_format(text,
			      "for %s %u of %u pairs are told apart on both sides, and all of "
			      "these stand alike",
			      name, finding->told_both, finding->pairs);
	} else {
		buffer_format(text,
			      "for %s none of %u pairs is told apart on both sides (%u inside, %u "
			      "outside)",
			      name, finding->pairs, finding->told[INTERNAL],
			      finding->told[EXTERNAL]);
	}
}

void finding_sentence(const struct finding findings[FINDING_USES], struct buffer *text)
{
	static const char *const names[FINDING_USES] = {"files", "web and database", "raw TCP"};
	unsigned int counts[NOT_SHOWN + 1] = {0};

	for (int use = 0; use < FINDING_USES; use++)
		counts[findings[use].verdict]++;
	buffer_format(text, "With %u MiB the order from inside %s:", findings[0].memory,
		      counts[ORDER_DIFFERS] ? "differs from the order from outside"
		      : counts[ORDER_IS_THE_SAME] && !counts[NOT_SHOWN]
			      ? "is the order from outside"
			      : "is not shown to differ from the order from outside");
	for (int use = 0; use < FINDING_USES; use++) {
		buffer_text(text, use ? "; " : " ");
		clause(&findings[use], names[use], text);
	}
	buffer_text(text, ".");
}
