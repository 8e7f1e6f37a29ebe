/* What the window has been told: the rates of the paper's five classes over time, by host. */
#ifndef BATON_MONITOR_GTK_SAMPLES_H
#define BATON_MONITOR_GTK_SAMPLES_H

#include "monitor/counts.h"

#include <stdbool.h>
#include <stddef.h>

enum { SAMPLES_MAX = 200000, SAMPLE_HOSTS_MAX = 64 };

struct sample {
	double time, seconds; /* wall time of the interval's end, its length */
	unsigned int host;
	struct count classes[TRAFFIC_PAPER_COUNT];
};

/* The oldest go when there are SAMPLES_MAX. */
struct samples {
	struct sample *items;
	size_t count;
	char *hosts[SAMPLE_HOSTS_MAX];
	unsigned int host_count;
	uint64_t dropped;
	bool ended; /* the summary came */
};

/* One moment of the drawn curve: rates per second, summed over the hosts asked for. */
struct moment {
	double time;
	double rates[TRAFFIC_PAPER_COUNT];
};

/* Takes in one line of `baton monitor --json`. Returns 0, -EINVAL for a line that is none, or
 * -ENOMEM. */
int samples_line(struct samples *samples, const char *line);

/* The moments of [from, to]; `host` < 0: all hosts together. Returns their number; the array is the
 * caller's to free (NULL for none). */
size_t samples_moments(const struct samples *samples, double from, double to, int host, bool bytes,
		       struct moment **moments);

/* Time of the newest sample; 0 when there is none. */
double samples_newest(const struct samples *samples);

/* Writes everything as CSV: time, host, then packets and bytes per second of each class. Returns 0
 * or -errno. */
int samples_save(const struct samples *samples, const char *path);
void samples_release(struct samples *samples);

#endif
