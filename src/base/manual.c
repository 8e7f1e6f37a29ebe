#include "base/manual.h"

#include <errno.h>
#include <string.h>

/* Text that roff doesn't take for itself: no control line begins in it, no escape is made of it. */
static void plain(FILE *out, const char *text)
{
	for (bool start = true; *text; text++) {
		if (start && (*text == '.' || *text == '\''))
			fputs("\\&", out);
		if (*text == '\\')
			fputs("\\e", out);
		else if (*text == '-')
			fputs("\\-", out);
		else
			fputc(*text, out);
		start = *text == '\n';
	}
	fputc('\n', out);
}

static void write_options(FILE *out, const struct option_spec *option)
{
	if (!option || !option->name)
		return;
	fprintf(out, ".SH OPTIONS\n");
	for (; option->name; option++) {
		fprintf(out, ".TP\n");
		if (option->letter)
			fprintf(out, "\\fB\\-%c\\fR, ", option->letter);
		fprintf(out, "\\fB\\-\\-");
		for (const char *at = option->name; *at; at++)
			fprintf(out, *at == '-' ? "\\-" : "%c", *at);
		fprintf(out, "\\fR");
		if (option->argument)
			fprintf(out, " \\fI%s\\fR", option->argument);
		fputc('\n', out);
		plain(out, option->help);
	}
}

static int write_page(const struct command *command, const char *name, const char *folder)
{
	char path[4096], words[256];
	FILE *out;

	if ((size_t)snprintf(path, sizeof(path), "%s/%s.1", folder, name) >= sizeof(path))
		return -ENAMETOOLONG;
	out = fopen(path, "w");
	if (!out)
		return -errno;
	snprintf(words, sizeof(words), "%s", name);
	for (char *at = words; (at = strchr(at, '-'));)
		*at = ' ';
	fprintf(out, ".TH \"%s\" 1 \"\" \"baton %s\" \"Baton\"\n.SH NAME\n%s \\- ", name,
		BATON_VERSION, name);
	plain(out, command->summary);
	fprintf(out, ".SH SYNOPSIS\n\\fB%s\\fR%s%s %s\n", words,
		command->options && command->options->name ? " [\\fIOPTION\\fR]..." : "",
		command->commands ? " \\fICOMMAND\\fR" : "",
		command->operands ? command->operands : "");
	if (command->description) {
		fprintf(out, ".SH DESCRIPTION\n");
		plain(out, command->description);
	}
	if (command->commands) {
		fprintf(out, ".SH COMMANDS\n");
		for (const struct command *const *sub = command->commands; *sub; sub++) {
			fprintf(out, ".TP\n\\fB%s\\-%s\\fR(1)\n", name, (*sub)->name);
			plain(out, (*sub)->summary);
		}
	}
	write_options(out, command->options);
	fprintf(out, ".SH EXIT STATUS\n0 done, 1 failed, 2 wrong usage or bad input.\n");
	if (ferror(out)) {
		fclose(out);
		return -EIO;
	}
	return fclose(out) ? -errno : 0;
}

static int write_pages(const struct command *command, const char *name, const char *folder)
{
	int error = write_page(command, name, folder);

	for (const struct command *const *sub = command->commands; !error && sub && *sub; sub++) {
		char longer[256];

		snprintf(longer, sizeof(longer), "%s-%s", name, (*sub)->name);
		error = write_pages(*sub, longer, folder);
	}
	return error;
}

int manual_write(const struct command *root, const char *folder)
{
	return write_pages(root, root->name, folder);
}

static void write_cases(const struct command *command, const char *words, FILE *out)
{
	fprintf(out, "\t'%s')\n\t\twords='", words);
	for (const struct command *const *sub = command->commands; sub && *sub; sub++)
		fprintf(out, "%s ", (*sub)->name);
	for (const struct option_spec *option = command->options; option && option->name; option++)
		fprintf(out, "--%s ", option->name);
	fprintf(out, "--help'\n\t\t;;\n");
	for (const struct command *const *sub = command->commands; sub && *sub; sub++) {
		char longer[256];

		snprintf(longer, sizeof(longer), "%s%s%s", words, *words ? " " : "", (*sub)->name);
		write_cases(*sub, longer, out);
	}
}

void completion_write(const struct command *root, FILE *out)
{
	fprintf(out,
		"# Completion of %s's commands and options in bash; made from its own tables.\n"
		"_%s()\n{\n"
		"\tlocal at=() word words=''\n"
		"\tfor word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
		"\t\t[[ $word == -* ]] || at+=(\"$word\")\n"
		"\tdone\n"
		"\tcase \"${at[*]:0:2}\" in\n",
		root->name, root->name);
	write_cases(root, "", out);
	fprintf(out, "\t*)\n\t\tcase \"${at[0]}\" in\n");
	for (const struct command *const *sub = root->commands; sub && *sub; sub++) {
		if ((*sub)->commands)
			continue;
		fprintf(out, "\t\t%s)\n\t\t\twords='", (*sub)->name);
		for (const struct option_spec *option = (*sub)->options; option && option->name;
		     option++)
			fprintf(out, "--%s ", option->name);
		fprintf(out, "'\n\t\t\t;;\n");
	}
	fprintf(out,
		"\t\tesac\n\t\t;;\n\tesac\n"
		"\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- "
		"\"${COMP_WORDS[COMP_CWORD]}\")\n"
		"\t[[ ${#COMPREPLY[@]} -gt 0 ]] || mapfile -t COMPREPLY < <(compgen -f -- "
		"\"${COMP_WORDS[COMP_CWORD]}\")\n"
		"}\n"
		"complete -F _%s %s\n",
		root->name, root->name);
}
