#include "lab/keeper.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/fail.h"
#include "base/process.h"
#include "lab/servers.h"
#include "lab/state.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KEPT_MAX = 512, WORDS_MAX = 40, AGAIN_MS = 100, GRACE_MS = 5000, AWAIT_S = 30 };

struct kept {
	const char *name, *host;
	const char *argv[WORDS_MAX + 1];
	bool again;
	unsigned int port; /* who must wait for it waits until this answers; 0: nobody waits */
	bool behind;	   /* begins when all before it that have a port answer there */
	pid_t pid;	   /* 0: not running */
	uint64_t since;	   /* when it was started */
	bool due;	   /* to be started when AGAIN_MS have passed since then */
};

static struct kept kept[KEPT_MAX];
static unsigned int count;
static bool here; /* everything runs in the namespace that the keeper is in */

void keeper_add(json_t *list, const char *name, const char *host, bool again,
		const char *const argv[])
{
	json_t *words = json_array();

	for (; *argv; argv++)
		json_array_append_new(words, json_string(*argv));
	json_array_append_new(list, json_pack("{s:s, s:s, s:b, s:o}", "name", name, "host", host,
					      "again", again, "argv", words));
}

static json_t *last(json_t *list)
{
	return json_array_get(list, json_array_size(list) - 1);
}

void keeper_port(json_t *list, unsigned int port)
{
	json_object_set_new(last(list), "port", json_integer(port));
}

void keeper_behind(json_t *list)
{
	json_object_set_new(last(list), "behind", json_true());
}

int keeper_start(const char *lab, json_t *list)
{
	char path[STATE_ROOM], log[STATE_ROOM], *text = json_dumps(list, JSON_INDENT(1));
	const char *argv[] = {"/proc/self/exe", "lab", "keep", "--name", lab, NULL};
	int error =
		file_write_whole(state_path(lab, "processes.json", path), text, strlen(text), 0644);

	free(text);
	return error ? error : process_start(NULL, argv, state_path(lab, "log/keeper.log", log));
}

int keeper_pid(const char *lab)
{
	struct buffer text = BUFFER_EMPTY, words = BUFFER_EMPTY;
	char path[STATE_ROOM], proc[64];
	int pid = 0;

	if (!buffer_read_file(&text, state_path(lab, "keeper.pid", path), 64))
		pid = atoi(text.data);
	snprintf(proc, sizeof(proc), "/proc/%d/cmdline", pid);
	/* Another program may have the number by now. */
	if (pid && (buffer_read_file(&words, proc, 65536) || words.length < 10 ||
		    !memmem(words.data, words.length, "lab\0keep\0", 9)))
		pid = 0;
	buffer_release(&text);
	buffer_release(&words);
	return pid;
}

int keeper_stop(const char *lab)
{
	int pid = keeper_pid(lab), fd, error = 0;
	struct pollfd gone;

	if (!pid)
		return -ENOENT;
	fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (fd < 0)
		return errno == ESRCH ? -ENOENT : -errno;
	if (kill(pid, SIGTERM))
		error = -errno;
	gone = (struct pollfd){.fd = fd, .events = POLLIN};
	while (!error && poll(&gone, 1, 2 * GRACE_MS) < 1)
		if (kill(pid, SIGKILL))
			error = -errno;
	close(fd);
	return error;
}

/* Who runs under which number, for `lab status` and for whoever wants to end one. */
static void tell_pids(const char *lab)
{
	char path[STATE_ROOM], *text;
	json_t *pids = json_object();

	for (unsigned int i = 0; i < count; i++)
		if (kept[i].pid)
			json_object_set_new(pids, kept[i].name, json_integer(kept[i].pid));
	text = json_dumps(pids, JSON_INDENT(1));
	if (text && file_write_whole(state_path(lab, "pids.json", path), text, strlen(text), 0644))
		log_line(LOG_LEVEL_WARNING, "can't write %s", path);
	free(text);
	json_decref(pids);
}

static void start(const char *lab, struct kept *one)
{
	char netns[128], log[STATE_ROOM], name[80];

	snprintf(netns, sizeof(netns), "baton-%s-%s", lab, one->host);
	snprintf(name, sizeof(name), "log/%s.log", one->name);
	one->due = false;
	one->since = clock_now();
	one->pid = process_start(here ? NULL : netns, one->argv, state_path(lab, name, log));
	if (one->pid < 0) {
		log_line(LOG_LEVEL_ERROR, "can't start %s: %s", one->name, strerror(-one->pid));
		one->pid = 0;
	}
}

/* Takes note of who ended. */
static void reap(bool ending)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (unsigned int i = 0; i < count; i++) {
			if (kept[i].pid != pid)
				continue;
			kept[i].pid = 0;
			kept[i].due = kept[i].again && !ending;
			if (!ending)
				log_line(LOG_LEVEL_WARNING, "%s ended (%s %d)%s", kept[i].name,
					 WIFSIGNALED(status) ? "signal" : "exit",
					 WIFSIGNALED(status) ? WTERMSIG(status)
							     : WEXITSTATUS(status),
					 kept[i].due ? ", to be started again" : "");
		}
}

