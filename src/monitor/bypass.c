#include "monitor/bypass.h"

#include <bpf/libbpf.h>
#include <net/if.h>

bool bypass_exists(const char *device)
{
	unsigned int index = if_nametoindex(device);
	__u32 id = 0;

	return index && !bpf_xdp_query_id((int)index, 0, &id) && id;
}
