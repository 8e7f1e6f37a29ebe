#include "measure/subject.h"

#include "base/clock.h"
#include "base/process.h"
#include "measure/cgroup.h"
#include "guest/agent.h"
#include "measure/network.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* In the order of SUBJECT_KINDS, ended by NULL. */
static const struct subject_kind *const kinds[] = {
	&subject_qemu_tcg,   &subject_qemu_kvm, &subject_uml,  &subject_namespace,
	&subject_virtualbox, &subject_remote,	&subject_fake, NULL,
};

const struct subject_kind *subject_kind(int kind)
{
	return kinds[kind];
}

bool subject_has(const char *program, const char *package, struct buffer *why)
{
	const char *path = getenv("PATH");
	char file[PATH_MAX];

	while (path && *path) {
		int length = (int)strcspn(path, ":");

		snprintf(file, sizeof(file), "%.*s/%s", length, path, program);
		if (!access(file, X_OK))
			return true;
		path += length;
		path += *path == ':';
	}
	buffer_format(why, "%s is not installed; install %s", program, package);
	return false;
}

static void remember(struct guest *guest, pid_t pid)
{
	for (int i = 0; i < SUBJECT_PIDS; i++)
		if (!guest->pids[i]) {
			guest->pids[i] = pid;
			return;
		}
}

/* In a child: becomes argv. */
static void become(struct guest *guest, const char *host, const char *group, int in, int out,
		   int errors, const char *const argv[])
{
	char name[64], netns[64];

	setsid();
	snprintf(name, sizeof(name), "baton-%s/%s", guest->run, group);
	cgroup_join(name, getpid());
	if (guest->pin)
		cgroup_pin(!strcmp(group, "client"));
	if (host && netns_enter(network_netns(guest->run, host, netns)))
		_exit(126);
	setenv("TMPDIR", guest->scratch, 1);
	dup2(in, 0);
	dup2(out, 1);
	dup2(errors, 2);
	signal(SIGPIPE, SIG_DFL);
	execvp(argv[0], (char *const *)argv);
	dprintf(2, "%s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

static int open_log(const struct guest *guest, const char *file)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", guest->scratch, file);
	return open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
}

int subject_spawn(struct guest *guest, const char *host, const char *group,
		  const char *const argv[], struct buffer *why)
{
	int pair[2], errors = open_log(guest, "console.log");
	pid_t pid;

	if (errors < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)) {
		buffer_format(why, "no console: %s", strerror(errno));
		return -1;
	}
	fflush(NULL);
	pid = fork();
	if (!pid)
		become(guest, host, group, pair[1], pair[1], errors, argv);
	close(pair[1]);
	guest->console.in = guest->console.out = pair[0];
	guest->console.log = errors;
	if (pid < 0) {
		buffer_format(why, "can't start %s: %s", argv[0], strerror(errno));
		return -1;
	}
	remember(guest, pid);
	return 0;
}

pid_t subject_help(struct guest *guest, const char *host, const char *group,
		   const char *const argv[], struct buffer *why)
{
	int log = open_log(guest, "helper.log"), null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (!pid)
		become(guest, host, group, null, log, log, argv);
	if (log >= 0)
		close(log);
	if (null >= 0)
		close(null);
	if (pid < 0) {
		buffer_format(why, "can't start %s: %s", argv[0], strerror(errno));
		return -1;
	}
	remember(guest, pid);
	return pid;
}

/* What the console's log ends with, on one line. */
static void last_words(const struct guest *guest, struct buffer *why)
{
	struct buffer text = BUFFER_EMPTY;
	char path[PATH_MAX];
	size_t end, begin;

	snprintf(path, sizeof(path), "%s/console.log", guest->scratch);
	if (!buffer_read_file(&text, path, 4 << 20) && text.length) {
		end = text.length;
		while (end && (unsigned char)text.data[end - 1] <= ' ')
			end--;
		begin = end;
		while (begin && end - begin < 160 && text.data[begin - 1] != '\n')
			begin--;
		buffer_text(why, "; its last words: ");
		for (; begin < end; begin++)
			if ((unsigned char)text.data[begin] >= ' ')
				buffer_add(why, text.data + begin, 1);
	}
	buffer_release(&text);
}

/* Which signal ended one of the guest's programs: SIGKILL is what the kernel sends to who has more
 * memory than the plan's host_memory leaves. The console closes a moment before its program has
 * ended. */
static void cause_of_death(struct guest *guest, struct buffer *why)
{
	uint64_t end = clock_now() + NS_PER_S;
	bool found = false;

	while (!found && clock_now() < end) {
		for (int i = 0; i < SUBJECT_PIDS && !found; i++) {
			int status;

			if (!guest->pids[i] || waitpid(guest->pids[i], &status, WNOHANG) <= 0)
				continue;
			found = true;
			guest->pids[i] = 0;
			if (WIFSIGNALED(status))
				buffer_format(why, ", by signal %d (%s)", WTERMSIG(status),
					      strsignal(WTERMSIG(status)));
		}
		poll(NULL, 0, 10);
	}
}

