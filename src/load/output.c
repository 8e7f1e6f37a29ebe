#include "load/output.h"

#include "base/plot.h"
#include "base/report.h"
#include "base/table.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>

static const struct {
	const char *name, *heading;
	double share;
} quantiles[] = {
	{"p50", "50 %", 0.5},
	{"p90", "90 %", 0.9},
	{"p99", "99 %", 0.99},
	{"p999", "99.9 %", 0.999},
};
enum { QUANTILES = sizeof(quantiles) / sizeof(quantiles[0]) };

static double rate(uint64_t count, double seconds)
{
	return seconds > 0 ? (double)count / seconds : 0;
}

static double us(uint64_t ns)
{
	return (double)ns / 1e3;
}

static uint64_t largest(const struct histogram *histogram)
{
	return histogram->count ? histogram->most : 0;
}

static double cpu_share(const struct tally *tally)
{
	return tally->seconds > 0 ? tally->cpu_seconds / tally->seconds : 0;
}

static void latency_row(struct table *table, const char *name, const struct histogram *histogram)
{
	if (!histogram->count)
		return;
	table_row(table, "%s|%llu|%.1f|%.1f|%.1f|%.1f|%.1f|%.1f", name,
		  (unsigned long long)histogram->count, histogram_mean(histogram) / 1e3,
		  us(histogram_at(histogram, 0.5)), us(histogram_at(histogram, 0.9)),
		  us(histogram_at(histogram, 0.99)), us(histogram_at(histogram, 0.999)),
		  us(largest(histogram)));
}

void output_text(const struct tally *tally, const char *title, FILE *out)
{
	char bytes[16];
	struct table *table;

	fprintf(out, "%s\n", title);
	fprintf(out,
		"%llu requests in %.2f s: %.1f requests/s, %s of bodies, %.1f Mbit/s, %llu "
		"errors\n",
		(unsigned long long)tally->requests, tally->seconds,
		rate(tally->requests, tally->seconds), text_bytes((double)tally->bytes, bytes),
		rate(tally->bytes, tally->seconds) * 8e-6, (unsigned long long)tally->errors);
	fprintf(out, "%llu bodies checked byte by byte, %llu connections",
		(unsigned long long)tally->verified, (unsigned long long)tally->connects);
	if (tally->resumed)
		fprintf(out, " (%llu TLS sessions resumed)", (unsigned long long)tally->resumed);
	if (tally->retried)
		fprintf(out, ", %llu sent again after an idle connection was closed",
			(unsigned long long)tally->retried);
	if (tally->idle_resets)
		fprintf(out, ", %llu idle connections reset",
			(unsigned long long)tally->idle_resets);
	if (tally->abandoned)
		fprintf(out, ", %llu under way at the end", (unsigned long long)tally->abandoned);
	fprintf(out, "\nGenerator: %.0f %% of one core%s\n\n", cpu_share(tally) * 100,
		cpu_share(tally) >= SATURATED ? ": it may itself be the bottleneck" : "");
	table = table_new("microseconds|>number|>mean|>50 %|>90 %|>99 %|>99.9 %|>most");
	if (table) {
		latency_row(table, "latency", tally->latency);
		latency_row(table, "first byte", tally->first_byte);
		latency_row(table, "connecting", tally->connect);
		latency_row(table, "sent late", tally->late);
		latency_row(table, "same node", tally->stayed);
		latency_row(table, "switched", tally->switched);
		for (unsigned int i = 0; tally->class_count > 1 && i < tally->class_count; i++)
			latency_row(table, tally->classes[i].name, tally->classes[i].latency);
		table_print(table, out);
	}
	if (tally->node_count && (table = table_new("node|>requests|>share"))) {
		fputc('\n', out);
		for (unsigned int i = 0; i < tally->node_count; i++)
			table_row(table, "%s|%llu|%.1f %%", tally->nodes[i].name,
				  (unsigned long long)tally->nodes[i].requests,
				  100.0 * rate(tally->nodes[i].requests, (double)tally->requests));
		table_print(table, out);
	}
	if (tally->errors && (table = table_new("error|>number|meaning"))) {
		fputc('\n', out);
		for (int i = 0; i < LOAD_ERROR_COUNT; i++)
			if (tally->by_error[i])
				table_row(table, "%s|%llu|%s", load_error_names[i],
					  (unsigned long long)tally->by_error[i],
					  load_error_meanings[i]);
		table_print(table, out);
		fprintf(out, "The first:\n");
		for (unsigned int i = 0; i < tally->example_count; i++)
			fprintf(out, "  %s\n", tally->examples[i]);
	}
}

