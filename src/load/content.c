#include "load/content.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define GOLDEN 0x9e3779b97f4a7c15ull

static uint64_t mixed(uint64_t z)
{
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

/* Word `index` of a file, as it lies in memory. */
static uint64_t word_at(uint64_t seed, uint64_t index)
{
	return htole64(mixed(seed + (index + 1) * GOLDEN));
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Checks the part of a name between two slashes. */
static int part_check(const char *part, size_t length)
{
	if (length > NAME_MAX)
		return -ENAMETOOLONG;
	if ((length == 1 && part[0] == '.') || (length == 2 && !memcmp(part, "..", 2)))
		return -EINVAL;
	return 0;
}

int content_name(const char *target, char *name, size_t room)
{
	static const char index[] = "index.html";
	size_t length = 0, part = 1;
	int error;

	if (*target != '/')
		return -EINVAL;
	for (; *target && *target != '?' && *target != '#'; target++) {
		char c = *target;

		if (c == '%') {
			int high = digit(target[1]), low = high < 0 ? -1 : digit(target[2]);

			if (low < 0 || !(high | low))
				return -EINVAL;
			c = (char)(high << 4 | low);
			target += 2;
		}
		if (c == '/') {
			if (length && name[length - 1] == '/')
				continue;
			error = length ? part_check(name + part, length - part) : 0;
			if (error)
				return error;
			part = length + 1;
		}
		if (length + sizeof(index) + 1 > room)
			return -ENAMETOOLONG;
		name[length++] = c;
	}
	name[length] = 0;
	if (name[length - 1] == '/')
		strcpy(name + length, index);
	else
		return part_check(name + part, length - part);
	return 0;
}

uint64_t content_seed(const char *name)
{
	uint64_t hash = 0xcbf29ce484222325ull;

	for (; *name; name++)
		hash = (hash ^ (unsigned char)*name) * 0x100000001b3ull;
	return mixed(hash);
}

void content_fill(uint64_t seed, uint64_t offset, void *bytes, size_t length)
{
	unsigned char *out = bytes;

	while (length) {
		uint64_t word = word_at(seed, offset / 8);
		size_t skip = offset % 8, now = 8 - skip < length ? 8 - skip : length;

		memcpy(out, (const char *)&word + skip, now);
		out += now, offset += now, length -= now;
	}
}

bool content_matches(uint64_t seed, uint64_t offset, const void *bytes, size_t length)
{
	const unsigned char *in = bytes;
	uint64_t wrong = 0, word, index;

	if (offset % 8) {
		size_t skip = offset % 8, now = 8 - skip < length ? 8 - skip : length;

		word = word_at(seed, offset / 8);
		if (memcmp(in, (const char *)&word + skip, now))
			return false;
		in += now, offset += now, length -= now;
	}
	/* No branch in the loop, so that the words' multiplications overlap. */
	for (index = offset / 8; length >= 8; index++, in += 8, length -= 8) {
		memcpy(&word, in, 8);
		wrong |= word ^ word_at(seed, index);
	}
	word = word_at(seed, index);
	return !wrong && !memcmp(in, &word, length);
}

/* Makes the directories that `path` (behind its first `from` characters) needs. */
static int make_directories(char *path, size_t from)
{
	for (char *slash = strchr(path + from + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		struct stat stat_of;
		int result;

		*slash = 0;
		result = mkdir(path, 0755) && errno != EEXIST ? -errno : 0;
		if (!result && !stat(path, &stat_of) && !S_ISDIR(stat_of.st_mode))
			result = -ENOTDIR;
		*slash = '/';
		if (result)
			return result;
	}
	return 0;
}

int content_write(const char *root, const char *name, uint64_t length, bool keep)
{
	uint64_t seed = content_seed(name), offset = 0;
	static unsigned char block[1 << 16];
	struct stat stat_of;
	char path[PATH_MAX];
	int file, result = 0;

	if (snprintf(path, sizeof(path), "%s%s", root, name) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	if (keep && !stat(path, &stat_of) && S_ISREG(stat_of.st_mode) &&
	    (uint64_t)stat_of.st_size == length)
		return 0;
	result = make_directories(path, strlen(root));
	if (result)
		return result;
	file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (file < 0)
		return -errno;
	while (offset < length) {
		size_t now = length - offset < sizeof(block) ? length - offset : sizeof(block);
		ssize_t written;

		content_fill(seed, offset, block, now);
		written = write(file, block, now);
		if (written < 0) {
			result = -errno;
			break;
		}
		offset += (uint64_t)written;
	}
	if (close(file) && !result)
		result = -errno;
	return result;
}
