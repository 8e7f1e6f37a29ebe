#include "base/command.h"
#include "base/fail.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPTIONS_MAX = 80, LONG_ONLY = 256, OPTION_HELP = LONG_ONLY + OPTIONS_MAX };

static char path[256] = "baton";

const char *command_path(void)
{
	return path;
}

int parse_number(const char *text, double *value)
{
	char *end;
	double parsed;

	errno = 0;
	parsed = strtod(text, &end);
	if (end == text || *end || !isfinite(parsed))
		return -EINVAL;
	*value = parsed;
	return 0;
}

int parse_count(const char *text, uint64_t *value)
{
	static const struct {
		const char *suffix;
		uint64_t factor;
	} units[] = {{"", 1},		{"k", 1000},	    {"m", 1000000},
		     {"g", 1000000000}, {"K", 1000},	    {"M", 1000000},
		     {"G", 1000000000}, {"Ki", 1ull << 10}, {"Mi", 1ull << 20},
		     {"Gi", 1ull << 30}};
	unsigned long long parsed;
	char *end;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	parsed = strtoull(text, &end, 10);
	if (errno)
		return -ERANGE;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(end, units[i].suffix))
			continue;
		if (__builtin_mul_overflow(parsed, units[i].factor, value))
			return -ERANGE;
		return 0;
	}
	return -EINVAL;
}

int parse_duration(const char *text, uint64_t *nanoseconds)
{
	static const struct {
		const char *suffix;
		double factor;
	} units[] = {{"", 1e9},	 {"ns", 1},   {"us", 1e3},  {"ms", 1e6},
		     {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}};
	double parsed;
	char *end;

	if ((*text < '0' || *text > '9') && *text != '.')
		return -EINVAL;
	parsed = strtod(text, &end);
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(end, units[i].suffix))
			continue;
		if (!(parsed * units[i].factor < 9.2e18))
			return -ERANGE;
		*nanoseconds = (uint64_t)(parsed * units[i].factor + 0.5);
		return 0;
	}
	return -EINVAL;
}

static void usage_line(const struct command *self, FILE *out, const char *name)
{
	fprintf(out, "Usage: %s%s%s%s%s\n", name, self->options ? " [OPTION]..." : "",
		self->commands ? self->options ? " [COMMAND]" : " COMMAND" : "",
		self->operands && *self->operands ? " " : "", self->operands ? self->operands : "");
}

/* Prints `text` wrapped to 80 columns behind `indent` blanks; the first line starts at `column`. */
static void wrapped(const char *text, int indent, int column)
{
	int blanks = 0; /* before the next word, if it stays on the line */

	while (*text) {
		int length = (int)strcspn(text, " \n");

		if (length && column + blanks + length > 79 && column > indent) {
			printf("\n%*s", indent, "");
			column = indent;
			blanks = 0;
		}
		if (length)
			printf("%*s%.*s", blanks, "", length, text);
		column += length ? blanks + length : 0;
		blanks = length ? 0 : blanks;
		text += length;
		if (*text == '\n') {
			printf("\n%*s", text[1] && text[1] != '\n' ? indent : 0, "");
			column = indent;
			blanks = 0;
			text++;
		} else if (*text == ' ') {
			blanks++;
			text++;
		}
	}
	putchar('\n');
}

void command_help(const struct command *self, const char *name)
{
	usage_line(self, stdout, name);
	wrapped(self->summary, 0, 0);
	if (self->description) {
		putchar('\n');
		wrapped(self->description, 0, 0);
	}
	if (self->commands) {
		printf("\nCommands:\n");
		for (const struct command *const *c = self->commands; *c; c++) {
			printf("  %-13s ", (*c)->name);
			wrapped((*c)->summary, 16, 16);
		}
		printf("\n'%s COMMAND --help' tells more of each.\n", name);
	}
	if (self->options) {
		printf("\nOptions:\n");
		for (const struct option_spec *o = self->options; o->name; o++) {
			char left[80];
			int column;

			column = snprintf(left, sizeof(left), "  %c%c%c --%s%s%s",
					  o->letter ? '-' : ' ', o->letter ? o->letter : ' ',
					  o->letter ? ',' : ' ', o->name, o->argument ? " " : "",
					  o->argument ? o->argument : "");
			printf("%s", left);
			if (column < 26)
				printf("%*s", 27 - column, "");
			else
				printf("\n%27s", "");
			wrapped(o->help, 27, 27);
		}
		printf("      --help               print this and exit\n");
	}
}

static int wrong(const char *format, const char *what, const char *which)
{
	char text[512];

	snprintf(text, sizeof(text), format, what, which);
	misused("%s; '%s --help' lists the options", text, path);
	exit(EXIT_USAGE);
}

