/* The monitor's graph, drawn with cairo: on the window, or into a picture.
 *
 * Three scales. Linear and logarithmic share one pair of axes. "Bands" gives each class its own
 * strip and splits the value by powers of ten, one shade darker for each, as horizon graphs do
 * (Heer, Kong and Agrawala 2009): the strip's height tells the value inside its decade, the shade
 * which decade it is. So 10 and 1,000,000 a second are both legible at the same time. */
#ifndef BATON_MONITOR_GTK_GRAPH_H
#define BATON_MONITOR_GTK_GRAPH_H

#include "monitor/gtk/samples.h"

#include <cairo.h>

enum graph_scale { GRAPH_LINEAR, GRAPH_LOG, GRAPH_BANDS, GRAPH_SCALES };

struct graph_view {
	bool shown[TRAFFIC_PAPER_COUNT];
	enum graph_scale scale;
	bool bytes;	      /* or packets */
	double span, end;     /* seconds; wall time at the right edge */
	int host;	      /* < 0: all together */
	double hover;	      /* x of the pointer, < 0: none */
	double foreground[3]; /* of text and axes */
};

extern const double graph_colours[TRAFFIC_PAPER_COUNT][3];

void graph_draw(cairo_t *cairo, int width, int height, const struct graph_view *view,
		const struct samples *samples);

/* Into a file by its ending: .png or .svg, on a white ground. Returns 0 or -errno. */
int graph_save(const char *path, int width, int height, const struct graph_view *view,
	       const struct samples *samples);

#endif
