#include "monitor/monitor.h"
#include "base/clock.h"
#include "base/fail.h"
#include "monitor/show.h"
#include "monitor/web.h"
#include "monitor/window.h"
#include "wire/header.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SOURCES_MAX = 64, PAPER_SNAPLEN = 68, WHOLE_SNAPLEN = 262144 };

struct options {
	const char *device, *read, *write, *lab, *listen;
	struct option_list hosts, vips, nodes;
	uint64_t count, snaplen, buffer, port;
	uint64_t interval, length, timeout; /* ns */
	bool list, json, text, gtk, web, all, quiet, not_promiscuous;
};

#define AT(member) offsetof(struct options, member)
static const struct option_spec specs[] = {
	{"interface", 'i', OPTION_TEXT, "DEV",
	 "capture from this device [the first that is up and has an address]", AT(device)},
	{"list", 'D', OPTION_FLAG, NULL, "list the devices with address and mask, and exit",
	 AT(list)},
	{"read", 'r', OPTION_TEXT, "FILE", "read a pcap or pcapng file (-: standard input)",
	 AT(read)},
	{"write", 'w', OPTION_TEXT, "FILE",
	 "write the packets too; as pcapng when the name ends so, else as pcap", AT(write)},
	{"count", 'c', OPTION_COUNT, "N", "stop after N packets", AT(count)},
	{"for", 'd', OPTION_DURATION, "TIME", "stop after this time [at Ctrl-C]", AT(length), NULL,
	 0.001, 1e9},
	{"interval", 'n', OPTION_DURATION, "TIME",
	 "a row for each such time [1s; for a file: only the sums at the end]", AT(interval), NULL,
	 0.01, 86400},
	{"host", 'H', OPTION_LIST, "HOST",
	 "count at this host: one of the lab's or a network namespace (HOST:DEV for another "
	 "device), or ssh:TARGET; may be repeated, the hosts then stand side by side",
	 AT(hosts)},
	{"name", 0, OPTION_TEXT, "LAB", "the lab of those hosts [lab]", AT(lab)},
	{"vip", 0, OPTION_LIST, "[NAME=]ADDRESS", "count this virtual address apart", AT(vips)},
	{"node", 0, OPTION_LIST, "NAME=ADDRESS[,MAC]",
	 "count this node apart, by address and Ethernet address (learnt if not given)", AT(nodes)},
	{"all", 'a', OPTION_FLAG, NULL, "show UDP, ICMP, IPv6 and Baton's own messages in rows too",
	 AT(all)},
	{"json", 'j', OPTION_FLAG, NULL, "a line of JSON for each row, the sums as the last one",
	 AT(json)},
	{"text", 0, OPTION_FLAG, NULL, "rows of text [this is the default]", AT(text)},
	{"gtk", 'g', OPTION_FLAG, NULL, "draw in a window", AT(gtk)},
	{"web", 0, OPTION_FLAG, NULL, "draw on a page that a browser shows, until Ctrl-C", AT(web)},
	{"listen", 'l', OPTION_TEXT, "ADDRESS:PORT", "with --web: where [127.0.0.1:7781]",
	 AT(listen)},
	{"quiet", 'q', OPTION_FLAG, NULL, "only the sums at the end", AT(quiet)},
	{"snaplen", 's', OPTION_COUNT, "BYTES",
	 "take so much of each packet [68; with --write 262144]", AT(snaplen), NULL, 16,
	 WHOLE_SNAPLEN},
	{"no-promiscuous", 'p', OPTION_FLAG, NULL, "only what the device would take in without us",
	 AT(not_promiscuous)},
	{"timeout", 't', OPTION_DURATION, "TIME",
	 "the kernel may collect packets for so long before it wakes us [100ms]", AT(timeout), NULL,
	 0.001, 10},
	{"buffer", 'B', OPTION_COUNT, "BYTES", "the kernel's buffer for each device [8Mi]",
	 AT(buffer), NULL, 65536, 1u << 30},
	{"port", 0, OPTION_COUNT, "PORT", "UDP port of Baton's messages [7700]", AT(port), NULL, 1,
	 65535},
	{NULL},
};

