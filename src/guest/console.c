#include "guest/console.h"

#include "base/clock.h"
#include "guest/agent.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int write_whole(int fd, const char *bytes, size_t length)
{
	while (length) {
		ssize_t put = write(fd, bytes, length);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return -EPIPE;
		bytes += put;
		length -= (size_t)put;
	}
	return 0;
}

/* The next line that the agent said, behind its mark, into `line`. Returns 0 or a negative errno.
 */
static int next_line(struct console *console, uint64_t end, struct buffer *line)
{
	for (;;) {
		char *newline = console->said.length
					? memchr(console->said.data, '\n', console->said.length)
					: NULL;
		struct pollfd wait = {.fd = console->out, .events = POLLIN};
		uint64_t now;
		char block[4096];
		ssize_t got;

		if (newline) {
			size_t length = (size_t)(newline - console->said.data);
			const char *mark;

			*newline = 0;
			/* A kernel's message may stand before it on the same line. */
			mark = strstr(console->said.data, AGENT_MARK);
			buffer_clear(line);
			if (mark)
				buffer_text(line, mark + strlen(AGENT_MARK));
			buffer_consume(&console->said, length + 1);
			if (!mark)
				continue;
			line->length -= line->length && line->data[line->length - 1] == '\r';
			line->data[line->length] = 0;
			return 0;
		}
		now = clock_now();
		if (now >= end)
			return -ETIMEDOUT;
		if (poll(&wait, 1, (int)((end - now) / NS_PER_MS) + 1) < 0 && errno != EINTR)
			return -errno;
		if (!wait.revents)
			continue;
		got = read(console->out, block, sizeof(block));
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return -EPIPE;
		if (console->log >= 0)
			write_whole(console->log, block, (size_t)got);
		buffer_add(&console->said, block, (size_t)got);
	}
}

int console_await(struct console *console, uint64_t timeout)
{
	uint64_t end = clock_now() + timeout;
	struct buffer line = BUFFER_EMPTY;
	int error;

	do {
		error = next_line(console, end, &line);
	} while (!error && strcmp(line.data, "ready"));
	buffer_release(&line);
	return error;
}

/* Takes the answers to command `id` up to its end. */
static int collect(struct console *console, unsigned long id, uint64_t end, struct buffer *output)
{
	struct buffer line = BUFFER_EMPTY;
	char more[32], done[32];
	int error;

	snprintf(more, sizeof(more), "%lu + ", id);
	snprintf(done, sizeof(done), "%lu = ", id);
	while (!(error = next_line(console, end, &line))) {
		if (!strncmp(line.data, done, strlen(done))) {
			error = atoi(line.data + strlen(done));
			break;
		}
		if (output && !strncmp(line.data, more, strlen(more)))
			buffer_format(output, "%s\n", line.data + strlen(more));
	}
	buffer_release(&line);
	return error;
}

int console_run(struct console *console, uint64_t timeout, struct buffer *output,
		const char *format, ...)
{
	struct buffer command = BUFFER_EMPTY, frame = BUFFER_EMPTY;
	uint64_t end = clock_now() + timeout + 10 * NS_PER_S;
	unsigned long id = ++console->id;
	va_list arguments;
	int error;

	va_start(arguments, format);
	buffer_vformat(&command, format, arguments);
	va_end(arguments);
	buffer_format(&frame, "run %lu %lu %zu\n%s", id, (unsigned long)(timeout / NS_PER_S) + 1,
		      command.length, command.data);
	error = console->in < 0 ? -EPIPE : write_whole(console->in, frame.data, frame.length);
	buffer_release(&command);
	buffer_release(&frame);
	if (!error)
		error = collect(console, id, end, output);
	return error == AGENT_TIMEOUT ? -ETIMEDOUT : error;
}

void console_close(struct console *console)
{
	if (console->in >= 0)
		write_whole(console->in, "off\n", 4);
	if (console->out >= 0 && console->out != console->in)
		close(console->out);
	if (console->in >= 0)
		close(console->in);
	if (console->log >= 0)
		close(console->log);
	console->in = console->out = console->log = -1;
	buffer_release(&console->said);
}
