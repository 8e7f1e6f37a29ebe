#include "control/meter.h"
#include "base/buffer.h"
#include "base/process.h"
#include "softirq.skel.h"
#include "wire/softirq.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct meter {
	struct softirq_bpf *skeleton;
	unsigned int count;
	ino_t inodes[SOFTIRQ_CLASSES]; /* of the namespaces; class = index + 1 */
	int devices[SOFTIRQ_CLASSES];  /* /proc/net/dev as each namespace has it */
};

/* Opens the namespace's table of devices; the descriptor goes on showing that namespace. */
static int open_devices(const char *namespace)
{
	int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC), fd, error;

	if (home < 0)
		return -errno;
	error = netns_enter(namespace);
	fd = error ? error : open("/proc/thread-self/net/dev", O_RDONLY | O_CLOEXEC);
	if (fd < 0 && !error)
		fd = -errno;
	if (setns(home, CLONE_NEWNET))
		abort(); /* nothing can be done in the wrong namespace */
	close(home);
	return fd;
}

int meter_open(const char *const *namespaces, unsigned int count, struct meter **meter)
{
	struct meter *made = calloc(1, sizeof(*made));
	int error = -ENOMEM;

	if (!made)
		return error;
	error = -E2BIG;
	if (count >= SOFTIRQ_CLASSES)
		goto close_meter;
	made->skeleton = softirq_bpf__open_and_load();
	error = -errno;
	if (!made->skeleton)
		goto close_meter;
	for (unsigned int i = 0; i < count; i++) {
		char path[256];
		struct stat about;
		__u32 inode, class = i + 1;

		snprintf(path, sizeof(path), "/run/netns/%s", namespaces[i]);
		error = stat(path, &about) ? -errno : 0;
		if (error)
			goto close_meter;
		made->inodes[i] = about.st_ino;
		made->devices[i] = open_devices(namespaces[i]);
		error = made->devices[i] < 0 ? made->devices[i] : 0;
		if (error)
			goto close_meter;
		made->count++;
		inode = (__u32)about.st_ino;
		error = bpf_map_update_elem(bpf_map__fd(made->skeleton->maps.classes), &inode,
					    &class, BPF_ANY);
		if (error)
			goto close_meter;
	}
	error = softirq_bpf__attach(made->skeleton);
	if (error)
		goto close_meter;
	*meter = made;
	return 0;
close_meter:
	meter_close(made);
	return error;
}

void meter_close(struct meter *meter)
{
	for (unsigned int i = 0; i < meter->count; i++)
		close(meter->devices[i]);
	softirq_bpf__destroy(meter->skeleton);
	free(meter);
}

/* Nanoseconds on a CPU of every thread of a process, as the scheduler counts. */
static uint64_t task_time(const char *pid)
{
	char folder[64];
	struct dirent *thread;
	uint64_t total = 0;
	DIR *threads;

	snprintf(folder, sizeof(folder), "/proc/%.16s/task", pid);
	threads = opendir(folder);
	while (threads && (thread = readdir(threads))) {
		struct buffer text = BUFFER_EMPTY;
		char path[384];

		if (!isdigit((unsigned char)*thread->d_name))
			continue;
		snprintf(path, sizeof(path), "%s/%s/schedstat", folder, thread->d_name);
		if (!buffer_read_file(&text, path, 4096))
			total += strtoull(text.data, NULL, 10);
		buffer_release(&text);
	}
	if (threads)
		closedir(threads);
	return total;
}

static void add_tasks(struct meter *meter, struct reading *readings)
{
	DIR *processes = opendir("/proc");
	struct dirent *process;

	while (processes && (process = readdir(processes))) {
		struct stat about;
		char path[320];

		if (!isdigit((unsigned char)*process->d_name))
			continue;
		snprintf(path, sizeof(path), "/proc/%s/ns/net", process->d_name);
		if (stat(path, &about))
			continue;
		for (unsigned int i = 0; i < meter->count; i++)
			if (meter->inodes[i] == about.st_ino)
				readings[i].cpu_ns += task_time(process->d_name);
	}
	if (processes)
		closedir(processes);
}

static int add_bytes(int fd, struct reading *reading)
{
	char text[8192], *at;
	ssize_t length = pread(fd, text, sizeof(text) - 1, 0);

	if (length < 0)
		return -errno;
	text[length] = 0;
	at = strstr(text, "eth0:");
	if (!at || sscanf(at + 5, "%lu %lu %*u %*u %*u %*u %*u %*u %lu %lu", &reading->bytes_in,
			  &reading->packets_in, &reading->bytes_out, &reading->packets_out) != 4)
		return -ENODEV;
	return 0;
}

int meter_read(struct meter *meter, struct reading *readings)
{
	int cpus = libbpf_num_possible_cpus(), error = 0;
	struct softirq_spent *each = calloc((size_t)cpus, sizeof(*each));

	if (!each)
		return -ENOMEM;
	memset(readings, 0, meter->count * sizeof(*readings));
	add_tasks(meter, readings);
	for (unsigned int i = 0; i < meter->count && !error; i++) {
		uint64_t packets = 0, inlined = 0;
		__u32 class = i + 1;

		error = bpf_map_lookup_elem(bpf_map__fd(meter->skeleton->maps.spent), &class, each);
		for (int cpu = 0; cpu < cpus && !error; cpu++) {
			packets += each[cpu].packets_ns;
			inlined += each[cpu].inlined_ns;
		}
		/* Differences of readings are what counts, so wrapping below zero does no harm. */
		readings[i].cpu_ns += packets - inlined;
		readings[i].softirq_ns = packets;
		if (!error)
			error = add_bytes(meter->devices[i], &readings[i]);
	}
	free(each);
	return error;
}
