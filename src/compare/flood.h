/* Floods that the lab sends at one of its own hosts: src/bpf/flood.bpf.c. */
#ifndef BATON_COMPARE_FLOOD_H
#define BATON_COMPARE_FLOOD_H

#include <stdbool.h>
#include <sys/types.h>

#define FLOOD_HOST "flooder" /* the host that they come from */

enum flood_kind {
	FLOOD_NONE,
	FLOOD_SYN, /* SYNs with the options that Linux sends */
	FLOOD_ACK, /* first data under acknowledgements of SYN-ACKs that were never sent */
};

/* "syn", "ack" */
extern const char *const flood_names[];

/* Makes the lab's host FLOOD_HOST ready: its frames get through the switch, and what is answered to
 * the strangers is dropped when it comes there. Returns 0 or -errno. */
int flood_prepare(const char *lab);

/* Leads the answers of `host`, which are for nobody, to FLOOD_HOST (`gateway`). Returns 0 or
 * -errno. */
int flood_route(const char *lab, const char *host, const char *gateway);

/* The core that floods take; every other process of a comparison stays off it. Keeps the calling
 * process, and those that it starts from now on, off it too. Returns 0 or -errno; -ENODEV on a
 * machine of one core. */
int flood_spare_core(void);

/* Starts to send to port 80 of `address`, whose MAC address is `mac` as text, `rate` frames a
 * second, or as many as the core can for 0; for a minute at most, or until the process is killed.
 * Returns its pid or -errno. */
pid_t flood_start(const char *lab, enum flood_kind kind, const char *address, const char *mac,
		  double rate);
/* Ends it, and says whether it was still sending (true for 0, no flood at all). */
bool flood_end(pid_t pid);

/* The reference: the front's device of a lab drops floods before its own program sees them. */
struct flood_shield;

/* Returns 0 with *shield, or -errno. */
int flood_shield_raise(const char *lab, struct flood_shield **shield);
/* The front's program is what it was. Returns 0 or -errno. NULL is nothing. */
int flood_shield_lower(struct flood_shield *shield);

#endif
