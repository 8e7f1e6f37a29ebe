#include "echo/sample.h"
#include "base/buffer.h"
#include "base/clock.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { FILE_MOST = 1 << 20, TREE_MOST = 65536, PSS_LOOKS = 32 };

/* Ticks (1/100 s) of /proc/stat. */
struct ticks {
	uint64_t user, nice, system, idle, wait, interrupts, soft, stolen, switches;
};

struct sampler {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stopping;
	pid_t server;
	uint64_t interval;
	double base_kib;
	FILE *csv;
	struct samples samples;
	struct buffer text;
	pid_t *tree;
	unsigned int tree_count;
	/* Processor time of processes by the last look, so that one that has ended since doesn't
	 * make the sum smaller; the server's own count of ended children takes its place. */
	uint64_t last_time;
};

static const char *read_text(struct buffer *text, const char *path)
{
	buffer_clear(text);
	return buffer_read_file(text, path, FILE_MOST) || !text->length ? "" : text->data;
}

/* The number behind `name` at the beginning of a line. */
static uint64_t field(const char *text, const char *name)
{
	size_t length = strlen(name);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, name, length))
			return strtoull(line + length, NULL, 10);
	}
	return 0;
}

struct memory {
	uint64_t total, used, free, shared, buffers, cached;
};

static void read_memory(struct buffer *text, struct memory *memory)
{
	const char *words = read_text(text, "/proc/meminfo");

	memory->total = field(words, "MemTotal:");
	memory->free = field(words, "MemFree:");
	memory->shared = field(words, "Shmem:");
	memory->buffers = field(words, "Buffers:");
	memory->cached = field(words, "Cached:") + field(words, "SReclaimable:");
	memory->used = memory->total - memory->free - memory->buffers - memory->cached;
}

double sample_memory_used(void)
{
	struct buffer text = BUFFER_EMPTY;
	struct memory memory;

	read_memory(&text, &memory);
	buffer_release(&text);
	return (double)memory.used;
}

static void read_ticks(struct buffer *text, struct ticks *ticks)
{
	const char *words = read_text(text, "/proc/stat");
	unsigned long long v[8] = {0};

	sscanf(words, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &v[0], &v[1], &v[2], &v[3],
	       &v[4], &v[5], &v[6], &v[7]);
	*ticks = (struct ticks){
		v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], field(words, "ctxt ")};
}

/* The server and its children, theirs too: sampler->tree. */
static void find_tree(struct sampler *sampler)
{
	char path[64];

	sampler->tree_count = 0;
	sampler->tree[sampler->tree_count++] = sampler->server;
	for (unsigned int i = 0; i < sampler->tree_count; i++) {
		const char *at;
		char *end;

		snprintf(path, sizeof(path), "/proc/%d/task/%d/children", sampler->tree[i],
			 sampler->tree[i]);
		at = read_text(&sampler->text, path);
		for (long pid = strtol(at, &end, 10); end != at && sampler->tree_count < TREE_MOST;
		     at = end, pid = strtol(at, &end, 10))
			if (pid > 0)
				sampler->tree[sampler->tree_count++] = (pid_t)pid;
	}
	if (sampler->tree_count > sampler->samples.processes)
		sampler->samples.processes = sampler->tree_count;
}

/* Processor time of one process in ns, into `ended` that of its children that have ended. The
 * kernel's ticks of 10 ms would round hundreds of processes that run a millisecond each down to
 * nothing: where there is one thread, the scheduler's nanoseconds are taken. */
static uint64_t process_time(struct sampler *sampler, pid_t pid, uint64_t *ended)
{
	uint64_t tick = NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK);
	unsigned long long user, system, children_user, children_system, threads, ran;
	const char *words;
	char path[64];

	*ended = 0;
	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	words = strrchr(read_text(&sampler->text, path), ')');
	if (!words ||
	    sscanf(words,
		   ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %llu %llu %*d %*d %llu",
		   &user, &system, &children_user, &children_system, &threads) != 5)
		return 0;
	*ended = (children_user + children_system) * tick;
	snprintf(path, sizeof(path), "/proc/%d/schedstat", pid);
	if (threads == 1 && sscanf(read_text(&sampler->text, path), "%llu", &ran) == 1)
		return ran;
	return (user + system) * tick;
}

