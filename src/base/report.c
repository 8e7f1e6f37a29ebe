#include "base/report.h"

#include <stdbool.h>
#include <string.h>

void report_begin(struct buffer *out, const char *title)
{
	buffer_text(out, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
			 "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
			 "<meta name=\"color-scheme\" content=\"light dark\">\n<title>");
	text_escape(out, title);
	buffer_text(out, "</title>\n<style>\n"
			 "body{font:16px/1.5 system-ui,sans-serif;max-width:56rem;margin:2rem auto;"
			 "padding:0 1rem;background:#fff;color:#222}\n"
			 "h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2rem}\n"
			 "div.wide{overflow-x:auto}\n"
			 "table{border-collapse:collapse;font-size:.9rem;"
			 "font-variant-numeric:tabular-nums}\n"
			 "th,td{padding:.25rem .7rem;border-bottom:1px solid #ddd;text-align:left;"
			 "white-space:nowrap}\n"
			 ".r{text-align:right}\nfigure{margin:1rem 0}\n"
			 "@media (prefers-color-scheme:dark){body{background:#16191d;color:#ddd}"
			 "th,td{border-color:#333}}\n"
			 "</style></head><body>\n<h1>");
	text_escape(out, title);
	buffer_text(out, "</h1>\n");
}

void report_heading(struct buffer *out, const char *text)
{
	buffer_text(out, "<h2>");
	text_escape(out, text);
	buffer_text(out, "</h2>\n");
}

void report_words(struct buffer *out, const char *format, ...)
{
	struct buffer text = BUFFER_EMPTY;
	va_list arguments;

	va_start(arguments, format);
	buffer_vformat(&text, format, arguments);
	va_end(arguments);
	buffer_text(out, "<p>");
	text_escape(out, text.data);
	buffer_text(out, "</p>\n");
	buffer_release(&text);
}

/* One row; `columns` says by '>' which cells go to the right. */
static void row(struct buffer *out, const char *columns, const char *cells, const char *element)
{
	struct buffer cell = BUFFER_EMPTY;

	buffer_text(out, "<tr>");
	for (;;) {
		size_t length = strcspn(cells, "|");
		bool right = *columns == '>';

		buffer_clear(&cell);
		buffer_add(&cell, cells, length);
		buffer_format(out, right ? "<%s class=\"r\">" : "<%s>", element);
		text_escape(out, cell.data);
		buffer_format(out, "</%s>", element);
		cells += length;
		if (!*cells)
			break;
		cells++;
		columns += strcspn(columns, "|");
		columns += *columns == '|';
	}
	buffer_text(out, "</tr>\n");
	buffer_release(&cell);
}

void report_table_begin(struct buffer *out, const char *columns)
{
	struct buffer names = BUFFER_EMPTY;

	/* The names are the columns without their marks. */
	for (const char *c = columns; *c; c++)
		if (*c != '>' || (c > columns && c[-1] != '|'))
			buffer_add(&names, c, 1);
	buffer_text(out, "<div class=\"wide\"><table>\n");
	row(out, columns, names.length ? names.data : "", "th");
	buffer_release(&names);
}

void report_table_row(struct buffer *out, const char *columns, const char *format, ...)
{
	struct buffer cells = BUFFER_EMPTY;
	va_list arguments;

	va_start(arguments, format);
	buffer_vformat(&cells, format, arguments);
	va_end(arguments);
	row(out, columns, cells.data, "td");
	buffer_release(&cells);
}

void report_table_end(struct buffer *out)
{
	buffer_text(out, "</table></div>\n");
}

void report_plot(struct buffer *out, const struct plot *plot)
{
	buffer_text(out, "<figure>");
	plot_svg(plot, out);
	buffer_text(out, "</figure>\n");
}

int report_write(struct buffer *out, const char *path)
{
	int error;

	buffer_text(out, "</body></html>\n");
	error = file_write_whole(path, out->data, out->length, 0644);
	buffer_release(out);
	return error;
}
