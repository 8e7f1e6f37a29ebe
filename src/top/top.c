#include "top/top.h"
#include "base/clock.h"
#include "base/fail.h"
#include "base/table.h"
#include "control/client.h"
#include "top/view.h"

#include <curses.h>
#include <math.h>
#include <errno.h>
#include <locale.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

struct values {
	const char *name, *sort;
	uint64_t interval, count;
	bool batch;
};

static const struct option_spec options[] = {
	{"name", 0, OPTION_TEXT, "CLUSTER", "which cluster [lab]", offsetof(struct values, name)},
	{"interval", 'd', OPTION_DURATION, "TIME", "between two looks [1s]",
	 offsetof(struct values, interval), .least = 0.1, .most = 3600},
	{"sort", 's', OPTION_TEXT, "KEY", "name|requests|active|bytes|latency|handoffs [name]",
	 offsetof(struct values, sort), .choices = "name|requests|active|bytes|latency|handoffs"},
	{"batch", 'b', OPTION_FLAG, NULL, "print lines instead of drawing a screen",
	 offsetof(struct values, batch)},
	{"count", 'n', OPTION_COUNT, "N", "end after N looks [never]",
	 offsetof(struct values, count)},
	{0},
};

static struct view view;

/* What the person at the keyboard is about. */
struct screen {
	const struct values *values;
	enum view_sort sort;
	char filter[VIEW_FILTER_MAX];
	bool typing; /* the filter */
	unsigned int chosen;
	char said[128]; /* of the last command */
	bool over;
};

static json_t *ask(const char *cluster, int *error)
{
	json_t *status = NULL;

	*error = client_call(cluster, "front", json_pack("{s:s}", "command", "status"), &status);
	return status;
}

static void bar(int row, const char *left)
{
	attron(A_REVERSE);
	mvhline(row, 0, ' ', COLS);
	mvaddnstr(row, 0, left, COLS);
	attroff(A_REVERSE);
}

static void draw_node(int row, const struct view_node *node, bool chosen)
{
	char text[10][16], line[160];

	snprintf(line, sizeof(line), "%-10.10s %-5.5s %3s %6s %6s %6s %5s %5s %8s %5s %5s %5s",
		 node->name, node->state, view_number(node->weight, text[0]),
		 view_number(node->active, text[1]), view_number(node->flows, text[2]),
		 view_number(node->requests, text[3]), view_number(node->in, text[4]),
		 view_number(node->out, text[5]), text_bytes(node->bytes, text[6]),
		 isnan(node->first_us) ? "-" : view_number(node->first_us, text[7]),
		 isnan(node->whole_us) ? "-" : view_number(node->whole_us, text[8]),
		 isnan(node->slow_us) ? "-" : view_number(node->slow_us, text[9]));
	if (chosen)
		attron(A_BOLD | A_UNDERLINE);
	if (has_colors() && strcmp(node->state, "up"))
		attron(COLOR_PAIR(!strcmp(node->state, "down") ? 1 : 2));
	mvaddnstr(row, 0, line, COLS);
	attrset(A_NORMAL);
}

static void draw(struct screen *screen)
{
	char line[200], text[6][16];
	int row = 4;

	erase();
	snprintf(line, sizeof(line), "baton top  %s   sorted by %s%s%s", view.cluster,
		 view_sort_name(screen->sort), *screen->filter || screen->typing ? "   only " : "",
		 screen->filter);
	bar(0, line);
	snprintf(line, sizeof(line), "%s requests/s  %s/s  %s flows  %s SYN/s",
		 view_number(view.requests, text[0]), text_bytes(view.bytes, text[1]),
		 view_number(view.flows, text[2]), view_number(view.syn, text[3]));
	mvaddnstr(1, 0, line, COLS);
	snprintf(line, sizeof(line),
		 "%s connections handed over/s  %s moved/s  %s fallbacks/s  %s refused/s",
		 view_number(view.handoffs, text[0]), view_number(view.moved, text[1]),
		 view_number(view.fallbacks, text[2]), view_number(view.refused, text[3]));
	mvaddnstr(2, 0, line, COLS);
	bar(3, "NODE       STATE  WT ACTIVE  FLOWS  REQ/S  IN/S OUT/S  BYTES/S FIRST   P50 P99us");
	if (screen->chosen >= view.count)
		screen->chosen = view.count ? view.count - 1 : 0;
	for (unsigned int i = 0; i < view.count && row < LINES - 1; i++)
		draw_node(row++, &view.nodes[i], i == screen->chosen);
	if (screen->typing)
		snprintf(line, sizeof(line), "show only: %s_   (Enter keeps it, Esc drops it)",
			 screen->filter);
	else if (*screen->said)
		snprintf(line, sizeof(line), "%s", screen->said);
	else
		snprintf(line, sizeof(line),
			 "up/down choose  d drain  r ready  s sort  / filter  q quit");
	bar(LINES - 1, line);
	refresh();
}

