#include "monitor/gtk/graph.h"
#include "base/plot.h"

#include <cairo-svg.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LEFT = 62, RIGHT = 14, TOP = 22, BOTTOM = 30, BANDS = 7 };

const double graph_colours[TRAFFIC_PAPER_COUNT][3] = {
	{0x3b / 255.0, 0x5b / 255.0, 0xdb / 255.0}, {0x2b / 255.0, 0x8a / 255.0, 0x3e / 255.0},
	{0xd9 / 255.0, 0x48 / 255.0, 0x0f / 255.0}, {0x9c / 255.0, 0x36 / 255.0, 0xb5 / 255.0},
	{0x86 / 255.0, 0x8e / 255.0, 0x96 / 255.0},
};

struct area {
	double left, top, right, bottom;
};

/* What one drawing works on. */
struct drawing {
	cairo_t *cairo;
	const struct graph_view *view;
	const struct moment *moments;
	size_t count;
	struct area area;
	double high; /* of the y axis */
};

static void ink(const struct drawing *drawing, double strength)
{
	const double *c = drawing->view->foreground;

	cairo_set_source_rgba(drawing->cairo, c[0], c[1], c[2], strength);
}

static void colour(const struct drawing *drawing, unsigned int class, double strength)
{
	const double *c = graph_colours[class];

	cairo_set_source_rgba(drawing->cairo, c[0], c[1], c[2], strength);
}

/* `align` 0: begins at x, 0.5: centred, 1: ends there. */
static double write_text(const struct drawing *drawing, double x, double y, double align,
			 const char *text)
{
	cairo_text_extents_t size;

	cairo_text_extents(drawing->cairo, text, &size);
	cairo_move_to(drawing->cairo, x - size.x_advance * align, y);
	cairo_show_text(drawing->cairo, text);
	return size.x_advance;
}

static double x_of(const struct drawing *drawing, double time)
{
	const struct area *area = &drawing->area;
	double share = 1 - (drawing->view->end - time) / drawing->view->span;

	return area->left + share * (area->right - area->left);
}

static double y_of(const struct drawing *drawing, double rate)
{
	const struct area *area = &drawing->area;
	double share = drawing->view->scale == GRAPH_LOG
			       ? log10(fmax(rate, 1)) / log10(drawing->high)
			       : rate / drawing->high;

	return area->bottom - share * (area->bottom - area->top);
}

static void draw_line(const struct drawing *drawing, double x1, double y1, double x2, double y2)
{
	/* Half a pixel aside, a one-pixel line is sharp. */
	cairo_move_to(drawing->cairo, floor(x1) + 0.5, floor(y1) + 0.5);
	cairo_line_to(drawing->cairo, floor(x2) + 0.5, floor(y2) + 0.5);
	cairo_stroke(drawing->cairo);
}

static void draw_times(const struct drawing *drawing)
{
	const struct area *area = &drawing->area;
	double wide = area->right - area->left, ticks[16];
	unsigned int most = wide > 700 ? 10 : wide > 350 ? 6 : 4;
	unsigned int count = plot_ticks(0, drawing->view->span, false, ticks, most);

	for (unsigned int i = 0; i < count; i++) {
		double x = x_of(drawing, drawing->view->end - ticks[i]);
		time_t whole = (time_t)(drawing->view->end - ticks[i]);
		struct tm local;
		char text[16];

		localtime_r(&whole, &local);
		strftime(text, sizeof(text), "%H:%M:%S", &local);
		ink(drawing, 0.15);
		draw_line(drawing, x, area->top, x, area->bottom);
		ink(drawing, 0.8);
		if (x - area->left > 24)
			write_text(drawing, fmin(x, area->right - 22), area->bottom + 18, 0.5,
				   text);
	}
}

static void draw_values(struct drawing *drawing)
{
	const struct area *area = &drawing->area;
	double ticks[16];
	unsigned int count;
	char text[32];

	drawing->high = 0;
	for (size_t i = 0; i < drawing->count; i++)
		for (unsigned int c = 0; c < TRAFFIC_PAPER_COUNT; c++)
			if (drawing->view->shown[c])
				drawing->high = fmax(drawing->high, drawing->moments[i].rates[c]);
	if (drawing->view->scale == GRAPH_LOG) {
		drawing->high = pow(10, fmax(1, ceil(log10(fmax(drawing->high, 10)) - 1e-9)));
		count = plot_ticks(1, drawing->high, true, ticks, 16);
	} else {
		drawing->high = fmax(drawing->high, 10) * 1.05;
		count = plot_ticks(0, drawing->high, false, ticks, 8);
	}
	for (unsigned int i = 0; i < count; i++) {
		ink(drawing, 0.15);
		draw_line(drawing, area->left, y_of(drawing, ticks[i]), area->right,
			  y_of(drawing, ticks[i]));
		ink(drawing, 0.8);
		write_text(drawing, area->left - 6, y_of(drawing, ticks[i]) + 4, 1,
			   text_short(ticks[i], text));
	}
}

