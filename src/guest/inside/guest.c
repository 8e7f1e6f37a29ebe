/* Usage: baton-guest serve PORT
 *        baton-guest agent                        commands from stdin, as agent.h says
 *        baton-guest init [ADDRESS/LEN [GATEWAY|- [PROGRAM WORD...]]]
 *                                                 as process 1 of a machine: mounts, network, the
 *                                                 program in the background, agent
 *        baton-guest                              the program that is fetched on demand: says
 * "done"
 */
#include "guest/inside/guest.h"

#include "guest/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void say(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vdprintf(1, format, arguments);
	va_end(arguments);
}

/* Passes output on in whole lines; a last one without an end is ended. */
struct lines {
	char text[1024];
	size_t length;
};

static void flush(struct lines *lines, unsigned long id)
{
	if (lines->length)
		say(AGENT_MARK "%lu + %.*s\n", id, (int)lines->length, lines->text);
	lines->length = 0;
}

static void pass(struct lines *lines, unsigned long id, const char *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (bytes[i] == '\n') {
			if (!lines->length)
				say(AGENT_MARK "%lu + \n", id);
			flush(lines, id);
			continue;
		}
		if (lines->length == sizeof(lines->text))
			flush(lines, id);
		lines->text[lines->length++] = bytes[i];
	}
}

static long seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

/* Runs one command to its end. What it leaves in the background may keep the pipe: its own end
 * counts, not the pipe's. */
static void run(unsigned long id, long allowed, const char *command)
{
	int out[2], status = 0, code;
	struct lines lines = {.length = 0};
	long end = seconds() + allowed;
	bool ended = false;
	char block[4096];
	pid_t pid;

	if (pipe2(out, O_CLOEXEC)) {
		say(AGENT_MARK "%lu = 126\n", id);
		return;
	}
	pid = fork();
	if (!pid) {
		int null = open("/dev/null", O_RDONLY);

		setsid();
		dup2(null, 0);
		dup2(out[1], 1);
		dup2(out[1], 2);
		execl("/bin/sh", "sh", "-c", command, NULL);
		_exit(127);
	}
	close(out[1]);
	fcntl(out[0], F_SETFL, O_NONBLOCK);
	for (;;) {
		struct pollfd wait = {.fd = out[0], .events = POLLIN};
		ssize_t got;
		pid_t gone;

		poll(&wait, 1, 5);
		while ((got = read(out[0], block, sizeof(block))) > 0)
			pass(&lines, id, block, (size_t)got);
		if (ended)
			break;
		/* Orphans come to process 1; they are taken here too. */
		while (!ended && (gone = waitpid(-1, &status, WNOHANG)) > 0)
			ended = gone == pid;
		if (!ended && !got)
			poll(NULL, 0, 5); /* the pipe's end is before the command's */
		if (!ended && (pid < 0 || seconds() > end)) {
			kill(-pid, SIGKILL);
			flush(&lines, id);
			close(out[0]);
			waitpid(pid, &status, 0);
			say(AGENT_MARK "%lu = %d\n", id, AGENT_TIMEOUT);
			return;
		}
	}
	flush(&lines, id);
	close(out[0]);
	code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	say(AGENT_MARK "%lu = %d\n", id, code);
}

static int agent(void)
{
	FILE *in = fdopen(dup(0), "r");
	struct termios terminal;
	char line[128];

	if (!in)
		return 1;
	/* Bytes as they are: the terminal neither echoes nor edits. */
	if (!tcgetattr(0, &terminal)) {
		cfmakeraw(&terminal);
		tcsetattr(0, TCSANOW, &terminal);
	}
	say("\n" AGENT_MARK "ready\n");
	while (fgets(line, sizeof(line), in)) {
		unsigned long id, length;
		char *command;
		long allowed;

		if (!strcmp(line, "off\n"))
			return 0;
		if (sscanf(line, "run %lu %ld %lu", &id, &allowed, &length) != 3 ||
		    length > AGENT_COMMAND_MOST)
			continue;
		command = calloc(1, length + 1);
		if (command && fread(command, 1, length, in) == length)
			run(id, allowed, command);
		free(command);
	}
	return 0;
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd >= 0 && write(fd, text, strlen(text)) < 0)
		say("%s: %s\n", path, strerror(errno));
	if (fd >= 0)
		close(fd);
}

