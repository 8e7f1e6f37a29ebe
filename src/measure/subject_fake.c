/* The test double: no guest at all; times come from the plan, with noise from the seed. */
#include "measure/subject.h"

#include "base/random.h"

#include <stdio.h>
#include <string.h>

static int check(const struct plan_subject *subject, enum network network, struct buffer *why)
{
	(void)subject;
	if (network == NETWORK_NAT || network == NETWORK_TAP)
		return 0;
	buffer_text(why, "a fake guest has nat and tap only");
	return -1;
}

static int start(struct guest *guest, struct buffer *why)
{
	strcpy(guest->address, "fake");
	if (guest->subject->fail != FAIL_BOOT)
		return 0;
	buffer_text(why, "the plan makes it fail to boot");
	return -1;
}

static int pretend(struct guest *guest, const struct plan_workload *workload, enum vantage vantage,
		   uint64_t seed, double *seconds, struct buffer *why)
{
	const struct plan_subject *subject = guest->subject;
	uint64_t mean =
		vantage == EXTERNAL && subject->external ? subject->external : subject->mean;
	struct random_state random;

	if (subject->fail == FAIL_SHARE && workload->type == SAMBA) {
		buffer_text(why, "the share refuses");
		return -1;
	}
	if (subject->fail == FAIL_DATABASE && workload->type == WEB && seed % 2) {
		buffer_text(why, "the database died");
		return -1;
	}
	random_seed(&random, seed);
	*seconds = (double)mean / 1e9 * (0.95 + 0.1 * random_unit(&random));
	return 0;
}

const struct subject_kind subject_fake = {
	.name = "fake",
	.about = "no guest; times from the plan, for tests",
	.check = check,
	.start = start,
	.pretend = pretend,
};
