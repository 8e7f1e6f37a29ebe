/* How the monitor's counts are shown: rows for people, lines of JSON for programs. */
#ifndef BATON_MONITOR_SHOW_H
#define BATON_MONITOR_SHOW_H

#include "monitor/source.h"

struct show {
	bool json;
	bool all;   /* UDP, ICMP, IPv6 and Baton beside the paper's five */
	bool hosts; /* several sources: each row says whose it is */
	unsigned int rows;
	uint64_t dropped[64]; /* what had been dropped at the last interval, by source */
};

/* One interval of one source, `seconds` long, that ended at wall time `wall`. */
void show_interval(struct show *show, const struct source *source, unsigned int number,
		   uint64_t wall, double seconds);

/* The end of a run or file. */
void show_summary(struct show *show, const struct source *sources, unsigned int count,
		  double seconds);

/* The devices of this namespace: name, addresses with masks, state. Returns 0 or -EIO with words in
 * `why` (PCAP_ERRBUF_SIZE). */
int show_devices(bool json, char *why);

#endif
