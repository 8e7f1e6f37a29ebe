/* Whether packets may pass a device without its host's packet sockets. (Alone in a file because the
 * headers of libbpf and libpcap both define struct bpf_insn.) */
#ifndef BATON_MONITOR_BYPASS_H
#define BATON_MONITOR_BYPASS_H

#include <stdbool.h>

/* True when the device, of the current network namespace, has an XDP program. */
bool bypass_exists(const char *device);

#endif
