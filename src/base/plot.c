#include "base/plot.h"
#include "base/fail.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 860, HEIGHT = 360, LEFT = 70, RIGHT = 18, BOTTOM = 48, TICKS_MAX = 32 };

struct point {
	double x, y, low, high;
};

struct series {
	char *name;
	struct point *points;
	size_t count, room;
};

struct plot {
	enum plot_kind kind;
	char *title, *x, *y;
	bool log_x, log_y;
	struct series *series;
	unsigned int series_count;
	char **categories;
	unsigned int category_count;
};

/* The range and place of one axis: value -> SVG coordinate. */
struct axis {
	double low, high, from, to;
	bool log;
};

static const char *const light[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b58900",
				    "#56b4e9", "#6b4c9a", "#555555", "#a31515", "#7fb800"};
static const char *const dark[] = {"#56b4e9", "#ff8c42", "#2fd3a0", "#e79ac6", "#f0e442",
				   "#9fd8ff", "#b79be0", "#bbbbbb", "#ff6b6b", "#c0e86a"};
enum { COLOURS = sizeof(light) / sizeof(light[0]) };

static void *grown(void *memory, size_t bytes)
{
	void *more = realloc(memory, bytes);

	if (!more)
		out_of_memory();
	return more;
}

static char *copied(const char *text)
{
	return strcpy(grown(NULL, strlen(text) + 1), text);
}

struct plot *plot_new(enum plot_kind kind, const char *title, const char *x, const char *y)
{
	struct plot *plot = grown(NULL, sizeof(*plot));

	*plot = (struct plot){.kind = kind, .title = copied(title), .x = copied(x), .y = copied(y)};
	return plot;
}

void plot_free(struct plot *plot)
{
	if (!plot)
		return;
	for (unsigned int i = 0; i < plot->series_count; i++) {
		free(plot->series[i].name);
		free(plot->series[i].points);
	}
	for (unsigned int i = 0; i < plot->category_count; i++)
		free(plot->categories[i]);
	free(plot->series);
	free(plot->categories);
	free(plot->title);
	free(plot->x);
	free(plot->y);
	free(plot);
}

void plot_log_x(struct plot *plot)
{
	plot->log_x = true;
}

void plot_log_y(struct plot *plot)
{
	plot->log_y = true;
}

unsigned int plot_series(struct plot *plot, const char *name)
{
	plot->series = grown(plot->series, (plot->series_count + 1) * sizeof(*plot->series));
	plot->series[plot->series_count] = (struct series){.name = copied(name)};
	return plot->series_count++;
}

unsigned int plot_category(struct plot *plot, const char *name)
{
	plot->categories =
		grown(plot->categories, (plot->category_count + 1) * sizeof(*plot->categories));
	plot->categories[plot->category_count] = copied(name);
	return plot->category_count++;
}

void plot_interval(struct plot *plot, unsigned int index, double x, double y, double low,
		   double high)
{
	struct series *series = &plot->series[index];

	if (series->count == series->room) {
		series->room = series->room ? 2 * series->room : 64;
		series->points = grown(series->points, series->room * sizeof(*series->points));
	}
	series->points[series->count++] = (struct point){x, y, low, high};
}

void plot_point(struct plot *plot, unsigned int series, double x, double y)
{
	plot_interval(plot, series, x, y, y, y);
}

void text_escape(struct buffer *out, const char *text)
{
	for (; *text; text++) {
		const char *as = *text == '<'	? "&lt;"
				 : *text == '>' ? "&gt;"
				 : *text == '&' ? "&amp;"
				 : *text == '"' ? "&quot;"
						: NULL;

		if (as)
			buffer_text(out, as);
		else
			buffer_add(out, text, 1);
	}
}

char *text_short(double value, char *text)
{
	static const char *const units[] = {"", "k", "M", "G", "T"};
	unsigned int unit = 0;

	/* 999.9995 would print as 1000. */
	while (fabs(value) >= 999.9995 && unit < 4) {
		value /= 1000;
		unit++;
	}
	snprintf(text, 32, "%.4g%s", value, units[unit]);
	return text;
}

