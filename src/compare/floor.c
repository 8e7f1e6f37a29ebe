#include "compare/floor.h"
#include "base/process.h"
#include "dsr.skel.h"
#include "pass.skel.h"

#include <arpa/inet.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <stdio.h>
#include <string.h>

struct place {
	const char *address, *mac, *port;
	const char (*macs)[18];
	unsigned int nodes;
};

static int attach(const char *device, const struct bpf_program *program)
{
	return bpf_xdp_attach((int)if_nametoindex(device), bpf_program__fd(program),
			      XDP_FLAGS_DRV_MODE, NULL)
		       ? 1
		       : 0;
}

/* On the host. Returns an exit code. */
static int attach_dsr(void *context)
{
	const struct place *place = context;
	struct dsr_bpf *skeleton = dsr_bpf__open();
	struct in_addr address;
	struct ether_addr mac;
	int code = 1;

	if (!skeleton || !inet_aton(place->address, &address) || !ether_aton_r(place->mac, &mac))
		goto destroy;
	skeleton->rodata->vip = address.s_addr;
	skeleton->rodata->node_count = place->nodes;
	memcpy(skeleton->rodata->self, &mac, sizeof(mac));
	for (unsigned int i = 0; i < place->nodes; i++) {
		if (!ether_aton_r(place->macs[i], &mac))
			goto destroy;
		memcpy(skeleton->rodata->node_macs[i], &mac, sizeof(mac));
	}
	if (!dsr_bpf__load(skeleton))
		code = attach("eth0", skeleton->progs.dsr);
destroy:
	dsr_bpf__destroy(skeleton);
	return code;
}

/* On the switch: veth delivers what XDP sends only where the other end has a program as well. */
static int attach_pass(void *context)
{
	const struct place *place = context;
	struct pass_bpf *skeleton = pass_bpf__open_and_load();
	int code = skeleton ? attach(place->port, skeleton->progs.pass) : 1;

	pass_bpf__destroy(skeleton);
	return code;
}

int floor_pass(const char *lab, const char *host)
{
	char name[200], port[IFNAMSIZ];
	struct place place = {.port = port};

	snprintf(port, sizeof(port), "p-%s", host);
	snprintf(name, sizeof(name), "baton-%s-switch", lab);
	return process_within(name, attach_pass, &place) ? -EIO : 0;
}

int floor_attach(const char *lab, const char *host, const char *address, const char *mac,
		 const char (*macs)[18], unsigned int nodes)
{
	struct place place = {.address = address, .mac = mac, .macs = macs, .nodes = nodes};
	char name[200];
	int error = floor_pass(lab, host);

	snprintf(name, sizeof(name), "baton-%s-%s", lab, host);
	if (!error && process_within(name, attach_dsr, &place))
		error = -EIO;
	return error;
}
