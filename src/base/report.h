/* A report as one HTML file that needs nothing else: headings, words, tables, charts; light and
 * dark, readable on a phone and on paper. */
#ifndef BATON_BASE_REPORT_H
#define BATON_BASE_REPORT_H

#include "base/buffer.h"
#include "base/plot.h"

/* Each appends to `out`. Texts are escaped. */
void report_begin(struct buffer *out, const char *title);
void report_heading(struct buffer *out, const char *text);
void report_words(struct buffer *out, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* A table: `columns` separated by '|', those that begin with '>' set to the right (as
 * base/table.h); rows in the same form, one a call; then the end. */
void report_table_begin(struct buffer *out, const char *columns);
void report_table_row(struct buffer *out, const char *columns, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void report_table_end(struct buffer *out);

void report_plot(struct buffer *out, const struct plot *plot);

/* Ends the page and writes it to `path`; the buffer is released. Returns 0 or -errno. */
int report_write(struct buffer *out, const char *path);

#endif