unsigned int plot_ticks(double low, double high, bool log, double *ticks, unsigned int room)
{
	unsigned int count = 0;
	double step, first;

	if (!(high > low) || !room)
		return 0;
	if (log) {
		double decades = ceil(log10(high)) - floor(log10(low)) + 1;
		double every = ceil(decades / room);

		for (double e = ceil(log10(low) - 1e-9); e <= log10(high) + 1e-9; e += every)
			if (count < room)
				ticks[count++] = pow(10, e);
		return count;
	}
	step = pow(10, floor(log10((high - low) / room)));
	for (unsigned int i = 0; (high - low) / step > room - 1; i++)
		step *= i % 3 == 1 ? 2.5 : 2;
	first = ceil(low / step - 1e-9) + 0.0; /* never "-0" */
	for (double i = first; i * step <= high + step * 1e-9 && count < room; i++)
		ticks[count++] = i * step;
	return count;
}

static bool drawable(const struct plot *plot, const struct point *point)
{
	return isfinite(point->x) && isfinite(point->y) && (!plot->log_x || point->x > 0) &&
	       (!plot->log_y || point->y > 0);
}

static double at(const struct axis *axis, double value)
{
	double share = axis->log ? (log(fmax(value, axis->low)) - log(axis->low)) /
					   (log(axis->high) - log(axis->low))
				 : (value - axis->low) / (axis->high - axis->low);

	return axis->from + share * (axis->to - axis->from);
}

static void widen(struct axis *axis, double value)
{
	if (!isfinite(value) || (axis->log && value <= 0))
		return;
	axis->low = fmin(axis->low, value);
	axis->high = fmax(axis->high, value);
}

/* Rounds the range outwards to where ticks are; a range of one value is opened around it. */
static void round_out(struct axis *axis)
{
	if (!(axis->high >= axis->low)) {
		axis->low = axis->log ? 1 : 0;
		axis->high = axis->log ? 10 : 1;
	}
	if (axis->log) {
		axis->low = pow(10, floor(log10(axis->low) + 1e-9));
		axis->high = pow(10, ceil(log10(axis->high) - 1e-9));
		if (axis->high <= axis->low)
			axis->high = axis->low * 10;
		return;
	}
	if (axis->high == axis->low)
		axis->high = axis->low + (axis->low ? fabs(axis->low) : 1);
}

static void find_ranges(const struct plot *plot, struct axis *x, struct axis *y)
{
	*x = (struct axis){INFINITY, -INFINITY, LEFT, WIDTH - RIGHT, plot->log_x};
	*y = (struct axis){INFINITY, -INFINITY, HEIGHT - BOTTOM, 0, plot->log_y};
	for (unsigned int s = 0; s < plot->series_count; s++) {
		for (size_t i = 0; i < plot->series[s].count; i++) {
			const struct point *point = &plot->series[s].points[i];

			if (!drawable(plot, point))
				continue;
			widen(x, point->x);
			widen(y, point->low);
			widen(y, point->high);
			widen(y, point->y);
		}
	}
	if (!plot->log_y)
		widen(y, 0);
	round_out(x);
	round_out(y);
	if (!plot->log_y) {
		double ticks[TICKS_MAX];
		unsigned int count = plot_ticks(y->low, y->high, false, ticks, 8);

		if (count > 1 && ticks[count - 1] < y->high)
			y->high = ticks[count - 1] + ticks[1] - ticks[0];
		if (count > 1 && ticks[0] > y->low)
			y->low = ticks[0] - (ticks[1] - ticks[0]);
	}
	if (plot->kind == PLOT_BARS) {
		x->low = -0.5;
		x->high = plot->category_count ? plot->category_count - 0.5 : 0.5;
		x->log = false;
	}
}

