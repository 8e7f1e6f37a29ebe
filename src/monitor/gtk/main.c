/* baton-window: the monitor's window. Reads the lines of `baton monitor --json` from its standard
 * input and draws them; `baton monitor --gtk` starts it. After the traffic-distribution paper's
 * window: one menu, and five coloured buttons that choose what is drawn. */
#include "monitor/gtk/graph.h"
#include "monitor/gtk/samples.h"

#include <gio/gunixinputstream.h>
#include <gtk/gtk.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const double spans[] = {30, 60, 120, 300, 600, 1800, 3600};
static const char *const span_names[] = {"30 s",   "1 min",  "2 min", "5 min",
					 "10 min", "30 min", "1 h",   NULL};
static const char *const scale_names[] = {"linear", "log", "bands", NULL};
static const char *const unit_names[] = {"packets", "bytes", NULL};
enum { SPAN_COUNT = G_N_ELEMENTS(spans), SPAN_FIRST = 2 };

struct window {
	GtkApplication *application;
	GtkWindow *window;
	GtkWidget *graph, *status, *scale, *unit, *span, *host;
	GtkStringList *host_names;
	GDataInputStream *input;
	struct samples samples;
	struct graph_view view;
	gboolean paused;
	unsigned int bad_lines;
	char last_word[512]; /* what was saved, or went wrong; shown until the next */
};

static const char style[] = "button.class { background-image: none; color: #fff; transition: none;"
			    " border-width: 3px; border-style: solid; font-weight: bold;"
			    " min-width: 5em; box-shadow: none; text-shadow: none; }"
			    "button.class:not(:checked) { background-color: transparent;"
			    " color: inherit; }"
			    "button.class:focus-visible { outline: 3px solid #f59f00; }"
			    "button.class:checked { color: #fff; }";

static void load_style(void)
{
	GtkCssProvider *provider = gtk_css_provider_new();
	GString *text = g_string_new(style);

	for (unsigned int c = 0; c < TRAFFIC_PAPER_COUNT; c++) {
		int red = (int)(graph_colours[c][0] * 255 + 0.5);
		int green = (int)(graph_colours[c][1] * 255 + 0.5);
		int blue = (int)(graph_colours[c][2] * 255 + 0.5);

		g_string_append_printf(text,
				       "button.%s { border-color: #%02x%02x%02x; }"
				       "button.%s:checked { background-color: #%02x%02x%02x; }",
				       traffic_keys[c], red, green, blue, traffic_keys[c], red,
				       green, blue);
	}
	gtk_css_provider_load_from_data(provider, text->str, -1);
	gtk_style_context_add_provider_for_display(gdk_display_get_default(),
						   GTK_STYLE_PROVIDER(provider),
						   GTK_STYLE_PROVIDER_PRIORITY_APPLICATION);
	g_string_free(text, TRUE);
	g_object_unref(provider);
}

static void say_status(struct window *window)
{
	GString *text = g_string_new(window->samples.ended ? "ended"
				     : window->paused	   ? "paused"
							   : "live");

	if (!window->samples.count)
		g_string_append(text, ", nothing yet");
	if (window->samples.dropped)
		g_string_append_printf(text, " · %llu packets dropped",
				       (unsigned long long)window->samples.dropped);
	if (window->bad_lines)
		g_string_append_printf(text, " · %u lines not understood", window->bad_lines);
	if (window->last_word[0])
		g_string_append_printf(text, " · %s", window->last_word);
	gtk_label_set_text(GTK_LABEL(window->status), text->str);
	g_string_free(text, TRUE);
}

static void refresh(struct window *window)
{
	if (!window->paused)
		window->view.end = samples_newest(&window->samples);
	say_status(window);
	gtk_widget_queue_draw(window->graph);
}

static void draw(GtkDrawingArea *area, cairo_t *cairo, int width, int height, gpointer user)
{
	struct window *window = user;
	GdkRGBA colour;

	gtk_style_context_get_color(gtk_widget_get_style_context(GTK_WIDGET(area)), &colour);
	window->view.foreground[0] = colour.red;
	window->view.foreground[1] = colour.green;
	window->view.foreground[2] = colour.blue;
	graph_draw(cairo, width, height, &window->view, &window->samples);
}

static void got_line(GObject *object, GAsyncResult *result, gpointer user)
{
	struct window *window = user;
	unsigned int hosts = window->samples.host_count;
	char *line = g_data_input_stream_read_line_finish(G_DATA_INPUT_STREAM(object), result, NULL,
							  NULL);

	if (!line) {
		window->samples.ended = true;
		refresh(window);
		return;
	}
	if (samples_line(&window->samples, line))
		window->bad_lines++;
	g_free(line);
	for (; hosts < window->samples.host_count; hosts++)
		gtk_string_list_append(window->host_names, window->samples.hosts[hosts]);
	gtk_widget_set_visible(window->host, window->samples.host_count > 1);
	refresh(window);
	g_data_input_stream_read_line_async(window->input, G_PRIORITY_DEFAULT_IDLE, NULL, got_line,
					    window);
}