struct monitor {
	struct options options;
	struct show show;
	struct source *sources;
	unsigned int count;
	struct record *record;
	uint64_t begun; /* monotonic; live */
	char *filter;
};

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
	(void)number;
	stopped = 1;
}

static void catch_signals(void)
{
	struct sigaction action = {.sa_handler = on_signal};

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static uint64_t taken(const struct monitor *monitor)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < monitor->count; i++)
		sum += monitor->sources[i].taken;
	return sum;
}

/* How many packets are still wanted; 0: no limit. */
static uint64_t wanted(const struct monitor *monitor)
{
	return monitor->options.count ? monitor->options.count - taken(monitor) : 0;
}

static bool satisfied(const struct monitor *monitor)
{
	return stopped || ferror(stdout) ||
	       (monitor->options.count && taken(monitor) >= monitor->options.count);
}

static void flush(struct monitor *monitor, uint64_t wall, double seconds)
{
	for (unsigned int i = 0; i < monitor->count; i++) {
		struct source *source = &monitor->sources[i];
		struct counts interval = source->interval;

		source_flush(source);
		if (monitor->options.quiet || seconds <= 0)
			continue;
		source->interval = interval;
		show_interval(&monitor->show, source, i, wall, seconds);
		memset(&source->interval, 0, sizeof(source->interval));
	}
}

/* A file's intervals are those of its packets' times; empty ones are left out. */
static void next_interval(void *user, uint64_t packet_ns)
{
	struct monitor *monitor = user;
	struct source *source = &monitor->sources[0];
	uint64_t interval = monitor->options.interval;

	if (source->taken)
		flush(monitor, source->boundary_ns, (double)interval / 1e9);
	else
		source->boundary_ns = packet_ns;
	source->boundary_ns += ((packet_ns - source->boundary_ns) / interval + 1) * interval;
}

static int read_file(struct monitor *monitor)
{
	struct source *source = &monitor->sources[0];

	if (monitor->options.interval) {
		source->boundary_ns = 1;
		source->crossed = next_interval;
		source->user = monitor;
	}
	while (!source->ended && !satisfied(monitor))
		if (source_read(source, wanted(monitor)))
			return failed("%s", source->error);
	flush(monitor, source->boundary_ns, (double)monitor->options.interval / 1e9);
	source->received = source->taken;
	show_summary(&monitor->show, monitor->sources, monitor->count,
		     (double)(source->last_ns - source->first_ns) / 1e9);
	return EXIT_DONE;
}

static bool all_ended(const struct monitor *monitor)
{
	for (unsigned int i = 0; i < monitor->count; i++)
		if (!monitor->sources[i].ended)
			return false;
	return true;
}

/* Waits until a source has something or `until` has come. */
static void wait_sources(const struct monitor *monitor, uint64_t until)
{
	struct pollfd ready[SOURCES_MAX];
	uint64_t now = clock_now(), wait = until > now ? (until - now) / NS_PER_MS + 1 : 0;

	for (unsigned int i = 0; i < monitor->count; i++)
		ready[i] = (struct pollfd){.fd = monitor->sources[i].ended ? -1
									   : monitor->sources[i].fd,
					   .events = POLLIN};
	poll(ready, monitor->count, wait > 100 ? 100 : (int)wait);
}

static int watch_live(struct monitor *monitor)
{
	uint64_t last = monitor->begun, next = last + monitor->options.interval, now, end;

	end = monitor->options.length ? monitor->begun + monitor->options.length : UINT64_MAX;
	while (!satisfied(monitor) && !all_ended(monitor) && clock_now() < end) {
		wait_sources(monitor, next < end ? next : end);
		for (unsigned int i = 0; i < monitor->count && !satisfied(monitor); i++)
			if (!monitor->sources[i].ended &&
			    source_read(&monitor->sources[i], wanted(monitor)))
				return failed("%s", monitor->sources[i].error);
		now = clock_now();
		if (now < next)
			continue;
		flush(monitor, clock_wall(), (double)(now - last) / 1e9);
		last = now;
		while (next <= now)
			next += monitor->options.interval;
	}
	if (!monitor->options.count || taken(monitor) < monitor->options.count)
		for (unsigned int i = 0; i < monitor->count; i++)
			source_drain(&monitor->sources[i]);
	now = clock_now();
	flush(monitor, clock_wall(), (double)(now - last) / 1e9);
	show_summary(&monitor->show, monitor->sources, monitor->count,
		     (double)(now - monitor->begun) / 1e9);
	return EXIT_DONE;
}

