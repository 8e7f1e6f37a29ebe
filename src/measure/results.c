#include "measure/results.h"

#include "base/fail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { COLUMNS = 19, FILE_MOST = 1 << 30 };

static const char header[] =
	"round,order,subject,network,memory_mib,vantage,workload,repeat,status,metric,value,unit,"
	"client_cpu_s,guest_cpu_s,work,work_unit,load,started,reason\n";

void row_header(struct buffer *out)
{
	buffer_text(out, header);
}

void rows_add(struct rows *rows, const struct row *row)
{
	if (rows->count == rows->room) {
		rows->room = rows->room ? 2 * rows->room : 256;
		rows->list = realloc(rows->list, rows->room * sizeof(*rows->list));
		if (!rows->list)
			out_of_memory();
	}
	rows->list[rows->count++] = *row;
}

void rows_free(struct rows *rows)
{
	free(rows->list);
	*rows = (struct rows){0};
}

void row_write(const struct row *row, struct buffer *out)
{
	char status[PLAN_NAME];
	size_t reason;

	plan_word(STATUS_NAMES, (int)row->status, status);
	buffer_format(out, "%u,%lu,%s,%s,%u,%s,%s,%u,%s,%s,%.9g,%s,%.6f,%.6f,%.0f,%s,%.2f,%s,",
		      row->round, row->order, row->subject, row->network, row->memory, row->vantage,
		      row->workload, row->repeat, status, row->metric, row->value, row->unit,
		      row->client_cpu, row->guest_cpu, row->work, row->work_unit, row->load,
		      row->started);
	reason = out->length;
	buffer_text(out, row->reason);
	/* A reason is words: what would end a field or a line is no part of it. */
	for (size_t i = reason; i < out->length; i++)
		if (strchr(",\"\r\n", out->data[i]))
			out->data[i] = ' ';
	buffer_text(out, "\n");
}

/* Cuts a line at its commas. Returns how many fields there are. */
static unsigned int cut(char *line, char *fields[COLUMNS])
{
	unsigned int count = 0;

	while (count < COLUMNS) {
		fields[count++] = line;
		line += strcspn(line, ",");
		if (!*line)
			break;
		*line++ = 0;
	}
	return count;
}

static int status_by_name(const char *name)
{
	char word[PLAN_NAME];

	for (int i = 0; i <= STATUS_FAILED; i++)
		if (!strcmp(plan_word(STATUS_NAMES, i, word), name))
			return i;
	return -1;
}

static void text(char *to, size_t room, const char *from)
{
	snprintf(to, room, "%s", from);
}

static bool read_row(char *line, struct row *row)
{
	char *f[COLUMNS];
	int status;

	if (cut(line, f) != COLUMNS)
		return false;
	status = status_by_name(f[8]);
	if (status < 0)
		return false;
	*row = (struct row){
		.round = (unsigned int)strtoul(f[0], NULL, 10),
		.order = strtoul(f[1], NULL, 10),
		.memory = (unsigned int)strtoul(f[4], NULL, 10),
		.repeat = (unsigned int)strtoul(f[7], NULL, 10),
		.status = (enum status)status,
		.value = strtod(f[10], NULL),
		.client_cpu = strtod(f[12], NULL),
		.guest_cpu = strtod(f[13], NULL),
		.work = strtod(f[14], NULL),
		.load = strtod(f[16], NULL),
	};
	text(row->subject, sizeof(row->subject), f[2]);
	text(row->network, sizeof(row->network), f[3]);
	text(row->vantage, sizeof(row->vantage), f[5]);
	text(row->workload, sizeof(row->workload), f[6]);
	text(row->metric, sizeof(row->metric), f[9]);
	text(row->unit, sizeof(row->unit), f[11]);
	text(row->work_unit, sizeof(row->work_unit), f[15]);
	text(row->started, sizeof(row->started), f[17]);
	text(row->reason, sizeof(row->reason), f[18]);
	return true;
}

int rows_read(struct rows *rows, const char *folder, unsigned int *line)
{
	struct buffer whole = BUFFER_EMPTY;
	char path[PATH_MAX];
	struct row row;
	int error;

	*line = 0;
	snprintf(path, sizeof(path), "%s/times.csv", folder);
	error = buffer_read_file(&whole, path, FILE_MOST);
	if (error == -ENOENT)
		error = 0;
	for (char *at = whole.data; !error && at && *at;) {
		char *end = strchr(at, '\n');

		/* A line without its end was being written when the run was ended: it is written
		 * anew. */
		if (!end)
			break;
		*end = 0;
		++*line;
		if (*line > 1) {
			if (read_row(at, &row))
				rows_add(rows, &row);
			else
				error = -EINVAL;
		}
		at = end + 1;
	}
	buffer_release(&whole);
	return error;
}

