/* Tables for people: columns as wide as their widest cell, numbers to the right, text to the left.
 */
#ifndef BATON_BASE_TABLE_H
#define BATON_BASE_TABLE_H

#include <stdio.h>

struct table;

/* `columns` is one string, columns separated by '|'; one that begins with '>' is set to the right.
 * NULL when memory is out. */
struct table *table_new(const char *columns);

/* One row; cells separated by '|' in the formatted text; missing cells stay empty. */
void table_row(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Prints and frees. */
void table_print(struct table *table, FILE *out);

/* "1.2 MB" for a number of bytes (powers of 1000); `text` holds 16 bytes. Returns text. */
char *text_bytes(double bytes, char *text);

#endif
