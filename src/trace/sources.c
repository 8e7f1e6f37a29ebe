#include "trace/trace.h"

#include "base/clock.h"
#include "base/fail.h"
#include "control/paths.h"
#include "wire/cluster.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Each host has a ring buffer of its own, so what comes is held up until nothing older can come. */
enum { HELD_UP_MS = 100, LIFE_S = 5 };

struct source {
	char name[TRACE_NAME];
	struct sources *sources;
	int filter, ring;
};

struct waiting {
	struct traced_packet packet;
	unsigned int source;
};

struct sources {
	struct source all[TRACE_HOSTS];
	unsigned int count;
	int nodes; /* the front's map; -1: no front here */
	uint8_t macs[TRACE_HOSTS][6];
	struct trace_filter filter;
	uint64_t renewed;
	struct ring_buffer *ring;
	trace_taker taker;
	void *owner;
	struct waiting **waiting;
	size_t waiting_count, waiting_room;
};

static int open_pin(const char *cluster, const char *host, const char *map)
{
	char directory[PATH_ROOM], path[PATH_ROOM + 64];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", path_pins(directory, cluster, host), map);
	fd = bpf_obj_get(path);
	return fd < 0 ? -errno : fd;
}

static int on_packet(void *owner, void *data, size_t size)
{
	struct source *source = owner;
	struct sources *sources = source->sources;
	struct waiting *waiting;

	if (size != sizeof(waiting->packet))
		return 0;
	waiting = malloc(sizeof(*waiting));
	if (!waiting)
		out_of_memory();
	memcpy(&waiting->packet, data, size);
	waiting->source = (unsigned int)(source - sources->all);
	if (sources->waiting_count == sources->waiting_room) {
		sources->waiting_room = sources->waiting_room ? 2 * sources->waiting_room : 1024;
		sources->waiting = realloc(sources->waiting,
					   sources->waiting_room * sizeof(*sources->waiting));
		if (!sources->waiting)
			out_of_memory();
	}
	sources->waiting[sources->waiting_count++] = waiting;
	return 0;
}

static int by_time(const void *a, const void *b)
{
	const struct waiting *one = *(struct waiting *const *)a;
	const struct waiting *other = *(struct waiting *const *)b;

	if (one->packet.time_ns != other->packet.time_ns)
		return one->packet.time_ns < other->packet.time_ns ? -1 : 1;
	return 0;
}

/* Gives what is from before `until`, the oldest first. */
static void give(struct sources *sources, uint64_t until)
{
	size_t i = 0;

	qsort(sources->waiting, sources->waiting_count, sizeof(*sources->waiting), by_time);
	for (; i < sources->waiting_count && sources->waiting[i]->packet.time_ns <= until; i++) {
		sources->taker(sources->owner, &sources->waiting[i]->packet,
			       sources->all[sources->waiting[i]->source].name);
		free(sources->waiting[i]);
	}
	sources->waiting_count -= i;
	memmove(sources->waiting, sources->waiting + i,
		sources->waiting_count * sizeof(*sources->waiting));
}

/* Tells every host what to look for, until then (programs only add to `lost`), and learns the
 * nodes' Ethernet addresses anew. */
static int renew(struct sources *sources, uint64_t until)
{
	uint32_t zero = 0;
	int error = 0;

	for (unsigned int i = 0; i < sources->count; i++) {
		struct trace_filter now, filter = sources->filter;

		filter.until_ns = until;
		if (!bpf_map_lookup_elem(sources->all[i].filter, &zero, &now) &&
		    now.number == filter.number)
			filter.lost = now.lost;
		if (bpf_map_update_elem(sources->all[i].filter, &zero, &filter, BPF_ANY) && !error)
			error = -errno;
	}
	for (uint32_t i = 1; sources->nodes >= 0 && i < TRACE_HOSTS; i++) {
		struct node_entry entry;

		if (!bpf_map_lookup_elem(sources->nodes, &i, &entry))
			memcpy(sources->macs[i], entry.mac, 6);
	}
	sources->renewed = clock_now();
	return error;
}

