/* A control group of this run: bounds memory, counts CPU time. Both versions of Linux's interface.
 */
#ifndef BATON_MEASURE_CGROUP_H
#define BATON_MEASURE_CGROUP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Makes the group `name` ("baton-measure123" or "baton-measure123/guest") with at most `memory`
 * bytes (0: no bound). Returns 0 or -errno. */
int cgroup_make(const char *name, uint64_t memory);

/* Moves a process into it. Returns 0 or -errno. */
int cgroup_join(const char *name, pid_t pid);

/* CPU time that the group's processes have used, in ns; 0 when it can't be read. */
uint64_t cgroup_cpu(const char *name);

/* Ends what is still in the group and takes it away. */
void cgroup_remove(const char *name);

/* Keeps the calling process, and what it starts, on its side of the processors: a client on the
 * last one, a guest on all others. Does nothing where there is only one. */
void cgroup_pin(bool client);

#endif
