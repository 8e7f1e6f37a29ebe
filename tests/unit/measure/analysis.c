#include "../unit.h"

#include "measure/agreement.h"
#include "measure/analysis.h"
#include "measure/finding.h"
#include "measure/order.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void add(struct rows *rows, const char *subject, const char *vantage, const char *workload,
		const char *metric, double value)
{
	struct row row = {.memory = 256, .status = STATUS_OK, .value = value, .work = 1};
	unsigned int repeat = 1;

	for (size_t i = 0; i < rows->count; i++)
		repeat += !strcmp(rows->list[i].subject, subject) &&
			  !strcmp(rows->list[i].vantage, vantage) &&
			  !strcmp(rows->list[i].workload, workload);
	row.repeat = repeat;
	strcpy(row.subject, subject);
	strcpy(row.network, "tap");
	strcpy(row.vantage, vantage);
	strcpy(row.workload, workload);
	strcpy(row.metric, metric);
	strcpy(row.unit, "s");
	rows_add(rows, &row);
}

static struct plan three_subjects(void)
{
	struct plan plan = {.subject_count = 3,
			    .network_count = 1,
			    .networks = {NETWORK_TAP},
			    .memory_count = 1,
			    .memories = {256 << 20},
			    .workload_count = 2,
			    .vantage_count = 2,
			    .vantages = {INTERNAL, EXTERNAL},
			    .weights = {50, 50, 50, 50}};

	strcpy(plan.subjects[0].name, "a");
	strcpy(plan.subjects[1].name, "b");
	strcpy(plan.subjects[2].name, "c");
	plan.workloads[0] = (struct plan_workload){.name = "files", .type = SAMBA};
	plan.workloads[1] = (struct plan_workload){.name = "page", .type = WEB};
	return plan;
}

/* a is clearly better than b inside and clearly worse outside; c is as good as a. */
static void fill(struct rows *rows)
{
	static const double noise[] = {0.98, 1, 1.02, 0.99, 1.01};

	for (int i = 0; i < 5; i++) {
		add(rows, "a", "internal", "files", "time", 1 * noise[i]);
		add(rows, "b", "internal", "files", "time", 2 * noise[i]);
		add(rows, "c", "internal", "files", "time", 1.001 * noise[4 - i]);
		add(rows, "a", "external", "files", "time", 3 * noise[i]);
		add(rows, "b", "external", "files", "time", 1.5 * noise[i]);
		add(rows, "c", "external", "files", "time", 6 * noise[i]);
		add(rows, "a", "internal", "page", "time", 1 * noise[i]);
		add(rows, "b", "internal", "page", "time", 1 * noise[4 - i]);
		add(rows, "a", "external", "page", "time", 1 * noise[i]);
		add(rows, "b", "external", "page", "time", 1 * noise[4 - i]);
	}
}

static void ranks(void **state)
{
	struct plan plan = three_subjects();
	struct choice *choices = calloc(CHOICES_MAX, sizeof(*choices));
	struct rows rows = {0};
	struct cells cells;

	(void)state;
	fill(&rows);
	cells_make(&cells, &rows);
	assert_int_equal(rank(&cells, &plan, "file", INTERNAL, false, choices), 3);
	assert_string_equal(choices[0].name, "a (tap, 256)");
	assert_false(choices[1].distinct);
	assert_true(choices[2].distinct);
	assert_float_equal(choices[2].score.middle, 2, 0.01);
	assert_true(choices[2].score.low < 2 && choices[2].score.high > 2);
	assert_int_equal(rank(&cells, &plan, "file", EXTERNAL, false, choices), 3);
	assert_string_equal(choices[0].name, "b (tap, 256)");

	/* Weighed, a and b are equal for files but for what they lose: b is 2 times worse inside, a
	 * 2 times worse outside; c has no pages and can't be chosen. */
	assert_int_equal(weigh(&cells, &plan, &plan.weights, choices), 2);
	assert_float_equal(choices[1].score.middle, 1, 0.01);
	assert_false(choices[1].distinct);
	plan.weights = (struct plan_weights){100, 0, 100, 0};
	assert_int_equal(weigh(&cells, &plan, &plan.weights, choices), 3);
	assert_string_equal(choices[0].name, "a (tap, 256)");
	plan.weights = (struct plan_weights){0, 100, 100, 0};
	weigh(&cells, &plan, &plan.weights, choices);
	assert_string_equal(choices[0].name, "b (tap, 256)");
	assert_float_equal(choices[1].score.middle, 2, 0.01);
	assert_true(choices[1].distinct);
	cells_free(&cells);
	rows_free(&rows);
	free(choices);
}

