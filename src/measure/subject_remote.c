/* A machine that is there already: its agent is reached by a command of the plan's, "ssh HOST". The
 * program baton-guest must be on it; nothing is known of its memory and its network. */
#include "measure/subject.h"

#include "guest/agent.h"

#include <stdio.h>

static int check(const struct plan_subject *subject, enum network network, struct buffer *why)
{
	(void)subject;
	if (network == NETWORK_TAP)
		return 0;
	buffer_text(why,
		    "a remote machine is measured at its own address, which the plan calls tap");
	return -1;
}

static int start(struct guest *guest, struct buffer *why)
{
	char command[PATH_MAX + 32];
	const char *argv[] = {"/bin/sh", "-c", command, NULL};

	snprintf(command, sizeof(command), "exec %s " AGENT_PATH " agent", guest->subject->command);
	snprintf(guest->address, sizeof(guest->address), "%s", guest->subject->address);
	return subject_spawn(guest, NULL, "guest", argv, why);
}

const struct subject_kind subject_remote = {
	.name = "remote",
	.about = "a machine reached by ssh or another command",
	.check = check,
	.start = start,
};
