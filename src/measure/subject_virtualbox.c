/* A machine of VirtualBox's that the plan names, driven by VBoxManage. Its init runs `baton-guest
 * agent` on the first serial port, which is a socket here. */
#include "measure/subject.h"

#include "base/process.h"
#include "measure/network.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int check(const struct plan_subject *subject, enum network network, struct buffer *why)
{
	if (!*subject->machine) {
		buffer_text(why, "the plan names no 'machine'");
		return -1;
	}
	if (!subject_has("VBoxManage", "VirtualBox", why))
		return -1;
	if (network == NETWORK_NAT || network == NETWORK_TAP)
		return 0;
	buffer_text(why, "VirtualBox has nat and tap (a bridged adapter)");
	return -1;
}

static int call(void *context)
{
	return process_run(context, NULL, NULL) ? 1 : 0;
}

/* One call in the namespace of the host, so that the machine's network is there; the words end with
 * NULL. */
static int manage(struct guest *guest, struct buffer *why, const char *const *words)
{
	const char *argv[24] = {"VBoxManage"};
	int count = 1;
	char netns[64];

	while (*words && count < 23)
		argv[count++] = *words++;
	if (!process_within(network_netns(guest->run, "host", netns), call, argv))
		return 0;
	buffer_format(why, "VBoxManage %s %s failed", argv[1], argv[2]);
	return -1;
}
#define MANAGE(guest, why, ...) manage(guest, why, (const char *const[]){__VA_ARGS__, NULL})

/* The machine itself makes the socket of its serial port. */
static int connect_console(struct guest *guest, const char *path, struct buffer *why)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	for (int tries = 0; tries < 600; tries++) {
		if (!connect(fd, (struct sockaddr *)&address, sizeof(address))) {
			guest->console.in = guest->console.out = fd;
			return 0;
		}
		poll(NULL, 0, 50);
	}
	close(fd);
	buffer_text(why, "the machine's serial port does not appear");
	return -1;
}

static int start(struct guest *guest, struct buffer *why)
{
	const char *machine = guest->subject->machine;
	char socket[PATH_MAX], memory[32], rule[64];
	bool nat = guest->network == NETWORK_NAT;

	guest->own_kernel = true;
	snprintf(socket, sizeof(socket), "%s/console.sock", guest->scratch);
	snprintf(memory, sizeof(memory), "%lu", guest->memory >> 20);
	strcpy(guest->address, nat ? HOST_ADDRESS : BRIDGED_ADDRESS);
	if (MANAGE(guest, why, "modifyvm", machine, "--memory", memory, "--uart1", "0x3f8", "4",
		   "--uartmode1", "server", socket, "--nictype1", "virtio", "--nic1",
		   nat ? "nat" : "bridged"))
		return -1;
	if (!nat && MANAGE(guest, why, "modifyvm", machine, "--bridgeadapter1", "br0"))
		return -1;
	for (const int *port = network_ports; nat && *port; port++) {
		struct buffer ignored = BUFFER_EMPTY;

		/* The rule of an earlier run may still be there. */
		snprintf(rule, sizeof(rule), "baton%d", *port);
		MANAGE(guest, &ignored, "modifyvm", machine, "--natpf1", "delete", rule);
		buffer_release(&ignored);
		snprintf(rule, sizeof(rule), "baton%d,tcp,,%d,,%d", *port, *port, *port);
		if (MANAGE(guest, why, "modifyvm", machine, "--natpf1", rule))
			return -1;
	}
	if (MANAGE(guest, why, "startvm", machine, "--type", "headless"))
		return -1;
	return connect_console(guest, socket, why);
}

static void stop(struct guest *guest)
{
	struct buffer ignored = BUFFER_EMPTY;

	MANAGE(guest, &ignored, "controlvm", guest->subject->machine, "poweroff");
	buffer_release(&ignored);
}

const struct subject_kind subject_virtualbox = {
	.name = "virtualbox",
	.about = "VirtualBox, when it is installed",
	.check = check,
	.start = start,
	.stop = stop,
};
