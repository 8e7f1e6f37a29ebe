/* Attaching an XDP program to a device, as its driver can. */
#ifndef BATON_CONTROL_XDP_H
#define BATON_CONTROL_XDP_H

#include <stdbool.h>

/* Attaches by a link pinned in `pins`, as kernel_attach does; `choice` is an enum xdp_choice.
 * *native says how it is attached; where it is generic and the device joins segments, a line on
 * stderr says what to do. Returns 0, or -errno with one sentence in `why`. */
int xdp_attach(int program, const char *device, int ifindex, int choice, const char *pins,
	       bool *native, char why[512]);

#endif