static void draw_curves(const struct drawing *drawing)
{
	cairo_t *cairo = drawing->cairo;
	const struct area *area = &drawing->area;

	cairo_save(cairo);
	cairo_rectangle(cairo, area->left, area->top - 2, area->right - area->left,
			area->bottom - area->top + 4);
	cairo_clip(cairo);
	cairo_set_line_width(cairo, 2);
	cairo_set_line_join(cairo, CAIRO_LINE_JOIN_ROUND);
	for (unsigned int c = 0; c < TRAFFIC_PAPER_COUNT; c++) {
		if (!drawing->view->shown[c])
			continue;
		colour(drawing, c, 1);
		for (size_t i = 0; i < drawing->count; i++)
			cairo_line_to(cairo, x_of(drawing, drawing->moments[i].time),
				      y_of(drawing, drawing->moments[i].rates[c]));
		if (drawing->count == 1)
			cairo_rel_line_to(cairo, -4, 0);
		cairo_stroke(cairo);
	}
	cairo_restore(cairo);
}

static double shade(int band)
{
	return 0.16 + 0.84 * band / (BANDS - 1);
}

/* The decade of a rate (0: below 10), and into `part` how much of that band is filled. */
static int band_of(double rate, double *part)
{
	int band = 0;
	double low = 0, high = 10;

	while (rate >= high && band < BANDS - 1) {
		band++;
		low = high;
		high *= 10;
	}
	*part = fmin((rate - low) / (high - low), 1);
	return band;
}

static void draw_strip(const struct drawing *drawing, unsigned int class, double top, double bottom)
{
	cairo_t *cairo = drawing->cairo;
	const struct area *area = &drawing->area;
	const struct moment *last = drawing->count ? &drawing->moments[drawing->count - 1] : NULL;
	char text[32];

	for (size_t i = 0; i < drawing->count; i++) {
		/* Whole pixels: neighbours must meet without a seam. */
		double right = round(x_of(drawing, drawing->moments[i].time)), part;
		double left = i ? round(x_of(drawing, drawing->moments[i - 1].time)) : right - 3;
		int band = band_of(drawing->moments[i].rates[class], &part);
		double high = part * (bottom - top);

		left = fmax(left, area->left);
		if (right <= left)
			continue;
		if (band) {
			colour(drawing, class, shade(band - 1));
			cairo_rectangle(cairo, left, top, right - left, bottom - top - high);
			cairo_fill(cairo);
		}
		colour(drawing, class, shade(band));
		cairo_rectangle(cairo, left, bottom - high, right - left, high);
		cairo_fill(cairo);
	}
	ink(drawing, 0.5);
	draw_line(drawing, area->left, bottom, area->right, bottom);
	ink(drawing, 1);
	write_text(drawing, area->left - 6, (top + bottom) / 2 - 2, 1, traffic_titles[class]);
	if (last)
		write_text(drawing, area->left - 6, (top + bottom) / 2 + 12, 1,
			   text_short(last->rates[class], text));
}

static void draw_bands(struct drawing *drawing)
{
	static const char *const names[BANDS] = {"<10",	  "<100", "<1k",	"<10k",
						 "<100k", "<1M",  "1M and more"};
	struct area *area = &drawing->area;
	unsigned int shown = 0, at = 0;
	double x = area->left, high;

	for (unsigned int c = 0; c < TRAFFIC_PAPER_COUNT; c++)
		shown += drawing->view->shown[c];
	for (int band = 0; band < BANDS; band++) {
		ink(drawing, shade(band));
		cairo_rectangle(drawing->cairo, x, TOP - 14, 12, 10);
		cairo_fill(drawing->cairo);
		ink(drawing, 0.8);
		x += 24 + write_text(drawing, x + 16, TOP - 5, 0, names[band]);
	}
	if (!shown)
		return;
	high = (area->bottom - area->top) / shown;
	for (unsigned int c = 0; c < TRAFFIC_PAPER_COUNT; c++)
		if (drawing->view->shown[c]) {
			double top = area->top + 4 + high * at++;

			draw_strip(drawing, c, top, top + high - 4);
		}
}

