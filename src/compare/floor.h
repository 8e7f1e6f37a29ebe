/* The floor for a front in XDP: src/bpf/dsr.bpf.c on a host of the lab. */
#ifndef BATON_COMPARE_FLOOR_H
#define BATON_COMPARE_FLOOR_H

/* Attaches it to eth0 of `host`, for connections to `address` over `nodes` nodes, whose MAC
 * addresses are in `macs` as text; `mac` is the host's own. It stays until the namespace goes.
 * Returns 0 or -errno. */
int floor_attach(const char *lab, const char *host, const char *address, const char *mac,
		 const char (*macs)[18], unsigned int nodes);

/* Lets through the switch what XDP programs on the host's eth0 send (src/bpf/pass.bpf.c). Returns 0
 * or -errno. */
int floor_pass(const char *lab, const char *host);

#endif
