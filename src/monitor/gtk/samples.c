#include "monitor/gtk/samples.h"
#include "base/buffer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int find_host(struct samples *samples, const char *name)
{
	for (unsigned int i = 0; i < samples->host_count; i++)
		if (!strcmp(samples->hosts[i], name))
			return (int)i;
	if (samples->host_count == SAMPLE_HOSTS_MAX)
		return -EINVAL;
	samples->hosts[samples->host_count] = strdup(name);
	return samples->hosts[samples->host_count] ? (int)samples->host_count++ : -ENOMEM;
}

static struct sample *add(struct samples *samples)
{
	if (!samples->items) {
		samples->items = malloc(SAMPLES_MAX * sizeof(*samples->items));
		if (!samples->items)
			return NULL;
	}
	if (samples->count == SAMPLES_MAX) {
		/* A tenth at once, so that the moving costs nothing on the whole. */
		size_t gone = SAMPLES_MAX / 10;

		samples->count -= gone;
		memmove(samples->items, samples->items + gone,
			samples->count * sizeof(*samples->items));
	}
	return &samples->items[samples->count++];
}

int samples_line(struct samples *samples, const char *line)
{
	json_t *object = json_loads(line, 0, NULL);
	const char *host = json_string_value(json_object_get(object, "host"));
	double time = json_number_value(json_object_get(object, "time"));
	double seconds = json_number_value(json_object_get(object, "seconds"));
	struct counts counts;
	struct sample *sample;
	int error = -EINVAL, index;

	if (json_object_get(object, "summary")) {
		samples->ended = true;
		samples->dropped = (uint64_t)json_integer_value(json_object_get(object, "dropped"));
		error = 0;
	} else if (object && host && time > 0 && seconds > 0 &&
		   !counts_from_json(&counts, object)) {
		index = find_host(samples, host);
		sample = index < 0 ? NULL : add(samples);
		error = sample ? 0 : index < 0 ? index : -ENOMEM;
		if (sample) {
			*sample = (struct sample){
				.time = time, .seconds = seconds, .host = (unsigned int)index};
			memcpy(sample->classes, counts.classes, sizeof(sample->classes));
			samples->dropped +=
				(uint64_t)json_integer_value(json_object_get(object, "dropped"));
		}
	}
	json_decref(object);
	return error;
}

double samples_newest(const struct samples *samples)
{
	return samples->count ? samples->items[samples->count - 1].time : 0;
}

size_t samples_moments(const struct samples *samples, double from, double to, int host, bool bytes,
		       struct moment **made)
{
	struct moment *moments = NULL;
	size_t first = samples->count, count = 0;

	while (first && samples->items[first - 1].time >= from)
		first--;
	if (first < samples->count)
		moments = calloc(samples->count - first, sizeof(*moments));
	for (size_t i = first; moments && i < samples->count; i++) {
		const struct sample *sample = &samples->items[i];

		if (sample->time > to || (host >= 0 && sample->host != (unsigned int)host))
			continue;
		/* The hosts of one interval bear the same time. */
		if (!count || moments[count - 1].time != sample->time)
			moments[count++].time = sample->time;
		for (unsigned int c = 0; c < TRAFFIC_PAPER_COUNT; c++)
			moments[count - 1].rates[c] +=
				(double)(bytes ? sample->classes[c].bytes
					       : sample->classes[c].packets) /
				sample->seconds;
	}
	*made = moments;
	return count;
}

int samples_save(const struct samples *samples, const char *path)
{
	struct buffer text = BUFFER_EMPTY;
	int error;

	buffer_text(&text, "time,host");
	for (unsigned int c = 0; c < TRAFFIC_PAPER_COUNT; c++)
		buffer_format(&text, ",%s_packets_per_second,%s_bytes_per_second", traffic_keys[c],
			      traffic_keys[c]);
	buffer_text(&text, "\n");
	for (size_t i = 0; i < samples->count; i++) {
		const struct sample *sample = &samples->items[i];

		buffer_format(&text, "%.3f,%s", sample->time, samples->hosts[sample->host]);
		for (unsigned int c = 0; c < TRAFFIC_PAPER_COUNT; c++)
			buffer_format(&text, ",%.6g,%.6g",
				      (double)sample->classes[c].packets / sample->seconds,
				      (double)sample->classes[c].bytes / sample->seconds);
		buffer_text(&text, "\n");
	}
	error = file_write_whole(path, text.data, text.length, 0644);
	buffer_release(&text);
	return error;
}

void samples_release(struct samples *samples)
{
	for (unsigned int i = 0; i < samples->host_count; i++)
		free(samples->hosts[i]);
	free(samples->items);
	*samples = (struct samples){0};
}