json_t *output_latency(const struct histogram *histogram)
{
	json_t *object = json_pack("{s:I, s:f}", "count", (json_int_t)histogram->count, "mean",
				   histogram_mean(histogram) / 1e3);

	for (int i = 0; i < QUANTILES; i++)
		json_object_set_new(object, quantiles[i].name,
				    json_real(us(histogram_at(histogram, quantiles[i].share))));
	json_object_set_new(object, "max", json_real(us(largest(histogram))));
	return object;
}

/* Shares of requests that took at most so many us, where they change. */
static json_t *spectrum_json(const struct histogram *histogram)
{
	json_t *points = json_array();
	uint64_t seen = 0;

	for (unsigned int slot = 0; slot < HISTOGRAM_SLOTS && seen < histogram->count; slot++) {
		if (!histogram->slots[slot])
			continue;
		seen += histogram->slots[slot];
		json_array_append_new(points,
				      json_pack("[f, f]", (double)seen / (double)histogram->count,
						us(histogram_slot_top(slot))));
	}
	return points;
}

static json_t *series_json(const struct tally *tally)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < tally->series_count; i++) {
		const struct interval *row = &tally->series[i];

		json_array_append_new(
			rows, json_pack("{s:f, s:f, s:I, s:I, s:I, s:I, s:f, s:f, s:f}", "at",
					row->at, "seconds", row->seconds, "requests",
					(json_int_t)row->requests, "errors",
					(json_int_t)row->errors, "bytes", (json_int_t)row->bytes,
					"active", (json_int_t)row->active, "p50_us", us(row->p50),
					"p99_us", us(row->p99), "max_us", us(row->most)));
	}
	return rows;
}

json_t *output_json(const struct tally *tally)
{
	json_t *object, *nodes = json_object(), *errors = json_object(), *statuses = json_object();
	json_t *classes = json_array(), *examples = json_array();

	for (unsigned int i = 0; i < tally->example_count; i++)
		json_array_append_new(examples, json_string(tally->examples[i]));
	for (unsigned int i = 0; i < tally->node_count; i++)
		json_object_set_new(nodes, tally->nodes[i].name,
				    json_integer((json_int_t)tally->nodes[i].requests));
	for (int i = 0; i < LOAD_ERROR_COUNT; i++)
		json_object_set_new(errors, load_error_names[i],
				    json_integer((json_int_t)tally->by_error[i]));
	for (int i = 0; i < STATUS_MOST; i++) {
		char name[8];

		if (!tally->by_status[i])
			continue;
		snprintf(name, sizeof(name), "%d", i);
		json_object_set_new(statuses, name, json_integer((json_int_t)tally->by_status[i]));
	}
	for (unsigned int i = 0; i < tally->class_count; i++) {
		const struct class_tally *class = &tally->classes[i];

		json_array_append_new(classes,
				      json_pack("{s:s, s:I, s:I, s:I, s:o}", "name", class->name,
						"requests", (json_int_t) class->requests, "errors",
						(json_int_t) class->errors, "bytes",
						(json_int_t) class->bytes, "latency_us",
						output_latency(class->latency)));
	}
	object = json_pack("{s:I, s:I, s:I, s:f, s:f, s:f, s:o, s:o, s:o, s:o, s:o}", "requests",
			   (json_int_t)tally->requests, "errors", (json_int_t)tally->errors,
			   "bytes", (json_int_t)tally->bytes, "seconds", tally->seconds,
			   "requests_per_second", rate(tally->requests, tally->seconds),
			   "bits_per_second", rate(tally->bytes, tally->seconds) * 8, "latency_us",
			   output_latency(tally->latency), "by_node", nodes, "errors_by", errors,
			   "by_status", statuses, "classes", classes);
	json_object_set_new(object, "first_byte_us", output_latency(tally->first_byte));
	json_object_set_new(object, "connect_us", output_latency(tally->connect));
	json_object_set_new(object, "late_us", output_latency(tally->late));
	json_object_set_new(object, "stayed_us", output_latency(tally->stayed));
	json_object_set_new(object, "switched_us", output_latency(tally->switched));
	json_object_set_new(object, "spectrum", spectrum_json(tally->latency));
	json_object_set_new(object, "sent", json_integer((json_int_t)tally->sent));
	json_object_set_new(object, "verified", json_integer((json_int_t)tally->verified));
	json_object_set_new(object, "retried", json_integer((json_int_t)tally->retried));
	json_object_set_new(object, "idle_resets", json_integer((json_int_t)tally->idle_resets));
	json_object_set_new(object, "connections", json_integer((json_int_t)tally->connects));
	json_object_set_new(object, "tls_resumed", json_integer((json_int_t)tally->resumed));
	json_object_set_new(object, "abandoned", json_integer((json_int_t)tally->abandoned));
	json_object_set_new(object, "bytes_received", json_integer((json_int_t)tally->received));
	json_object_set_new(object, "began", json_real(tally->began));
	json_object_set_new(object, "generator_cpu", json_real(cpu_share(tally)));
	json_object_set_new(object, "generator_saturated",
			    json_boolean(cpu_share(tally) >= SATURATED));
	json_object_set_new(object, "latency_error", json_real(1.0 / (1 << HISTOGRAM_BITS)));
	json_object_set_new(object, "first_errors", examples);
	json_object_set_new(object, "series", series_json(tally));
	return object;
}

