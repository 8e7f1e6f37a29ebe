#include "control/neighbors.h"

#include "base/fail.h"
#include "wire/cluster.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum {
	HOSTS_MAX = NODES_MAX + FRONTS_MAX + DISPATCHERS_MAX,
	TICK_MS = 500,
	TICKS_KNOWN = 10, /* between two questions for a host that is known */
};

struct host {
	struct address address, next_hop;
	int ifindex; /* 0: no route known yet */
	bool known;
	unsigned char mac[6];
};

struct neighbors {
	uv_poll_t poll;
	uv_timer_t timer;
	unsigned int handles;
	struct mnl_socket *socket;
	neighbor_found found;
	void *owner;
	unsigned int ticks, count;
	struct host hosts[HOSTS_MAX];
};

static unsigned char family(const struct address *address)
{
	return address_is_ipv4(address) ? AF_INET : AF_INET6;
}

static void put_address(struct nlmsghdr *message, uint16_t type, const struct address *address)
{
	if (address_is_ipv4(address))
		mnl_attr_put(message, type, 4, &address->words[3]);
	else
		mnl_attr_put(message, type, 16, address->words);
}

static bool get_address(const struct nlattr *attribute, struct address *address)
{
	if (mnl_attr_get_payload_len(attribute) == 4) {
		address_from_ipv4(address, mnl_attr_get_u32(attribute));
		return true;
	}
	if (mnl_attr_get_payload_len(attribute) != 16)
		return false;
	memcpy(address, mnl_attr_get_payload(attribute), 16);
	return true;
}

static bool same(const struct address *a, const struct address *b)
{
	return !memcmp(a, b, sizeof(*a));
}

/* A question that is lost (the socket's buffer is full) is asked again at the next tick. */
static void send_message(struct neighbors *neighbors, struct nlmsghdr *message)
{
	mnl_socket_sendto(neighbors->socket, message, message->nlmsg_len);
}

static void ask_route(struct neighbors *neighbors, unsigned int index)
{
	char room[256] = {0};
	const struct host *host = &neighbors->hosts[index];
	struct nlmsghdr *message = mnl_nlmsg_put_header(room);
	struct rtmsg *route;

	message->nlmsg_type = RTM_GETROUTE;
	message->nlmsg_flags = NLM_F_REQUEST;
	message->nlmsg_seq = index + 1;
	route = mnl_nlmsg_put_extra_header(message, sizeof(*route));
	route->rtm_family = family(&host->address);
	route->rtm_dst_len = address_is_ipv4(&host->address) ? 32 : 128;
	put_address(message, RTA_DST, &host->address);
	send_message(neighbors, message);
}

/* `use` makes the kernel resolve (or confirm) the neighbour; otherwise asks what it knows. */
static void ask_neighbor(struct neighbors *neighbors, const struct host *host, bool use)
{
	char room[256] = {0};
	struct nlmsghdr *message = mnl_nlmsg_put_header(room);
	struct ndmsg *neighbor;

	message->nlmsg_type = use ? RTM_NEWNEIGH : RTM_GETNEIGH;
	message->nlmsg_flags = NLM_F_REQUEST | (use ? NLM_F_CREATE : 0);
	neighbor = mnl_nlmsg_put_extra_header(message, sizeof(*neighbor));
	neighbor->ndm_family = family(&host->next_hop);
	neighbor->ndm_ifindex = host->ifindex;
	neighbor->ndm_flags = use ? NTF_USE : 0;
	put_address(message, NDA_DST, &host->next_hop);
	send_message(neighbors, message);
}

static void on_route(struct neighbors *neighbors, const struct nlmsghdr *message)
{
	const struct nlattr *attribute;
	struct host *host;
	struct address next_hop;
	int ifindex = 0;

	if (!message->nlmsg_seq || message->nlmsg_seq > neighbors->count)
		return;
	host = &neighbors->hosts[message->nlmsg_seq - 1];
	next_hop = host->address;
	mnl_attr_for_each(attribute, message, sizeof(struct rtmsg))
	{
		switch (mnl_attr_get_type(attribute)) {
		case RTA_OIF:
			ifindex = (int)mnl_attr_get_u32(attribute);
			break;
		case RTA_GATEWAY:
			get_address(attribute, &next_hop);
			break;
		case RTA_DST: {
			struct address address;

			/* Hosts may have been forgotten since, and others moved to their place. */
			if (!get_address(attribute, &address) || !same(&address, &host->address))
				return;
			break;
		}
		}
	}
	host->ifindex = ifindex;
	host->next_hop = next_hop;
	if (!ifindex)
		return;
	ask_neighbor(neighbors, host, true);
	ask_neighbor(neighbors, host, false);
}