static bool chosen(const char *choices, const char *text)
{
	size_t length = strlen(text);

	for (const char *at = choices; at; at = strchr(at, '|') ? strchr(at, '|') + 1 : NULL)
		if (strcspn(at, "|") == length && !strncmp(at, text, length))
			return true;
	return false;
}

static void bounded(const struct option_spec *option, double value, const char *text)
{
	char bounds[96];

	if (!(option->most > option->least) || (value >= option->least && value <= option->most))
		return;
	snprintf(bounds, sizeof(bounds), "--%s %s is not between %g and %g", option->name, text,
		 option->least, option->most);
	wrong("%s%s", bounds, "");
}

static void assign(const struct option_spec *option, char *text, void *values)
{
	void *at = (char *)values + option->offset;
	struct option_list *list = at;
	uint64_t number;
	int error = 0;

	switch (option->type) {
	case OPTION_FLAG:
		*(bool *)at = true;
		return;
	case OPTION_TEXT:
		if (option->choices && !chosen(option->choices, text))
			wrong("'%s' is none of %s", text, option->choices);
		*(const char **)at = text;
		return;
	case OPTION_LIST:
		if (list->count == sizeof(list->items) / sizeof(list->items[0]))
			wrong("--%s is given too often%s", option->name, "");
		list->items[list->count++] = text;
		return;
	case OPTION_COUNT:
		error = parse_count(text, &number);
		if (!error) {
			bounded(option, (double)number, text);
			*(uint64_t *)at = number;
		}
		break;
	case OPTION_NUMBER:
		error = parse_number(text, at);
		if (!error)
			bounded(option, *(double *)at, text);
		break;
	case OPTION_DURATION:
		error = parse_duration(text, &number);
		if (!error) {
			bounded(option, (double)number / 1e9, text);
			*(uint64_t *)at = number;
		}
		break;
	}
	if (error)
		wrong("--%s can't be '%s'", option->name, text);
}

int command_parse(const struct command *self, int argc, char **argv, void *values)
{
	struct option names[OPTIONS_MAX + 2] = {0};
	char letters[2 * OPTIONS_MAX + 3];
	const struct option_spec *options = self->options;
	int count = 0, at = 0, got;

	letters[at++] = self->options_first ? '+' : '-';
	if (!self->options_first)
		at = 0;
	letters[at++] = ':';
	for (; options && options[count].name; count++) {
		if (count == OPTIONS_MAX)
			abort();
		names[count].name = options[count].name;
		names[count].has_arg =
			options[count].type == OPTION_FLAG ? no_argument : required_argument;
		names[count].val = LONG_ONLY + count;
		if (options[count].letter) {
			letters[at++] = options[count].letter;
			if (options[count].type != OPTION_FLAG)
				letters[at++] = ':';
		}
	}
	letters[at] = 0;
	names[count] = (struct option){"help", no_argument, NULL, OPTION_HELP};
	optind = 0;
	opterr = 0;
	while ((got = getopt_long(argc, argv, letters, names, NULL)) != -1) {
		if (got == OPTION_HELP) {
			command_help(self, path);
			exit(EXIT_DONE);
		}
		if (got == ':')
			wrong("%s needs an argument%s", argv[optind - 1], "");
		if (got == '?') {
			char letter[3] = {'-', (char)optopt, 0};
			bool is_letter = optopt > 0 && optopt < LONG_ONLY;

			wrong("unknown option %s%s", is_letter ? letter : argv[optind - 1], "");
		}
		if (got >= LONG_ONLY) {
			assign(&options[got - LONG_ONLY], optarg, values);
			continue;
		}
		for (int i = 0; i < count; i++)
			if (options[i].letter == got)
				assign(&options[i], optarg, values);
	}
	if (optind < argc && !self->commands && !(self->operands && *self->operands))
		wrong("no operands are taken, not '%s'%s", argv[optind], "");
	return optind;
}

int command_dispatch(const struct command *self, int argc, char **argv)
{
	size_t used = strlen(path);

	if (argc < 2) {
		misused("%s needs a command; '%s --help' lists them", path, path);
		return EXIT_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		command_help(self, path);
		return EXIT_DONE;
	}
	for (const struct command *const *c = self->commands; *c; c++) {
		if (strcmp((*c)->name, argv[1]))
			continue;
		snprintf(path + used, sizeof(path) - used, " %s", (*c)->name);
		return (*c)->run(*c, argc - 1, argv + 1);
	}
	return misused("unknown command '%s'; '%s --help' lists them", argv[1], path);
}
