#include "echo/result.h"
#include "base/clock.h"
#include "base/plot.h"
#include "base/report.h"
#include "base/table.h"

#include <errno.h>
#include <string.h>

static double us(double ns)
{
	return ns / 1e3;
}

static double per_message_us(const struct result *result)
{
	uint64_t messages = result->seen.all_messages;

	return messages ? result->server_seconds * 1e6 / (double)messages : 0;
}

static uint64_t errors(const struct result *result)
{
	const struct clients_result *seen = &result->seen;

	return seen->refused + seen->reset + seen->closed + seen->wrong;
}

static double rate(const struct result *result)
{
	return result->seen.seconds > 0 ? (double)result->seen.messages / result->seen.seconds : 0;
}

/* Where the first (0), middle (1) or last (2) EDGE values of the first client's begin. */
static uint64_t edge_begin(const struct clients_result *seen, int edge)
{
	uint64_t rest = seen->one_count > EDGE ? seen->one_count - EDGE : 0;

	return edge == 0 ? 0 : edge == 1 ? rest / 2 : rest;
}

static double edge_mean(const struct clients_result *seen, int edge)
{
	uint64_t begin = edge_begin(seen, edge), count = 0;
	double sum = 0;

	for (; count < EDGE && begin + count < seen->one_count; count++)
		sum += (double)seen->one[begin + count];
	return count ? us(sum / (double)count) : 0;
}

void results_table(const struct results *results)
{
	struct table *table =
		table_new("model|>clients|>queue|>messages/s|>RTT mean us|>sd|>p50|>p99|>first "
			  "reply ms|>CPU %|>CPU us/msg|>PSS MiB|>retransm.|>overflows|>starved|>"
			  "errors");

	for (unsigned int i = 0; table && i < results->count; i++) {
		const struct result *result = &results->items[i];
		const struct clients_result *seen = &result->seen;

		table_row(table,
			  "%s|%u|%u|%.0f|%.1f|%.1f|%.1f|%.1f|%.2f|%.0f|%.2f|%.1f|%llu|%llu|%u|%llu",
			  result->model, result->clients, result->queue, rate(result),
			  us(histogram_mean(seen->rtt)), us(histogram_deviation(seen->rtt)),
			  us((double)histogram_at(seen->rtt, 0.5)),
			  us((double)histogram_at(seen->rtt, 0.99)),
			  (double)histogram_at(seen->first_reply, 0.5) / 1e6, result->used.cpu.mean,
			  per_message_us(result), result->used.pss.mean / 1024,
			  (unsigned long long)result->retransmissions,
			  (unsigned long long)result->overflows, seen->starved,
			  (unsigned long long)errors(result));
	}
	if (!table)
		return;
	table_print(table, stdout);
	printf("\nRTT without the first message of a connection; that is the first reply, from "
	       "connect() on (median).\nCPU is the server's process tree, 100 %% is one "
	       "processor. Starved clients never got a reply.\n");
}

static json_t *spread_json(const struct spread *spread)
{
	return json_pack("{s:f, s:f, s:f}", "mean", spread->mean, "sd", spread_deviation(spread),
			 "variance", spread_variance(spread));
}

static json_t *times_json(const struct histogram *times)
{
	double deviation = us(histogram_deviation(times));

	return json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:I}", "mean",
			 us(histogram_mean(times)), "sd", deviation, "variance",
			 deviation * deviation, "p50", us((double)histogram_at(times, 0.5)), "p90",
			 us((double)histogram_at(times, 0.9)), "p99",
			 us((double)histogram_at(times, 0.99)), "max", us((double)times->most),
			 "count", (json_int_t)times->count);
}

static json_t *edge_json(const struct clients_result *seen, int edge)
{
	uint64_t begin = edge_begin(seen, edge);
	json_t *list = json_array();

	for (uint64_t i = begin; i < begin + EDGE && i < seen->one_count; i++)
		json_array_append_new(list, json_real(us((double)seen->one[i])));
	return list;
}

