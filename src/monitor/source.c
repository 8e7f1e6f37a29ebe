#include "monitor/source.h"
#include "base/clock.h"
#include "control/interface.h"
#include "monitor/bypass.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int trouble(struct source *source, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int trouble(struct source *source, int error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(source->error, sizeof(source->error), format, arguments);
	va_end(arguments);
	return error;
}

int namespace_enter(const char *host, const char *lab)
{
	char path[256];
	int back = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), there, error = 0;

	if (back < 0)
		return -errno;
	if (strchr(host, '/')) {
		close(back);
		return -EINVAL;
	}
	snprintf(path, sizeof(path), "/run/netns/baton-%s-%s", lab, host);
	there = open(path, O_RDONLY | O_CLOEXEC);
	if (there < 0 && errno == ENOENT) {
		snprintf(path, sizeof(path), "/run/netns/%s", host);
		there = open(path, O_RDONLY | O_CLOEXEC);
	}
	if (there < 0 || setns(there, CLONE_NEWNET))
		error = -errno;
	if (there >= 0)
		close(there);
	if (error) {
		close(back);
		return error;
	}
	return back;
}

void namespace_leave(int back)
{
	/* Going on in the wrong network would count the wrong packets. */
	if (setns(back, CLONE_NEWNET))
		abort();
	close(back);
}

int source_default_device(char *name, char *why)
{
	pcap_if_t *all, *chosen = NULL;

	if (pcap_findalldevs(&all, why))
		return -ENODEV;
	for (pcap_if_t *d = all; d && !chosen; d = d->next)
		for (const pcap_addr_t *a = d->addresses; a && !chosen; a = a->next)
			if (a->addr &&
			    (a->addr->sa_family == AF_INET || a->addr->sa_family == AF_INET6) &&
			    d->flags & PCAP_IF_UP && !(d->flags & PCAP_IF_LOOPBACK))
				chosen = d;
	for (pcap_if_t *d = all; d && !chosen; d = d->next)
		if (d->flags & PCAP_IF_LOOPBACK)
			chosen = d;
	if (chosen)
		snprintf(name, 64, "%s", chosen->name);
	else
		snprintf(why, PCAP_ERRBUF_SIZE, "there is no device to capture from");
	pcap_freealldevs(all);
	return chosen ? 0 : -ENODEV;
}

static int set_filter(struct source *source, const struct source_options *options)
{
	struct bpf_program program;
	int error = 0;

	source->link = pcap_datalink(source->pcap);
	source->port = options->port;
	if (!packet_link_known(source->link)) {
		const char *link = pcap_datalink_val_to_name(source->link);

		return trouble(source, -EPROTONOSUPPORT, "%s has link type %s, which isn't read",
			       source->name, link ? link : "of an unknown number");
	}
	if (!options->filter)
		return 0;
	if (pcap_compile(source->pcap, &program, options->filter, 1, PCAP_NETMASK_UNKNOWN))
		return trouble(source, -EINVAL, "filter '%s': %s", options->filter,
			       pcap_geterr(source->pcap));
	if (pcap_setfilter(source->pcap, &program))
		error = trouble(source, -EIO, "%s: %s", source->name, pcap_geterr(source->pcap));
	pcap_freecode(&program);
	return error;
}

int source_open_file(struct source *source, const char *path, const struct source_options *options)
{
	char why[PCAP_ERRBUF_SIZE];
	int error;

	snprintf(source->name, sizeof(source->name), "%s", path);
	source->fd = -1;
	source->pcap =
		pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO, why);
	if (!source->pcap)
		return trouble(source, -EIO, "%s", why);
	error = set_filter(source, options);
	if (error)
		source_close(source);
	return error;
}

/* Has the kernel count, if it can; else packets are taken and counted here. */
static bool count_in_kernel(struct source *source, const struct source_options *options)
{
	const struct traffic_options how = {.port = options->port,
					    .promiscuous = options->promiscuous};
	unsigned char mac[6];
	int ifindex;

	if (!options->classes_only || interface_find(source->device, &ifindex, mac))
		return false;
	source->watch = traffic_start(ifindex, &how);
	return source->watch;
}