/* Inside a and c are alike and better than b; outside b, a, c can all be told apart. */
static void finding(void **state)
{
	struct plan plan = three_subjects();
	struct finding findings[FINDING_USES];
	struct buffer text = BUFFER_EMPTY;
	struct rows rows = {0};
	struct cells cells;

	(void)state;
	fill(&rows);
	cells_make(&cells, &rows);
	for (int use = 0; use < FINDING_USES; use++)
		finding_make(&findings[use], &cells, &plan, finding_uses[use], 256);
	assert_int_equal(findings[0].verdict, ORDER_DIFFERS);
	assert_int_equal(findings[0].pairs, 3);
	assert_int_equal(findings[0].told[INTERNAL], 2);
	assert_int_equal(findings[0].told[EXTERNAL], 3);
	assert_int_equal(findings[0].reversed, 2);
	assert_int_equal(findings[0].told_both, 2);
	assert_int_equal(findings[0].certain, 2);
	assert_string_equal(findings[0].reversals[0].worse->name, "b (tap, 256)");
	assert_float_equal(findings[0].reversals[0].inside.middle, 2, 0.01);
	assert_true(findings[0].reversals[0].outside.high < 1);
	assert_string_equal(findings[0].standings[0].name, "a (tap, 256)");
	assert_int_equal(findings[0].standings[0].in[INTERNAL].first, 1);
	assert_int_equal(findings[0].standings[0].in[INTERNAL].last, 2);
	assert_int_equal(findings[0].standings[0].in[EXTERNAL].first, 2);
	assert_int_equal(findings[0].standings[0].in[EXTERNAL].last, 2);
	/* Pages of a and b are alike; nothing raw was measured. */
	assert_int_equal(findings[1].verdict, NOT_SHOWN);
	assert_int_equal(findings[1].pairs, 1);
	assert_int_equal(findings[2].verdict, NOTHING_MEASURED);
	finding_sentence(findings, &text);
	assert_non_null(strstr(text.data, "inside differs from the order"));
	assert_non_null(strstr(text.data, "for files 2 of the 2 pairs"));
	assert_non_null(strstr(text.data, "web and database none of 1 pairs is told apart"));
	assert_non_null(strstr(text.data, "raw TCP was not measured"));
	buffer_release(&text);
	for (int use = 0; use < FINDING_USES; use++)
		finding_free(&findings[use]);
	cells_free(&cells);
	rows_free(&rows);
}

/* Neighbours differ with a chance of about 0.03: each pair alone would be told apart, of all three
 * together only the farthest is (Holm). With another memory there is nothing. */
static void no_finding(void **state)
{
	static const double noise[] = {0.95, 1, 1.05};
	struct plan plan = three_subjects();
	struct finding found;
	struct rows rows = {0};
	struct cells cells;

	(void)state;
	for (int i = 0; i < 3; i++) {
		add(&rows, "a", "internal", "files", "time", 1 * noise[i]);
		add(&rows, "b", "internal", "files", "time", 1.14 * noise[i]);
		add(&rows, "c", "internal", "files", "time", 1.14 * 1.14 * noise[i]);
		add(&rows, "a", "external", "files", "time", 1.14 * noise[i]);
		add(&rows, "b", "external", "files", "time", 1 * noise[i]);
		add(&rows, "c", "external", "files", "time", 1.14 * 1.14 * noise[i]);
	}
	cells_make(&cells, &rows);
	finding_make(&found, &cells, &plan, "file", 256);
	assert_int_equal(found.reversed, 1);
	assert_int_equal(found.certain, 0);
	assert_int_equal(found.verdict, NOT_SHOWN);
	assert_int_equal(found.told[INTERNAL], 1);
	finding_free(&found);
	finding_make(&found, &cells, &plan, "file", 512);
	assert_int_equal(found.verdict, NOTHING_MEASURED);
	finding_free(&found);
	cells_free(&cells);
	rows_free(&rows);
}

static void outliers(void **state)
{
	struct rows rows = {0};

	(void)state;
	for (int i = 0; i < 9; i++)
		add(&rows, "a", "internal", "files", "time", 10 + i % 3);
	add(&rows, "a", "internal", "files", "time", 30);
	add(&rows, "b", "internal", "files", "time", 1);
	add(&rows, "b", "internal", "files", "time", 1);
	add(&rows, "b", "internal", "files", "time", 9);
	rows_mark(&rows);
	for (size_t i = 0; i < rows.count; i++)
		assert_int_equal(rows.list[i].outlier, i == 9);
	rows_free(&rows);
}

