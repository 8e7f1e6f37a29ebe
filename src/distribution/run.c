#include "distribution/run.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "base/fail.h"
#include "base/process.h"

#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PORT "9000"
#define VIP  "10.77.0.100"

const char *const host_names[HOSTS] = {"client", "front", "node1", "node2", "node3"};
const char *const class_names[CLASSES] = {"total", "tcp", "ip", "arp", "other"};

/* How long programs get to be ready; far more than they need. */
#define READY (60 * NS_PER_S)

/* Starts a program with its output in the file `out`. Returns its pid or -errno. */
static pid_t start(const char *const argv[], const char *out)
{
	pid_t child = fork();

	if (child < 0)
		return -errno;
	if (!child) {
		if (!freopen(out, "we", stdout) || dup2(STDOUT_FILENO, STDERR_FILENO) < 0)
			_exit(127);
		/* The copy that stdio opened closes itself on exec; descriptor 1 must not. */
		if (dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
			_exit(127);
		execv(argv[0], (char *const *)argv);
		_exit(127);
	}
	return child;
}

static void stop(pid_t *child, int number)
{
	int status;

	if (*child <= 0)
		return;
	kill(*child, number);
	while (waitpid(*child, &status, 0) < 0 && errno == EINTR)
		;
	*child = 0;
}

static bool ended(pid_t child)
{
	siginfo_t info = {0};

	return waitid(P_PID, (id_t)child, &info, WEXITED | WNOHANG | WNOWAIT) || info.si_pid;
}

/* The last line of a file that is a JSON object; NULL when there is none. */
static json_t *last_object(const char *path)
{
	struct buffer text = BUFFER_EMPTY;
	json_t *object = NULL;
	char *rest, *line;

	if (!buffer_read_file(&text, path, 64 << 20) && text.data)
		for (line = strtok_r(text.data, "\n", &rest); line;
		     line = strtok_r(NULL, "\n", &rest)) {
			json_t *next = *line == '{' ? json_loads(line, 0, NULL) : NULL;

			if (!next)
				continue;
			json_decref(object);
			object = next;
		}
	buffer_release(&text);
	return object;
}

static uint64_t number_of(const json_t *object, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(object, key));
}

/* Runs a command on a host and gives its output. */
static int on_host(const struct place *place, const char *host, struct buffer *out,
		   const char *const command[])
{
	const char *argv[24] = {place->program, "lab", "exec", "--name", place->lab, host, "--"};
	int count = 7;

	while (*command)
		argv[count++] = *command++;
	argv[count] = NULL;
	return process_run(argv, NULL, out);
}

static int read_devices(const struct place *place, struct run *run, int sign)
{
	for (int i = 0; i < HOSTS; i++) {
		struct buffer out = BUFFER_EMPTY;
		json_t *root, *all, *in, *sent;
		int result = on_host(place, host_names[i], &out,
				     (const char *const[]){"ip", "-j", "-s", "link", "show", "dev",
							   "eth0", NULL});

		root = result || !out.data ? NULL : json_loads(out.data, 0, NULL);
		buffer_release(&out);
		all = json_object_get(json_array_get(root, 0), "stats64");
		in = json_object_get(all, "rx");
		sent = json_object_get(all, "tx");
		if (!in || !sent) {
			json_decref(root);
			return failed("%s: its device's counters can't be read", host_names[i]);
		}
		/* Unsigned sums wrap back: minus the count before, plus the count after. */
		run->in[i].packets += (uint64_t)sign * number_of(in, "packets");
		run->in[i].bytes += (uint64_t)sign * number_of(in, "bytes");
		run->out[i].packets += (uint64_t)sign * number_of(sent, "packets");
		run->out[i].bytes += (uint64_t)sign * number_of(sent, "bytes");
		json_decref(root);
	}
	return 0;
}

/* Waits until every receiver listens and the monitor captures on every host. */
static int wait_ready(const struct place *place, const pid_t *sinks, pid_t monitor,
		      const char *monitor_out)
{
	uint64_t end = clock_now() + READY;

	for (;;) {
		struct buffer said = BUFFER_EMPTY;
		int ready = 0;

		for (int i = 0; i < RECEIVERS; i++) {
			struct buffer out = BUFFER_EMPTY;

			if (ended(sinks[i]))
				return failed("the receiver on %s could not be started",
					      host_names[HOST_RECEIVER + i]);
			on_host(place, host_names[HOST_RECEIVER + i], &out,
				(const char *const[]){"ss", "-Hltn", "sport = :" PORT, NULL});
			ready += out.length > 0;
			buffer_release(&out);
		}
		if (!buffer_read_file(&said, monitor_out, 1 << 20) && said.data)
			for (const char *at = said.data; (at = strstr(at, "listening on")); at++)
				ready++;
		buffer_release(&said);
		if (ready >= RECEIVERS + HOSTS)
			return 0;
		if (ended(monitor))
			return failed("the monitor could not be started: see %s", monitor_out);
		if (clock_now() > end)
			return failed("receivers and monitor were not ready within a minute");
		usleep(20000);
	}
}

