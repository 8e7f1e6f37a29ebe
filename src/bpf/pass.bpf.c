/* Passes every frame. A veth device delivers what its peer's XDP program sends (XDP_TX, redirects)
 * only while it has an XDP program of its own; `lab up` puts this one on the other end of the
 * front's. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

SEC("xdp")
int pass(struct xdp_md *context)
{
	(void)context;
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
