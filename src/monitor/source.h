/* Where packets come from: a device of this network namespace, a device of a lab host's, a file, or
 * another host's `baton monitor --json` over ssh. */
#ifndef BATON_MONITOR_SOURCE_H
#define BATON_MONITOR_SOURCE_H

#include "base/buffer.h"
#include "base/record.h"
#include "control/traffic.h"
#include "monitor/counts.h"

#include <pcap/pcap.h>
#include <sys/types.h>

struct source_options {
	const char *device; /* NULL: source_default_device */
	const char *filter; /* libpcap's language; NULL: everything */
	int snaplen;
	bool promiscuous;
	int timeout_ms; /* how long the kernel may collect before it wakes us */
	int buffer_bytes;
	uint16_t port;	   /* of Baton's header */
	bool classes_only; /* neither packets are wanted nor what is counted apart */
};

struct source {
	char name[64];	 /* of the host, the file or the device: what people call it */
	char device[64]; /* or "" */
	pcap_t *pcap;	 /* NULL for another host's lines, and where the kernel counts */
	struct traffic_watch *watch; /* the kernel counts, no packet comes to us; or NULL */
	struct traffic_counts read;  /* of it, so far */
	int link, fd;
	uint16_t port;
	struct watch_list watched;
	struct counts interval;	    /* since source_flush */
	struct counts total;	    /* before that */
	uint64_t received, dropped; /* by the kernel's word; files drop nothing */
	uint64_t first_ns, last_ns; /* wall time of the packets; 0: none yet */
	uint64_t taken;		    /* packets counted */
	/* Called before a packet at or behind `boundary_ns` is counted; 0: never. */
	uint64_t boundary_ns;
	void (*crossed)(void *user, uint64_t packet_ns);
	void *user;
	bool ended;
	bool bypassed;	       /* an XDP program may take packets that are not seen here */
	struct record *record; /* or NULL */
	int record_number;
	pid_t child; /* ssh */
	struct buffer lines;
	char error[PCAP_ERRBUF_SIZE + 128]; /* why the last call failed */
};

/* All return 0 or negative errno with words in source->error, and leave nothing open then. */
int source_open_file(struct source *source, const char *path, const struct source_options *options);

/* Where only classes are wanted of an Ethernet device, the kernel counts them (control/traffic.h):
 * packets aren't copied then, and none is dropped. */
int source_open_device(struct source *source, const struct source_options *options);

/* `host` is a lab's host (namespace baton-LAB-HOST), any namespace of ip netns, each with ":DEVICE"
 * behind it or without, or ssh:TARGET. What an XDP program answers or sends on never comes to a
 * packet socket of that host: where a lab's device has one, the lab's switch is listened at, at
 * that host's port. */
int source_open_host(struct source *source, const char *host, const char *lab,
		     const struct source_options *options, const char *interval);

/* Counts what is there now, at most `most` packets (0: no limit), without waiting. Sets `ended` at
 * the end of a file or stream. */
int source_read(struct source *source, uint64_t most);

/* Moves the interval's counts to the total and, live, reads the kernel's counters. */
void source_flush(struct source *source);

/* Stops the capture's end from running away: counts what the kernel had received when this was
 * called, waiting for it at most a few times the time-out. */
void source_drain(struct source *source);
void source_close(struct source *source);

/* Into `name` (64 bytes): the first device that is up, not the loopback, and has an address; else
 * the loopback. Returns 0 or -ENODEV with words in `why` (PCAP_ERRBUF_SIZE). */
int source_default_device(char *name, char *why);

/* Into the network namespace of a lab's host, or of that name; returns a descriptor for
 * namespace_leave, or -errno. */
int namespace_enter(const char *host, const char *lab);
void namespace_leave(int back);

#endif
