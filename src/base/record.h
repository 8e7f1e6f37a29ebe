/* Writing what was captured: classic pcap by libpcap, or pcapng (which libpcap reads but doesn't
 * write) by a few blocks of our own, after draft-ietf-opsawg-pcapng: one section, one interface
 * description for each source, one enhanced packet block for each packet. */
#ifndef BATON_BASE_RECORD_H
#define BATON_BASE_RECORD_H

#include <pcap/pcap.h>
#include <stdint.h>

struct record;

/* Opens `path` ("-": standard output); pcapng when the name ends in .pcapng, else pcap. `link` is
 * the link type of all the sources for pcap. Returns 0 or -errno. */
int record_open(struct record **record, const char *path, int link, int snaplen);

/* Names a source; its packets carry the returned number. Negative errno: a pcap file has only one
 * link type (-EPROTOTYPE). */
int record_source(struct record *record, const char *name, int link, int snaplen);

/* One packet; header->ts.tv_usec holds nanoseconds. */
void record_packet(struct record *record, int source, const struct pcap_pkthdr *header,
		   const uint8_t *bytes);

/* Writes out and frees. Returns 0 or the first error that happened while writing, as -errno. */
int record_close(struct record *record);

#endif
