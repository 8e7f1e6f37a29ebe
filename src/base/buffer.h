/* A growable byte buffer, after git's strbuf: always NUL-terminated, `data` is never NULL once
 * something was added, and release gives everything back and leaves an empty buffer that may be
 * used again. Out of memory ends the program: a few bytes of text that can't be had are no state to
 * go on from. Not for bytes whose number a stranger chooses without a bound of the caller's. */
#ifndef BATON_BASE_BUFFER_H
#define BATON_BASE_BUFFER_H

#include <stdarg.h>
#include <stddef.h>

struct buffer {
	char *data;
	size_t length, room;
};

#define BUFFER_EMPTY                                                                               \
	{                                                                                          \
		NULL, 0, 0                                                                         \
	}

void buffer_add(struct buffer *buffer, const void *bytes, size_t length);
void buffer_text(struct buffer *buffer, const char *text);
void buffer_format(struct buffer *buffer, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void buffer_vformat(struct buffer *buffer, const char *format, va_list arguments);

/* Makes room for `length` more bytes and returns where they begin; the caller adds to `length`. */
char *buffer_reserve(struct buffer *buffer, size_t length);

/* Drops the first `length` bytes. */
void buffer_consume(struct buffer *buffer, size_t length);

/* Empties, keeps the memory. */
void buffer_clear(struct buffer *buffer);
void buffer_release(struct buffer *buffer);

/* The text, now the caller's to free; the buffer is empty afterwards. Never NULL. */
char *buffer_detach(struct buffer *buffer);

/* Reads a whole file of at most `most` bytes behind what is there. Returns 0, -EFBIG or -errno. */
int buffer_read_file(struct buffer *buffer, const char *path, size_t most);

/* Writes `length` bytes to `path` by way of a file beside it that takes its place when it is whole.
 * Returns 0 or -errno. */
int file_write_whole(const char *path, const void *bytes, size_t length, int mode);

#endif