int output_csv(const struct tally *tally, const char *path)
{
	FILE *out = fopen(path, "we");

	if (!out)
		return -errno;
	fprintf(out, "at,seconds,requests,errors,bytes,active,p50_us,p99_us,max_us\n");
	for (size_t i = 0; i < tally->series_count; i++) {
		const struct interval *row = &tally->series[i];

		fprintf(out, "%.3f,%.3f,%llu,%llu,%llu,%llu,%.1f,%.1f,%.1f\n", row->at,
			row->seconds, (unsigned long long)row->requests,
			(unsigned long long)row->errors, (unsigned long long)row->bytes,
			(unsigned long long)row->active, us(row->p50), us(row->p99), us(row->most));
	}
	return fclose(out) ? -errno : 0;
}

static void plot_shares(struct plot *plot, const char *name, const struct histogram *histogram)
{
	unsigned int series;
	uint64_t seen = 0;

	if (!histogram->count)
		return;
	series = plot_series(plot, name);
	/* Against the share of slower requests: 1 in 10, 1 in 100 ... get the same room each. */
	for (unsigned int slot = 0; slot < HISTOGRAM_SLOTS && seen < histogram->count; slot++) {
		if (!histogram->slots[slot])
			continue;
		plot_point(plot, series,
			   (double)histogram->count / (double)(histogram->count - seen),
			   (double)histogram_slot_top(slot) / 1e6);
		seen += histogram->slots[slot];
	}
}

static void report_latencies(struct buffer *page, const struct tally *tally)
{
	static const char columns[] = "milliseconds|>number|>mean|>50 %|>90 %|>99 %|>99.9 %|>most";
	const struct {
		const char *name;
		const struct histogram *histogram;
	} rows[] = {
		{"latency", tally->latency},	{"first byte", tally->first_byte},
		{"connecting", tally->connect}, {"sent late", tally->late},
		{"same node", tally->stayed},	{"switched", tally->switched},
	};

	report_table_begin(page, columns);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]) + tally->class_count; i++) {
		size_t fixed = sizeof(rows) / sizeof(rows[0]);
		const struct histogram *h =
			i < fixed ? rows[i].histogram : tally->classes[i - fixed].latency;

		if (!h->count || (i >= fixed && tally->class_count < 2))
			continue;
		report_table_row(page, columns, "%s|%llu|%.3f|%.3f|%.3f|%.3f|%.3f|%.3f",
				 i < fixed ? rows[i].name : tally->classes[i - fixed].name,
				 (unsigned long long)h->count, histogram_mean(h) / 1e6,
				 us(histogram_at(h, 0.5)) / 1e3, us(histogram_at(h, 0.9)) / 1e3,
				 us(histogram_at(h, 0.99)) / 1e3, us(histogram_at(h, 0.999)) / 1e3,
				 us(largest(h)) / 1e3);
	}
	report_table_end(page);
}