static void change_class(GSimpleAction *action, GVariant *state, gpointer user)
{
	struct window *window = user;
	const char *name = g_action_get_name(G_ACTION(action));

	for (unsigned int c = 0; c < TRAFFIC_PAPER_COUNT; c++)
		if (!strcmp(name, traffic_keys[c]))
			window->view.shown[c] = g_variant_get_boolean(state);
	g_simple_action_set_state(action, state);
	refresh(window);
}

static void change_pause(GSimpleAction *action, GVariant *state, gpointer user)
{
	struct window *window = user;

	window->paused = g_variant_get_boolean(state);
	g_simple_action_set_state(action, state);
	refresh(window);
}

static void choose(GtkWidget *list, unsigned int count)
{
	GtkDropDown *drop = GTK_DROP_DOWN(list);

	gtk_drop_down_set_selected(drop, (gtk_drop_down_get_selected(drop) + 1) % count);
}

static void next_scale(GSimpleAction *action, GVariant *parameter, gpointer user)
{
	(void)action;
	(void)parameter;
	choose(((struct window *)user)->scale, GRAPH_SCALES);
}

static void next_unit(GSimpleAction *action, GVariant *parameter, gpointer user)
{
	(void)action;
	(void)parameter;
	choose(((struct window *)user)->unit, 2);
}

static void quit(GSimpleAction *action, GVariant *parameter, gpointer user)
{
	(void)action;
	(void)parameter;
	gtk_window_close(((struct window *)user)->window);
}

/* Saves at once, under a name made of the time, where the program was started: no dialog stands
 * between a peak and its picture. The action's parameter is the kind: png, svg or csv. */
static void save(GSimpleAction *action, GVariant *parameter, gpointer user)
{
	struct window *window = user;
	const char *kind = g_variant_get_string(parameter, NULL);
	GDateTime *now = g_date_time_new_now_local();
	char *stem = g_date_time_format(now, "baton-monitor-%Y%m%d-%H%M%S"), *name = NULL;
	int error;

	(void)action;
	for (unsigned int copy = 1; !name || !access(name, F_OK); copy++) {
		g_free(name);
		name = copy == 1 ? g_strdup_printf("%s.%s", stem, kind)
				 : g_strdup_printf("%s-%u.%s", stem, copy, kind);
	}
	error = !strcmp(kind, "csv") ? samples_save(&window->samples, name)
				     : graph_save(name, gtk_widget_get_width(window->graph),
						  gtk_widget_get_height(window->graph),
						  &window->view, &window->samples);
	snprintf(window->last_word, sizeof(window->last_word),
		 error ? "can't save %s: %s" : "saved %s", name, g_strerror(-error));
	refresh(window);
	g_free(name);
	g_free(stem);
	g_date_time_unref(now);
}

static void chosen(GObject *object, GParamSpec *property, gpointer user)
{
	struct window *window = user;
	guint at = gtk_drop_down_get_selected(GTK_DROP_DOWN(object));

	(void)property;
	if (object == G_OBJECT(window->scale))
		window->view.scale = (enum graph_scale)at;
	else if (object == G_OBJECT(window->unit))
		window->view.bytes = at == 1;
	else if (object == G_OBJECT(window->span))
		window->view.span = spans[at < SPAN_COUNT ? at : SPAN_FIRST];
	else if (object == G_OBJECT(window->host))
		window->view.host = (int)at - 1;
	refresh(window);
}

static void hover(GtkEventControllerMotion *controller, double x, double y, gpointer user)
{
	struct window *window = user;

	(void)controller;
	(void)y;
	window->view.hover = x;
	gtk_widget_queue_draw(window->graph);
}

static void hover_over(GtkEventControllerMotion *controller, gpointer user)
{
	struct window *window = user;

	(void)controller;
	window->view.hover = -1;
	gtk_widget_queue_draw(window->graph);
}

static GtkWidget *drop_down(struct window *window, const char *const *names, guint first,
			    const char *label)
{
	GtkWidget *list = gtk_drop_down_new_from_strings(names);

	gtk_drop_down_set_selected(GTK_DROP_DOWN(list), first);
	gtk_widget_set_tooltip_text(list, label);
	gtk_accessible_update_property(GTK_ACCESSIBLE(list), GTK_ACCESSIBLE_PROPERTY_LABEL, label,
				       -1);
	g_signal_connect(list, "notify::selected", G_CALLBACK(chosen), window);
	return list;
}

