#include "measure/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROOT "/sys/fs/cgroup/"

/* Version 1 has a tree for each controller. */
static const char *const version1[] = {ROOT "memory/", ROOT "cpuacct/"};
static const char *const version2[] = {ROOT};

static bool unified(void)
{
	return !access(ROOT "cgroup.controllers", F_OK);
}

static const char *const *trees(unsigned int *count)
{
	*count = unified() ? 1 : 2;
	return unified() ? version2 : version1;
}

static int put(const char *tree, const char *name, const char *file, const char *text)
{
	char path[256];
	int fd, error = 0;

	snprintf(path, sizeof(path), "%s%s/%s", tree, name, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		error = -errno;
	close(fd);
	return error;
}

int cgroup_make(const char *name, uint64_t memory)
{
	const char *const *tree;
	unsigned int count;
	char path[256], text[32];

	tree = trees(&count);
	if (unified())
		put(ROOT, "", "cgroup.subtree_control", "+memory +cpu");
	for (unsigned int i = 0; i < count; i++) {
		snprintf(path, sizeof(path), "%s%s", tree[i], name);
		if (mkdir(path, 0755) && errno != EEXIST)
			return -errno;
	}
	if (unified() && !strchr(name, '/'))
		put(ROOT, name, "cgroup.subtree_control", "+memory +cpu");
	if (!memory)
		return 0;
	snprintf(text, sizeof(text), "%lu", memory);
	return put(tree[0], name, unified() ? "memory.max" : "memory.limit_in_bytes", text);
}

int cgroup_join(const char *name, pid_t pid)
{
	const char *const *tree;
	unsigned int count;
	char text[32];
	int error = 0;

	tree = trees(&count);
	snprintf(text, sizeof(text), "%d", pid);
	for (unsigned int i = 0; i < count && !error; i++)
		error = put(tree[i], name, "cgroup.procs", text);
	return error;
}

uint64_t cgroup_cpu(const char *name)
{
	unsigned long long value = 0;
	char path[256];
	FILE *in;

	snprintf(path, sizeof(path),
		 unified() ? ROOT "%s/cpu.stat" : ROOT "cpuacct/%s/cpuacct.usage", name);
	in = fopen(path, "re");
	if (!in)
		return 0;
	if (fscanf(in, unified() ? "usage_usec %llu" : "%llu", &value) != 1)
		value = 0;
	fclose(in);
	return unified() ? value * 1000 : value;
}

/* Returns whether the group had anybody. */
static bool kill_all(const char *tree, const char *name)
{
	bool found = false;
	char path[256];
	FILE *in;
	int pid;

	snprintf(path, sizeof(path), "%s%s/cgroup.procs", tree, name);
	in = fopen(path, "re");
	while (in && fscanf(in, "%d", &pid) == 1)
		found |= !kill(pid, SIGKILL);
	if (in)
		fclose(in);
	return found;
}

void cgroup_remove(const char *name)
{
	const char *const *tree;
	unsigned int count;
	char path[256];

	tree = trees(&count);
	for (unsigned int i = 0; i < count; i++) {
		snprintf(path, sizeof(path), "%s%s", tree[i], name);
		/* What was killed takes a moment to go. */
		for (int tries = 0; tries < 1000; tries++) {
			kill_all(tree[i], name);
			if (!rmdir(path) || errno == ENOENT)
				break;
			poll(NULL, 0, 5);
		}
	}
}

void cgroup_pin(bool client)
{
	cpu_set_t usable, own;
	int last = -1;

	if (sched_getaffinity(0, sizeof(usable), &usable) || CPU_COUNT(&usable) < 2)
		return;
	for (int i = 0; i < CPU_SETSIZE; i++)
		last = CPU_ISSET(i, &usable) ? i : last;
	CPU_ZERO(&own);
	CPU_SET(last, &own);
	if (!client)
		CPU_XOR(&own, &own, &usable);
	sched_setaffinity(0, sizeof(own), &own);
}