static void draw_text(struct buffer *out, double x, double y, const char *anchor, const char *text)
{
	buffer_format(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", x, y, anchor);
	text_escape(out, text);
	buffer_text(out, "</text>\n");
}

/* The legend, in as many rows as it needs. Returns where the drawing area begins. */
static double draw_legend(const struct plot *plot, struct buffer *out)
{
	double x = LEFT, y = 46;

	if (plot->series_count < 2)
		return 40;
	for (unsigned int s = 0; s < plot->series_count; s++) {
		double wide = 30 + 7.0 * (double)strlen(plot->series[s].name);

		if (x + wide > WIDTH - RIGHT && x > LEFT) {
			x = LEFT;
			y += 18;
		}
		buffer_format(
			out,
			"<rect class=\"f%u\" x=\"%.1f\" y=\"%.1f\" width=\"12\" height=\"12\"/>\n",
			s % COLOURS, x, y - 10);
		draw_text(out, x + 17, y, "start", plot->series[s].name);
		x += wide;
	}
	return y + 14;
}

static void draw_axes(const struct plot *plot, struct buffer *out, const struct axis *x,
		      const struct axis *y)
{
	double ticks[TICKS_MAX];
	unsigned int count = plot_ticks(y->low, y->high, y->log, ticks, 8);
	char text[32];

	for (unsigned int i = 0; i < count; i++) {
		buffer_format(out,
			      "<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" "
			      "y2=\"%.1f\"/>\n",
			      x->from, x->to, at(y, ticks[i]), at(y, ticks[i]));
		draw_text(out, x->from - 7, at(y, ticks[i]) + 4, "end", text_short(ticks[i], text));
	}
	if (plot->kind == PLOT_BARS) {
		for (unsigned int i = 0; i < plot->category_count; i++)
			draw_text(out, at(x, i), y->from + 18, "middle", plot->categories[i]);
	} else {
		count = plot_ticks(x->low, x->high, x->log, ticks, 10);
		for (unsigned int i = 0; i < count; i++) {
			buffer_format(out,
				      "<line class=\"axis\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" "
				      "y2=\"%.1f\"/>\n",
				      at(x, ticks[i]), at(x, ticks[i]), y->from, y->from + 4);
			draw_text(out, at(x, ticks[i]), y->from + 18, "middle",
				  text_short(ticks[i], text));
		}
	}
	buffer_format(out, "<path class=\"axis\" d=\"M%.1f %.1fV%.1fH%.1f\"/>\n", x->from, y->to,
		      y->from, x->to);
	draw_text(out, (x->from + x->to) / 2, HEIGHT - 10, "middle", plot->x);
	buffer_format(out,
		      "<text transform=\"rotate(-90)\" x=\"%.1f\" y=\"16\" "
		      "text-anchor=\"middle\">",
		      -(y->from + y->to) / 2);
	text_escape(out, plot->y);
	buffer_text(out, "</text>\n");
}

static void draw_title(const struct plot *plot, struct buffer *out, const struct series *series,
		       const struct point *point)
{
	buffer_text(out, "<title>");
	text_escape(out, series->name);
	if (plot->kind == PLOT_BARS && point->x >= 0 && point->x < plot->category_count) {
		buffer_text(out, ", ");
		text_escape(out, plot->categories[(unsigned int)point->x]);
		buffer_format(out, ": %.6g", point->y);
	} else {
		buffer_format(out, ": %.6g at %.6g", point->y, point->x);
	}
	if (point->high > point->low)
		buffer_format(out, " (%.6g to %.6g)", point->low, point->high);
	buffer_text(out, "</title>");
}

static void draw_whisker(struct buffer *out, const struct axis *y, const struct point *point,
			 double centre)
{
	double low = at(y, point->low), high = at(y, point->high);

	if (point->high > point->low)
		buffer_format(out,
			      "<path class=\"axis\" d=\"M%.1f %.1fV%.1fM%.1f %.1fh8M%.1f "
			      "%.1fh8\"/>\n",
			      centre, low, high, centre - 4, low, centre - 4, high);
}

static void draw_bars(const struct plot *plot, struct buffer *out, const struct axis *x,
		      const struct axis *y)
{
	double slot = (at(x, 1) - at(x, 0)) * 0.8, wide = slot / plot->series_count;

	for (unsigned int s = 0; s < plot->series_count; s++) {
		const struct series *series = &plot->series[s];

		for (size_t i = 0; i < series->count; i++) {
			const struct point *point = &series->points[i];
			double left = at(x, point->x) - slot / 2 + wide * s;
			double top = at(y, fmax(point->y, 0)), foot = at(y, fmin(point->y, 0));

			if (!drawable(plot, point))
				continue;
			if (y->log) {
				foot = y->from;
				top = at(y, point->y);
			}
			buffer_format(out,
				      "<rect class=\"f%u\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" "
				      "height=\"%.1f\">",
				      s % COLOURS, left, top, fmax(wide - 1, 0.5), foot - top);
			draw_title(plot, out, series, point);
			buffer_text(out, "</rect>\n");
			draw_whisker(out, y, point, left + wide / 2);
		}
	}
}

static void draw_lines(const struct plot *plot, struct buffer *out, const struct axis *x,
		       const struct axis *y)
{
	for (unsigned int s = 0; s < plot->series_count; s++) {
		const struct series *series = &plot->series[s];
		bool broken = true;

		if (plot->kind == PLOT_LINES) {
			buffer_format(out, "<path class=\"s%u\" d=\"", s % COLOURS);
			for (size_t i = 0; i < series->count; i++) {
				const struct point *point = &series->points[i];

				if (!drawable(plot, point)) {
					broken = true;
					continue;
				}
				buffer_format(out, "%s%.1f %.1f", broken ? "M" : "L",
					      at(x, point->x), at(y, point->y));
				broken = false;
			}
			buffer_text(out, "\"/>\n");
		}
		/* Thousands of marks would only hide the line, and weigh megabytes. */
		for (size_t i = 0; i < series->count; i++) {
			const struct point *point = &series->points[i];

			if (!drawable(plot, point) ||
			    (plot->kind == PLOT_LINES && series->count > 200))
				continue;
			draw_whisker(out, y, point, at(x, point->x));
			buffer_format(out,
				      "<circle class=\"f%u\" cx=\"%.1f\" cy=\"%.1f\" r=\"%s\">",
				      s % COLOURS, at(x, point->x), at(y, point->y),
				      series->count > 200 ? "1.2" : "3");
			draw_title(plot, out, series, point);
			buffer_text(out, "</circle>\n");
		}
	}
}

static void draw_style(struct buffer *out)
{
	buffer_text(out, "<style>\n"
			 "svg.plot .ground{fill:#fff}\n"
			 "svg.plot text{font:12px system-ui,sans-serif;fill:#222}\n"
			 "svg.plot text.title{font-size:15px;font-weight:600}\n"
			 "svg.plot .axis{stroke:#444;fill:none}\n"
			 "svg.plot .grid{stroke:#ddd}\n");
	for (unsigned int i = 0; i < COLOURS; i++)
		buffer_format(out,
			      "svg.plot .f%u{fill:%s}"
			      "svg.plot .s%u{stroke:%s;fill:none;stroke-width:1.8}\n",
			      i, light[i], i, light[i]);
	buffer_text(out, "@media (prefers-color-scheme:dark){\n"
			 "svg.plot .ground{fill:#16191d}\n"
			 "svg.plot text{fill:#ddd}\n"
			 "svg.plot .axis{stroke:#aaa}\n"
			 "svg.plot .grid{stroke:#333}\n");
	for (unsigned int i = 0; i < COLOURS; i++)
		buffer_format(out, "svg.plot .f%u{fill:%s}svg.plot .s%u{stroke:%s}\n", i, dark[i],
			      i, dark[i]);
	buffer_text(out, "}\n</style>\n");
}

void plot_svg(const struct plot *plot, struct buffer *out)
{
	struct axis x, y;

	find_ranges(plot, &x, &y);
	buffer_format(out,
		      "<svg class=\"plot\" xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" "
		      "viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" "
		      "style=\"max-width:100%%;height:auto\" aria-label=\"",
		      WIDTH, HEIGHT, WIDTH, HEIGHT);
	text_escape(out, plot->title);
	buffer_text(out, "\">\n");
	draw_style(out);
	/* A drawn ground, not CSS's background: pictures are shown outside of pages too. */
	buffer_format(out, "<rect class=\"ground\" width=\"%d\" height=\"%d\"/>\n", WIDTH, HEIGHT);
	buffer_format(out, "<text class=\"title\" x=\"%d\" y=\"22\">", LEFT);
	text_escape(out, plot->title);
	buffer_text(out, "</text>\n");
	y.to = draw_legend(plot, out);
	draw_axes(plot, out, &x, &y);
	if (plot->kind == PLOT_BARS)
		draw_bars(plot, out, &x, &y);
	else
		draw_lines(plot, out, &x, &y);
	buffer_text(out, "</svg>\n");
}

int plot_write(const struct plot *plot, const char *path)
{
	struct buffer out = BUFFER_EMPTY;
	int error;

	plot_svg(plot, &out);
	error = file_write_whole(path, out.data, out.length, 0644);
	buffer_release(&out);
	return error;
}
