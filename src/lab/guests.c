#include "lab/guests.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/fail.h"
#include "base/process.h"
#include "control/paths.h"
#include "guest/console.h"
#include "guest/image.h"
#include "guest/machine.h"
#include "guest/pack.h"
#include "lab/keeper.h"
#include "lab/topology.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { KERNEL_LEAST = 6009, EXEC_S = 3600 };

bool guests_wanted(const struct guests *guests)
{
	return strcmp(guests->host, "namespace");
}

/* The kernel and the initial file system ("": none) that are booted. */
static void kernel_files(const struct guests *guests, char *kernel, char *initrd)
{
	char image[PATH_MAX];

	image_default(image);
	*initrd = 0;
	if (guests->kernel)
		snprintf(kernel, PATH_MAX, "%s", guests->kernel);
	else
		snprintf(kernel, PATH_MAX, "%.4000s/" IMAGE_KERNEL, image);
	if (guests->initrd)
		snprintf(initrd, PATH_MAX, "%s", guests->initrd);
	else if (!guests->kernel)
		snprintf(initrd, PATH_MAX, "%.4000s/" IMAGE_INITRD, image);
}

int guests_check(const struct guests *guests)
{
	char kernel[PATH_MAX], initrd[PATH_MAX], version[64];
	int number;

	kernel_files(guests, kernel, initrd);
	number = machine_kernel_version(kernel, version);
	if (!number && !guests->kernel)
		return failed("lab: guests need a kernel: 'baton measure image' gets one, or name "
			      "one by --kernel");
	if (!number)
		return misused("--kernel %s is no Linux kernel that can be read", kernel);
	if (number < KERNEL_LEAST)
		return misused("--kernel %s is Linux %s; a node needs 6.9 or later", kernel,
			       version);
	if (*initrd && access(initrd, R_OK))
		return misused("--initrd %s: %s", initrd, strerror(errno));
	if (!strcmp(guests->host, "qemu-kvm") && access("/dev/kvm", R_OK | W_OK))
		return failed("lab: /dev/kvm: %s; --host qemu emulates", strerror(errno));
	return 0;
}

/* What a guest does once it has its address. $1: its name, $2: its IPv6 address. */
static const char start_script[] =
	"#!/bin/sh\n"
	"set -e\n"
	"export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"
	"mkdir -p " RUN_ROOT "/%1$s/log " RUN_ROOT "/%1$s/cache\n"
	"cp -a /lab/state/. " RUN_ROOT "/%1$s/\n"
	"cp /lab/$1.json " RUN_ROOT "/%1$s/processes.json\n"
	"cd /proc/sys/net/ipv4/conf/all\n"
	"echo 0 > rp_filter\n"
	"echo 1 > arp_ignore\n"
	"echo 2 > arp_announce\n"
	"ip -batch - <<END\n"
	"addr add $2/64 dev eth0 nodad\n"
	"addr add " LAB_VIP "/32 dev lo\n"
	"addr add " LAB_VIP6 "/128 dev lo nodad\n"
	"END\n"
	"exec '%2$s' lab keep --name %1$s --here\n";

/* Copies what the lab's folder has for its nodes to where the disk's tree begins. */
static int stage(const char *lab, struct buffer *why)
{
	static const char script[] = "set -e\n"
				     "cd \"$1\"\n"
				     "mkdir -p guest/root/lab/state\n"
				     "cp -a key conf root guest/root/lab/state/\n"
				     "[ ! -e baton.yaml ] || cp baton.yaml guest/root/lab/state/\n";
	char path[STATE_ROOM];
	const char *argv[] = {"sh", "-c", script, "sh", state_path(lab, "", path), NULL};

	return process_run(argv, NULL, why) ? -1 : 0;
}

static int write_start(const char *lab, const char *program)
{
	struct buffer text = BUFFER_EMPTY;
	char path[STATE_ROOM];
	int error;

	buffer_format(&text, start_script, lab, program);
	error = file_write_whole(state_path(lab, "guest/root/lab/start", path), text.data,
				 text.length, 0755);
	buffer_release(&text);
	return error;
}

static int write_list(const char *lab, unsigned int number, const json_t *list)
{
	char path[STATE_ROOM], file[64];

	snprintf(file, sizeof(file), "guest/root/lab/node%u.json", number);
	return json_dump_file(list, state_path(lab, file, path), JSON_INDENT(1)) ? -EIO : 0;
}

