#include "lab/names.h"
#include "base/buffer.h"
#include "lab/keeper.h"
#include "lab/state.h"
#include "lab/topology.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <unistd.h>

int names_add(const char *lab, unsigned int nodes, json_t *list)
{
	/* A client with two questions in one (A and AAAA) must not get two servers' answers: there
	 * is IPv4 only. Hosts sort IPv6 addresses by likeness (RFC 6724, rule 9) and would not
	 * take them in the order given. */
	static const char resolv[] = "nameserver " LAB_RESOLVER_ADDRESS "\n";
	struct buffer text = BUFFER_EMPTY;
	char path[STATE_ROOM], hosts[STATE_ROOM + 16], address[32];
	int error;

	for (unsigned int i = 1; i <= nodes; i++)
		buffer_format(&text, "%s " LAB_WWW "\n", topology_vip(i, address));
	error = file_write_whole(state_path(lab, "conf/names", path), text.data, text.length, 0644);
	buffer_release(&text);
	if (error)
		return error;
	snprintf(hosts, sizeof(hosts), "--addn-hosts=%s", path);
	error = file_write_whole(state_path(lab, "conf/resolv.conf", path), resolv,
				 sizeof(resolv) - 1, 0644);
	if (error)
		return error;
	keeper_add(list, LAB_RESOLVER, LAB_RESOLVER, true,
		   (const char *const[]){"dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null",
					 "--no-resolv", "--no-hosts", hosts, "--local=/lab/",
					 "--listen-address=" LAB_RESOLVER_ADDRESS,
					 "--bind-interfaces", "--pid-file=", "--user=root",
					 "--log-facility=-", NULL});
	return 0;
}

int names_enter(const char *lab)
{
	char path[STATE_ROOM];

	if (access(state_path(lab, "conf/resolv.conf", path), F_OK))
		return 0;
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) ||
	    mount(path, "/etc/resolv.conf", NULL, MS_BIND, NULL))
		return -errno;
	return 0;
}