int output_html(const struct tally *tally, const char *title, const char *path)
{
	struct buffer page = BUFFER_EMPTY;
	struct plot *plot;
	unsigned int a, b, c;
	char bytes[16];

	report_begin(&page, title);
	report_words(&page,
		     "%llu requests in %.2f s: %.1f requests/s, %s of bodies, %.1f Mbit/s, %llu "
		     "errors, %llu bodies checked byte by byte. The generator used %.0f %% of one "
		     "core%s.",
		     (unsigned long long)tally->requests, tally->seconds,
		     rate(tally->requests, tally->seconds), text_bytes((double)tally->bytes, bytes),
		     rate(tally->bytes, tally->seconds) * 8e-6, (unsigned long long)tally->errors,
		     (unsigned long long)tally->verified, cpu_share(tally) * 100,
		     cpu_share(tally) >= SATURATED ? ", so it may itself be the bottleneck" : "");
	report_heading(&page, "Latency");
	report_words(&page, "From the sending, or where times were planned from the planned time, "
			    "to the last byte. A value read back is at most 0.1 %% off.");
	report_latencies(&page, tally);
	plot = plot_new(PLOT_LINES, "Latency", "1 request in so many is slower", "ms");
	plot_log_x(plot);
	plot_log_y(plot);
	plot_shares(plot, "latency", tally->latency);
	plot_shares(plot, "same node", tally->stayed);
	plot_shares(plot, "switched", tally->switched);
	report_plot(&page, plot);
	plot_free(plot);

	report_heading(&page, "Over time");
	plot = plot_new(PLOT_LINES, "Requests and errors", "seconds", "per second");
	a = plot_series(plot, "requests");
	b = plot_series(plot, "errors");
	for (size_t i = 0; i < tally->series_count; i++) {
		const struct interval *row = &tally->series[i];

		plot_point(plot, a, row->at, rate(row->requests, row->seconds));
		plot_point(plot, b, row->at, rate(row->errors, row->seconds));
	}
	report_plot(&page, plot);
	plot_free(plot);
	plot = plot_new(PLOT_LINES, "Latency over time", "seconds", "ms");
	plot_log_y(plot);
	a = plot_series(plot, "50 %");
	b = plot_series(plot, "99 %");
	c = plot_series(plot, "most");
	for (size_t i = 0; i < tally->series_count; i++) {
		const struct interval *row = &tally->series[i];

		plot_point(plot, a, row->at, row->requests ? us(row->p50) / 1e3 : NAN);
		plot_point(plot, b, row->at, row->requests ? us(row->p99) / 1e3 : NAN);
		plot_point(plot, c, row->at, row->requests ? us(row->most) / 1e3 : NAN);
	}
	report_plot(&page, plot);
	plot_free(plot);

	if (tally->node_count) {
		report_heading(&page, "Nodes");
		plot = plot_new(PLOT_BARS, "Requests by node", "", "requests");
		a = plot_series(plot, "requests");
		for (unsigned int i = 0; i < tally->node_count; i++)
			plot_point(plot, a, plot_category(plot, tally->nodes[i].name),
				   (double)tally->nodes[i].requests);
		report_plot(&page, plot);
		plot_free(plot);
	}
	if (tally->errors) {
		report_heading(&page, "Errors");
		report_table_begin(&page, "error|>number|meaning");
		for (int i = 0; i < LOAD_ERROR_COUNT; i++)
			if (tally->by_error[i])
				report_table_row(&page, "error|>number|meaning", "%s|%llu|%s",
						 load_error_names[i],
						 (unsigned long long)tally->by_error[i],
						 load_error_meanings[i]);
		report_table_end(&page);
	}
	return report_write(&page, path);
}