/* Every source has its own copy of what is watched: a node's Ethernet address differs by where one
 * looks from. */
static int read_watched(const struct options *options, struct watch_list *list)
{
	for (unsigned int i = 0; i < options->vips.count; i++)
		if (watch_add(list, options->vips.items[i], false))
			return misused("--vip '%s' is no address", options->vips.items[i]);
	for (unsigned int i = 0; i < options->nodes.count; i++)
		if (watch_add(list, options->nodes.items[i], true))
			return misused("--node '%s' isn't NAME=ADDRESS or NAME=ADDRESS,MAC",
				       options->nodes.items[i]);
	return EXIT_DONE;
}

static int open_sources(struct monitor *monitor)
{
	const struct options *options = &monitor->options;
	struct source_options how = {
		.device = options->device,
		.filter = monitor->filter,
		.snaplen = (int)options->snaplen,
		.promiscuous = !options->not_promiscuous,
		.timeout_ms = (int)(options->timeout / NS_PER_MS),
		.buffer_bytes = (int)options->buffer,
		.port = (uint16_t)options->port,
		.classes_only = !monitor->filter && !options->write && !options->count &&
				!options->vips.count && !options->nodes.count,
	};
	struct watch_list watched = {.count = 0};
	unsigned int count = options->hosts.count ? options->hosts.count : 1;
	char interval[32];
	int error;

	error = read_watched(options, &watched);
	if (error)
		return error;
	snprintf(interval, sizeof(interval), "%.9g", (double)options->interval / 1e9);
	for (unsigned int i = 0; i < count; i++) {
		struct source *source = &monitor->sources[i];

		source->watched = watched;
		if (options->read)
			error = source_open_file(source, options->read, &how);
		else if (options->hosts.count)
			error = source_open_host(source, options->hosts.items[i], options->lab,
						 &how, interval);
		else
			error = source_open_device(source, &how);
		if (error == -EPERM)
			return failed("%s; capturing needs root or CAP_NET_RAW", source->error);
		if (error)
			return failed("%s", source->error);
		monitor->count++;
	}
	return EXIT_DONE;
}

static int open_record(struct monitor *monitor)
{
	const struct options *options = &monitor->options;
	struct source *first = &monitor->sources[0];
	int error;

	if (!options->write)
		return EXIT_DONE;
	error = record_open(&monitor->record, options->write, first->link, (int)options->snaplen);
	if (error)
		return failed_errno(error, "can't write %s", options->write);
	for (unsigned int i = 0; i < monitor->count; i++) {
		struct source *source = &monitor->sources[i];

		if (!source->pcap)
			return misused("%s sends counts, no packets: nothing to --write",
				       source->name);
		source->record_number = record_source(monitor->record, source->name, source->link,
						      (int)options->snaplen);
		if (source->record_number < 0)
			return failed("a pcap file holds one link type only; name it %s.pcapng",
				      options->write);
		source->record = monitor->record;
	}
	return EXIT_DONE;
}

static void say_listening(const struct monitor *monitor)
{
	for (unsigned int i = 0; i < monitor->count; i++) {
		const struct source *source = &monitor->sources[i];

		fprintf(stderr, "baton: listening on %s%s%s\n", source->name,
			source->device[0] ? " " : "", source->device);
		if (source->bypassed)
			fprintf(stderr,
				"baton: %s %s has an XDP program: what that answers or sends on "
				"isn't seen here, but at the switch's port\n",
				source->name, source->device);
	}
}

static char *join(int count, char **words)
{
	struct buffer text = BUFFER_EMPTY;

	for (int i = 0; i < count; i++)
		buffer_format(&text, "%s%s", i ? " " : "", words[i]);
	return text.length ? buffer_detach(&text) : NULL;
}