int source_open_device(struct source *source, const struct source_options *options)
{
	char why[PCAP_ERRBUF_SIZE];
	int error;

	if (options->device)
		snprintf(source->device, sizeof(source->device), "%s", options->device);
	else if (source_default_device(source->device, why))
		return trouble(source, -ENODEV, "%s", why);
	if (!source->name[0])
		snprintf(source->name, sizeof(source->name), "%s", source->device);
	source->fd = -1;
	source->bypassed = bypass_exists(source->device);
	if (count_in_kernel(source, options))
		return 0;
	source->pcap = pcap_create(source->device, why);
	if (!source->pcap)
		return trouble(source, -EIO, "%s: %s", source->device, why);
	pcap_set_snaplen(source->pcap, options->snaplen);
	pcap_set_promisc(source->pcap, options->promiscuous);
	pcap_set_timeout(source->pcap, options->timeout_ms);
	pcap_set_buffer_size(source->pcap, options->buffer_bytes);
	/* Refused by kernels without it; microseconds then. */
	pcap_set_tstamp_precision(source->pcap, PCAP_TSTAMP_PRECISION_NANO);
	error = pcap_activate(source->pcap);
	if (error < 0) {
		const char *words = pcap_geterr(source->pcap);

		error = trouble(source, error == PCAP_ERROR_PERM_DENIED ? -EPERM : -EIO,
				"%s: %s%s%s", source->device, pcap_statustostr(error),
				*words ? ": " : "", words);
	} else if (!(error = set_filter(source, options)) &&
		   pcap_setnonblock(source->pcap, 1, why)) {
		error = trouble(source, -EIO, "%s: %s", source->device, why);
	}
	if (error) {
		source_close(source);
		return error;
	}
	source->fd = pcap_get_selectable_fd(source->pcap);
	return 0;
}

/* Another host's monitor: its lines are counts already, so only they cross the network. */
static int open_ssh(struct source *source, const char *target, const struct source_options *options,
		    const char *interval)
{
	const char *arguments[12];
	unsigned int count = 0;
	int ends[2];

	arguments[count++] = "ssh";
	arguments[count++] = "--";
	arguments[count++] = target;
	arguments[count++] = "baton monitor --json --interval";
	arguments[count++] = interval;
	if (options->device) {
		arguments[count++] = "-i";
		arguments[count++] = options->device;
	}
	if (options->filter)
		arguments[count++] = options->filter;
	arguments[count] = NULL;
	if (pipe2(ends, O_CLOEXEC))
		return trouble(source, -errno, "a pipe: %s", strerror(errno));
	source->child = fork();
	if (source->child < 0) {
		close(ends[0]);
		close(ends[1]);
		return trouble(source, -errno, "fork: %s", strerror(errno));
	}
	if (!source->child) {
		dup2(ends[1], STDOUT_FILENO);
		execvp("ssh", (char *const *)arguments);
		fprintf(stderr, "baton: can't run ssh: %s\n", strerror(errno));
		_exit(127);
	}
	close(ends[1]);
	source->fd = ends[0];
	fcntl(source->fd, F_SETFL, O_NONBLOCK);
	return 0;
}

/* Whether a lab's host has an XDP program on the device that would be listened at; when so, finds
 * its port of the lab's switch. */
static bool behind_switch(const char *host, const char *lab, char *port, size_t room)
{
	char device[64], why[PCAP_ERRBUF_SIZE];
	int back = namespace_enter(host, lab);
	bool found;

	if (back < 0)
		return false;
	found = !source_default_device(device, why) && bypass_exists(device);
	namespace_leave(back);
	if (!found)
		return false;
	snprintf(port, room, "p-%.13s", host);
	back = namespace_enter("switch", lab);
	if (back < 0)
		return false;
	found = if_nametoindex(port);
	namespace_leave(back);
	return found;
}

int source_open_host(struct source *source, const char *host, const char *lab,
		     const struct source_options *options, const char *interval)
{
	struct source_options here = *options;
	const char *colon = strchr(host, ':');
	char name[64], port[IF_NAMESIZE];
	bool at_switch = false;
	int back, error;

	snprintf(source->name, sizeof(source->name), "%s", host);
	if (!strncmp(host, "ssh:", 4))
		return open_ssh(source, host + 4, options, interval);
	snprintf(name, sizeof(name), "%.*s", colon ? (int)(colon - host) : (int)strlen(host), host);
	if (colon)
		here.device = colon + 1;
	else if (!here.device && behind_switch(name, lab, port, sizeof(port)))
		at_switch = true;
	if (at_switch)
		here.device = port;
	back = namespace_enter(at_switch ? "switch" : name, lab);
	if (back < 0)
		return trouble(source, back,
			       "no host '%s' in lab '%s', and no such network namespace: %s", name,
			       lab, strerror(-back));
	error = source_open_device(source, &here);
	namespace_leave(back);
	if (at_switch) {
		/* The switch's own program only lets pass. */
		source->bypassed = false;
		snprintf(source->device, sizeof(source->device), "switch:%s", port);
	}
	return error;
}

