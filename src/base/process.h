/* Programs run by a command, and network namespaces entered by it. */
#ifndef BATON_BASE_PROCESS_H
#define BATON_BASE_PROCESS_H

#include "base/buffer.h"

#include <sys/types.h>

/* Runs argv[0] (looked up in PATH) with `input` on its standard input (NULL: none) and waits. What
 * it prints on both outputs is added to `output` (NULL: not kept). Returns its exit code, 128 +
 * signal, or -errno when it can't be run. */
int process_run(const char *const argv[], const char *input, struct buffer *output);

/* Calls `work` in a child that has entered the network namespace named `netns` (NULL: stays) and
 * waits. What `work` returns, 0 to 127, is returned; or -errno. */
int process_within(const char *netns, int (*work)(void *context), void *context);

/* Starts argv in the network namespace, in a session of its own, both outputs appended to the file
 * `log`. Returns its pid or -errno; a program that can't be executed exits with 127, with a line in
 * the log. */
pid_t process_start(const char *netns, const char *const argv[], const char *log);

/* Moves the calling thread into the network namespace /run/netns/NAME. Unlike `ip netns exec` this
 * leaves the mounts alone, so pinned BPF objects stay visible. Returns 0 or -errno. */
int netns_enter(const char *name);

/* The path of the program that runs, in PATH_MAX bytes; "" when it can't be had. Returns 0 or
 * -errno. */
int process_self(char *path);

/* Lets this process have as many open files as it may, and at least `least` if it may raise its own
 * bound. Returns how many that is now. */
unsigned long process_raise_files(unsigned long least);

#endif