static void add_actions(struct window *window)
{
	static const char *const keys[TRAFFIC_PAPER_COUNT] = {"t", "c", "i", "a", "o"};
	static const GActionEntry entries[] = {
		{.name = "pause", .state = "false", .change_state = change_pause},
		{.name = "next-scale", .activate = next_scale},
		{.name = "next-unit", .activate = next_unit},
		{.name = "save", .parameter_type = "s", .activate = save},
		{.name = "quit", .activate = quit},
	};
	static const char *const accelerators[][2] = {
		{"win.pause", "space"},		 {"win.next-scale", "s"},
		{"win.next-unit", "b"},		 {"win.save::png", "<Control>s"},
		{"win.save::svg", "<Control>g"}, {"win.save::csv", "<Control>e"},
		{"win.quit", "<Control>q"},
	};
	GActionMap *map = G_ACTION_MAP(window->window);
	char name[32];

	g_action_map_add_action_entries(map, entries, G_N_ELEMENTS(entries), window);
	for (unsigned int c = 0; c < TRAFFIC_PAPER_COUNT; c++) {
		GSimpleAction *action = g_simple_action_new_stateful(traffic_keys[c], NULL,
								     g_variant_new_boolean(TRUE));

		g_signal_connect(action, "change-state", G_CALLBACK(change_class), window);
		g_action_map_add_action(map, G_ACTION(action));
		g_object_unref(action);
		snprintf(name, sizeof(name), "win.%s", traffic_keys[c]);
		gtk_application_set_accels_for_action(window->application, name,
						      (const char *[]){keys[c], NULL});
	}
	for (size_t i = 0; i < G_N_ELEMENTS(accelerators); i++)
		gtk_application_set_accels_for_action(window->application, accelerators[i][0],
						      (const char *[]){accelerators[i][1], NULL});
}

static void set_menu(GtkApplication *application)
{
	GMenu *bar = g_menu_new(), *menu = g_menu_new(), *saving = g_menu_new(),
	      *leaving = g_menu_new();

	g_menu_append(saving, "Save picture as _PNG", "win.save::png");
	g_menu_append(saving, "Save picture as S_VG", "win.save::svg");
	g_menu_append(saving, "Save values as _CSV", "win.save::csv");
	g_menu_append(leaving, "_Quit", "win.quit");
	g_menu_append_section(menu, NULL, G_MENU_MODEL(saving));
	g_menu_append_section(menu, NULL, G_MENU_MODEL(leaving));
	g_menu_append_submenu(bar, "_Monitor", G_MENU_MODEL(menu));
	gtk_application_set_menubar(application, G_MENU_MODEL(bar));
	g_object_unref(leaving);
	g_object_unref(saving);
	g_object_unref(menu);
	g_object_unref(bar);
}

static GtkWidget *class_buttons(void)
{
	GtkWidget *row = gtk_box_new(GTK_ORIENTATION_HORIZONTAL, 6);

	for (unsigned int c = 0; c < TRAFFIC_PAPER_COUNT; c++) {
		GtkWidget *button = gtk_toggle_button_new_with_label(traffic_titles[c]);
		char *action = g_strdup_printf("win.%s", traffic_keys[c]);
		char *tip = g_strdup_printf("Draw %s, or don't", traffic_titles[c]);

		gtk_actionable_set_action_name(GTK_ACTIONABLE(button), action);
		gtk_widget_add_css_class(button, "class");
		gtk_widget_add_css_class(button, traffic_keys[c]);
		gtk_widget_set_tooltip_text(button, tip);
		gtk_widget_set_hexpand(button, TRUE);
		gtk_box_append(GTK_BOX(row), button);
		g_free(action);
		g_free(tip);
	}
	return row;
}