static void take(u_char *user, const struct pcap_pkthdr *header, const u_char *bytes)
{
	struct source *source = (struct source *)user;
	struct packet packet;

	source->last_ns = (uint64_t)header->ts.tv_sec * NS_PER_S + (uint64_t)header->ts.tv_usec;
	if (!source->first_ns)
		source->first_ns = source->last_ns;
	if (source->boundary_ns && source->last_ns >= source->boundary_ns)
		source->crossed(source->user, source->last_ns);
	source->taken++;
	packet_read(source->link, bytes, header->caplen, source->port, &packet);
	counts_add(&source->interval, &source->watched, &packet, header->len);
	if (source->record)
		record_packet(source->record, source->record_number, header, bytes);
}

/* One line of another monitor. */
static int take_line(struct source *source, const char *line)
{
	json_error_t why;
	json_t *object = json_loads(line, 0, &why);
	struct counts counts;
	const json_t *dropped;

	if (!object)
		return trouble(source, -EPROTO, "%s sent no JSON line: %s", source->name, why.text);
	dropped = json_object_get(object, "dropped");
	if (json_object_get(object, "summary")) {
		source->dropped = (uint64_t)json_integer_value(dropped);
	} else if (!counts_from_json(&counts, object)) {
		source->last_ns = clock_wall();
		if (!source->first_ns)
			source->first_ns = source->last_ns;
		source->dropped += (uint64_t)json_integer_value(dropped);
		source->taken += counts.classes[TRAFFIC_TOTAL].packets;
		source->received = source->taken;
		counts_merge(&source->interval, &counts);
	} else {
		json_decref(object);
		return trouble(source, -EPROTO, "%s sent a line without counts", source->name);
	}
	json_decref(object);
	return 0;
}

static int read_lines(struct source *source)
{
	enum { LINE_MAX_BYTES = 1 << 20 };
	int error = 0;

	for (;;) {
		ssize_t got = read(source->fd, buffer_reserve(&source->lines, 16384), 16384);
		char *newline;

		if (got < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -errno;
		if (!got) {
			source->ended = true;
			return 0;
		}
		source->lines.length += (size_t)got;
		source->lines.data[source->lines.length] = 0;
		while (!error &&
		       (newline = memchr(source->lines.data, '\n', source->lines.length))) {
			*newline = 0;
			error = take_line(source, source->lines.data);
			buffer_consume(&source->lines, (size_t)(newline - source->lines.data) + 1);
		}
		if (!error && source->lines.length > LINE_MAX_BYTES)
			error = trouble(source, -EPROTO, "%s sent a line without end",
					source->name);
		if (error)
			return error;
	}
}

static int read_watch(struct source *source)
{
	struct traffic_counts now;
	int error = traffic_read(source->watch, &now);

	if (error)
		return trouble(source, error, "%s: %s", source->name, strerror(-error));
	counts_add_grown(&source->interval, &source->read, &now);
	source->read = now;
	source->taken = source->received = now.slots[TRAFFIC_TOTAL].packets;
	return 0;
}

int source_read(struct source *source, uint64_t most)
{
	int got, limit = most && most < 100000 ? (int)most : 100000;

	if (source->watch)
		return read_watch(source);
	if (!source->pcap)
		return read_lines(source);
	got = pcap_dispatch(source->pcap, limit, take, (u_char *)source);
	if (got == PCAP_ERROR)
		return trouble(source, -EIO, "%s: %s", source->name, pcap_geterr(source->pcap));
	if (!got && source->fd < 0)
		source->ended = true;
	return 0;
}

void source_flush(struct source *source)
{
	struct pcap_stat stat;

	counts_merge(&source->total, &source->interval);
	memset(&source->interval, 0, sizeof(source->interval));
	if (source->pcap && source->fd >= 0 && !pcap_stats(source->pcap, &stat)) {
		/* 32-bit counters of libpcap's: differences survive their turning over. */
		source->received += (uint32_t)(stat.ps_recv - (uint32_t)source->received);
		source->dropped += (uint32_t)(stat.ps_drop - (uint32_t)source->dropped);
	}
}

void source_drain(struct source *source)
{
	uint64_t until = clock_now() + NS_PER_S;

	if (source->watch)
		read_watch(source);
	if (!source->pcap || source->fd < 0)
		return;
	source_flush(source);
	while (source->taken + source->dropped < source->received && clock_now() < until) {
		struct pollfd ready = {.fd = source->fd, .events = POLLIN};

		poll(&ready, 1, 20);
		if (source_read(source, 0))
			break;
	}
}

void source_close(struct source *source)
{
	if (source->pcap)
		pcap_close(source->pcap);
	source->pcap = NULL;
	traffic_end(source->watch);
	source->watch = NULL;
	if (source->child > 0) {
		close(source->fd);
		kill(source->child, SIGTERM);
		waitpid(source->child, NULL, 0);
		source->child = 0;
	}
	buffer_release(&source->lines);
	source->fd = -1;
}