static int shell(const char *format, ...)
{
	char command[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(command, sizeof(command), format, arguments);
	va_end(arguments);
	return system(command);
}

/* A machine without devices has no randomness for minutes, and programs wait for it. What its clock
 * gives is enough for a guest that is thrown away, and whose keys protect nothing. */
static void seed_random(void)
{
	struct {
		struct rand_pool_info info;
		uint64_t bytes[32];
	} pool = {.info = {.entropy_count = 256, .buf_size = sizeof(pool.bytes)}};
	int fd = open("/dev/urandom", O_WRONLY | O_CLOEXEC);

	for (size_t i = 0; i < sizeof(pool.bytes) / sizeof(pool.bytes[0]); i++) {
		struct timespec now;

		clock_gettime(CLOCK_REALTIME, &now);
		pool.bytes[i] = (uint64_t)now.tv_nsec ^ (uint64_t)now.tv_sec << 32;
		poll(NULL, 0, 1);
	}
	if (fd >= 0) {
		ioctl(fd, RNDADDENTROPY, &pool);
		close(fd);
	}
}

/* What the kernel leaves to process 1. */
static int init(const char *address, const char *gateway, char *const program[])
{
	int code;

	setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
	setenv("HOME", "/root", 1);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sys", "/sys", "sysfs", 0, NULL);
	mount("bpf", "/sys/fs/bpf", "bpf", 0, NULL);
	mount("cgroup", "/sys/fs/cgroup", "cgroup2", 0, NULL);
	mount("dev", "/dev", "devtmpfs", 0, NULL);
	mkdir("/dev/pts", 0755);
	mkdir("/dev/shm", 01777);
	mount("pts", "/dev/pts", "devpts", 0, NULL);
	/* A disk that was packed for a program may have what it needs there. */
	if (!program[0]) {
		mount("run", "/run", "tmpfs", 0, "mode=755");
		mount("tmp", "/tmp", "tmpfs", 0, "mode=1777");
	}
	put("/proc/sys/kernel/printk", "1");
	put("/proc/sys/vm/panic_on_oom", "0");
	seed_random();
	code = shell("ip link set lo up");
	for (int tries = 0; address && tries < 100; tries++) {
		if (!access("/sys/class/net/eth0", F_OK) || !access("/sys/class/net/vec0", F_OK))
			break;
		if (!tries)
			code = shell("modprobe -q virtio_net");
		poll(NULL, 0, 50);
	}
	if (address)
		code = shell("set -e; d=$(ls /sys/class/net | grep -E '^(eth|vec)' | head -n 1); "
			     "ip link set $d up; ip addr add %s dev $d; "
			     "[ -z '%s' ] || ip route add default via '%s'",
			     address, gateway, gateway);
	if (code)
		say("baton-guest: the network can't be set up\n");
	if (program[0] && !fork()) {
		setsid();
		execv(program[0], program);
		say("baton-guest: %s: %s\n", program[0], strerror(errno));
		_exit(127);
	}
	agent();
	sync();
	reboot(RB_POWER_OFF);
	return 0;
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	if (argc >= 2 && !strcmp(argv[1], "init"))
		return init(argc > 2 ? argv[2] : NULL,
			    argc > 3 && strcmp(argv[3], "-") ? argv[3] : "",
			    argv + (argc > 4 ? 4 : argc));
	if (argc == 2 && !strcmp(argv[1], "agent")) {
		prctl(PR_SET_CHILD_SUBREAPER, 1);
		return agent();
	}
	if (argc == 3 && !strcmp(argv[1], "serve"))
		return guest_serve(atoi(argv[2]));
	puts("done");
	return 0;
}