static int append(const char *folder, const char *file, const char *head, const char *bytes,
		  size_t length)
{
	char path[PATH_MAX], last = '\n';
	int fd, error = 0;
	off_t size;

	snprintf(path, sizeof(path), "%s/%s", folder, file);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	size = lseek(fd, 0, SEEK_END);
	/* What a killed run left of a line is cut off. */
	while (size > 0 && pread(fd, &last, 1, size - 1) == 1 && last != '\n')
		size--;
	if (ftruncate(fd, size) || lseek(fd, size, SEEK_SET) < 0 ||
	    (!size && write(fd, head, strlen(head)) != (ssize_t)strlen(head)) ||
	    write(fd, bytes, length) != (ssize_t)length)
		error = errno ? -errno : -EIO;
	close(fd);
	return error;
}

int rows_append(const char *folder, const struct row *rows, size_t count, const char *raw)
{
	struct buffer out = BUFFER_EMPTY;
	int error = 0;

	/* Each request has the number of its repetition in front. */
	for (const char *at = raw; at && *at;) {
		size_t length = strcspn(at, "\n");

		buffer_format(&out, "%s,%s,%u,%s,%s,%u,%.*s\n", rows->subject, rows->network,
			      rows->memory, rows->vantage, rows->workload, rows->repeat,
			      (int)length, at);
		at += length + (at[length] == '\n');
	}
	if (out.length)
		error = append(folder, "requests.csv",
			       "subject,network,memory_mib,vantage,workload,repeat,request,start,"
			       "end,before,after\n",
			       out.data, out.length);
	buffer_clear(&out);
	for (size_t i = 0; i < count; i++)
		row_write(&rows[i], &out);
	if (!error && out.length)
		error = append(folder, "times.csv", header, out.data, out.length);
	buffer_release(&out);
	return error;
}

static bool same_place(const struct row *a, const struct row *b)
{
	return a->memory == b->memory && !strcmp(a->workload, b->workload) &&
	       !strcmp(a->vantage, b->vantage) && !strcmp(a->network, b->network) &&
	       !strcmp(a->subject, b->subject);
}

bool row_same_cell(const struct row *a, const struct row *b)
{
	return same_place(a, b) && !strcmp(a->metric, b->metric);
}

bool rows_have(const struct rows *rows, const struct row *row, bool failed)
{
	for (size_t i = 0; i < rows->count; i++) {
		const struct row *this = &rows->list[i];

		if (this->repeat == row->repeat && same_place(this, row) &&
		    (this->status == STATUS_OK || (failed && this->status == STATUS_FAILED)))
			return true;
	}
	return false;
}

static int by_value(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return left < right ? -1 : left > right;
}

/* The quantile by linear interpolation (Hyndman and Fan's type 7) of sorted values. */
static double quantile(const double *sorted, size_t count, double share)
{
	double at = share * (double)(count - 1);
	size_t below = (size_t)at;
	double part = at - (double)below;

	return below + 1 < count ? sorted[below] * (1 - part) + sorted[below + 1] * part
				 : sorted[below];
}

void rows_mark(struct rows *rows)
{
	double *values = calloc(rows->count ? rows->count : 1, sizeof(*values));
	bool *seen = calloc(rows->count ? rows->count : 1, sizeof(*seen));

	if (!values || !seen)
		out_of_memory();
	for (size_t i = 0; i < rows->count; i++) {
		size_t count = 0;
		double low, high, range;

		if (seen[i] || rows->list[i].status != STATUS_OK)
			continue;
		for (size_t j = i; j < rows->count; j++)
			if (rows->list[j].status == STATUS_OK &&
			    row_same_cell(&rows->list[i], &rows->list[j])) {
				values[count++] = rows->list[j].value;
				seen[j] = true;
			}
		qsort(values, count, sizeof(*values), by_value);
		low = quantile(values, count, 0.25);
		high = quantile(values, count, 0.75);
		range = high - low;
		for (size_t j = i; j < rows->count && count >= 4; j++)
			if (rows->list[j].status == STATUS_OK &&
			    row_same_cell(&rows->list[i], &rows->list[j]))
				rows->list[j].outlier = rows->list[j].value < low - 1.5 * range ||
							rows->list[j].value > high + 1.5 * range;
	}
	free(seen);
	free(values);
}
