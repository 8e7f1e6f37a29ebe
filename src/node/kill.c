/* Connections that somebody wants ended: their sockets are destroyed (SOCK_DESTROY, as `ss -K`
 * does). The kernel sends the client an RST at exactly its next number, through tc egress, which
 * takes it for the server's own and tells the front that the flow is over; the server sees
 * ECONNABORTED. */
#include "node/node.h"

#include "wire/node.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#define ALL_STATES 0xffffffffu

/* Sends the request about the socket that `id` names and reads the answer into `room`. Returns its
 * length or -errno. */
static ssize_t ask(struct mnl_socket *socket, int type, int family,
		   const struct inet_diag_sockid *id, char room[MNL_SOCKET_BUFFER_SIZE])
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(room);
	struct inet_diag_req_v2 *about;
	ssize_t got;

	message->nlmsg_type = (__u16)type;
	message->nlmsg_flags = NLM_F_REQUEST | (type == SOCK_DESTROY ? NLM_F_ACK : 0);
	about = mnl_nlmsg_put_extra_header(message, sizeof(*about));
	about->sdiag_family = (__u8)family;
	about->sdiag_protocol = IPPROTO_TCP;
	about->idiag_states = ALL_STATES;
	about->id = *id;
	if (mnl_socket_sendto(socket, message, message->nlmsg_len) < 0)
		return -errno;
	/* The kernel answers before it returns from that. */
	got = mnl_socket_recvfrom(socket, room, MNL_SOCKET_BUFFER_SIZE);
	return got < 0 ? -errno : got;
}

/* The error that an answer tells, 0 if none. */
static int error_of(const char *room, ssize_t length)
{
	const struct nlmsghdr *message = (const struct nlmsghdr *)room;

	if (length < 0)
		return (int)length;
	if (!mnl_nlmsg_ok(message, (int)length))
		return -EPROTO;
	if (message->nlmsg_type != NLMSG_ERROR)
		return 0;
	return ((const struct nlmsgerr *)mnl_nlmsg_get_payload(message))->error;
}

/* Destroys the connection's socket. Two steps, because the kernel looks for a socket as for a
 * segment: where there is no connection it finds the listener, and would destroy that. So the
 * second step names the very socket that the first has found, by its cookie. Returns 0, -ENOENT if
 * there is no connection (any more), or -errno. */
static int destroy(struct mnl_socket *socket, const struct flow_key *key)
{
	char room[MNL_SOCKET_BUFFER_SIZE];
	struct inet_diag_sockid id = {.idiag_sport = key->vip_port,
				      .idiag_dport = key->client_port};
	bool four = address_is_ipv4(&key->vip);
	int family = four ? AF_INET : AF_INET6, error;
	const struct inet_diag_msg *found;
	ssize_t got;

	memcpy(id.idiag_src, &key->vip.words[four ? 3 : 0], four ? 4 : 16);
	memcpy(id.idiag_dst, &key->client.words[four ? 3 : 0], four ? 4 : 16);
	memset(id.idiag_cookie, 0xff, sizeof(id.idiag_cookie)); /* any */
	got = ask(socket, SOCK_DIAG_BY_FAMILY, family, &id, room);
	error = error_of(room, got);
	if (error)
		return error;
	found = mnl_nlmsg_get_payload((struct nlmsghdr *)room);
	if (mnl_nlmsg_get_payload_len((struct nlmsghdr *)room) < sizeof(*found))
		return -EPROTO;
	if (found->id.idiag_dport != key->client_port || found->idiag_state == TCP_LISTEN ||
	    found->idiag_state == TCP_TIME_WAIT)
		return -ENOENT;
	memcpy(id.idiag_cookie, found->id.idiag_cookie, sizeof(id.idiag_cookie));
	got = ask(socket, SOCK_DESTROY, family, &id, room);
	error = error_of(room, got);
	return error == -ESTALE ? -ENOENT : error;
}

/* Ends the flow if it is here in that generation. Between the look and the end it may go, but a
 * socket of a later generation comes only once its client has begun anew. Returns what became of
 * it. */
static const char *end(const struct node *node, struct mnl_socket *socket, const json_t *flow)
{
	int held = bpf_object__find_map_fd_by_name(node->object, "held");
	const char *client_text, *vip_text;
	struct endpoint client, vip;
	json_int_t generation;
	struct flow_key key;
	struct held now;
	int error;

	if (json_unpack((json_t *)flow, "[s, s, I]", &client_text, &vip_text, &generation) ||
	    endpoint_parse(client_text, &client) || endpoint_parse(vip_text, &vip))
		return KILL_FAILED;
	key = (struct flow_key){.client = client.address,
				.vip = vip.address,
				.client_port = htons(client.port),
				.vip_port = htons(vip.port)};
	if (bpf_map_lookup_elem(held, &key, &now))
		return KILL_MOVED;
	if (now.owner >> 32 != (uint64_t)generation || (uint32_t)now.owner == HELD_LEFT ||
	    (uint32_t)now.owner == HELD_MUTED)
		return KILL_MOVED;
	error = (uint32_t)now.owner == HELD_OVER ? -ENOENT : destroy(socket, &key);
	return !error ? KILL_DONE : error == -ENOENT ? KILL_OVER : KILL_FAILED;
}

json_t *node_kill(const struct node *node, const json_t *message)
{
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC);
	json_t *results = json_array(), *flow;
	size_t i;

	json_array_foreach (json_object_get(message, "flows"), i, flow)
		json_array_append_new(results,
				      json_string(socket ? end(node, socket, flow) : KILL_FAILED));
	if (socket)
		mnl_socket_close(socket);
	return json_pack("{s:s, s:O?, s:O?, s:o}", "type", "killed", "number",
			 json_object_get(message, "number"), "first",
			 json_object_get(message, "first"), "results", results);
}