/* `name` is "front" or "node-NAME". */
static int add(struct sources *sources, const char *cluster, const char *name)
{
	struct source *source = &sources->all[sources->count];
	bool front = strncmp(name, "node-", 5);
	struct trace_filter now;
	uint32_t zero = 0;
	int error;

	source->filter = open_pin(cluster, name, "trace_filter");
	if (source->filter < 0)
		return source->filter;
	source->ring = open_pin(cluster, name, "traced");
	error = source->ring;
	if (error < 0)
		goto close_filter;
	error = -EBUSY;
	if (bpf_map_lookup_elem(source->filter, &zero, &now) || now.until_ns > clock_now())
		goto close_ring;
	snprintf(source->name, sizeof(source->name), "%.63s", front ? name : name + 5);
	source->sources = sources;
	if (sources->ring) {
		error = ring_buffer__add(sources->ring, source->ring, on_packet, source);
	} else {
		sources->ring = ring_buffer__new(source->ring, on_packet, source, NULL);
		error = sources->ring ? 0 : -errno;
	}
	if (error)
		goto close_ring;
	if (front)
		sources->nodes = open_pin(cluster, name, "nodes");
	sources->count++;
	return 0;

close_ring:
	close(source->ring);
close_filter:
	close(source->filter);
	return error;
}

/* What an earlier trace left in the buffers. */
static void forget_old(struct sources *sources)
{
	ring_buffer__consume(sources->ring);
	for (size_t i = 0; i < sources->waiting_count; i++)
		free(sources->waiting[i]);
	sources->waiting_count = 0;
}

int sources_open(const char *cluster, const struct trace_filter *filter, trace_taker taker,
		 void *owner, struct sources **made, char why[512])
{
	struct sources *sources = calloc(1, sizeof(*sources));
	char directory[PATH_ROOM];
	struct dirent **entries;
	int count, error = 0;

	if (!sources)
		out_of_memory();
	sources->nodes = -1;
	sources->taker = taker;
	sources->owner = owner;
	sources->filter = *filter;
	sources->filter.number = (uint32_t)clock_now() | 1;
	snprintf(directory, sizeof(directory), "%s/%s", PIN_ROOT, cluster);
	count = scandir(directory, &entries, NULL, versionsort);
	for (int i = 0; i < count; i++) {
		const char *name = entries[i]->d_name;

		if (!error && name[0] != '.' && sources->count < TRACE_HOSTS) {
			error = add(sources, cluster, name);
			if (error == -EBUSY)
				snprintf(why, 512, "another trace runs on %.64s; end it first",
					 name);
			else if (error)
				snprintf(why, 512, "listening to the programs of %.64s: %s", name,
					 strerror(-error));
		}
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
	if (!error && !sources->count) {
		snprintf(why, 512,
			 "no programs of a cluster '%s' are in this machine's kernel; run it on a "
			 "front or node, or name a lab with --name",
			 cluster);
		error = -ENOENT;
	}
	if (!error) {
		forget_old(sources);
		error = renew(sources, clock_now() + LIFE_S * NS_PER_S);
		if (error)
			snprintf(why, 512, "telling the programs whom to trace: %s",
				 strerror(-error));
	}
	if (error)
		sources_close(sources);
	else
		*made = sources;
	return error;
}

unsigned int sources_count(const struct sources *sources)
{
	return sources->count;
}

const char *sources_name(const struct sources *sources, unsigned int index)
{
	return sources->all[index].name;
}

int sources_poll(struct sources *sources, int ms)
{
	int result = ring_buffer__poll(sources->ring, ms), error = 0;
	uint64_t now = clock_now();

	if (now - sources->renewed > NS_PER_S)
		error = renew(sources, now + LIFE_S * NS_PER_S);
	give(sources, now - HELD_UP_MS * NS_PER_MS);
	return result < 0 && result != -EINTR ? result : error;
}

void sources_stop(struct sources *sources)
{
	renew(sources, 0);
	ring_buffer__consume(sources->ring);
	give(sources, clock_now());
}

uint16_t sources_node(const struct sources *sources, const uint8_t mac[6])
{
	for (uint16_t i = 1; i < TRACE_HOSTS; i++)
		if (!memcmp(sources->macs[i], mac, 6) && memcmp(mac, "\0\0\0\0\0", 6))
			return i;
	return 0;
}

uint64_t sources_lost(const struct sources *sources)
{
	struct trace_filter now;
	uint64_t lost = 0;
	uint32_t zero = 0;

	for (unsigned int i = 0; i < sources->count; i++)
		if (!bpf_map_lookup_elem(sources->all[i].filter, &zero, &now))
			lost += now.lost;
	return lost;
}

void sources_close(struct sources *sources)
{
	ring_buffer__free(sources->ring);
	for (unsigned int i = 0; i < sources->count; i++) {
		close(sources->all[i].filter);
		close(sources->all[i].ring);
	}
	for (size_t i = 0; i < sources->waiting_count; i++)
		free(sources->waiting[i]);
	if (sources->nodes >= 0)
		close(sources->nodes);
	free(sources->waiting);
	free(sources);
}
