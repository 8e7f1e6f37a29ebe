#include "base/clock.h"
#include "base/fail.h"
#include "base/process.h"
#include "echo/echo.h"
#include "echo/result.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MODELS = 7, LIST_MAX = 16 };

static const char *const model_names[MODELS] = {"iterative", "fork",  "prefork", "thread",
						"pool",	     "epoll", "uring"};

struct options {
	const char *models, *clients, *queues, *accept, *out;
	uint64_t length, settle, interval; /* ns */
	uint64_t size, per_connection, workers;
	bool json, here;
};

#define AT(member) offsetof(struct options, member)
static const struct option_spec specs[] = {
	{"models", 'm', OPTION_TEXT, "LIST",
	 "models to run, with commas [iterative,fork,prefork,thread,pool,epoll,uring]", AT(models)},
	{"clients", 'c', OPTION_TEXT, "LIST", "numbers of clients [30,100,300,500]", AT(clients)},
	{"seconds", 's', OPTION_DURATION, "TIME", "length of each run [5s]", AT(length), NULL, 0.05,
	 86400},
	{"settle", 0, OPTION_DURATION, "TIME",
	 "before that wait at most so long until every client has had a reply [5s]", AT(settle),
	 NULL, 0, 3600},
	{"queues", 'Q', OPTION_TEXT, "LIST",
	 "lengths of the listen queue; 1 is the paper's experiment [1024]", AT(queues)},
	{"accept", 0, OPTION_TEXT, "WHO", "fork and thread: parent or child accepts [parent]",
	 AT(accept), "parent|child"},
	{"per-connection", 'k', OPTION_COUNT, "N",
	 "connect anew after N messages [iterative: 100; the others: never]", AT(per_connection)},
	{"workers", 'w', OPTION_COUNT, "N",
	 "prefork and pool [prefork: one for each client; pool: 8]", AT(workers), NULL, 1, 16384},
	{"size", 0, OPTION_COUNT, "BYTES", "length of a message [32]", AT(size), NULL, 1, 4000},
	{"interval", 0, OPTION_DURATION, "TIME", "look at processors and memory so often [500ms]",
	 AT(interval), NULL, 0.02, 60},
	{"out", 'o', OPTION_TEXT, "DIR",
	 "write a report with charts, every RTT and every look into this directory", AT(out)},
	{"here", 0, OPTION_FLAG, NULL,
	 "in this network namespace, whose counters others move too [in one of its own, where "
	 "that is allowed]",
	 AT(here)},
	{"json", 'j', OPTION_FLAG, NULL, "print the results as one JSON object", AT(json)},
	{NULL},
};

struct plan {
	const char *models[MODELS];
	unsigned int model_count;
	uint64_t clients[LIST_MAX], queues[LIST_MAX];
	unsigned int client_count, queue_count;
};

/* Fills `values` from "30,100". Returns the number, or 0 when the text is wrong. */
static unsigned int read_numbers(const char *text, uint64_t *values, uint64_t least, uint64_t most)
{
	unsigned int count = 0;

	for (;;) {
		size_t length = strcspn(text, ",");
		char word[24];

		if (!length || length >= sizeof(word) || count == LIST_MAX)
			return 0;
		memcpy(word, text, length);
		word[length] = 0;
		if (parse_count(word, &values[count]) || values[count] < least ||
		    values[count] > most)
			return 0;
		count++;
		if (!text[length])
			return count;
		text += length + 1;
	}
}

static unsigned int read_models(const char *text, const char **models)
{
	unsigned int count = 0;

	for (;;) {
		size_t length = strcspn(text, ","), m = 0;

		while (m < MODELS &&
		       (strlen(model_names[m]) != length || memcmp(model_names[m], text, length)))
			m++;
		if (m == MODELS || count == MODELS)
			return 0;
		models[count++] = model_names[m];
		if (!text[length])
			return count;
		text += length + 1;
	}
}

/* A network namespace with a loopback alone: its counters count nothing but this experiment. */
static int move_apart(void)
{
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	int fd, error = 0;

	if (unshare(CLONE_NEWNET))
		return -errno;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request))
		error = -errno;
	if (fd >= 0)
		close(fd);
	return error;
}

struct running {
	pid_t pid;
	FILE *words; /* its standard error */
	unsigned int port;
};