static void on_neighbor(struct neighbors *neighbors, const struct nlmsghdr *message)
{
	const struct ndmsg *said = mnl_nlmsg_get_payload(message);
	const unsigned char *mac = NULL;
	const struct nlattr *attribute;
	struct address address = {0};

	if (!(said->ndm_state &
	      (NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT | NUD_NOARP)))
		return;
	mnl_attr_for_each(attribute, message, sizeof(*said))
	{
		if (mnl_attr_get_type(attribute) == NDA_DST)
			get_address(attribute, &address);
		if (mnl_attr_get_type(attribute) == NDA_LLADDR &&
		    mnl_attr_get_payload_len(attribute) == 6)
			mac = mnl_attr_get_payload(attribute);
	}
	for (unsigned int i = 0; mac && i < neighbors->count; i++) {
		struct host *host = &neighbors->hosts[i];

		if (host->ifindex != said->ndm_ifindex || !same(&host->next_hop, &address))
			continue;
		if (host->known && !memcmp(host->mac, mac, 6))
			continue;
		host->known = true;
		memcpy(host->mac, mac, 6);
		neighbors->found(&host->address, mac, host->ifindex, neighbors->owner);
	}
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct neighbors *neighbors = poll->data;
	char room[32768];

	if (status || !(events & UV_READABLE))
		return;
	for (;;) {
		/* A full receive buffer (ENOBUFS) loses notices; the ticks ask again. */
		ssize_t got = mnl_socket_recvfrom(neighbors->socket, room, sizeof(room));
		const struct nlmsghdr *message = (const struct nlmsghdr *)room;
		int left = (int)got;

		if (got < 0 && (errno == EINTR || errno == ENOBUFS))
			continue;
		if (got <= 0)
			return;
		for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
			if (message->nlmsg_type == RTM_NEWROUTE)
				on_route(neighbors, message);
			else if (message->nlmsg_type == RTM_NEWNEIGH)
				on_neighbor(neighbors, message);
		}
	}
}

static void on_tick(uv_timer_t *timer)
{
	struct neighbors *neighbors = timer->data;
	bool all = neighbors->ticks++ % TICKS_KNOWN == 0;

	for (unsigned int i = 0; i < neighbors->count; i++)
		if (all || !neighbors->hosts[i].known)
			ask_route(neighbors, i);
}

struct neighbors *neighbors_new(uv_loop_t *loop, neighbor_found found, void *owner)
{
	struct neighbors *neighbors = calloc(1, sizeof(*neighbors));
	int group = RTNLGRP_NEIGH, error;

	if (!neighbors)
		out_of_memory();
	neighbors->found = found;
	neighbors->owner = owner;
	neighbors->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (!neighbors->socket)
		goto no_socket;
	if (mnl_socket_bind(neighbors->socket, 0, MNL_SOCKET_AUTOPID) ||
	    mnl_socket_setsockopt(neighbors->socket, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)))
		goto no_bind;
	uv_poll_init(loop, &neighbors->poll, mnl_socket_get_fd(neighbors->socket));
	uv_timer_init(loop, &neighbors->timer);
	neighbors->handles = 2;
	neighbors->poll.data = neighbors;
	neighbors->timer.data = neighbors;
	uv_poll_start(&neighbors->poll, UV_READABLE, on_readable);
	uv_timer_start(&neighbors->timer, on_tick, TICK_MS, TICK_MS);
	return neighbors;

no_bind:
	error = errno;
	mnl_socket_close(neighbors->socket);
	errno = error;
no_socket:
	free(neighbors);
	return NULL;
}

int neighbors_watch(struct neighbors *neighbors, const struct address *address)
{
	struct host *host;

	for (unsigned int i = 0; i < neighbors->count; i++)
		if (same(&neighbors->hosts[i].address, address))
			return 0;
	if (neighbors->count == HOSTS_MAX)
		return -ENOSPC;
	host = &neighbors->hosts[neighbors->count];
	memset(host, 0, sizeof(*host));
	host->address = *address;
	ask_route(neighbors, neighbors->count++);
	return 0;
}

void neighbors_forget(struct neighbors *neighbors, const struct address *address)
{
	for (unsigned int i = 0; i < neighbors->count; i++)
		if (same(&neighbors->hosts[i].address, address)) {
			neighbors->hosts[i] = neighbors->hosts[--neighbors->count];
			return;
		}
}

static void on_closed(uv_handle_t *handle)
{
	struct neighbors *neighbors = handle->data;

	if (--neighbors->handles)
		return;
	mnl_socket_close(neighbors->socket);
	free(neighbors);
}

void neighbors_end(struct neighbors *neighbors)
{
	uv_close((uv_handle_t *)&neighbors->poll, on_closed);
	uv_close((uv_handle_t *)&neighbors->timer, on_closed);
}