static json_t *result_json(const struct result *result)
{
	const struct clients_result *seen = &result->seen;
	json_t *object = json_object();

	json_object_set_new(object, "model", json_string(result->model));
	json_object_set_new(object, "clients", json_integer(result->clients));
	json_object_set_new(object, "queue", json_integer(result->queue));
	json_object_set_new(object, "rtt_us", times_json(seen->rtt));
	json_object_set_new(object, "first_reply_us", times_json(seen->first_reply));
	json_object_set_new(object, "cpu", spread_json(&result->used.cpu));
	json_object_set_new(object, "machine_cpu", spread_json(&result->used.machine));
	json_object_set_new(object, "memory_kib", spread_json(&result->used.memory));
	json_object_set_new(object, "pss_kib", spread_json(&result->used.pss));
	json_object_set_new(object, "machine_context_switches_per_second",
			    spread_json(&result->used.switches));
	json_object_set_new(object, "samples", json_integer((json_int_t)result->used.cpu.count));
	json_object_set_new(object, "processes", json_integer(result->used.processes));
	json_object_set_new(object, "messages", json_integer((json_int_t)seen->messages));
	json_object_set_new(object, "seconds", json_real(seen->seconds));
	json_object_set_new(object, "settle_seconds", json_real(seen->settle_seconds));
	json_object_set_new(object, "messages_per_second", json_real(rate(result)));
	json_object_set_new(object, "connections", json_integer((json_int_t)seen->connections));
	json_object_set_new(object, "retransmissions",
			    json_integer((json_int_t)result->retransmissions));
	json_object_set_new(object, "syn_retransmissions",
			    json_integer((json_int_t)result->syn_retransmissions));
	json_object_set_new(object, "listen_overflows",
			    json_integer((json_int_t)result->overflows));
	json_object_set_new(object, "listen_drops", json_integer((json_int_t)result->drops));
	json_object_set_new(object, "server_cpu_seconds", json_real(result->server_seconds));
	json_object_set_new(object, "server_cpu_us_per_message", json_real(per_message_us(result)));
	json_object_set_new(object, "server_context_switches",
			    json_integer((json_int_t)result->switches));
	json_object_set_new(object, "starved", json_integer(seen->starved));
	json_object_set_new(object, "errors", json_integer((json_int_t)errors(result)));
	json_object_set_new(object, "errors_by",
			    json_pack("{s:I, s:I, s:I, s:I}", "refused", (json_int_t)seen->refused,
				      "reset", (json_int_t)seen->reset, "closed",
				      (json_int_t)seen->closed, "wrong", (json_int_t)seen->wrong));
	json_object_set_new(object, "first_rtts_us", edge_json(seen, 0));
	json_object_set_new(object, "middle_rtts_us", edge_json(seen, 1));
	json_object_set_new(object, "last_rtts_us", edge_json(seen, 2));
	return object;
}

json_t *results_json(const struct results *results)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < results->count; i++)
		json_array_append_new(list, result_json(&results->items[i]));
	return json_pack("{s:f, s:s, s:o}", "seconds", results->seconds, "accept", results->accept,
			 "results", list);
}

static int write_csv(const struct results *results, const char *path)
{
	struct buffer text = BUFFER_EMPTY;
	int error;

	buffer_text(&text,
		    "model,clients,queue,messages_per_second,rtt_mean_us,rtt_sd_us,rtt_variance,"
		    "rtt_p50_us,rtt_p99_us,first_reply_p50_us,first_reply_p99_us,cpu_mean,cpu_sd,"
		    "cpu_variance,machine_cpu_mean,memory_kib_mean,memory_kib_sd,"
		    "memory_kib_variance,pss_kib_mean,server_cpu_us_per_message,retransmissions,"
		    "syn_retransmissions,listen_overflows,starved,errors\n");
	for (unsigned int i = 0; i < results->count; i++) {
		const struct result *r = &results->items[i];
		const struct histogram *rtt = r->seen.rtt, *first = r->seen.first_reply;
		double deviation = us(histogram_deviation(rtt));

		buffer_format(
			&text,
			"%s,%u,%u,%.1f,%.2f,%.2f,%.2f,%.2f,%.2f,%.2f,%.2f,%.2f,%.2f,%.2f,%.2f,%.0f,"
			"%.0f,%.0f,%.0f,%.3f,%llu,%llu,%llu,%u,%llu\n",
			r->model, r->clients, r->queue, rate(r), us(histogram_mean(rtt)), deviation,
			deviation * deviation, us((double)histogram_at(rtt, 0.5)),
			us((double)histogram_at(rtt, 0.99)), us((double)histogram_at(first, 0.5)),
			us((double)histogram_at(first, 0.99)), r->used.cpu.mean,
			spread_deviation(&r->used.cpu), spread_variance(&r->used.cpu),
			r->used.machine.mean, r->used.memory.mean,
			spread_deviation(&r->used.memory), spread_variance(&r->used.memory),
			r->used.pss.mean, per_message_us(r), (unsigned long long)r->retransmissions,
			(unsigned long long)r->syn_retransmissions,
			(unsigned long long)r->overflows, r->seen.starved,
			(unsigned long long)errors(r));
	}
	error = file_write_whole(path, text.data, text.length, 0644);
	buffer_release(&text);
	return error;
}

