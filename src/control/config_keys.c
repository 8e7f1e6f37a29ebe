/* The key file. */
#include "control/config.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static bool key_line(const char *text, size_t length, unsigned char key[32])
{
	if (length != 64)
		return false;
	for (size_t i = 0; i < 32; i++) {
		int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		key[i] = (unsigned char)(high << 4 | low);
	}
	return true;
}

unsigned int config_key_slot(const unsigned char key[32])
{
	return key[31] & 1;
}

char *config_keys_text(const struct config_keys *keys, char text[8])
{
	snprintf(text, 8, "%u/%u", keys->count, config_key_slot(keys->keys[0]));
	return text;
}

int config_keys_read(const char *path, struct config_keys *keys, struct buffer *errors)
{
	static const char credential[] = "credential:";
	const char *folder = getenv("CREDENTIALS_DIRECTORY");
	struct buffer text = BUFFER_EMPTY;
	char inside[PATH_MAX];
	struct stat status;
	int error = 0, line = 1;

	memset(keys, 0, sizeof(*keys));
	if (!strncmp(path, credential, strlen(credential))) {
		if (!folder) {
			buffer_format(errors,
				      "%s: systemd has given this process no credentials; "
				      "LoadCredential= of the unit names them\n",
				      path);
			return -ENOENT;
		}
		snprintf(inside, sizeof(inside), "%s/%s", folder, path + strlen(credential));
		path = inside;
	}
	if (stat(path, &status)) {
		error = -errno;
		buffer_format(errors,
			      "%s: the key file can't be read: %s; make one with 'openssl rand "
			      "-hex 32' and mode 0600, the same on every host\n",
			      path, strerror(-error));
		return error;
	}
	if (status.st_mode & 077) {
		buffer_format(errors,
			      "%s: others may read or write the key (mode %o); run 'chmod 600 "
			      "%s'\n",
			      path, status.st_mode & 0777, path);
		return -EINVAL;
	}
	error = buffer_read_file(&text, path, 4096);
	if (error) {
		buffer_format(errors, "%s: the key file can't be read: %s\n", path,
			      strerror(-error));
		return error;
	}
	for (const char *at = text.data; at && *at; line++) {
		size_t length = strcspn(at, "\n");

		if (length) {
			if (keys->count == 2 || !key_line(at, length, keys->keys[keys->count])) {
				buffer_format(errors,
					      "%s:%d: a key file has one or two lines of 64 "
					      "hexadecimal digits\n",
					      path, line);
				error = -EINVAL;
				break;
			}
			keys->count++;
		}
		at += length + (at[length] == '\n');
	}
	if (!error && !keys->count) {
		buffer_format(errors, "%s: no key in it; write one with 'openssl rand -hex 32'\n",
			      path);
		error = -EINVAL;
	}
	if (!error && keys->count == 2 &&
	    config_key_slot(keys->keys[0]) == config_key_slot(keys->keys[1])) {
		buffer_format(errors,
			      "%s: the last digits of the two keys must be one even and one odd; "
			      "change that of the new key\n",
			      path);
		error = -EINVAL;
	}
	if (text.data)
		explicit_bzero(text.data, text.length);
	buffer_release(&text);
	if (error)
		explicit_bzero(keys, sizeof(*keys));
	return error;
}