/* Rows come back from the file as they were; a half-written last line is not one of them. */
static void kept(void **state)
{
	struct rows rows = {0}, again = {0};
	char folder[] = "/tmp/baton-unit-XXXXXX", path[64];
	struct row failed = {.memory = 256, .status = STATUS_FAILED, .repeat = 6};
	unsigned int line;
	FILE *out;

	(void)state;
	assert_non_null(mkdtemp(folder));
	fill(&rows);
	strcpy(failed.subject, "a");
	strcpy(failed.network, "tap");
	strcpy(failed.vantage, "internal");
	strcpy(failed.workload, "files");
	strcpy(failed.reason, "no \"share\", said it\nsmbclient");
	rows_add(&rows, &failed);
	assert_int_equal(rows_append(folder, rows.list, rows.count, "1,2,3,4,5\n"), 0);
	snprintf(path, sizeof(path), "%s/times.csv", folder);
	out = fopen(path, "a");
	fputs("1,2,a,tap", out);
	fclose(out);
	assert_int_equal(rows_read(&again, folder, &line), 0);
	assert_int_equal(again.count, rows.count);
	assert_float_equal(again.list[3].value, rows.list[3].value, 1e-9);
	assert_string_equal(again.list[again.count - 1].reason, "no  share   said it smbclient");
	assert_false(rows_have(&again, &failed, false));
	assert_true(rows_have(&again, &failed, true));
	/* What is added next stands on a line of its own. */
	assert_int_equal(rows_append(folder, rows.list, 1, NULL), 0);
	rows_free(&again);
	assert_int_equal(rows_read(&again, folder, &line), 0);
	assert_int_equal(again.count, rows.count + 1);
	rows_free(&again);
	rows_free(&rows);
	unlink(path);
	snprintf(path, sizeof(path), "%s/requests.csv", folder);
	unlink(path);
	rmdir(folder);
}

/* Pairs at the same place, of the workloads that do the same; one far repetition changes little. */
static void beside_others(void **state)
{
	struct plan plan = three_subjects();
	struct agreement list[4];
	struct rows rows = {0};
	struct cells cells;

	(void)state;
	plan.workload_count = 4;
	plan.workloads[0] = (struct plan_workload){.name = "up", .type = GOODPUT, .direction = PUT};
	plan.workloads[1] =
		(struct plan_workload){.name = "down", .type = GOODPUT, .direction = GET};
	plan.workloads[2] =
		(struct plan_workload){.name = "iperf3", .type = IPERF3, .direction = GET};
	plan.workloads[3] = (struct plan_workload){.name = "sockperf", .type = SOCKPERF};
	for (int i = 0; i < 8; i++) {
		add(&rows, "a", "internal", "up", "rate", 500);
		add(&rows, "a", "internal", "down", "rate", 102 * (i + 1));
		add(&rows, "a", "external", "down", "rate", 50);
		add(&rows, "a", "internal", "iperf3", "rate", i ? 100 * (i + 1) : 1);
		add(&rows, "a", "internal", "sockperf", "median", 20);
	}
	cells_make(&cells, &rows);
	/* No round trips of ours to stand beside sockperf's. */
	assert_int_equal(agreements(&cells, &plan, list, 4), 1);
	assert_string_equal(list[0].ours->first->workload, "down");
	assert_string_equal(list[0].theirs->first->vantage, "internal");
	assert_int_equal(list[0].pairs, 8);
	assert_float_equal(list[0].ratio.middle, 1.02, 1e-9);
	assert_float_equal(list[0].ratio.low, 1.02, 1e-9);
	assert_int_equal(agreement_verdict(&(struct interval){1.02, 0.96, 1.04}), AGREE);
	assert_int_equal(agreement_verdict(&(struct interval){1.02, 0.96, 1.06}), UNDECIDED);
	assert_int_equal(agreement_verdict(&(struct interval){1.2, 1.06, 1.4}), APART);
	cells_free(&cells);
	rows_free(&rows);
}

static bool second_of_theirs(const void *context, const struct place *place,
			     const struct item *item)
{
	(void)context;
	(void)place;
	return item->workload->type == IPERF3 && item->repeat == 2;
}

/* iperf3's repetitions stand beside ours: behind the first and third, before the second and fourth;
 * what has been done is left out and changes nothing else. */
static void pairs_in_order(void **state)
{
	struct plan plan = three_subjects();
	struct place place = {.subject = plan.subjects};
	struct item *items;
	size_t count, warm;

	(void)state;
	plan.workload_count = 3;
	plan.rounds = 1;
	plan.warm_up = 1;
	plan.workloads[0] = (struct plan_workload){.name = "page", .type = WEB, .repeats = 4};
	plan.workloads[1] = (struct plan_workload){.name = "iperf3", .type = IPERF3, .repeats = 4};
	plan.workloads[2] = (struct plan_workload){.name = "up", .type = GOODPUT, .repeats = 4};
	items = order_items(&plan, &place, 1, 7, second_of_theirs, NULL, &count, &warm);
	assert_int_equal(warm, 6);
	assert_int_equal(count, 6 + 24 - 2);
	for (size_t i = warm; i < count; i++) {
		const struct item *theirs = &items[i],
				  *ours = theirs->repeat % 2 ? theirs - 1 : theirs + 1;

		if (theirs->workload->type != IPERF3)
			continue;
		assert_ptr_equal(ours->workload, &plan.workloads[2]);
		assert_int_equal(ours->repeat, theirs->repeat);
		assert_int_equal(ours->vantage, theirs->vantage);
	}
	free(items);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranks),	  cmocka_unit_test(finding),
		cmocka_unit_test(no_finding),	  cmocka_unit_test(outliers),
		cmocka_unit_test(kept),		  cmocka_unit_test(beside_others),
		cmocka_unit_test(pairs_in_order),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
