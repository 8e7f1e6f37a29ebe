/* What was measured, on disk: OUTPUT/times.csv, a row for each metric of each repetition, warm-ups
 * and failures included, and OUTPUT/requests.csv, a row for each web request. A run that is begun
 * again reads it and leaves out what is there. */
#ifndef BATON_MEASURE_RESULTS_H
#define BATON_MEASURE_RESULTS_H

#include "measure/plan.h"

#include <stddef.h>
#include <stdio.h>

enum status { STATUS_OK, STATUS_WARM_UP, STATUS_FAILED };
#define STATUS_NAMES "ok|warm-up|failed"

struct row {
	unsigned int round;
	unsigned long order; /* which repetition of the run it was, from 1 */
	char subject[PLAN_NAME], network[PLAN_NAME], vantage[PLAN_NAME], workload[PLAN_NAME];
	unsigned int memory; /* MiB */
	unsigned int repeat; /* from 1; warm-ups: which of the boot's */
	enum status status;
	char metric[16], unit[16];
	double value;
	double client_cpu, guest_cpu; /* seconds of this host's CPU */
	double work;
	char work_unit[16];
	double load; /* the machine's average over a minute, when it began */
	char started[32];
	char reason[200]; /* of a failure; no commas */
	bool outlier;	  /* set by rows_mark */
};

struct rows {
	struct row *list;
	size_t count, room;
};

/* Reads OUTPUT/times.csv; none is no error. Returns 0, -errno, or -EINVAL with the line in *line.
 */
int rows_read(struct rows *rows, const char *folder, unsigned int *line);
void rows_free(struct rows *rows);

/* Adds a copy. */
void rows_add(struct rows *rows, const struct row *row);

/* The header line, and a row as a line of CSV. */
void row_header(struct buffer *out);
void row_write(const struct row *row, struct buffer *out);

/* Appends rows to OUTPUT/times.csv and web requests ("N,start,end,before,after" lines of `raw`) to
 * OUTPUT/requests.csv, requests first: what is in times.csv is whole. Returns 0 or -errno. */
int rows_append(const char *folder, const struct row *rows, size_t count, const char *raw);

/* Whether the repetition that `row` names has been measured (or, with `failed`, tried). */
bool rows_have(const struct rows *rows, const struct row *row, bool failed);

/* Marks outliers: outside of Tukey's fences (1.5 times the range between the quartiles beyond
 * them), cell by cell, in cells of four and more. They are kept. */
void rows_mark(struct rows *rows);

/* Whether two rows are of one cell: subject, network, memory, vantage, workload and metric. */
bool row_same_cell(const struct row *a, const struct row *b);

#endif
