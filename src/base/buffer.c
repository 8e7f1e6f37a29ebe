#include "base/buffer.h"
#include "base/fail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

char *buffer_reserve(struct buffer *buffer, size_t length)
{
	size_t needed = buffer->length + length + 1;

	if (needed > buffer->room) {
		size_t room = buffer->room ? buffer->room : 64;

		while (room < needed)
			room *= 2;
		buffer->data = realloc(buffer->data, room);
		if (!buffer->data)
			out_of_memory();
		buffer->room = room;
		buffer->data[buffer->length] = 0;
	}
	return buffer->data + buffer->length;
}

void buffer_add(struct buffer *buffer, const void *bytes, size_t length)
{
	char *at = buffer_reserve(buffer, length);

	if (length)
		memcpy(at, bytes, length);
	at[length] = 0;
	buffer->length += length;
}

void buffer_text(struct buffer *buffer, const char *text)
{
	buffer_add(buffer, text, strlen(text));
}

void buffer_vformat(struct buffer *buffer, const char *format, va_list arguments)
{
	va_list again;
	int length;

	va_copy(again, arguments);
	length = vsnprintf(NULL, 0, format, again);
	va_end(again);
	vsnprintf(buffer_reserve(buffer, (size_t)length), (size_t)length + 1, format, arguments);
	buffer->length += (size_t)length;
}

void buffer_format(struct buffer *buffer, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	buffer_vformat(buffer, format, arguments);
	va_end(arguments);
}

void buffer_consume(struct buffer *buffer, size_t length)
{
	memmove(buffer->data, buffer->data + length, buffer->length - length + 1);
	buffer->length -= length;
}

void buffer_clear(struct buffer *buffer)
{
	buffer->length = 0;
	if (buffer->data)
		buffer->data[0] = 0;
}

void buffer_release(struct buffer *buffer)
{
	free(buffer->data);
	*buffer = (struct buffer)BUFFER_EMPTY;
}

char *buffer_detach(struct buffer *buffer)
{
	char *data = buffer_reserve(buffer, 0) - buffer->length;

	*buffer = (struct buffer)BUFFER_EMPTY;
	return data;
}

int buffer_read_file(struct buffer *buffer, const char *path, size_t most)
{
	size_t before = buffer->length;
	int fd = open(path, O_RDONLY | O_CLOEXEC), error = 0;

	if (fd < 0)
		return -errno;
	for (;;) {
		ssize_t got = read(fd, buffer_reserve(buffer, 65536), 65536);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			error = got < 0 ? -errno : 0;
			break;
		}
		buffer->length += (size_t)got;
		buffer->data[buffer->length] = 0;
		if (buffer->length - before > most) {
			error = -EFBIG;
			break;
		}
	}
	close(fd);
	return error;
}

int file_write_whole(const char *path, const void *bytes, size_t length, int mode)
{
	const char *at = bytes;
	char beside[4096];
	int fd, error = 0;

	if ((size_t)snprintf(beside, sizeof(beside), "%s.%d.new", path, getpid()) >= sizeof(beside))
		return -ENAMETOOLONG;
	fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	if (fd < 0)
		return -errno;
	while (length && !error) {
		ssize_t put = write(fd, at, length);

		if (put < 0 && errno != EINTR)
			error = -errno;
		if (put > 0) {
			at += put;
			length -= (size_t)put;
		}
	}
	if (close(fd) && !error)
		error = -errno;
	if (!error && rename(beside, path))
		error = -errno;
	if (error)
		unlink(beside);
	return error;
}