/* What the bar charts show. A result without a value (NAN) has no bar. */
static double value_rtt(const struct result *r)
{
	return us(histogram_mean(r->seen.rtt));
}

static double value_p99(const struct result *r)
{
	return us((double)histogram_at(r->seen.rtt, 0.99));
}

static double value_deviation(const struct result *r)
{
	return us(histogram_deviation(r->seen.rtt));
}

static double value_first(const struct result *r)
{
	return (double)histogram_at(r->seen.first_reply, 0.5) / 1e6;
}

static double value_cpu(const struct result *r)
{
	return r->used.cpu.mean;
}

static double value_memory(const struct result *r)
{
	return r->used.pss.mean / 1024;
}

static const struct {
	const char *file, *title, *axis;
	double (*value)(const struct result *result);
	bool log;
} charts[] = {
	{"rtt-mean", "Mean round trip by number of clients", "us (log)", value_rtt, true},
	{"rtt-p99", "99th percentile of the round trip", "us (log)", value_p99, true},
	{"rtt-sd", "Standard deviation of the round trip", "us (log)", value_deviation, true},
	{"first-reply", "From connect() to the first reply, median", "ms (log)", value_first, true},
	{"throughput", "Messages per second", "1/s", rate, false},
	{"cpu", "Processor time of the server", "% of one processor", value_cpu, false},
	{"cpu-message", "Processor time of the server for each message", "us", per_message_us,
	 false},
	{"memory", "Memory of the server (proportional set size)", "MiB (log)", value_memory, true},
};

/* The number a name has among those of earlier results; a new one is entered by `enter`. */
static unsigned int place(const struct results *results, unsigned int index, bool by_model)
{
	const struct result *result = &results->items[index];
	unsigned int at = 0;

	for (unsigned int i = 0; i < results->count; i++) {
		const struct result *other = &results->items[i];
		bool first = true;

		if (other->queue != result->queue)
			continue;
		for (unsigned int j = 0; j < i; j++)
			if (results->items[j].queue == other->queue &&
			    (by_model ? !strcmp(results->items[j].model, other->model)
				      : results->items[j].clients == other->clients))
				first = false;
		if (by_model ? !strcmp(other->model, result->model)
			     : other->clients == result->clients)
			return at;
		at += first;
	}
	return at;
}

/* Groups are numbers of clients, bars in them the models; one listen queue length a chart. */
static struct plot *bars(const struct results *results, unsigned int queue, size_t chart)
{
	char title[160], name[32];
	struct plot *plot;
	unsigned int series = 0, categories = 0;

	snprintf(title, sizeof(title), "%s (listen queue %u)", charts[chart].title, queue);
	plot = plot_new(PLOT_BARS, title, "clients", charts[chart].axis);
	if (charts[chart].log)
		plot_log_y(plot);
	for (unsigned int i = 0; i < results->count; i++) {
		const struct result *result = &results->items[i];
		unsigned int model, group;

		if (result->queue != queue)
			continue;
		model = place(results, i, true);
		group = place(results, i, false);
		if (model == series) {
			plot_series(plot, result->model);
			series++;
		}
		if (group == categories) {
			snprintf(name, sizeof(name), "%u", result->clients);
			plot_category(plot, name);
			categories++;
		}
		plot_point(plot, model, group, charts[chart].value(result));
	}
	return plot;
}

/* Which share of the round trips was at most so long, by model. */
static struct plot *distribution(const struct results *results, unsigned int queue,
				 unsigned int clients)
{
	char title[128];
	struct plot *plot;

	snprintf(title, sizeof(title), "Distribution of the round trip, %u clients (queue %u)",
		 clients, queue);
	plot = plot_new(PLOT_LINES, title, "us (log)", "% of messages");
	plot_log_x(plot);
	for (unsigned int i = 0; i < results->count; i++) {
		const struct result *result = &results->items[i];
		unsigned int series;

		if (result->queue != queue || result->clients != clients ||
		    !result->seen.rtt->count)
			continue;
		series = plot_series(plot, result->model);
		for (unsigned int share = 0; share <= 1000; share += share < 990 ? 10 : 1)
			plot_point(plot, series,
				   us((double)histogram_at(result->seen.rtt, share / 1000.0)),
				   share / 10.0);
	}
	return plot;
}

