#include "../unit.h"

#include "measure/plan.h"

#include <string.h>

static bool parse(struct plan *plan, const char *text, struct buffer *errors)
{
	return plan_parse(plan, "p.yaml", text, strlen(text), errors);
}

static void whole(void **state)
{
	struct buffer errors = BUFFER_EMPTY;
	struct plan plan;
	char word[PLAN_NAME];

	(void)state;
	assert_true(parse(
		&plan,
		"name: one\nseed: 7\nrounds: 3\nwarm_up: 0\nrate: 1g\nhost_memory: 1Gi\n"
		"subjects:\n  - {kind: uml}\n  - {kind: qemu-tcg, name: slow, cpu: max}\n"
		"networks: [tap, nat]\nmemory: [256Mi, 512Mi]\nvantages: external\n"
		"workloads:\n  - {type: samba, direction: get, files: 2, size: 100m, repeats: 30}\n"
		"  - {type: web, count: 10k, repeats: 10}\n"
		"weights: {internal: 80, external: 20}\n",
		&errors));
	assert_int_equal(plan.subject_count, 2);
	assert_string_equal(plan.subjects[0].name, "uml");
	assert_string_equal(plan.subjects[1].name, "slow");
	assert_int_equal(plan.networks[0], NETWORK_TAP);
	assert_int_equal(plan.vantage_count, 1);
	assert_int_equal(plan.memories[1], 512 << 20);
	assert_string_equal(plan.workloads[0].name, "samba-get");
	assert_int_equal(plan.workloads[0].size, 100000000);
	assert_int_equal(plan.workloads[1].count, 10000);
	assert_int_equal(plan.weights.internal, 80);
	assert_int_equal(plan.weights.web, 50);
	assert_int_equal(plan_repetitions(&plan), 2 * 2 * 2 * 1 * 40);
	assert_string_equal(plan_word(NETWORK_NAMES, NETWORK_MACVTAP, word), "macvtap");
	buffer_release(&errors);
}

/* Every error names file, line and key, and says what to do. */
static void errors(void **state)
{
	static const struct {
		const char *text, *error;
	} rows[] = {
		{"", "p.yaml:1: the plan is empty"},
		{"subjects: [{kind: uml}]\n", "p.yaml:1: workloads: is missing"},
		{"workloads: [{type: web}]\n", "p.yaml:1: subjects: is missing"},
		{"subjects:\n  - {kind: xen}\nworkloads: [{type: web}]\n",
		 "p.yaml:2: kind: 'xen' is none of"},
		{"subjects: [{kind: uml}]\nworkloads:\n  - {type: web, colour: red}\n",
		 "p.yaml:3: colour: unknown key"},
		{"subjects: [{kind: uml}]\nworkloads: [{type: web}]\nnetworks: [nat, nat]\n",
		 "p.yaml:3: networks: has a word twice"},
		{"subjects:\n  - {kind: uml}\n  - {kind: uml}\nworkloads: [{type: web}]\n",
		 "p.yaml:3: name: 'uml' is there twice"},
		{"subjects: [{kind: uml}]\nworkloads: [{type: web}, {type: web}]\n",
		 "p.yaml:2: name: 'web' is there twice"},
		{"subjects: [{kind: remote}]\nworkloads: [{type: web}]\n",
		 "p.yaml:1: kind: a remote machine needs 'command'"},
		{"subjects: [{kind: uml}]\nworkloads: [{type: web, repeats: 0}]\n",
		 "p.yaml:2: repeats: must lie between"},
		{"subjects: [{kind: uml}]\nworkloads: [{type: web}]\nmemory: [1]\n",
		 "p.yaml:3: memory: must lie between"},
		{"subjects: [{kind: uml}]\nworkloads: [{type: web}]\n"
		 "weights: {file: 0, web: 0}\n",
		 "p.yaml:3: weights: are all 0"},
		{"subjects: [{kind: uml\n", "p.yaml:2: "},
	};

	(void)state;
	for (unsigned int i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buffer errors = BUFFER_EMPTY;
		struct plan plan;

		assert_false(parse(&plan, rows[i].text, &errors));
		if (!strstr(errors.data, rows[i].error))
			fail_msg("row %u: %s", i, errors.data);
		buffer_release(&errors);
	}
}

/* More of the same goes on; another thing under the same name does not. */
static void conflicts(void **state)
{
	static const char first[] = "rate: 1g\nsubjects: [{kind: uml}]\nworkloads: [{type: web}]\n";
	static const struct {
		const char *text, *conflict;
	} rows[] = {
		{first, NULL},
		{"rate: 1g\nrounds: 3\nseed: 9\nsubjects: [{kind: uml}, {kind: namespace}]\n"
		 "workloads: [{type: web, repeats: 9}, {type: connect}]\nmemory: [512Mi]\n",
		 NULL},
		{"subjects: [{kind: uml}]\nworkloads: [{type: web}]\n", "rate"},
		{"rate: 1g\npin: true\nsubjects: [{kind: uml}]\nworkloads: [{type: web}]\n", "pin"},
		{"rate: 1g\nsubjects: [{kind: qemu-tcg, name: uml}]\nworkloads: [{type: web}]\n",
		 "uml"},
		{"rate: 1g\nsubjects: [{kind: uml}]\nworkloads: [{type: web, count: 7}]\n", "web"},
	};
	struct buffer errors = BUFFER_EMPTY;
	struct plan old, now;

	(void)state;
	assert_true(parse(&old, first, &errors));
	for (unsigned int i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *conflict;

		assert_true(parse(&now, rows[i].text, &errors));
		conflict = plan_conflict(&old, &now);
		if (!rows[i].conflict)
			assert_null(conflict);
		else
			assert_string_equal(conflict, rows[i].conflict);
	}
	buffer_release(&errors);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(whole), cmocka_unit_test(errors),
					   cmocka_unit_test(conflicts)};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