/* "drain" or "ready" for the chosen node. */
static void change(struct screen *screen, const char *command)
{
	const char *node = view.count ? view.nodes[screen->chosen].name : NULL, *why;
	json_t *answer = NULL;
	int error;

	if (!node)
		return;
	error = client_call(screen->values->name, "front",
			    json_pack("{s:s, s:s}", "command", command, "node", node), &answer);
	why = json_string_value(json_object_get(answer, "error"));
	if (error || why)
		snprintf(screen->said, sizeof(screen->said), "%s %s: %s", command, node,
			 why ? why : strerror(-error));
	else
		snprintf(screen->said, sizeof(screen->said), "%s: %s", node,
			 strcmp(command, "drain") ? "takes requests again" : "gets nothing new");
	json_decref(answer);
}

static void type(struct screen *screen, int key)
{
	size_t length = strlen(screen->filter);

	if (key == '\n' || key == KEY_ENTER || key == 27) {
		screen->typing = false;
		if (key == 27)
			*screen->filter = 0;
	} else if ((key == KEY_BACKSPACE || key == 127 || key == '\b') && length) {
		screen->filter[length - 1] = 0;
	} else if (key > ' ' && key < 127 && length + 1 < sizeof(screen->filter)) {
		screen->filter[length] = (char)key;
		screen->filter[length + 1] = 0;
	}
}

static void press(struct screen *screen, int key)
{
	*screen->said = 0;
	if (screen->typing) {
		type(screen, key);
		return;
	}
	switch (key) {
	case 'q':
		screen->over = true;
		break;
	case 's':
		screen->sort = (screen->sort + 1) % SORT_COUNT;
		break;
	case '/':
		screen->typing = true;
		*screen->filter = 0;
		break;
	case KEY_DOWN:
	case 'j':
		screen->chosen++;
		break;
	case KEY_UP:
	case 'k':
		screen->chosen -= screen->chosen > 0;
		break;
	case 'd':
		change(screen, "drain");
		break;
	case 'r':
		change(screen, "ready");
		break;
	}
}

/* Lets keys do their work until the interval is over. */
static void listen(struct screen *screen, const json_t *before, const json_t *now, double seconds)
{
	uint64_t end = clock_now() + screen->values->interval;

	while (!screen->over) {
		uint64_t at = clock_now();
		int key;

		view_make(&view, before, now, seconds, screen->sort, screen->filter);
		draw(screen);
		if (at >= end)
			return;
		timeout((int)((end - at) / NS_PER_MS) + 1);
		key = getch();
		if (key == ERR && clock_now() >= end)
			return;
		if (key != ERR)
			press(screen, key);
	}
}

static void begin_screen(void)
{
	setlocale(LC_ALL, "");
	initscr();
	cbreak();
	noecho();
	keypad(stdscr, TRUE);
	set_escdelay(25);
	curs_set(0);
	if (has_colors()) {
		start_color();
		use_default_colors();
		init_pair(1, COLOR_RED, -1);
		init_pair(2, COLOR_YELLOW, -1);
	}
}

static int run(const struct command *self, int argc, char **argv)
{
	struct values values = {"lab", "name", NS_PER_S, 0, false};
	struct screen screen = {.values = &values};
	json_t *before = NULL, *now;
	uint64_t then = 0, looks = 0;
	int error;

	command_parse(self, argc, argv, &values);
	while (strcmp(view_sort_name(screen.sort), values.sort))
		screen.sort++;
	if (!values.batch && !isatty(1))
		return misused("top draws on a terminal; use --batch for a pipe");
	now = ask(values.name, &error);
	if (!now)
		return failed_errno(
			error,
			"top: the front of cluster '%s' does not answer; is `baton front` running?",
			values.name);
	if (!values.batch)
		begin_screen();
	while (!screen.over && !error) {
		uint64_t at = clock_now();
		double seconds = then ? (double)(at - then) / 1e9 : 0;

		then = at;
		if (values.batch) {
			view_make(&view, before, now, seconds, screen.sort, "");
			if (before || values.count == 1)
				view_print(&view, stdout);
		} else {
			listen(&screen, before, now, seconds);
		}
		if (values.count && ++looks >= values.count + (values.batch && values.count > 1))
			break;
		if (values.batch)
			poll(NULL, 0, (int)(values.interval / NS_PER_MS));
		json_decref(before);
		before = now;
		now = ask(values.name, &error);
	}
	if (!values.batch)
		endwin();
	json_decref(before);
	json_decref(now);
	return error ? failed_errno(error, "top: the front of cluster '%s' went away", values.name)
		     : EXIT_DONE;
}

const struct command command_top = {
	.name = "top",
	.summary = "Watch a running cluster in the terminal",
	.description = "Nodes with requests, handoffs, bytes and latency a second. Keys: up and "
		       "down choose a node, d "
		       "drains it, r takes it back, s sorts, / filters by name or state, q ends.",
	.options = options,
	.run = run,
};