static int keep(struct buffer *page, struct plot *plot, const char *directory, const char *name)
{
	char path[4096];
	int error;

	snprintf(path, sizeof(path), "%s/%s.svg", directory, name);
	report_plot(page, plot);
	error = plot_write(plot, path);
	plot_free(plot);
	return error;
}

static void tables(const struct results *results, struct buffer *page)
{
	static const char main_columns[] =
		"model|>clients|>queue|>messages/s|>RTT mean us|>sd|>variance|>p50|>p99|>first "
		"reply p50 ms|>CPU %|>sd|>variance|>memory KiB|>sd|>variance|>retransmissions|>"
		"overflows|>starved|>errors";
	static const char edge_columns[] = "model|>clients|>queue|>messages of client 1|>first 20, "
					   "mean us|>middle 20|>last 20";

	report_table_begin(page, main_columns);
	for (unsigned int i = 0; i < results->count; i++) {
		const struct result *r = &results->items[i];
		double deviation = us(histogram_deviation(r->seen.rtt));

		report_table_row(
			page, main_columns,
			"%s|%u|%u|%.0f|%.1f|%.1f|%.4g|%.1f|%.1f|%.2f|%.1f|%.1f|%.4g|%.0f|%.0f|%.4g|"
			"%llu|%llu|%u|%llu",
			r->model, r->clients, r->queue, rate(r), us(histogram_mean(r->seen.rtt)),
			deviation, deviation * deviation,
			us((double)histogram_at(r->seen.rtt, 0.5)), value_p99(r), value_first(r),
			r->used.cpu.mean, spread_deviation(&r->used.cpu),
			spread_variance(&r->used.cpu), r->used.memory.mean,
			spread_deviation(&r->used.memory), spread_variance(&r->used.memory),
			(unsigned long long)r->retransmissions, (unsigned long long)r->overflows,
			r->seen.starved, (unsigned long long)errors(r));
	}
	report_table_end(page);
	report_words(page,
		     "RTT leaves out the first message of each connection, which may have waited "
		     "for the server's turn; that one is the first reply, measured from connect() "
		     "on. CPU is the server's process tree by interval, 100 %% is one processor. "
		     "Memory is what the whole machine used more than before the server was "
		     "started, as the paper's m_used.");
	report_heading(page, "First, middle and last 20 round trips of one client");
	report_table_begin(page, edge_columns);
	for (unsigned int i = 0; i < results->count; i++) {
		const struct result *r = &results->items[i];

		report_table_row(page, edge_columns, "%s|%u|%u|%llu|%.1f|%.1f|%.1f", r->model,
				 r->clients, r->queue, (unsigned long long)r->seen.one_count,
				 edge_mean(&r->seen, 0), edge_mean(&r->seen, 1),
				 edge_mean(&r->seen, 2));
	}
	report_table_end(page);
}

int results_write(const struct results *results, const char *directory)
{
	struct buffer page = BUFFER_EMPTY;
	char path[4096], name[96];
	int error, other;

	report_begin(&page, "Echo servers side by side");
	report_words(
		&page,
		"Clients on the same machine, each sending a line, waiting for the reply and "
		"sending the next, %.3g s for each model and number of clients, from when every "
		"client has had its first reply (or the time to settle has passed). Accepting: %s.",
		results->seconds, results->accept);
	tables(results, &page);
	snprintf(path, sizeof(path), "%s/results.csv", directory);
	error = write_csv(results, path);
	for (unsigned int i = 0; i < results->count; i++) {
		const struct result *r = &results->items[i];
		bool seen_queue = false, seen_pair = false;

		for (unsigned int j = 0; j < i; j++) {
			seen_queue |= results->items[j].queue == r->queue;
			seen_pair |= results->items[j].queue == r->queue &&
				     results->items[j].clients == r->clients;
		}
		for (size_t c = 0; !seen_queue && c < sizeof(charts) / sizeof(charts[0]); c++) {
			snprintf(name, sizeof(name), "%s-queue%u", charts[c].file, r->queue);
			other = keep(&page, bars(results, r->queue, c), directory, name);
			error = error ? error : other;
		}
		if (!seen_pair) {
			snprintf(name, sizeof(name), "distribution-%u-queue%u", r->clients,
				 r->queue);
			other = keep(&page, distribution(results, r->queue, r->clients), directory,
				     name);
			error = error ? error : other;
		}
	}
	snprintf(path, sizeof(path), "%s/report.html", directory);
	other = report_write(&page, path);
	return error ? error : other;
}