/* Starts `baton echo serve` and waits until it says on which port. Returns 0 or -errno. */
static int start_server(const struct options *options, const struct result *result,
			uint64_t per_connection, struct running *running)
{
	char queue[16], workers[16], after[24], line[256];
	uint64_t count = options->workers;
	int ends[2];

	if (!count)
		count = !strcmp(result->model, "prefork") ? result->clients : 8;
	snprintf(queue, sizeof(queue), "%u", result->queue);
	snprintf(workers, sizeof(workers), "%llu", (unsigned long long)count);
	snprintf(after, sizeof(after), "%llu", (unsigned long long)per_connection);
	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	running->pid = fork();
	if (running->pid < 0) {
		close(ends[0]);
		close(ends[1]);
		return -errno;
	}
	if (!running->pid) {
		dup2(ends[1], STDERR_FILENO);
		execl("/proc/self/exe", "baton", "echo", "serve", "--model", result->model,
		      "--address", "127.0.0.1", "--port", "0", "--queue", queue, "--workers",
		      workers, "--accept", options->accept, "--close-after", after, "--quiet",
		      (char *)NULL);
		_exit(127);
	}
	close(ends[1]);
	running->words = fdopen(ends[0], "r");
	while (running->words && fgets(line, sizeof(line), running->words)) {
		const char *at = strstr(line, " port ");

		if (at && sscanf(at, " port %u, pid", &running->port) == 1)
			return 0;
		fputs(line, stderr); /* why it doesn't start */
	}
	return -ECHILD;
}