static int make_disk(const char *lab, const struct guests *guests, const json_t *inside)
{
	struct buffer why = BUFFER_EMPTY;
	char program[PATH_MAX], folder[STATE_ROOM];
	const char *paths[] = {
		program,
		"nginx",
		"sh",
		"ip",
		"cp",
		"mkdir",
		/* What baton-guest asks for its network, and people who look around. */
		"cat",
		"curl",
		"grep",
		"head",
		"ls",
		"ss",
		"tail",
		"/etc/passwd",
		"/etc/group",
		"/etc/nginx/mime.types",
		guests->root,
		NULL,
	};
	int error = process_self(program);
	json_t *one;
	size_t i;

	if (!error)
		error = stage(lab, &why);
	if (!error)
		error = write_start(lab, program);
	json_array_foreach (inside, i, one)
		if (!error)
			error = write_list(lab, (unsigned int)i + 1, one);
	if (!error)
		error = pack_disk(state_path(lab, "guest", folder), paths, &why);
	if (error)
		failed("lab: the guests: %s", why.length ? why.data : strerror(-error));
	buffer_release(&why);
	return error ? -1 : 0;
}

static void add_one(const char *lab, const struct guests *guests, unsigned int number, json_t *list)
{
	char kernel[PATH_MAX], initrd[PATH_MAX], disk[STATE_ROOM], device[128], console[512];
	char init[160], address[32], address6[32], socket[STATE_ROOM], file[64], name[64];
	char log[STATE_ROOM];
	struct machine_command command;
	struct machine machine = {
		.kvm = !strcmp(guests->host, "qemu-kvm"),
		.cpu = "",
		.memory = guests->memory,
		.disk = state_path(lab, "guest/" PACK_DISK, disk),
		.kernel = kernel,
		.initrd = initrd,
		.netdev = "tap,id=net,ifname=tap0,script=no,downscript=no",
		.device = device,
		.console = console,
		.init = init,
	};

	kernel_files(guests, kernel, initrd);
	/* Frames leave with their checksums filled in, as from every host of the lab. */
	snprintf(device, sizeof(device), ",csum=off,gso=off,guest_csum=off,mac=52:54:00:77:00:%02x",
		 number);
	snprintf(file, sizeof(file), "node%u.console", number);
	snprintf(name, sizeof(name), "log/node%u.console", number);
	snprintf(console, sizeof(console),
		 "socket,id=console,path=%s,server=on,wait=off,logfile=%s",
		 state_path(lab, file, socket), state_path(lab, name, log));
	snprintf(init, sizeof(init), "init %s/16 - /lab/start node%u %s",
		 topology_node_address(number, address), number,
		 topology_node_address6(number, address6));
	machine_command(&machine, &command);
	snprintf(name, sizeof(name), "node%u-guest", number);
	snprintf(file, sizeof(file), "node%u", number);
	keeper_add(list, name, file, true, command.argv);
}

int guests_add(const char *lab, const struct guests *guests, const json_t *inside, json_t *list)
{
	char path[STATE_ROOM];

	if (mkdir(state_path(lab, "guest", path), 0755)) {
		failed_errno(errno, "lab: can't make %s", path);
		return -1;
	}
	if (make_disk(lab, guests, inside))
		return -1;
	for (size_t i = 1; i <= json_array_size(inside); i++)
		add_one(lab, guests, (unsigned int)i, list);
	return 0;
}

bool guests_has(const char *lab, const char *host)
{
	char path[STATE_ROOM], file[80];

	snprintf(file, sizeof(file), "%.60s.console", host);
	return !access(state_path(lab, file, path), F_OK);
}

static int console_open(const char *lab, const char *host, struct console *console)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char path[STATE_ROOM], file[80];
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(file, sizeof(file), "%.60s.console", host);
	state_path(lab, file, path);
	snprintf(address.sun_path, sizeof(address.sun_path), "%.100s", path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		int error = -errno;

		if (fd >= 0)
			close(fd);
		return error;
	}
	console->in = console->out = fd;
	/* Not the number that the last one's command had. */
	console->id = (unsigned long)getpid() << 8;
	return 0;
}

/* One word of a shell's line. */
static void quote(struct buffer *line, const char *word)
{
	buffer_text(line, line->length ? " '" : "'");
	for (; *word; word++)
		if (*word == '\'')
			buffer_text(line, "'\\''");
		else
			buffer_add(line, word, 1);
	buffer_text(line, "'");
}

int guests_exec(const char *lab, const char *host, char *const argv[])
{
	struct buffer line = BUFFER_EMPTY, said = BUFFER_EMPTY;
	struct console console = CONSOLE_NONE;
	int code = console_open(lab, host, &console);

	if (code)
		return failed_errno(code, "lab: the console of %s", host);
	for (; *argv; argv++)
		quote(&line, *argv);
	code = console_run(&console, EXEC_S * NS_PER_S, &said, "%s", line.data);
	if (said.length)
		fwrite(said.data, 1, said.length, stdout);
	close(console.in);
	buffer_release(&console.said);
	buffer_release(&said);
	buffer_release(&line);
	return code < 0 ? failed_errno(code, "lab: %s", host) : code;
}