/* The values at the moment nearest to the pointer. */
static void draw_hover(const struct drawing *drawing)
{
	const struct area *area = &drawing->area;
	const struct moment *nearest = NULL;
	double hover = drawing->view->hover, x, y, wide = 150;
	unsigned int lines = 1;
	time_t whole;
	struct tm local;
	char text[80], number[32];

	if (hover < area->left || hover > area->right)
		return;
	for (size_t i = 0; i < drawing->count; i++)
		if (!nearest || fabs(x_of(drawing, drawing->moments[i].time) - hover) <
					fabs(x_of(drawing, nearest->time) - hover))
			nearest = &drawing->moments[i];
	if (!nearest)
		return;
	for (unsigned int c = 0; c < TRAFFIC_PAPER_COUNT; c++)
		lines += drawing->view->shown[c];
	x = x_of(drawing, nearest->time);
	ink(drawing, 0.6);
	draw_line(drawing, x, area->top, x, area->bottom);
	x += x + 10 + wide > area->right ? -wide - 10 : 10;
	y = area->top + 8;
	/* A ground that stands out from the text's colour, whichever that is. */
	if (drawing->view->foreground[0] > 0.5)
		cairo_set_source_rgba(drawing->cairo, 0.1, 0.1, 0.1, 1);
	else
		cairo_set_source_rgba(drawing->cairo, 1, 1, 1, 1);
	cairo_rectangle(drawing->cairo, x, y, wide, lines * 16 + 10);
	cairo_fill_preserve(drawing->cairo);
	ink(drawing, 0.5);
	cairo_stroke(drawing->cairo);
	whole = (time_t)nearest->time;
	localtime_r(&whole, &local);
	strftime(text, sizeof(text), "%H:%M:%S", &local);
	ink(drawing, 1);
	write_text(drawing, x + 8, y += 17, 0, text);
	for (unsigned int c = 0; c < TRAFFIC_PAPER_COUNT; c++) {
		if (!drawing->view->shown[c])
			continue;
		y += 16;
		colour(drawing, c, 1);
		cairo_rectangle(drawing->cairo, x + 8, y - 9, 10, 10);
		cairo_fill(drawing->cairo);
		ink(drawing, 1);
		write_text(drawing, x + 24, y, 0, traffic_titles[c]);
		snprintf(text, sizeof(text), "%s %s", text_short(nearest->rates[c], number),
			 drawing->view->bytes ? "B/s" : "pkt/s");
		write_text(drawing, x + wide - 8, y, 1, text);
	}
}

void graph_draw(cairo_t *cairo, int width, int height, const struct graph_view *view,
		const struct samples *samples)
{
	struct drawing drawing = {
		.cairo = cairo,
		.view = view,
		.area = {LEFT, TOP, width - RIGHT, height - BOTTOM},
	};
	struct moment *moments;

	/* One interval more than is seen, so that the curve runs in from the edge. */
	drawing.count = samples_moments(samples, view->end - view->span * 1.05, view->end,
					view->host, view->bytes, &moments);
	drawing.moments = moments;
	cairo_select_font_face(cairo, "sans-serif", CAIRO_FONT_SLANT_NORMAL,
			       CAIRO_FONT_WEIGHT_NORMAL);
	cairo_set_font_size(cairo, 12);
	cairo_set_line_width(cairo, 1);
	draw_times(&drawing);
	if (view->scale == GRAPH_BANDS) {
		draw_bands(&drawing);
	} else {
		draw_values(&drawing);
		draw_curves(&drawing);
		ink(&drawing, 0.8);
		write_text(&drawing, LEFT, TOP - 8, 0,
			   view->bytes ? "bytes per second" : "packets per second");
	}
	cairo_set_line_width(cairo, 1);
	draw_hover(&drawing);
	free(moments);
}

int graph_save(const char *path, int width, int height, const struct graph_view *view,
	       const struct samples *samples)
{
	size_t length = strlen(path);
	bool svg = length > 4 && !strcmp(path + length - 4, ".svg");
	cairo_surface_t *surface =
		svg ? cairo_svg_surface_create(path, width, height)
		    : cairo_image_surface_create(CAIRO_FORMAT_RGB24, width, height);
	cairo_t *cairo = cairo_create(surface);
	struct graph_view on_white = *view;
	cairo_status_t status;

	memset(on_white.foreground, 0, sizeof(on_white.foreground));
	on_white.hover = -1;
	cairo_set_source_rgb(cairo, 1, 1, 1);
	cairo_paint(cairo);
	graph_draw(cairo, width, height, &on_white, samples);
	cairo_destroy(cairo);
	if (svg)
		cairo_surface_finish(surface);
	status = svg ? cairo_surface_status(surface) : cairo_surface_write_to_png(surface, path);
	cairo_surface_destroy(surface);
	return status == CAIRO_STATUS_SUCCESS ? 0 : -EIO;
}
