#include "guest/machine.h"

#include "guest/agent.h"

#include <endian.h>
#include <stdio.h>
#include <string.h>

/* QEMU 7.2's emulation of cmpxchg16b loses the flags, which Linux 6.12's allocator dies of; and
 * ARCH_CAPABILITIES is what KVM inside of another hypervisor may not let QEMU set. */
static const char cpu_tcg[] = "max,-cx16", cpu_kvm[] = "host,-arch-capabilities";

void machine_command(const struct machine *machine, struct machine_command *command)
{
	const char *const words[] = {"qemu-system-x86_64",
				     "-accel",
				     machine->kvm ? "kvm" : "tcg",
				     "-machine",
				     "q35",
				     "-cpu",
				     *machine->cpu  ? machine->cpu
				     : machine->kvm ? cpu_kvm
						    : cpu_tcg,
				     "-m",
				     command->memory,
				     "-nodefaults",
				     "-display",
				     "none",
				     "-no-reboot",
				     "-monitor",
				     "none",
				     "-chardev",
				     machine->console,
				     "-serial",
				     "chardev:console",
				     "-drive",
				     command->drive,
				     "-netdev",
				     machine->netdev,
				     "-device",
				     command->device,
				     "-kernel",
				     machine->kernel,
				     "-append",
				     command->append,
				     *machine->initrd ? "-initrd" : NULL,
				     machine->initrd,
				     NULL};

	_Static_assert(sizeof(words) <= sizeof(command->argv), "room for all words");
	memcpy(command->argv, words, sizeof(words));
	snprintf(command->memory, sizeof(command->memory), "%luM", machine->memory >> 20);
	snprintf(command->drive, sizeof(command->drive), "file=%s,format=raw,if=virtio,snapshot=on",
		 machine->disk);
	snprintf(command->device, sizeof(command->device), "virtio-net-pci,netdev=net,romfile=%s",
		 machine->device);
	snprintf(command->append, sizeof(command->append),
		 "console=ttyS0 root=/dev/vda rw quiet panic=-1 net.ifnames=0 init=" AGENT_PATH
		 " -- %s",
		 machine->init);
}

int machine_kernel_version(const char *path, char *text)
{
	enum { HEADER = 0x202, VERSION = 0x20e, SECTOR = 512 };
	FILE *file = fopen(path, "re");
	unsigned int major = 0, minor = 0;
	unsigned char start[VERSION + 2];
	uint16_t at;

	*text = 0;
	if (!file)
		return 0;
	if (fread(start, sizeof(start), 1, file) == 1 && !memcmp(start + HEADER, "HdrS", 4)) {
		memcpy(&at, start + VERSION, sizeof(at));
		if (at && !fseek(file, le16toh(at) + SECTOR, SEEK_SET) && fgets(text, 64, file))
			text[strcspn(text, " ")] = 0;
	}
	fclose(file);
	return sscanf(text, "%u.%u", &major, &minor) == 2 ? (int)(major * 1000 + minor) : 0;
}
