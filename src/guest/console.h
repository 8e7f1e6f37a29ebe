/* A guest's console: commands go in, what they print and their exit codes come out, by the lines of
 * guest/agent.h. Everything else that a console says (a kernel's messages) goes to a log. */
#ifndef BATON_GUEST_CONSOLE_H
#define BATON_GUEST_CONSOLE_H

#include "base/buffer.h"

#include <stdint.h>
#include <sys/types.h>

struct console {
	int in, out; /* to the guest, from it; -1 none */
	int log;     /* a file, or -1 */
	unsigned long id;
	struct buffer said; /* not yet whole lines */
};

#define CONSOLE_NONE                                                                               \
	{                                                                                          \
		-1, -1, -1, 0, BUFFER_EMPTY                                                        \
	}

/* Waits until the guest's agent says that it is ready, at most `timeout` ns. Returns 0,
 * -ETIMEDOUT, or -EPIPE when the console ends before. */
int console_await(struct console *console, uint64_t timeout);

/* Runs a command in the guest by its shell and waits for it, at most `timeout` ns. What it prints
 * is added to `output` (NULL: not kept). Returns its exit code, -ETIMEDOUT, or -EPIPE when the
 * guest is gone. */
int console_run(struct console *console, uint64_t timeout, struct buffer *output,
		const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Tells the guest to end, and closes the console. */
void console_close(struct console *console);

#endif