static int check(struct options *options)
{
	if (options->read && (options->device || options->hosts.count))
		return misused("--read takes its packets from the file: leave out --interface and "
			       "--host");
	if (options->hosts.count > SOURCES_MAX)
		return misused("at most %d hosts", SOURCES_MAX);
	if (options->gtk + options->text + options->web > 1)
		return misused("one of --gtk, --web and --text");
	if (options->listen && !options->web)
		return misused("--listen goes with --web");
	if (!options->snaplen)
		options->snaplen = options->write ? WHOLE_SNAPLEN : PAPER_SNAPLEN;
	if (!options->interval && (!options->read || options->gtk || options->web))
		options->interval = NS_PER_S;
	return EXIT_DONE;
}

static int start_web(const struct options *options, struct monitor_web **web)
{
	const char *where = options->listen ? options->listen : "127.0.0.1:7781";
	struct endpoint listen;
	int error;

	if (endpoint_parse(where, &listen))
		return misused("--listen %s is not ADDRESS:PORT", where);
	error = monitor_web_start(&listen, web);
	if (error)
		return failed_errno(error, "can't serve on %s", where);
	fprintf(stderr, "baton: the graph is at http://%s/\n", where);
	return EXIT_DONE;
}

/* What was counted can be looked at until somebody ends it. */
static void wait_stopped(void)
{
	sigset_t ends, before;

	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	sigprocmask(SIG_BLOCK, &ends, &before);
	while (!stopped)
		sigsuspend(&before);
	sigprocmask(SIG_SETMASK, &before, NULL);
}

static int run_monitor(const struct command *self, int argc, char **argv)
{
	struct monitor monitor = {.options = {.lab = "lab",
					      .port = BATON_PORT,
					      .timeout = 100 * NS_PER_MS,
					      .buffer = 8 << 20}};
	struct options *options = &monitor.options;
	int first = command_parse(self, argc, argv, options), result, error;
	char why[PCAP_ERRBUF_SIZE];
	struct monitor_web *web = NULL;
	pid_t window = 0;

	result = check(options);
	if (result)
		return result;
	if (options->list)
		return show_devices(options->json, why) ? failed("%s", why) : EXIT_DONE;
	monitor.filter = join(argc - first, argv + first);
	monitor.sources = calloc(SOURCES_MAX, sizeof(*monitor.sources));
	monitor.show = (struct show){.json = options->json || options->gtk || options->web,
				     .all = options->all,
				     .hosts = options->hosts.count > 1};
	result = monitor.sources ? open_sources(&monitor) : failed("out of memory");
	if (!result)
		result = open_record(&monitor);
	if (!result && options->gtk) {
		window = window_start();
		if (window < 0)
			result = failed_errno(window, "can't start the window (is the part of "
						      "Baton with GTK installed?)");
	}
	if (!result && options->web)
		result = start_web(options, &web);
	if (!result) {
		catch_signals();
		monitor.begun = clock_now();
		if (!options->read)
			say_listening(&monitor);
		result = options->read ? read_file(&monitor) : watch_live(&monitor);
	}
	for (unsigned int i = 0; i < monitor.count; i++)
		source_close(&monitor.sources[i]);
	if (monitor.record) {
		error = record_close(monitor.record);
		if (error && !result)
			result = failed_errno(error, "can't write %s", options->write);
	}
	if (window > 0)
		window_wait(window);
	if (web && !result) {
		fflush(stdout);
		wait_stopped();
	}
	if (web)
		monitor_web_end(web);
	free(monitor.sources);
	free(monitor.filter);
	return result;
}

const struct command command_monitor = {
	.name = "monitor",
	.operands = "[FILTER]",
	.summary = "Count packets and bytes by protocol, live or from a capture file",
	.description =
		"Classes are Total, TCP, IP, ARP and Other, and beyond these UDP, ICMP, IPv6 and "
		"Baton's own messages. IP holds IPv4 and IPv6, and TCP; Other is neither IP nor "
		"ARP; classes follow the outermost header behind VLAN tags, later fragments count "
		"by their protocol number. Bytes are those on the wire, whatever the snaplen.\n\n"
		"FILTER is libpcap's language, as tcpdump's: 'tcp port 80'.",
	.options = specs,
	.run = run_monitor,
};
