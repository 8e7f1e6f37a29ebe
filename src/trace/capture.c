/* The client's packets are taken where they reach the front, the cluster's where they leave the
 * node or the front: what lies between is Baton's own affair and left out. Packets are cut, their
 * lengths are not. */
#include "trace/trace.h"

#include "base/clock.h"
#include "base/fail.h"
#include "base/record.h"

#include <stdlib.h>
#include <string.h>

enum { XDP_SENT = 3, SHOT = 2, LINK_ETHERNET = 1 };

struct capture {
	struct record *record;
	uint64_t wall; /* CLOCK_REALTIME less CLOCK_MONOTONIC */
	unsigned int count;
	char names[TRACE_HOSTS][TRACE_NAME];
};

int capture_open(struct capture **made, const char *path)
{
	struct capture *capture = calloc(1, sizeof(*capture));
	int error;

	if (!capture)
		out_of_memory();
	capture->wall = clock_wall() - clock_now();
	error = record_open(&capture->record, path, LINK_ETHERNET, TRACE_BYTES);
	if (error)
		free(capture);
	else
		*made = capture;
	return error;
}

static int source(struct capture *capture, const char *host)
{
	unsigned int i = 0;

	while (i < capture->count && strcmp(capture->names[i], host))
		i++;
	if (i == TRACE_HOSTS)
		return 0;
	if (i == capture->count) {
		snprintf(capture->names[i], TRACE_NAME, "%s", host);
		record_source(capture->record, host, LINK_ETHERNET, TRACE_BYTES);
		capture->count++;
	}
	return (int)i;
}

static void add(struct capture *capture, const char *host, uint64_t time, const uint8_t *bytes,
		uint32_t have, uint32_t length)
{
	uint64_t at = time + capture->wall;
	struct pcap_pkthdr header = {
		.ts = {(time_t)(at / NS_PER_S), (suseconds_t)(at % NS_PER_S)},
		.caplen = have,
		.len = length < have ? have : length,
	};

	record_packet(capture->record, source(capture, host), &header, bytes);
}

void capture_event(struct capture *capture, const struct traced_packet *event, const char *host)
{
	struct segment_words words;

	if (event->place == TRACE_NODE_OUT) {
		if (event->verdict != SHOT)
			add(capture, host, event->time_ns, event->before, event->before_length,
			    event->length);
		return;
	}
	if (event->place != TRACE_FRONT)
		return;
	segment_words(event->before, event->before_length, &words);
	if (words.valid && !words.wrapped)
		add(capture, host, event->time_ns, event->before, event->before_length,
		    event->length);
	/* The front's own answers. */
	segment_words(event->after, event->after_length, &words);
	if (event->verdict == XDP_SENT && words.valid && !words.wrapped &&
	    !memcmp(&words.key.vip, &event->key.client, sizeof(struct address)))
		add(capture, host, event->time_ns + 1, event->after, event->after_length,
		    event->after_length);
}

int capture_close(struct capture *capture)
{
	int error = record_close(capture->record);

	free(capture);
	return error;
}
