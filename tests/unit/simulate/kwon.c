/* The model of 2008: its fit on numbers that it made itself, and the paper's tables. */
#include "../unit.h"

#include "simulate/kwon.h"
#include "simulate/presets.h"

#include <math.h>

static struct parameters parameters;

static int setup(void **state)
{
	static const struct option_list changes = {{"requests=800", "repeats=1"}, 2};
	struct buffer error = BUFFER_EMPTY;

	(void)state;
	return parameters_read(&parameters, PRESET_KWON, NULL, &changes, &error);
}

static void tables_are_read(void **state)
{
	kwon_table table;

	(void)state;
	assert_int_equal(kwon_read(PRESET_KWON_TABLE4, table), 0);
	assert_true(table[0][0] == 389);
	assert_true(table[4][6] == 2147);
	assert_true(table[4][11] == 1722);
	assert_true(kwon_read("servers\n1,2\n", table) < 0);
}

static void fit_finds_what_made_the_numbers(void **state)
{
	struct kwon_machine machine = {1000000, 2000000, 100, 80}, found;
	kwon_table requests, mbit;

	(void)state;
	assert_int_equal(kwon_predict(&machine, &parameters, 20000, requests), 0);
	for (int row = 0; row < KWON_ROWS; row++)
		for (int column = 0; column < KWON_COLUMNS; column++)
			mbit[row][column] = requests[row][column] * 20000 * 8e-6;
	kwon_fit(requests, mbit, 20000, &found);
	assert_true(fabs(found.serve_ns / machine.serve_ns - 1) < 0.03);
	assert_true(fabs(found.read_ns / machine.read_ns - 1) < 0.06);
	assert_true(fabs(found.relay_byte_ns / machine.relay_byte_ns - 1) < 0.25);
	assert_true(fabs(found.front_mbit / machine.front_mbit - 1) < 0.05);
}

/* Fitted on SURGE, the proposed structure's cells of the other two are nearer than the trivial
 * predictor's, which knows those workloads' own one-server figures. */
static void unseen_workloads_beat_the_trivial_predictor(void **state)
{
	static const char *const csv[] = {PRESET_KWON_TABLE6, PRESET_KWON_TABLE8};
	static const double bytes[] = {10000, 14000};
	kwon_table surge, mbit, paper, model, trivial;
	struct kwon_machine machine;

	(void)state;
	assert_int_equal(kwon_read(PRESET_KWON_TABLE4, surge), 0);
	assert_int_equal(kwon_read(PRESET_KWON_TABLE5, mbit), 0);
	kwon_fit(surge, mbit, 22000, &machine);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(kwon_read(csv[i], paper), 0);
		assert_int_equal(kwon_predict(&machine, &parameters, bytes[i], model), 0);
		kwon_trivial(paper, trivial);
		assert_true(kwon_error(model, paper, KWON_POLICIES, KWON_COLUMNS, NULL) <
			    kwon_error(trivial, paper, KWON_POLICIES, KWON_COLUMNS, NULL));
	}
}

static void parameters_are_checked(void **state)
{
	static const struct option_list wrong = {{"nothing=1"}, 1}, empty = {{"files="}, 1};
	struct buffer error = BUFFER_EMPTY;
	struct parameters read;

	(void)state;
	assert_true(parameter(&parameters, "connections") == 63);
	assert_true(parameter(&parameters, "requests") == 800);
	assert_true(parameters_read(&read, PRESET_KWON, NULL, &wrong, &error) < 0);
	assert_true(parameters_read(&read, PRESET_KWON, NULL, &empty, &error) < 0);
	assert_true(error.length > 0);
	buffer_release(&error);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(tables_are_read),
	cmocka_unit_test(fit_finds_what_made_the_numbers),
	cmocka_unit_test(unseen_workloads_beat_the_trivial_predictor),
	cmocka_unit_test(parameters_are_checked),
};

int main(void)
{
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, setup, NULL);
}