static GtkWidget *tool_row(struct window *window)
{
	GtkWidget *row = gtk_box_new(GTK_ORIENTATION_HORIZONTAL, 6);
	GtkWidget *pause = gtk_toggle_button_new_with_label("Pause");
	GtkWidget *picture = gtk_button_new_with_label("Save");

	window->scale = drop_down(window, scale_names, GRAPH_LINEAR, "Scale (s)");
	window->unit = drop_down(window, unit_names, 0, "Packets or bytes (b)");
	window->span = drop_down(window, span_names, SPAN_FIRST, "Time shown");
	window->host_names = gtk_string_list_new((const char *[]){"all hosts", NULL});
	window->host = gtk_drop_down_new(G_LIST_MODEL(window->host_names), NULL);
	gtk_widget_set_tooltip_text(window->host, "Host");
	gtk_widget_set_visible(window->host, FALSE);
	g_signal_connect(window->host, "notify::selected", G_CALLBACK(chosen), window);
	gtk_actionable_set_action_name(GTK_ACTIONABLE(pause), "win.pause");
	gtk_widget_set_tooltip_text(pause, "Hold the graph; counting goes on (space)");
	gtk_actionable_set_detailed_action_name(GTK_ACTIONABLE(picture), "win.save::png");
	gtk_widget_set_tooltip_text(picture, "Save a picture (Ctrl+S; SVG Ctrl+G, CSV Ctrl+E)");
	/* Wide enough for their longest word, so that nothing moves when another is chosen. */
	gtk_widget_set_size_request(window->scale, 100, -1);
	gtk_widget_set_size_request(window->unit, 110, -1);
	gtk_widget_set_size_request(window->span, 100, -1);
	gtk_widget_set_size_request(pause, 90, -1);
	gtk_widget_set_size_request(picture, 90, -1);
	gtk_box_append(GTK_BOX(row), window->scale);
	gtk_box_append(GTK_BOX(row), window->unit);
	gtk_box_append(GTK_BOX(row), window->span);
	gtk_box_append(GTK_BOX(row), window->host);
	gtk_box_append(GTK_BOX(row), pause);
	gtk_box_append(GTK_BOX(row), picture);
	return row;
}

static void activate(GtkApplication *application, gpointer user)
{
	struct window *window = user;
	GtkWidget *column = gtk_box_new(GTK_ORIENTATION_VERTICAL, 6);
	GtkEventController *motion = gtk_event_controller_motion_new();

	load_style();
	set_menu(application);
	window->window = GTK_WINDOW(gtk_application_window_new(application));
	gtk_window_set_title(window->window, "Baton monitor");
	gtk_window_set_default_size(window->window, 860, 520);
	gtk_application_window_set_show_menubar(GTK_APPLICATION_WINDOW(window->window), TRUE);
	add_actions(window);
	window->graph = gtk_drawing_area_new();
	gtk_widget_set_vexpand(window->graph, TRUE);
	gtk_accessible_update_property(GTK_ACCESSIBLE(window->graph), GTK_ACCESSIBLE_PROPERTY_LABEL,
				       "Traffic over time by protocol", -1);
	gtk_drawing_area_set_draw_func(GTK_DRAWING_AREA(window->graph), draw, window, NULL);
	g_signal_connect(motion, "motion", G_CALLBACK(hover), window);
	g_signal_connect(motion, "leave", G_CALLBACK(hover_over), window);
	gtk_widget_add_controller(window->graph, motion);
	window->status = gtk_label_new("");
	gtk_label_set_xalign(GTK_LABEL(window->status), 0);
	gtk_label_set_ellipsize(GTK_LABEL(window->status), PANGO_ELLIPSIZE_END);
	gtk_widget_set_margin_start(column, 8);
	gtk_widget_set_margin_end(column, 8);
	gtk_widget_set_margin_top(column, 6);
	gtk_widget_set_margin_bottom(column, 6);
	gtk_box_append(GTK_BOX(column), class_buttons());
	gtk_box_append(GTK_BOX(column), tool_row(window));
	gtk_box_append(GTK_BOX(column), window->graph);
	gtk_box_append(GTK_BOX(column), window->status);
	gtk_window_set_child(window->window, column);
	refresh(window);
	gtk_window_present(window->window);
	g_data_input_stream_read_line_async(window->input, G_PRIORITY_DEFAULT_IDLE, NULL, got_line,
					    window);
}

int main(int argc, char **argv)
{
	struct window window = {
		.view = {.shown = {true, true, true, true, true},
			 .span = spans[SPAN_FIRST],
			 .host = -1,
			 .hover = -1},
	};
	GInputStream *input;
	int status;

	if (argc > 1) {
		puts("Usage: baton monitor --json ... | baton-window\n"
		     "Draws what it reads; `baton monitor --gtk` starts it so.");
		return strcmp(argv[1], "--help") ? 2 : 0;
	}
	input = g_unix_input_stream_new(STDIN_FILENO, FALSE);
	window.input = g_data_input_stream_new(input);
	window.application = gtk_application_new("net.baton.monitor", G_APPLICATION_NON_UNIQUE);
	g_signal_connect(window.application, "activate", G_CALLBACK(activate), &window);
	status = g_application_run(G_APPLICATION(window.application), 1, argv);
	g_object_unref(window.application);
	g_object_unref(window.input);
	g_object_unref(input);
	samples_release(&window.samples);
	return status;
}