int subject_boot(struct guest *guest, struct buffer *why)
{
	const struct subject_kind *kind = subject_kind(guest->subject->kind);
	int error;

	if (guest->subject->fail == FAIL_BOOT && !kind->pretend) {
		buffer_text(why, "the plan makes it fail to boot");
		return -1;
	}
	if (kind->start(guest, why)) {
		last_words(guest, why);
		return -1;
	}
	if (kind->pretend)
		return 0;
	error = console_await(&guest->console, guest->boot_timeout);
	if (!error)
		return 0;
	if (error == -ETIMEDOUT) {
		buffer_format(why, "did not boot within %lu s",
			      (unsigned long)(guest->boot_timeout / NS_PER_S));
	} else {
		buffer_text(why, "ended before it was ready");
		cause_of_death(guest, why);
	}
	last_words(guest, why);
	return -1;
}

void subject_kill(struct guest *guest)
{
	for (int i = 0; i < SUBJECT_PIDS; i++) {
		if (!guest->pids[i])
			continue;
		kill(-guest->pids[i], SIGKILL);
		kill(guest->pids[i], SIGKILL);
		waitpid(guest->pids[i], NULL, 0);
		guest->pids[i] = 0;
	}
	network_empty(guest->run, "guest");
}

void subject_halt(struct guest *guest)
{
	const struct subject_kind *kind = subject_kind(guest->subject->kind);
	uint64_t end = clock_now() + 3 * NS_PER_S;

	console_close(&guest->console);
	/* Machines get a moment to go by themselves; helpers and the rest don't. */
	for (int i = SUBJECT_PIDS - 1; i >= 0; i--) {
		if (!guest->pids[i])
			continue;
		while (!waitpid(guest->pids[i], NULL, WNOHANG) && clock_now() < end)
			poll(NULL, 0, 20);
	}
	subject_kill(guest);
	if (kind->stop)
		kind->stop(guest);
	network_remove(guest->run, "guest");
}

int subject_tap(struct guest *guest, struct buffer *why)
{
	strcpy(guest->address, BRIDGED_ADDRESS);
	return network_ip(guest->run, "host",
			  "tuntap add dev tap0 mode tap\nlink set tap0 master br0\n"
			  "link set tap0 up\n",
			  why);
}

void subject_untap(struct guest *guest)
{
	struct buffer why = BUFFER_EMPTY;

	if (guest->network == NETWORK_TAP || guest->network == NETWORK_VHOST)
		network_ip(guest->run, "host", "link del tap0\n", &why);
	buffer_release(&why);
}

/* One request to slirp4netns' socket; a socket for each. */
static int slirp_ask(const char *path, const char *request, struct buffer *why)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char answer[512] = "";
	ssize_t got = -1;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	for (int tries = 0; tries < 600; tries++) {
		if (!connect(fd, (struct sockaddr *)&address, sizeof(address)))
			break;
		poll(NULL, 0, 50);
	}
	if (write(fd, request, strlen(request)) == (ssize_t)strlen(request)) {
		shutdown(fd, SHUT_WR);
		got = read(fd, answer, sizeof(answer) - 1);
	}
	close(fd);
	if (got > 0 && !strstr(answer, "\"error\""))
		return 0;
	buffer_format(why, "slirp4netns: %s", got > 0 ? answer : "does not answer");
	return -1;
}

int subject_slirp(struct guest *guest, const char *device, struct buffer *why)
{
	char netns[64], path[128], socket[PATH_MAX], request[256];
	const char *argv[] = {"slirp4netns",	   "--mtu=1500", "-a",	 socket,
			      "--netns-type=path", path,	 device, NULL};

	if (strlen(guest->scratch) > 90) {
		buffer_text(why, "the output folder's path is too long for a socket in it");
		return -1;
	}
	snprintf(path, sizeof(path), "/run/netns/%s", network_netns(guest->run, "guest", netns));
	snprintf(socket, sizeof(socket), "%s/slirp.sock", guest->scratch);
	unlink(socket);
	if (subject_help(guest, "host", "guest", argv, why) < 0)
		return -1;
	for (const int *port = network_ports; *port; port++) {
		snprintf(request, sizeof(request),
			 "{\"execute\":\"add_hostfwd\",\"arguments\":{\"proto\":\"tcp\","
			 "\"host_addr\":\"0.0.0.0\",\"host_port\":%d,\"guest_addr\":\"" NAT_ADDRESS
			 "\",\"guest_port\":%d}}",
			 *port, *port);
		if (slirp_ask(socket, request, why))
			return -1;
	}
	return 0;
}
