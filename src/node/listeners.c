#include "node/listeners.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { STATE_LISTEN = 10 }; /* TCP_LISTEN of the kernel */

/* What was found so far for one service. */
struct search {
	const struct config_service *service;
	bool served[CONFIG_VIPS];
	bool multipath, anybody;
	struct endpoint elsewhere;
};

static bool is_multipath(const struct nlattr *attribute)
{
	const struct nlattr *nested;

	mnl_attr_for_each_nested(nested, attribute)
	{
		if (mnl_attr_get_type(nested) == INET_ULP_INFO_NAME &&
		    !strcmp(mnl_attr_get_str(nested), "mptcp"))
			return true;
	}
	return false;
}

static int on_socket(const struct nlmsghdr *message, void *data)
{
	const struct inet_diag_msg *socket = mnl_nlmsg_get_payload(message);
	const struct nlattr *attribute;
	struct search *search = data;
	struct address address = {0};
	bool any, only6 = false, multipath = false, v4 = socket->idiag_family == AF_INET;

	if (ntohs(socket->id.idiag_sport) != search->service->port)
		return MNL_CB_OK;
	mnl_attr_for_each(attribute, message, sizeof(*socket))
	{
		if (mnl_attr_get_type(attribute) == INET_DIAG_SKV6ONLY)
			only6 = mnl_attr_get_u8(attribute);
		if (mnl_attr_get_type(attribute) == INET_DIAG_ULP_INFO)
			multipath = is_multipath(attribute);
	}
	if (v4)
		address_from_ipv4(&address, socket->id.idiag_src[0]);
	else
		memcpy(&address, socket->id.idiag_src, sizeof(address));
	any = v4 ? !socket->id.idiag_src[0] : address_is_zero(&address);
	search->anybody = true;
	for (unsigned int i = 0; i < search->service->address_count; i++) {
		const struct address *vip = &search->service->addresses[i];
		bool fits = any ? (v4 ? address_is_ipv4(vip) : !only6 || !address_is_ipv4(vip))
				: address_equal(&address, vip);

		/* Layer-4 services make their connections themselves. */
		if (fits && multipath && search->service->protocol != PROTOCOL_TCP)
			search->multipath = true;
		else if (fits)
			search->served[i] = true;
		else
			search->elsewhere =
				(struct endpoint){address, ntohs(socket->id.idiag_sport)};
	}
	return MNL_CB_OK;
}

static int ask(struct mnl_socket *socket, int family, struct search *search)
{
	char room[32768] = {0};
	struct nlmsghdr *message = mnl_nlmsg_put_header(room);
	struct inet_diag_req_v2 *request;
	unsigned int sequence = (unsigned int)time(NULL);
	ssize_t got;
	int more = MNL_CB_OK;

	message->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	message->nlmsg_seq = sequence;
	request = mnl_nlmsg_put_extra_header(message, sizeof(*request));
	request->sdiag_family = (__u8)family;
	request->sdiag_protocol = IPPROTO_TCP;
	request->idiag_ext = 1 << (INET_DIAG_INFO - 1);
	request->idiag_states = 1 << STATE_LISTEN;
	if (mnl_socket_sendto(socket, message, message->nlmsg_len) < 0)
		return -errno;
	while (more > MNL_CB_STOP) {
		got = mnl_socket_recvfrom(socket, room, sizeof(room));
		if (got < 0)
			return -errno;
		more = mnl_cb_run(room, (size_t)got, sequence, mnl_socket_get_portid(socket),
				  on_socket, search);
	}
	return more < 0 ? -errno : 0;
}

static void judge(const struct search *search, char problem[LISTENER_WORDS])
{
	char vip[ADDRESS_TEXT], where[ENDPOINT_TEXT];

	for (unsigned int i = 0; i < search->service->address_count; i++) {
		if (search->served[i])
			continue;
		address_text(&search->service->addresses[i], vip);
		if (!search->anybody)
			snprintf(problem, LISTENER_WORDS,
				 "nobody listens on port %u; start the server",
				 search->service->port);
		else if (search->multipath)
			snprintf(problem, LISTENER_WORDS,
				 "the server listens on port %u by Multipath TCP, which can't take "
				 "over connections; turn it off there (Go: GODEBUG=multipathtcp=0)",
				 search->service->port);
		else
			snprintf(problem, LISTENER_WORDS,
				 "the server listens at %s, not at %s; let it listen on all "
				 "addresses",
				 endpoint_text(&search->elsewhere, where), vip);
		return;
	}
}

int listeners_check(const struct config_service *service, char problem[LISTENER_WORDS])
{
	struct search search = {.service = service};
	struct mnl_socket *socket;
	int error = 0;

	problem[0] = 0;
	if (service->protocol == PROTOCOL_UDP || service->forward == FORWARD_NAT)
		return 0;
	socket = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC);
	if (!socket)
		return -errno;
	if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID))
		error = -errno;
	if (!error)
		error = ask(socket, AF_INET, &search);
	if (!error)
		error = ask(socket, AF_INET6, &search);
	mnl_socket_close(socket);
	if (!error)
		judge(&search, problem);
	return error;
}
