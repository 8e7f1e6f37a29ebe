#include "../unit.h"

#include "guest/machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool has(const struct machine_command *command, const char *word, const char *value)
{
	for (int i = 0; command->argv[i]; i++)
		if (!strcmp(command->argv[i], word))
			return !value ||
			       (command->argv[i + 1] && !strcmp(command->argv[i + 1], value));
	return false;
}

static void command_line(void **state)
{
	struct machine machine = {.cpu = "",
				  .memory = 256 << 20,
				  .disk = "/d/disk",
				  .kernel = "/k",
				  .initrd = "/i",
				  .netdev = "user,id=net",
				  .device = ",mac=52:54:00:00:00:01",
				  .console = "stdio,id=console",
				  .init = "init 10.0.0.2/24"};
	struct machine_command command;

	(void)state;
	machine_command(&machine, &command);
	assert_true(has(&command, "-accel", "tcg"));
	assert_true(has(&command, "-m", "256M"));
	assert_true(has(&command, "-initrd", "/i"));
	assert_true(has(&command, "-drive", "file=/d/disk,format=raw,if=virtio,snapshot=on"));
	assert_non_null(strstr(command.device, ",mac=52:54:00:00:00:01"));
	assert_non_null(strstr(command.append, "-- init 10.0.0.2/24"));
	/* Without an initial file system there is no word of it. */
	machine.initrd = "";
	machine.kvm = true;
	machine.cpu = "host";
	machine_command(&machine, &command);
	assert_true(has(&command, "-accel", "kvm"));
	assert_true(has(&command, "-cpu", "host"));
	assert_false(has(&command, "-initrd", NULL));
}

/* A kernel's file: its words at the offset that the header names, less a sector. */
static void kernel(char *path, const char *magic, const char *version)
{
	unsigned char file[0x400] = {0};
	int fd;

	memcpy(file + 0x202, magic, 4);
	file[0x20e] = 0x20;
	file[0x20f] = 0x01;
	snprintf((char *)file + 0x320, 64, "%s", version);
	strcpy(path, "/tmp/baton-kernel-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, file, sizeof(file)), sizeof(file));
	close(fd);
}

static void kernel_version(void **state)
{
	static const struct {
		const char *magic, *version, *text;
		int number;
	} rows[] = {
		{"HdrS", "6.12.95+deb12-cloud-amd64 (build@host) #1", "6.12.95+deb12-cloud-amd64",
		 6012},
		{"HdrS", "6.8.0-31-generic (x) #31", "6.8.0-31-generic", 6008},
		{"HdrS", "", "", 0},
		{"ELF ", "6.12.95 (x)", "", 0},
	};
	char path[64], text[64];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		kernel(path, rows[i].magic, rows[i].version);
		assert_int_equal(machine_kernel_version(path, text), rows[i].number);
		assert_string_equal(text, rows[i].text);
		unlink(path);
	}
	assert_int_equal(machine_kernel_version("/dev/null", text), 0);
	assert_int_equal(machine_kernel_version("/nowhere", text), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(command_line),
		cmocka_unit_test(kernel_version),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