/* Processor time of the tree in ns: of all that run, and of the server's children that have ended.
 */
static uint64_t tree_time(struct sampler *sampler)
{
	uint64_t sum = 0, ended;

	for (unsigned int i = 0; i < sampler->tree_count; i++) {
		sum += process_time(sampler, sampler->tree[i], &ended);
		sum += i ? 0 : ended;
	}
	if (sum > sampler->last_time)
		sampler->last_time = sum;
	return sampler->last_time;
}

uint64_t sample_tree_time(pid_t root)
{
	struct sampler sampler = {.server = root};
	uint64_t time = 0;

	sampler.tree = calloc(TREE_MOST, sizeof(*sampler.tree));
	if (sampler.tree) {
		find_tree(&sampler);
		time = tree_time(&sampler);
	}
	free(sampler.tree);
	buffer_release(&sampler.text);
	return time;
}

/* Proportional set size of the tree. Of many processes PSS_LOOKS spread over all are looked at and
 * stand for the rest: looking at each of 500 would be what is measured. */
static double tree_pss(struct sampler *sampler)
{
	unsigned int count = sampler->tree_count, looks = count < PSS_LOOKS ? count : PSS_LOOKS;
	double sum = 0;
	char path[64];

	for (unsigned int i = 0; i < looks; i++) {
		snprintf(path, sizeof(path), "/proc/%d/smaps_rollup",
			 sampler->tree[(uint64_t)i * count / looks]);
		sum += (double)field(read_text(&sampler->text, path), "Pss:");
	}
	return looks ? sum * count / looks : 0;
}

/* Some of the kernel's counters, that of waiting for disks above all, now and then go back. */
static double grown(uint64_t now, uint64_t before)
{
	return now > before ? (double)(now - before) : 0;
}

static void look(struct sampler *sampler, struct ticks *before, uint64_t *tree_before,
		 double seconds)
{
	struct samples *samples = &sampler->samples;
	struct memory memory;
	struct ticks now;
	uint64_t tree;
	double user, system, nice, idle, wait, interrupts, all;
	double share, cpu, pss, switches;
	char when[32];

	find_tree(sampler);
	tree = tree_time(sampler);
	read_ticks(&sampler->text, &now);
	read_memory(&sampler->text, &memory);
	pss = tree_pss(sampler);
	user = grown(now.user, before->user);
	system = grown(now.system, before->system);
	nice = grown(now.nice, before->nice);
	idle = grown(now.idle, before->idle);
	wait = grown(now.wait, before->wait);
	interrupts = grown(now.interrupts, before->interrupts) + grown(now.soft, before->soft);
	all = user + system + nice + idle + wait + interrupts + grown(now.stolen, before->stolen);
	share = all > 0 ? 100 / all : 0;
	cpu = 100 * grown(tree, *tree_before) / 1e9 / seconds;
	switches = grown(now.switches, before->switches) / seconds;
	pthread_mutex_lock(&sampler->lock);
	spread_add(&samples->cpu, cpu);
	spread_add(&samples->machine, all > 0 ? 100 - share * (idle + wait) : 0);
	spread_add(&samples->memory, (double)memory.used - sampler->base_kib);
	spread_add(&samples->pss, pss);
	spread_add(&samples->switches, switches);
	pthread_mutex_unlock(&sampler->lock);
	if (sampler->csv)
		fprintf(sampler->csv,
			"%s,%llu,%llu,%llu,%llu,%llu,%llu,%.1f,%.1f,%.1f,%.1f,%.1f,%.1f,%.1f,%.0f,"
			"%.0f,%u\n",
			clock_text(clock_wall(), when), (unsigned long long)memory.total,
			(unsigned long long)memory.used, (unsigned long long)memory.free,
			(unsigned long long)memory.shared, (unsigned long long)memory.buffers,
			(unsigned long long)memory.cached, share * user, share * system,
			share * nice, share * idle, share * wait, share * interrupts, cpu, switches,
			pss, sampler->tree_count);
	*before = now;
	*tree_before = tree;
}

