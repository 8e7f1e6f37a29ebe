#include "base/table.h"
#include "base/buffer.h"
#include "base/fail.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMNS_MAX = 32 };

struct table {
	unsigned int columns, rows;
	int right[COLUMNS_MAX];
	size_t widths[COLUMNS_MAX];
	char **lines; /* each row's cells, separated by '|' */
};

/* Columns a UTF-8 text takes, counting a code point as one. */
static size_t columns_of(const char *text, size_t length)
{
	size_t columns = 0;

	for (size_t i = 0; i < length; i++)
		columns += ((unsigned char)text[i] & 0xc0) != 0x80;
	return columns;
}

static void widen(struct table *table, const char *line)
{
	for (unsigned int i = 0; i < table->columns; i++) {
		size_t length = strcspn(line, "|"), wide = columns_of(line, length);

		if (wide > table->widths[i])
			table->widths[i] = wide;
		line += length;
		if (!*line)
			break;
		line++;
	}
}

static void keep(struct table *table, char *line)
{
	char **lines = realloc(table->lines, (table->rows + 1) * sizeof(*lines));

	if (!lines)
		out_of_memory();
	table->lines = lines;
	table->lines[table->rows++] = line;
	widen(table, line);
}

struct table *table_new(const char *columns)
{
	struct table *table = calloc(1, sizeof(*table));
	struct buffer names = BUFFER_EMPTY;

	if (!table)
		return NULL;
	while (table->columns < COLUMNS_MAX) {
		size_t length = strcspn(columns, "|");
		int right = *columns == '>';

		table->right[table->columns++] = right;
		buffer_add(&names, columns + right, length - (size_t)right);
		columns += length;
		if (!*columns)
			break;
		columns++;
		buffer_text(&names, "|");
	}
	keep(table, buffer_detach(&names));
	return table;
}

void table_row(struct table *table, const char *format, ...)
{
	struct buffer line = BUFFER_EMPTY;
	va_list arguments;

	va_start(arguments, format);
	buffer_vformat(&line, format, arguments);
	va_end(arguments);
	keep(table, buffer_detach(&line));
}

void table_print(struct table *table, FILE *out)
{
	for (unsigned int r = 0; r < table->rows; r++) {
		const char *cell = table->lines[r];
		unsigned int last = table->columns - 1;

		for (unsigned int i = 0; i <= last; i++) {
			size_t length = strcspn(cell, "|"), wide = columns_of(cell, length);
			int blanks = (int)(table->widths[i] > wide ? table->widths[i] - wide : 0);

			if (table->right[i])
				fprintf(out, "%*s%.*s", blanks, "", (int)length, cell);
			else
				fprintf(out, "%.*s%*s", (int)length, cell, i < last ? blanks : 0,
					"");
			if (i < last)
				fputs("  ", out);
			cell += length;
			if (*cell == '|')
				cell++;
		}
		fputc('\n', out);
		free(table->lines[r]);
	}
	free(table->lines);
	free(table);
}

char *text_bytes(double bytes, char *text)
{
	static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB"};
	unsigned int unit = 0;

	while (bytes >= 999.5 && unit < 5) {
		bytes /= 1000;
		unit++;
	}
	snprintf(text, 16, unit && bytes < 9.95 ? "%.1f %s" : "%.0f %s", bytes, units[unit]);
	return text;
}
