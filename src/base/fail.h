/* How Baton speaks of failure.
 *
 * Inside, functions return 0 or a negative errno and stay silent. At the edge (a command, a
 * daemon's loop) the failure becomes one line on stderr that says what failed, where, and what to
 * do; that is what these functions are for. Exit codes: 0 done, 1 failed, 2 wrong usage or bad
 * input.
 */
#ifndef BATON_BASE_FAIL_H
#define BATON_BASE_FAIL_H

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* Prints "baton: MESSAGE" as one line on stderr. Returns EXIT_FAILED, so `return failed(...)` reads
 * well in a command. */
int failed(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same with ": " and the words of a negative (or positive) errno behind the message. */
int failed_errno(int error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Prints "baton: MESSAGE" as one line on stderr. Returns EXIT_USAGE. */
int misused(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Prints "baton: out of memory" and ends the process with EXIT_FAILED. What a command or a daemon
 * can't go on without is not worth unwinding for: what is pinned goes on without a daemon, and its
 * supervisor starts the next. */
_Noreturn void out_of_memory(void);

/* A daemon's log line on stderr: "TIME LEVEL message" on a terminal or in a file; where stderr is
 * the journal (JOURNAL_STREAM is set), "<N>message". */
enum log_level {
	LOG_LEVEL_ERROR = 3,
	LOG_LEVEL_WARNING = 4,
	LOG_LEVEL_INFO = 6,
	LOG_LEVEL_DEBUG = 7
};
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Lines above this level are not written; LOG_LEVEL_INFO at start. */
void log_set_level(enum log_level level);

#endif