/* Reads when each block came and adds up what each receiver had by each point of the run. */
static void read_times(const struct place *place, struct run *run, unsigned int number)
{
	uint64_t upto[POINTS][RECEIVERS] = {0}, first = UINT64_MAX;
	double span = run->seconds * 1e9;

	for (int pass = 0; pass < 2; pass++) {
		for (int i = 0; i < RECEIVERS; i++) {
			unsigned long long received, sent, of_run, message, index, bytes;
			char path[PATH_MAX + 64], line[256];
			FILE *in;

			snprintf(path, sizeof(path), "%s/run%u/%s/received.tsv", place->directory,
				 number, host_names[HOST_RECEIVER + i]);
			in = fopen(path, "re");
			while (in && fgets(line, sizeof(line), in)) {
				int point;

				if (sscanf(line, "%llu %llu %llu %llu %llu %llu", &received, &sent,
					   &of_run, &message, &index, &bytes) != 6)
					continue;
				if (!pass) {
					first = sent < first ? sent : first;
					continue;
				}
				point = received > first
						? (int)((double)(received - first) / span * POINTS)
						: 0;
				for (; point < POINTS; point++)
					upto[point][i] += bytes;
			}
			if (in)
				fclose(in);
		}
	}
	for (int point = 0; point < POINTS; point++)
		run->over_time[point] = imbalance_of(upto[point], -1);
}

static void read_monitor(struct run *run, const char *path)
{
	json_t *object = last_object(path);

	for (int i = 0; i < HOSTS; i++) {
		const json_t *host =
			json_object_get(json_object_get(object, "hosts"), host_names[i]);

		for (int c = 0; c < CLASSES; c++) {
			const json_t *class = json_object_get(host, class_names[c]);

			run->classes[i][c].packets = number_of(class, "packets");
			run->classes[i][c].bytes = number_of(class, "bytes");
		}
	}
	json_decref(object);
}

static int generate(const struct place *place, struct run *run, unsigned int number)
{
	char duration[32], rate[32], seed[16];
	struct buffer out = BUFFER_EMPTY;
	json_t *object = NULL;

	snprintf(duration, sizeof(duration), "%.6f", run->seconds);
	snprintf(rate, sizeof(rate), "%.6f", place->rate);
	snprintf(seed, sizeof(seed), "%u", number);
	on_host(place, host_names[HOST_GENERATOR], &out,
		(const char *const[]){place->program, "load", "raw", VIP ":" PORT, "--duration",
				      duration, "--rate", rate, "--sizes", place->sizes, "--seed",
				      seed, "--run", seed, "--json", NULL});
	if (out.data && *out.data == '{')
		object = json_loads(out.data, JSON_DISABLE_EOF_CHECK, NULL);
	if (!object) {
		failed("the generator failed: %s", out.data ? out.data : "it said nothing");
		buffer_release(&out);
		return EXIT_FAILED;
	}
	run->sent = number_of(object, "bytes");
	run->messages = number_of(object, "messages");
	run->errors = number_of(object, "errors");
	json_decref(object);
	buffer_release(&out);
	return 0;
}

/* What the receivers say, once they ended. */
static int read_sinks(struct run *run, char out[RECEIVERS][PATH_MAX + 64])
{
	for (int i = 0; i < RECEIVERS; i++) {
		json_t *object = last_object(out[i]);

		if (!object)
			return failed("%s: the receiver said nothing",
				      host_names[HOST_RECEIVER + i]);
		run->bytes[i] = number_of(object, "bytes");
		run->stored[i] = number_of(object, "stored");
		run->wrong += number_of(object, "bad") + number_of(object, "cut");
		json_decref(object);
	}
	return 0;
}

int run_play(const struct place *place, struct run *run, unsigned int number)
{
	char directory[PATH_MAX + 64], monitor_out[PATH_MAX + 64], out[RECEIVERS][PATH_MAX + 64];
	const char *watch[24] = {place->program, "monitor", "--name", place->lab, "--json", "-q"};
	pid_t sinks[RECEIVERS] = {0}, monitor = 0;
	int result = 0, count = 6;

	snprintf(directory, sizeof(directory), "%s/run%u", place->directory, number);
	result = process_run((const char *const[]){"mkdir", "-p", directory, NULL}, NULL, NULL);
	if (result)
		return failed("%s can't be made", directory);
	for (int i = 0; i < RECEIVERS; i++) {
		char files[PATH_MAX + 128];
		const char *host = host_names[HOST_RECEIVER + i];

		snprintf(files, sizeof(files), "%s/%s", directory, host);
		snprintf(out[i], sizeof(out[i]), "%s/run%u/%s.json", place->directory, number,
			 host);
		sinks[i] =
			start((const char *const[]){place->program, "lab", "exec", "--name",
						    place->lab, host, "--", place->program, "sink",
						    "--port", PORT, "--dir", files, "--json", NULL},
			      out[i]);
	}
	for (int i = 0; i < HOSTS; i++) {
		watch[count++] = "-H";
		watch[count++] = host_names[i];
	}
	snprintf(monitor_out, sizeof(monitor_out), "%s/run%u/monitor.json", place->directory,
		 number);
	monitor = start(watch, monitor_out);
	result = wait_ready(place, sinks, monitor, monitor_out);
	if (!result)
		result = read_devices(place, run, -1);
	if (!result)
		result = generate(place, run, number);
	if (!result)
		result = read_devices(place, run, 1);
	for (int i = 0; i < RECEIVERS; i++)
		stop(&sinks[i], SIGTERM);
	stop(&monitor, SIGINT);
	if (!result)
		result = read_sinks(run, out);
	if (result)
		return result;
	read_monitor(run, monitor_out);
	read_times(place, run, number);
	return 0;
}
