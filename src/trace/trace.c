/* `baton trace`: one client's packets, or those of whoever asks for a URL, through front and nodes.
 */
#include "trace/trace.h"

#include "base/clock.h"
#include "base/fail.h"
#include "control/client.h"
#include "control/endpoint.h"
#include "wire/header.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

struct options {
	const char *cluster, *pcap;
	uint64_t count, port;
	bool json;
};

static const struct option_spec option_specs[] = {
	{"name", 0, OPTION_TEXT, "CLUSTER", "which cluster [lab]",
	 offsetof(struct options, cluster)},
	{"pcap", 0, OPTION_TEXT, "FILE",
	 "write both halves of the connections into a file for Wireshark: pcapng where the name "
	 "ends so, else pcap",
	 offsetof(struct options, pcap)},
	{"count", 'n', OPTION_COUNT, "N", "end after so many packets [never]",
	 offsetof(struct options, count), .least = 1, .most = 1e15},
	{"port", 0, OPTION_COUNT, "PORT", "UDP port of Baton's header [7700]",
	 offsetof(struct options, port), .least = 1, .most = 65535},
	{"json", 0, OPTION_FLAG, NULL, "one JSON object a line", offsetof(struct options, json)},
	{0},
};

struct trace {
	const struct options *options;
	struct sources *sources;
	struct capture *capture;
	struct node_names names;
	uint64_t seen, began;
};

static volatile sig_atomic_t over;

static void on_signal(int number)
{
	(void)number;
	over = 1;
}

static const char *text(const json_t *object, const char *key)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value ? value : "";
}

static json_int_t number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static void print_event(const struct trace *trace, const json_t *told, uint64_t time)
{
	json_t *counter;
	size_t i;

	printf("%10.6f  %-8s %-3s %s %s seq %lld ack %lld len %lld%s%s",
	       (double)(time - trace->began) / 1e9, text(told, "host"), text(told, "way"),
	       text(told, "client"), text(told, "flags"), number(told, "seq"), number(told, "ack"),
	       number(told, "length"), *text(told, "wrapped") ? " in " : "", text(told, "wrapped"));
	if (*text(told, "line"))
		printf(" \"%s\"", text(told, "line"));
	printf("\n%23s -> %s", "", text(told, "decision"));
	json_array_foreach (json_object_get(told, "counted"), i, counter)
		printf("%s%s", i ? ", " : "  [", json_string_value(counter));
	puts(i ? "]" : "");
}

static void on_event(void *owner, const struct traced_packet *event, const char *host)
{
	struct trace *trace = owner;
	json_t *told;

	if (trace->options->count && trace->seen >= trace->options->count)
		return;
	trace->seen++;
	if (!trace->began)
		trace->began = event->time_ns;
	told = tell_event(event, host, sources_node(trace->sources, event->after), &trace->names);
	if (trace->options->json) {
		json_dumpf(told, stdout, JSON_COMPACT);
		putchar('\n');
	} else {
		print_event(trace, told, event->time_ns);
	}
	json_decref(told);
	if (trace->capture)
		capture_event(trace->capture, event, host);
}

/* CLIENT, CLIENT:PORT or URL. Returns 0, or the exit code behind a message. */
static int read_target(const char *target, struct trace_filter *filter)
{
	const char *path = target;
	struct endpoint client = {0};
	size_t length;

	if (!address_parse(target, &client.address) || !endpoint_parse(target, &client)) {
		filter->client = client.address;
		filter->client_port = htons(client.port);
		return 0;
	}
	if (strstr(target, "://"))
		path = strchr(strstr(target, "://") + 3, '/');
	if (!path || *path != '/')
		return misused("'%s' is neither an address, nor ADDRESS:PORT, nor a URL with a "
			       "path",
			       target);
	length = strcspn(path, "?#");
	if (length > TRACE_PATH)
		return misused("the path of a traced URL has at most %d characters", TRACE_PATH);
	memcpy(filter->path, path, length);
	filter->path_length = (__u16)length;
	return 0;
}

/* The nodes' names, as far as the front's daemon is here to tell. */
static void read_names(const char *cluster, struct node_names *names)
{
	json_t *status = NULL, *node;
	size_t i;

	if (client_call(cluster, "front", json_pack("{s:s}", "command", "status"), &status))
		return;
	json_array_foreach (json_object_get(status, "nodes"), i, node) {
		json_int_t id = number(node, "id");

		if (id > 0 && id < TRACE_HOSTS)
			snprintf(names->names[id], TRACE_NAME, "%s", text(node, "name"));
	}
	json_decref(status);
}

static int follow(struct trace *trace)
{
	struct sigaction action = {.sa_handler = on_signal};
	int error = 0;

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	fprintf(stderr, "looking on at");
	for (unsigned int i = 0; i < sources_count(trace->sources); i++)
		fprintf(stderr, "%s %s", i ? "," : "", sources_name(trace->sources, i));
	fprintf(stderr, "\n");
	while (!over && !error && (!trace->options->count || trace->seen < trace->options->count)) {
		error = sources_poll(trace->sources, 200);
		fflush(stdout);
	}
	sources_stop(trace->sources);
	fflush(stdout);
	if (sources_lost(trace->sources))
		fprintf(stderr, "%llu events were lost: too many at once\n",
			(unsigned long long)sources_lost(trace->sources));
	return error ? failed_errno(error, "trace: reading events") : EXIT_DONE;
}

static int run(const struct command *self, int argc, char **argv)
{
	struct options options = {.cluster = "lab", .port = BATON_PORT};
	int at = command_parse(self, argc, argv, &options), result, error;
	static struct trace trace;
	struct trace_filter filter = {0};
	char why[512];

	if (at != argc - 1)
		return misused("'%s' takes one client's address, with its port or without, or one "
			       "URL",
			       command_path());
	result = read_target(argv[at], &filter);
	if (result)
		return result;
	filter.port = htons((uint16_t)options.port);
	trace.options = &options;
	read_names(options.cluster, &trace.names);
	if (options.pcap && (error = capture_open(&trace.capture, options.pcap)))
		return failed_errno(error, "trace: %s can't be written", options.pcap);
	if (sources_open(options.cluster, &filter, on_event, &trace, &trace.sources, why)) {
		result = failed("trace: %s", why);
	} else {
		result = follow(&trace);
		sources_close(trace.sources);
	}
	if (trace.capture && (error = capture_close(trace.capture)) && !result)
		result = failed_errno(error, "trace: writing %s", options.pcap);
	return result;
}

const struct command command_trace = {
	.name = "trace",
	.operands = "CLIENT[:PORT]|URL",
	.summary = "Follow a client's packets, or those of whoever asks for a URL, through front "
		   "and nodes",
	.description =
		"Every packet of the client that this machine's programs see: what it was, what "
		"was "
		"decided, why, and what was counted for it; until Ctrl-C. In a lab that is the "
		"whole "
		"cluster, else run it on the front and on the nodes. One trace at a time.",
	.options = option_specs,
	.run = run,
};