/* Ends it and reads its account. Returns 0 or -EIO when it had failed. */
static int stop_server(struct running *running, struct result *result)
{
	struct rusage usage = {0};
	char line[256];
	int status = 0;

	kill(running->pid, SIGTERM);
	while (running->words && fgets(line, sizeof(line), running->words))
		if (!strstr(line, " connections, "))
			fputs(line, stderr);
	while (wait4(running->pid, &status, 0, &usage) < 0 && errno == EINTR)
		continue;
	if (running->words)
		fclose(running->words);
	result->server_seconds = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
				 (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
	result->switches = (uint64_t)(usage.ru_nvcsw + usage.ru_nivcsw);
	return WIFEXITED(status) && !WEXITSTATUS(status) ? 0 : -EIO;
}

static FILE *open_csv(const struct options *options, const struct result *result, const char *kind)
{
	char path[4096];

	if (!options->out)
		return NULL;
	snprintf(path, sizeof(path), "%s/%s-%u-queue%u-%s.csv", options->out, result->model,
		 result->clients, result->queue, kind);
	return fopen(path, "we");
}

static void begin_looking(void *sampler)
{
	sampler_begin(sampler);
}

static int run_one(const struct options *options, struct result *result)
{
	struct clients_options how = {
		.count = result->clients,
		.settle = options->settle,
		.duration = options->length,
		.size = (unsigned int)options->size,
		.per_connection = options->per_connection,
	};
	uint64_t retransmissions = sample_counter("Tcp", "RetransSegs");
	uint64_t syn = sample_counter("TcpExt", "TCPSynRetrans");
	uint64_t overflows = sample_counter("TcpExt", "ListenOverflows");
	uint64_t drops = sample_counter("TcpExt", "ListenDrops");
	double memory = sample_memory_used();
	FILE *rtts = open_csv(options, result, "rtt"), *looks;
	struct running running = {0};
	struct sampler *sampler;
	int error, other;

	/* One client that stays would keep the others waiting for ever. */
	if (!how.per_connection && !strcmp(result->model, "iterative"))
		how.per_connection = 100;
	error = start_server(options, result, how.per_connection, &running);
	if (!error) {
		looks = open_csv(options, result, "usage");
		sampler = sampler_start(running.pid, options->interval, memory, looks);
		if (sampler) {
			how.settled = begin_looking;
			how.user = sampler;
		}
		how.port = running.port;
		how.rtts = rtts;
		if (rtts)
			fprintf(rtts, "client,sent_us,rtt_us,measured\n");
		error = clients_run(&how, &result->seen);
		if (sampler)
			sampler_stop(sampler, &result->used);
		if (looks && fclose(looks) && !error)
			error = -errno;
	}
	if (rtts && fclose(rtts) && !error)
		error = -errno;
	if (running.pid > 0) {
		other = stop_server(&running, result);
		error = error ? error : other;
	}
	result->retransmissions = sample_counter("Tcp", "RetransSegs") - retransmissions;
	result->syn_retransmissions = sample_counter("TcpExt", "TCPSynRetrans") - syn;
	result->overflows = sample_counter("TcpExt", "ListenOverflows") - overflows;
	result->drops = sample_counter("TcpExt", "ListenDrops") - drops;
	return error;
}

static int run_all(const struct options *options, const struct plan *plan, struct results *results)
{
	unsigned int cells = plan->model_count * plan->client_count * plan->queue_count;
	bool human = isatty(STDERR_FILENO);

	results->items = calloc(cells, sizeof(*results->items));
	if (!results->items)
		return failed("out of memory");
	for (unsigned int i = 0; i < cells; i++) {
		struct result *result = &results->items[results->count];
		int error;

		result->model = plan->models[i / plan->client_count % plan->model_count];
		result->clients = (unsigned int)plan->clients[i % plan->client_count];
		result->queue =
			(unsigned int)plan->queues[i / plan->client_count / plan->model_count];
		if (human)
			fprintf(stderr, "\r%u of %u: %s, %u clients, queue %u   ", i + 1, cells,
				result->model, result->clients, result->queue);
		error = run_one(options, result);
		results->count++;
		if (error) {
			if (human)
				fputc('\n', stderr);
			return failed_errno(error, "%s with %u clients", result->model,
					    result->clients);
		}
	}
	if (human)
		fprintf(stderr, "\r%60s\r", "");
	return EXIT_DONE;
}

static int check(struct options *options, struct plan *plan)
{
	plan->model_count = read_models(options->models, plan->models);
	if (!plan->model_count)
		return misused("--models '%s': at most %d of iterative, fork, prefork, thread, "
			       "pool, epoll and uring, with commas",
			       options->models, MODELS);
	plan->client_count = read_numbers(options->clients, plan->clients, 1, 50000);
	if (!plan->client_count)
		return misused("--clients '%s': up to %d numbers from 1 to 50000, with commas",
			       options->clients, LIST_MAX);
	plan->queue_count = read_numbers(options->queues, plan->queues, 0, 65535);
	if (!plan->queue_count)
		return misused("--queues '%s': up to %d numbers from 0 to 65535, with commas",
			       options->queues, LIST_MAX);
	if (options->out && mkdir(options->out, 0755) && errno != EEXIST)
		return failed_errno(errno, "can't make %s", options->out);
	return EXIT_DONE;
}

static int run_run(const struct command *self, int argc, char **argv)
{
	struct options options = {
		.models = "iterative,fork,prefork,thread,pool,epoll,uring",
		.clients = "30,100,300,500",
		.queues = "1024",
		.accept = "parent",
		.length = 5 * NS_PER_S,
		.settle = 5 * NS_PER_S,
		.interval = 500 * NS_PER_MS,
		.size = 32,
	};
	struct results results = {0};
	struct plan plan;
	int result, error;

	command_parse(self, argc, argv, &options);
	result = check(&options, &plan);
	if (result)
		return result;
	process_raise_files(0);
	signal(SIGPIPE, SIG_IGN);
	error = options.here ? 0 : move_apart();
	if (error == -EPERM)
		fprintf(stderr, "baton: not allowed a network namespace: the kernel's counters "
				"are the whole machine's\n");
	else if (error)
		return failed_errno(error, "can't make a network namespace; --here does without");
	results.seconds = (double)options.length / 1e9;
	results.accept = options.accept;
	result = run_all(&options, &plan, &results);
	if (!result && options.json) {
		json_t *object = results_json(&results);

		json_dumpf(object, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
		putchar('\n');
		json_decref(object);
	} else if (!result) {
		results_table(&results);
	}
	if (!result && options.out) {
		error = results_write(&results, options.out);
		if (error)
			result = failed_errno(error, "can't write to %s", options.out);
		else if (!options.json)
			printf("Report: %s/report.html\n", options.out);
	}
	for (unsigned int i = 0; i < results.count; i++)
		clients_release(&results.items[i].seen);
	free(results.items);
	return result;
}

const struct command echo_run = {
	.name = "run",
	.summary = "Set the models side by side: round trips, processor time, memory, by number of "
		   "clients",
	.description =
		"Starts each server on this machine with each number of clients and each length of "
		"the listen queue. Every client sends a line, waits for its reply, checks it and "
		"sends the next.\n\n"
		"The first message of a connection may have waited for the server's turn: it is "
		"reported apart, from connect() on. Processor time and memory are those of the "
		"intervals looked at, not averages since boot.",
	.options = specs,
	.run = run_run,
};
