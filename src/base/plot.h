/* Charts as SVG: lines or grouped bars with axes, ticks at round numbers, a legend, whiskers for
 * intervals and the exact value of each mark on hover. The colours are those of Okabe and Ito
 * (2008), told apart by colour-blind eyes too; they follow the reader's light or dark scheme. */
#ifndef BATON_BASE_PLOT_H
#define BATON_BASE_PLOT_H

#include "base/buffer.h"

#include <stdbool.h>

enum plot_kind { PLOT_LINES, PLOT_BARS, PLOT_DOTS };

struct plot;

/* An empty chart; out of memory ends the program, as in a buffer. The texts are copied. */
struct plot *plot_new(enum plot_kind kind, const char *title, const char *x, const char *y);
void plot_free(struct plot *plot);

/* Logarithmic axes: only values above 0 are drawn. */
void plot_log_x(struct plot *plot);
void plot_log_y(struct plot *plot);

/* Adds a series with a name for the legend. Returns its index. */
unsigned int plot_series(struct plot *plot, const char *name);

/* Bars: names the next position on the x axis: 0, 1, 2 ... Returns that position. */
unsigned int plot_category(struct plot *plot, const char *name);

/* Adds a value. Lines are drawn in the order of adding; a `y` that is not finite breaks the line.
 */
void plot_point(struct plot *plot, unsigned int series, double x, double y);

/* The same with a whisker from `low` to `high`. */
void plot_interval(struct plot *plot, unsigned int series, double x, double y, double low,
		   double high);

/* Appends the chart as one <svg> element, 860 x 360, that scales with its page. */
void plot_svg(const struct plot *plot, struct buffer *out);

/* Writes the chart as a file of its own. Returns 0 or -errno. */
int plot_write(const struct plot *plot, const char *path);

/* Appends text with what HTML and XML give a meaning escaped. */
void text_escape(struct buffer *out, const char *text);

/* Where an axis from `low` to `high` gets its ticks: at most `room` values into `ticks`, at 1, 2 or
 * 5 times a power of ten, or at powers of ten when `log`. Returns how many. */
unsigned int plot_ticks(double low, double high, bool log, double *ticks, unsigned int room);

/* "1.5k", "20M", "0.003": a number as ticks show it; `text` holds 32 bytes. Returns text. */
char *text_short(double value, char *text);

#endif
