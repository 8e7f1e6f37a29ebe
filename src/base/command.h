/* A command, its options and its help, from one table.
 *
 * Every subcommand of `baton` is one `struct command`. The table gives the parser, --help, the man
 * pages and the shell completion, so the four can't differ. Option values land in a plain structure
 * of the command's own, at the offset the table names; defaults are whatever the structure held
 * before.
 */
#ifndef BATON_BASE_COMMAND_H
#define BATON_BASE_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum option_type {
	OPTION_FLAG,	 /* bool: true when given */
	OPTION_TEXT,	 /* const char *: the argument itself, not copied */
	OPTION_LIST,	 /* struct option_list: every occurrence, in order */
	OPTION_COUNT,	 /* uint64_t, decimal, with k/m/g (1000s) or Ki/Mi/Gi behind it */
	OPTION_NUMBER,	 /* double */
	OPTION_DURATION, /* uint64_t nanoseconds; a number with ns, us, ms, s (default), m or h */
};

/* Every argument of an option that may be given several times; points into argv. */
struct option_list {
	const char *items[64];
	unsigned int count;
};

struct option_spec {
	const char *name; /* long name, without dashes */
	char letter;	  /* short name, or 0 */
	enum option_type type;
	const char *argument; /* how help calls the argument; NULL for a flag */
	const char *help;     /* one sentence, no full stop; the default in brackets */
	size_t offset;	      /* of the value in the command's structure */
	const char *choices;  /* OPTION_TEXT: "a|b|c", anything else is refused; or NULL */
	double least, most;   /* bounds for numbers where most > least (durations: seconds) */
};

struct command {
	const char *name;		   /* "lab", or for a subcommand "up" */
	const char *operands;		   /* "HOST -- COMMAND..." or "" */
	const char *summary;		   /* one line, for lists */
	const char *description;	   /* paragraphs for --help and the man page; may be NULL */
	const struct option_spec *options; /* ends with a NULL name; may be NULL */
	const struct command *const *commands; /* subcommands, NULL-ended; NULL for a leaf */
	int (*run)(const struct command *self, int argc, char **argv); /* argv[0] is the name */
	bool options_first; /* stop at the first operand: what follows belongs to somebody else */
};

/* Fills `values` from argv. Returns the index of the first operand in argv (operands are moved
 * behind the options unless options_first). --help prints help and exits 0; anything wrong,
 * operands for a command that names none among it, prints one line and exits 2: parsing happens at
 * the program's edge only. */
int command_parse(const struct command *self, int argc, char **argv, void *values);

/* Runs the subcommand named by argv[1], or prints what there is; the `run` of a command with
 * subcommands only. */
int command_dispatch(const struct command *self, int argc, char **argv);

/* Prints help on stdout. `path` is the full command ("baton lab up"). */
void command_help(const struct command *self, const char *path);

/* The words typed so far ("baton lab up"), for messages. */
const char *command_path(void);

/* Parses a count, number or duration as the options do. Returns 0 or -EINVAL / -ERANGE. */
int parse_count(const char *text, uint64_t *value);
int parse_number(const char *text, double *value);
int parse_duration(const char *text, uint64_t *nanoseconds);

#endif
