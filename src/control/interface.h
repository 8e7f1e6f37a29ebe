/* A network device of this host. */
#ifndef BATON_CONTROL_INTERFACE_H
#define BATON_CONTROL_INTERFACE_H

#include <stdbool.h>

/* Fills index and MAC. Returns 0, -ENODEV if there is no such device, -EAFNOSUPPORT if it is no
 * Ethernet, or -errno. */
int interface_find(const char *name, int *index, unsigned char mac[6]);

/* Whether the device is up and its cable plugged in; true also where that can't be found out. */
bool interface_running(const char *name);

#endif
