/* A network device of this host. */
#ifndef BATON_CONTROL_INTERFACE_H
#define BATON_CONTROL_INTERFACE_H

/* Fills index and MAC. Returns 0, -ENODEV if there is no such device, -EAFNOSUPPORT if it is no
 * Ethernet, or -errno. */
int interface_find(const char *name, int *index, unsigned char mac[6]);

#endif
