/* `baton key`: makes key files and takes them through a change of keys, so that nobody has to edit
 * one by hand. The daemons read the file at SIGHUP. No key is ever printed. */
#include "base/buffer.h"
#include "base/fail.h"
#include "control/commands.h"
#include "control/config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

/* A key for the slot that `other` hasn't; any slot if that is NULL. */
static int make_key(unsigned char key[32], const unsigned char *other)
{
	if (getrandom(key, 32, 0) != 32)
		return failed_errno(errno, "no random numbers");
	if (other && config_key_slot(key) == config_key_slot(other))
		key[31] ^= 1;
	return EXIT_DONE;
}

static int write_keys(const char *path, struct config_keys *keys)
{
	char text[2 * 65 + 1], *at = text;
	int error;

	for (unsigned int i = 0; i < keys->count; i++) {
		for (int byte = 0; byte < 32; byte++)
			at += sprintf(at, "%02x", keys->keys[i][byte]);
		*at++ = '\n';
	}
	error = file_write_whole(path, text, (size_t)(at - text), 0600);
	explicit_bzero(text, sizeof(text));
	explicit_bzero(keys, sizeof(*keys));
	return error ? failed_errno(error, "%s", path) : EXIT_DONE;
}

static const char *operand(const struct command *self, int argc, char **argv)
{
	int at = command_parse(self, argc, argv, NULL);

	return at == argc - 1 ? argv[at] : NULL;
}

static int run_new(const struct command *self, int argc, char **argv)
{
	const char *path = operand(self, argc, argv);
	struct config_keys keys = {.count = 1};

	if (!path)
		return misused("'%s' takes one file's name", command_path());
	if (!access(path, F_OK))
		return failed("%s is there already; 'baton key add' begins a change of keys", path);
	if (make_key(keys.keys[0], NULL))
		return EXIT_FAILED;
	return write_keys(path, &keys);
}

/* Reads the file, which must have so many keys for the step. Returns an exit code. */
static int read_for(const char *path, unsigned int count, struct config_keys *keys)
{
	struct buffer errors = BUFFER_EMPTY;
	int error = config_keys_read(path, keys, &errors);

	if (error) {
		errors.data[strcspn(errors.data, "\n")] = 0;
		failed("%s", errors.data);
		buffer_release(&errors);
		return EXIT_FAILED;
	}
	if (keys->count == count)
		return EXIT_DONE;
	explicit_bzero(keys, sizeof(*keys));
	return failed(count == 1
			      ? "%s has two keys already; first end that change ('baton key "
				"swap', 'baton key drop')"
			      : "%s has one key only; 'baton key add' puts another one beside it",
		      path);
}

static int run_add(const struct command *self, int argc, char **argv)
{
	const char *path = operand(self, argc, argv);
	struct config_keys keys;

	if (!path)
		return misused("'%s' takes one file's name", command_path());
	if (read_for(path, 1, &keys) || make_key(keys.keys[1], keys.keys[0]))
		return EXIT_FAILED;
	keys.count = 2;
	return write_keys(path, &keys);
}

static int run_swap(const struct command *self, int argc, char **argv)
{
	const char *path = operand(self, argc, argv);
	struct config_keys keys, swapped = {.count = 2};

	if (!path)
		return misused("'%s' takes one file's name", command_path());
	if (read_for(path, 2, &keys))
		return EXIT_FAILED;
	memcpy(swapped.keys[0], keys.keys[1], 32);
	memcpy(swapped.keys[1], keys.keys[0], 32);
	explicit_bzero(&keys, sizeof(keys));
	return write_keys(path, &swapped);
}

static int run_drop(const struct command *self, int argc, char **argv)
{
	const char *path = operand(self, argc, argv);
	struct config_keys keys;

	if (!path)
		return misused("'%s' takes one file's name", command_path());
	if (read_for(path, 2, &keys))
		return EXIT_FAILED;
	keys.count = 1;
	return write_keys(path, &keys);
}

static const struct option_spec no_options[] = {{0}};

static const struct command key_new = {.name = "new",
				       .operands = "FILE",
				       .summary = "Make a key file",
				       .options = no_options,
				       .run = run_new};
static const struct command key_add = {
	.name = "add",
	.operands = "FILE",
	.summary = "Put a new key behind the one in force: step 1 of a change",
	.options = no_options,
	.run = run_add};
static const struct command key_swap = {.name = "swap",
					.operands = "FILE",
					.summary = "Send with the other key: step 2",
					.options = no_options,
					.run = run_swap};
static const struct command key_drop = {.name = "drop",
					.operands = "FILE",
					.summary = "Forget the second key: step 3",
					.options = no_options,
					.run = run_drop};
static const struct command *const key_commands[] = {&key_new, &key_add, &key_swap, &key_drop,
						     NULL};

const struct command command_key = {
	.name = "key",
	.operands = "",
	.summary = "Make the cluster's key file, and change keys step by step",
	.description =
		"The file is the same on every host. Each step is done on one host and the file "
		"brought to the others (or done alike: the file counts, not who wrote it); then "
		"every daemon reads it again (SIGHUP), before the next step. Between swap and drop "
		"wait 10 minutes: connections that were opened, but not used yet, hold cookies of "
		"the old key. Nothing of a key is ever printed.",
	.commands = key_commands,
	.run = command_dispatch,
};
