/* A machine of QEMU that boots a Linux kernel with a paravirtual disk and network, and whose
 * process 1 is baton-guest: its command line. The disk is never written to: what the machine writes
 * goes with it. */
#ifndef BATON_GUEST_MACHINE_H
#define BATON_GUEST_MACHINE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

struct machine {
	bool kvm;	  /* run by the processor itself; else every instruction is emulated */
	const char *cpu;  /* QEMU's word for it; "": all that works there */
	uint64_t memory;  /* bytes */
	const char *disk; /* a whole file system as a raw image */
	const char *kernel, *initrd; /* initrd "": none */
	const char *netdev;	     /* QEMU's words for the network behind the device, id "net" */
	const char *device;	     /* further words for the device: ",mac=..." */
	const char *console;	     /* QEMU's words for what the serial port is, id "console" */
	const char *init;	     /* baton-guest's arguments: "init 10.0.0.2/24" */
};

enum { MACHINE_WORDS = 40 };

/* argv, NULL-ended, and the words that are made up for it. */
struct machine_command {
	const char *argv[MACHINE_WORDS];
	char memory[32], drive[PATH_MAX + 64], device[256], append[512];
};

/* Makes the command line; `machine`'s words must outlive it. */
void machine_command(const struct machine *machine, struct machine_command *command);

/* The version in a bzImage's header (Documentation/arch/x86/boot.rst, kernel_version), major * 1000
 * + minor; `text` of 64 bytes gets its words. Returns 0 if the file can't be read or is none. */
int machine_kernel_version(const char *path, char *text);

#endif