static bool anybody(void)
{
	for (unsigned int i = 0; i < count; i++)
		if (kept[i].pid)
			return true;
	return false;
}

/* How long until the next one is due, in ms; -1 nobody is. Starts those that are. */
static int revive(const char *lab)
{
	int wait = -1;

	for (unsigned int i = 0; i < count; i++) {
		uint64_t passed = (clock_now() - kept[i].since) / NS_PER_MS;

		if (!kept[i].due)
			continue;
		if (passed >= AGAIN_MS) {
			start(lab, &kept[i]);
			tell_pids(lab);
		} else if (wait < 0 || (int)(AGAIN_MS - passed) < wait)
			wait = (int)(AGAIN_MS - passed);
	}
	return wait;
}

/* Every process began a session of its own, so its workers go with it. */
static void signal_all(int signal)
{
	for (unsigned int i = 0; i < count; i++)
		if (kept[i].pid)
			kill(-kept[i].pid, signal);
}

static int read_list(const char *lab)
{
	char path[STATE_ROOM];
	json_error_t why;
	json_t *list = json_load_file(state_path(lab, "processes.json", path), 0, &why), *one;
	size_t i, j;

	if (!list)
		return failed("lab keep: %s: %s", path, why.text);
	json_array_foreach (list, i, one) {
		json_t *words = json_object_get(one, "argv"), *word;

		if (count == KEPT_MAX)
			break;
		kept[count].name = json_string_value(json_object_get(one, "name"));
		kept[count].host = json_string_value(json_object_get(one, "host"));
		kept[count].port = (unsigned int)json_integer_value(json_object_get(one, "port"));
		kept[count].behind = json_is_true(json_object_get(one, "behind"));
		kept[count].again = json_is_true(json_object_get(one, "again"));
		json_array_foreach (words, j, word)
			if (j < WORDS_MAX)
				kept[count].argv[j] = json_string_value(word);
		if (!kept[count].name || !kept[count].host || !kept[count].argv[0])
			return failed("lab keep: %s: entry %zu is not whole", path, i);
		count++;
	}
	return 0; /* the list stays: the strings are its */
}

static void await_before(const char *lab, unsigned int end)
{
	for (unsigned int i = 0; i < end; i++) {
		if (kept[i].port && kept[i].pid &&
		    server_await(lab, kept[i].host, SERVER_HERE, kept[i].port, AWAIT_S))
			log_line(LOG_LEVEL_WARNING, "%s does not answer on port %u after %d s",
				 kept[i].name, kept[i].port, AWAIT_S);
		kept[i].port = 0;
	}
}

struct keep_values {
	const char *name;
	bool here;
};

static int run(const struct command *self, int argc, char **argv)
{
	struct keep_values values = {NULL, false};
	char path[STATE_ROOM], text[32];
	sigset_t signals;
	uint64_t ended = 0;
	int fd, error;

	command_parse(self, argc, argv, &values);
	if (!values.name)
		return misused("lab keep needs --name");
	here = values.here;
	error = read_list(values.name);
	if (error)
		return error;
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGCHLD);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return failed_errno(errno, "lab keep: can't wait for signals");
	snprintf(text, sizeof(text), "%d\n", getpid());
	error = file_write_whole(state_path(values.name, "keeper.pid", path), text, strlen(text),
				 0644);
	if (error)
		return failed_errno(error, "lab keep: can't write %s", path);
	for (unsigned int i = 0; i < count; i++) {
		if (kept[i].behind)
			await_before(values.name, i);
		start(values.name, &kept[i]);
	}
	tell_pids(values.name);
	while (!ended || anybody()) {
		struct pollfd wake = {.fd = fd, .events = POLLIN};
		struct signalfd_siginfo got;

		poll(&wake, 1, ended ? GRACE_MS : revive(values.name));
		while (read(fd, &got, sizeof(got)) == (ssize_t)sizeof(got))
			if (got.ssi_signo != SIGCHLD && !ended) {
				ended = clock_now();
				signal_all(SIGTERM);
			}
		reap(ended);
		if (!ended)
			tell_pids(values.name);
		if (ended && clock_now() - ended > GRACE_MS * NS_PER_MS)
			signal_all(SIGKILL);
	}
	unlink(path);
	return EXIT_DONE;
}

static const struct option_spec options[] = {
	{"name", 0, OPTION_TEXT, "LAB", "which lab", offsetof(struct keep_values, name)},
	{"here", 0, OPTION_FLAG, NULL, "in a guest: hosts have no namespaces",
	 offsetof(struct keep_values, here)},
	{0},
};

const struct command command_lab_keep = {
	.name = "keep",
	.summary = "Run a lab's servers and daemons in the foreground (`lab up` does it)",
	.options = options,
	.run = run,
};
