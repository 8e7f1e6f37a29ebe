#include "../unit.h"

#include "echo/sample.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CHILDREN = 40, BURNT_NS = 3000000 };

/* Uses processor time by its own clock, says so, and waits for its end. */
static void burn(int said)
{
	struct timespec used;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	do
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
	while (used.tv_sec == 0 && used.tv_nsec < BURNT_NS);
	if (write(said, "", 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

/* 40 processes that have used 3 ms each are 120 ms: not the nothing that 40 times no whole tick of
 * 10 ms would be. */
static void little_times_add_up(void **state)
{
	int said[2];
	pid_t root;
	char byte;

	(void)state;
	assert_int_equal(pipe(said), 0);
	root = fork();
	assert_true(root >= 0);
	if (!root) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (unsigned int i = 0; i < CHILDREN; i++)
			if (!fork())
				burn(said[1]);
		for (;;)
			pause();
	}
	for (unsigned int i = 0; i < CHILDREN; i++)
		assert_int_equal(read(said[0], &byte, 1), 1);
	assert_true(sample_tree_time(root) >= (uint64_t)CHILDREN * BURNT_NS);
	kill(root, SIGKILL);
	assert_int_equal(waitpid(root, NULL, 0), root);
	close(said[0]);
	close(said[1]);
}

static void counters_are_found(void **state)
{
	(void)state;
	assert_true(sample_memory_used() > 0);
	assert_true(sample_counter("Tcp", "RtoMin") > 0);
	assert_int_equal(sample_counter("Tcp", "NoSuchCounter"), 0);
	assert_int_equal(sample_counter("NoSuchGroup", "RtoMin"), 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(little_times_add_up),
	cmocka_unit_test(counters_are_found),
};

UNIT_MAIN(tests)