static void *keep_looking(void *argument)
{
	struct sampler *sampler = argument;
	uint64_t last = clock_now(), next = last + sampler->interval, tree;
	struct ticks before;

	find_tree(sampler);
	tree = tree_time(sampler);
	read_ticks(&sampler->text, &before);
	pthread_mutex_lock(&sampler->lock);
	while (!sampler->stopping) {
		struct timespec until = {(time_t)(next / NS_PER_S), (long)(next % NS_PER_S)};
		uint64_t now;

		pthread_cond_timedwait(&sampler->wake, &sampler->lock, &until);
		now = clock_now();
		if (now < next)
			continue;
		pthread_mutex_unlock(&sampler->lock);
		look(sampler, &before, &tree, (double)(now - last) / 1e9);
		pthread_mutex_lock(&sampler->lock);
		last = now;
		while (next <= now)
			next += sampler->interval;
	}
	pthread_mutex_unlock(&sampler->lock);
	return NULL;
}

struct sampler *sampler_start(pid_t server, uint64_t interval, double base_kib, FILE *csv)
{
	struct sampler *sampler = calloc(1, sizeof(*sampler));
	pthread_condattr_t attributes;

	if (!sampler)
		return NULL;
	sampler->tree = calloc(TREE_MOST, sizeof(*sampler->tree));
	sampler->server = server;
	sampler->interval = interval;
	sampler->base_kib = base_kib;
	sampler->csv = csv;
	pthread_mutex_init(&sampler->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&sampler->wake, &attributes);
	pthread_condattr_destroy(&attributes);
	if (csv)
		fprintf(csv, "time,m_total,m_used,m_free,m_shared,m_buffers,m_cached,cpu_user,"
			     "cpu_sys,cpu_nice,cpu_idle,cpu_wait,cpu_interrupts,server_cpu,"
			     "context_switches_per_second,server_pss,server_processes\n");
	if (!sampler->tree || pthread_create(&sampler->thread, NULL, keep_looking, sampler)) {
		free(sampler->tree);
		free(sampler);
		return NULL;
	}
	return sampler;
}

void sampler_begin(struct sampler *sampler)
{
	pthread_mutex_lock(&sampler->lock);
	sampler->samples = (struct samples){.processes = sampler->samples.processes};
	pthread_mutex_unlock(&sampler->lock);
}

void sampler_stop(struct sampler *sampler, struct samples *samples)
{
	pthread_mutex_lock(&sampler->lock);
	sampler->stopping = true;
	pthread_cond_signal(&sampler->wake);
	pthread_mutex_unlock(&sampler->lock);
	pthread_join(sampler->thread, NULL);
	*samples = sampler->samples;
	buffer_release(&sampler->text);
	pthread_cond_destroy(&sampler->wake);
	pthread_mutex_destroy(&sampler->lock);
	free(sampler->tree);
	free(sampler);
}

/* The tables have pairs of lines, names above and values below, both beginning with the group. */
static bool find_counter(const char *text, const char *group, const char *name, uint64_t *value)
{
	size_t group_length = strlen(group), name_length = strlen(name);

	for (const char *names = text; names && *names;) {
		const char *values = strchr(names, '\n');

		if (!values)
			return false;
		values++;
		if (!strncmp(names, group, group_length) && names[group_length] == ':') {
			const char *n = names + group_length + 1, *v = values + group_length + 1;

			while (*n == ' ' && *v == ' ') {
				size_t length = strcspn(++n, " \n");

				v++;
				if (length == name_length && !strncmp(n, name, length)) {
					*value = strtoull(v, NULL, 10);
					return true;
				}
				n += length;
				v += strcspn(v, " \n");
			}
		}
		names = strchr(values, '\n');
		names += names != NULL;
	}
	return false;
}

uint64_t sample_counter(const char *group, const char *name)
{
	struct buffer text = BUFFER_EMPTY;
	uint64_t value = 0;

	if (!find_counter(read_text(&text, "/proc/net/snmp"), group, name, &value))
		find_counter(read_text(&text, "/proc/net/netstat"), group, name, &value);
	buffer_release(&text);
	return value;
}
