#include "base/fail.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static enum log_level log_level = LOG_LEVEL_INFO;

static void say(const char *format, va_list arguments, const char *why)
{
	char text[2048];

	vsnprintf(text, sizeof(text), format, arguments);
	fflush(stdout);
	if (why)
		fprintf(stderr, "baton: %s: %s\n", text, why);
	else
		fprintf(stderr, "baton: %s\n", text);
}

int failed(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say(format, arguments, NULL);
	va_end(arguments);
	return EXIT_FAILED;
}

int failed_errno(int error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say(format, arguments, strerror(abs(error)));
	va_end(arguments);
	return EXIT_FAILED;
}

int misused(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say(format, arguments, NULL);
	va_end(arguments);
	return EXIT_USAGE;
}

void out_of_memory(void)
{
	static const char line[] = "baton: out of memory\n";

	/* Neither buffers nor exit handlers: they may want memory themselves. */
	if (write(STDERR_FILENO, line, sizeof(line) - 1) < 0)
		abort();
	_exit(EXIT_FAILED);
}

void log_set_level(enum log_level level)
{
	log_level = level;
}

void log_line(enum log_level level, const char *format, ...)
{
	static const char *const names[] = {[LOG_LEVEL_ERROR] = "error",
					    [LOG_LEVEL_WARNING] = "warning",
					    [LOG_LEVEL_INFO] = "info",
					    [LOG_LEVEL_DEBUG] = "debug"};
	char text[2048], when[32];
	struct timespec now;
	struct tm local;
	va_list arguments;

	if (level > log_level)
		return;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (getenv("JOURNAL_STREAM")) {
		fprintf(stderr, "<%d>%s\n", level, text);
		return;
	}
	clock_gettime(CLOCK_REALTIME, &now);
	localtime_r(&now.tv_sec, &local);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &local);
	fprintf(stderr, "%s.%03ld %s %s\n", when, now.tv_nsec / 1000000, names[level], text);
}
