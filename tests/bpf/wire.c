#include "wire.h"

#include "bpf/checksum.h"
#include "bpf/header.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static int interface_mac(int fd, const char *name, uint8_t mac[6])
{
	struct ifreq request = {0};

	strncpy(request.ifr_name, name, IFNAMSIZ - 1);
	if (ioctl(fd, SIOCGIFHWADDR, &request))
		return -errno;
	memcpy(mac, request.ifr_hwaddr.sa_data, 6);
	return 0;
}

int wire_open(struct wire *wire)
{
	struct sockaddr_ll name = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	char neighbours[256];

	wire->fd = -1;
	if (unshare(CLONE_NEWNET))
		return -errno;
	if (system("ip link set lo up &&"
		   "ip addr add 10.99.0.100/32 dev lo && ip -6 addr add fd99::100/128 dev lo nodad "
		   "&&"
		   "ip link add eth0 type veth peer name wire &&"
		   "ip addr add 10.99.0.11/24 dev eth0 && ip -6 addr add fd99::11/64 dev eth0 "
		   "nodad &&"
		   "ip link set wire arp off addrgenmode none && ip link set eth0 addrgenmode none "
		   "&&"
		   "ip link set eth0 up && ip link set wire up && ethtool -K eth0 tx off "
		   ">/dev/null"))
		return -EIO;
	wire->ifindex = if_nametoindex("eth0");
	wire->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
	if (wire->fd < 0)
		return -errno;
	name.sll_ifindex = if_nametoindex("wire");
	if (bind(wire->fd, (struct sockaddr *)&name, sizeof(name)))
		return -errno;
	if (interface_mac(wire->fd, "eth0", wire->mac))
		return -errno;
	if (interface_mac(wire->fd, "wire", wire->peer_mac))
		return -errno;
	snprintf(neighbours, sizeof(neighbours),
		 "for a in 10.99.0.1 10.99.0.2 fd99::1; do ip neigh add $a dev eth0 lladdr "
		 "%02x:%02x:%02x:%02x:%02x:%02x || exit; done",
		 wire->peer_mac[0], wire->peer_mac[1], wire->peer_mac[2], wire->peer_mac[3],
		 wire->peer_mac[4], wire->peer_mac[5]);
	return system(neighbours) ? -EIO : 0;
}

void wire_close(struct wire *wire)
{
	if (wire->fd >= 0)
		close(wire->fd);
	wire->fd = -1;
}

struct address wire_address(const char *text)
{
	struct address address = {0};
	struct in_addr v4;

	if (inet_pton(AF_INET, text, &v4) == 1)
		address_from_ipv4(&address, v4.s_addr);
	else
		inet_pton(AF_INET6, text, &address);
	return address;
}

static bool is_ipv4(const char *text)
{
	return !strchr(text, ':');
}

static void put16(uint8_t *at, uint16_t value)
{
	at[0] = value >> 8;
	at[1] = value & 0xff;
}

static void put32(uint8_t *at, uint32_t value)
{
	put16(at, value >> 16);
	put16(at + 2, value & 0xffff);
}

static uint32_t get32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | at[1] << 16 | at[2] << 8 | at[3];
}

/* One's complement sum of bytes that begin at an even place. */
static uint64_t sum_bytes(const uint8_t *bytes, uint32_t length, uint64_t sum)
{
	static struct scratch scratch;

	memset(&scratch, 0, sizeof(scratch));
	memcpy(scratch.bytes, bytes, length);
	return checksum_scratch(&scratch, 0, length, sum);
}

static uint64_t pseudo(const uint8_t *ip, int version, uint8_t protocol, uint32_t length)
{
	uint32_t words[8];

	if (version == 4) {
		memcpy(words, ip + 12, 8);
		return checksum_pseudo4(words[0], words[1], protocol, length);
	}
	memcpy(words, ip + 8, 32);
	return checksum_pseudo6(words, words + 4, protocol, length);
}

/* Ethernet and IP in front of what is in the frame from `at` on; returns where IP begins. */
static uint8_t *put_ip(const struct wire *wire, struct frame *frame, const char *from,
		       const char *to, uint8_t protocol, uint32_t length)
{
	uint8_t *ip = frame->bytes + ETH_HLEN;

	memcpy(frame->bytes, wire->mac, 6);
	memcpy(frame->bytes + 6, wire->peer_mac, 6);
	put16(frame->bytes + 12, is_ipv4(from) ? ETHERTYPE_IP : ETHERTYPE_IPV6);
	if (is_ipv4(from)) {
		uint16_t check;

		memset(ip, 0, 20);
		ip[0] = 0x45;
		put16(ip + 2, 20 + length);
		ip[6] = 0x40;
		ip[8] = 64;
		ip[9] = protocol;
		inet_pton(AF_INET, from, ip + 12);
		inet_pton(AF_INET, to, ip + 16);
		check = checksum_finish(sum_bytes(ip, 20, 0));
		memcpy(ip + 10, &check, 2);
		frame->length = ETH_HLEN + 20 + length;
	} else {
		memset(ip, 0, 40);
		ip[0] = 0x60;
		put16(ip + 4, length);
		ip[6] = protocol;
		ip[7] = 64;
		inet_pton(AF_INET6, from, ip + 8);
		inet_pton(AF_INET6, to, ip + 24);
		frame->length = ETH_HLEN + 40 + length;
	}
	return ip;
}

void frame_tcp(const struct wire *wire, struct frame *frame, const struct tcp_words *words)
{
	uint32_t payload = words->payload ? strlen(words->payload) : 0;
	uint32_t head = 20 + (words->stamped ? 12 : 0) + words->options;
	uint8_t *ip, *tcp = frame->bytes + ETH_HLEN + (is_ipv4(words->from) ? 20 : 40);
	uint16_t check;

	memset(tcp, 0, head);
	put16(tcp, words->from_port);
	put16(tcp + 2, words->to_port);
	put32(tcp + 4, words->seq);
	put32(tcp + 8, words->ack);
	tcp[12] = head / 4 << 4;
	tcp[13] = words->flags;
	put16(tcp + 14, 502);
	if (words->stamped) {
		put32(tcp + 20, 0x0101080a);
		put32(tcp + 24, words->tsval);
		put32(tcp + 28, words->tsecr);
	}
	memset(tcp + head - words->options, 1, words->options);
	if (payload)
		memcpy(tcp + head, words->payload, payload);
	ip = put_ip(wire, frame, words->from, words->to, IPPROTO_TCP, head + payload);
	check = checksum_finish(
		sum_bytes(tcp, head + payload, pseudo(ip, *ip >> 4, IPPROTO_TCP, head + payload)));
	memcpy(tcp + 16, &check, 2);
}

static uint64_t mac_of(const struct baton_header *header, const uint8_t *inner, uint32_t length,
		       const uint64_t key[2])
{
	static struct scratch packet;
	static struct baton_header aligned __attribute__((aligned(8)));
	const __u64 words[2] = {key[0], key[1]};

	memset(&packet, 0, sizeof(packet));
	memcpy(packet.bytes, inner, length);
	aligned = *header;
	return header_mac(&aligned, &packet, 0, length, words);
}

void frame_wrap(const struct wire *wire, struct frame *frame, const struct baton_header *header,
		const char *from, const char *to, const uint64_t key[2])
{
	uint32_t inner = frame->length - ETH_HLEN;
	uint32_t at = ETH_HLEN + (is_ipv4(from) ? 20 : 40);
	struct baton_header signed_header = *header;
	uint8_t *udp = frame->bytes + at;
	uint32_t length = 8 + sizeof(signed_header) + inner;

	memmove(udp + 8 + sizeof(signed_header), frame->bytes + ETH_HLEN, inner);
	signed_header.mac = mac_of(header, udp + 8 + sizeof(signed_header), inner, key);
	memcpy(udp + 8, &signed_header, sizeof(signed_header));
	put16(udp, 0xc001);
	put16(udp + 2, BATON_PORT);
	put16(udp + 4, length);
	put16(udp + 6, 0);
	put_ip(wire, frame, from, to, IPPROTO_UDP, length);
}

static void read_tcp(const uint8_t *ip, const uint8_t *tcp, uint32_t length, struct seen *seen)
{
	uint32_t head = (tcp[12] >> 4) * 4;

	seen->seq = get32(tcp + 4);
	seen->ack = get32(tcp + 8);
	seen->flags = tcp[13];
	seen->payload = tcp + head;
	seen->length = length - head;
	seen->checksum_good =
		checksum_fold(sum_bytes(tcp, length,
					pseudo(ip, seen->version, IPPROTO_TCP, length))) == 0xffff;
	if (head >= 32 && get32(tcp + 20) == 0x0101080a) {
		seen->stamped = true;
		seen->tsval = get32(tcp + 24);
		seen->tsecr = get32(tcp + 28);
	}
}

void frame_read(const struct frame *frame, const uint64_t key[2], struct seen *seen)
{
	const uint8_t *ip = frame->bytes + ETH_HLEN, *next;
	uint32_t length;

	memset(seen, 0, sizeof(*seen));
	if (frame->length < ETH_HLEN + 28 || (*ip >> 4 != 4 && *ip >> 4 != 6))
		return;
	seen->version = *ip >> 4;
	seen->protocol = seen->version == 4 ? ip[9] : ip[6];
	next = ip + (seen->version == 4 ? 20 : 40);
	length = seen->version == 4 ? (ip[2] << 8 | ip[3]) - 20 : ip[4] << 8 | ip[5];
	seen->from_port = next[0] << 8 | next[1];
	seen->to_port = next[2] << 8 | next[3];
	if (seen->protocol == IPPROTO_TCP) {
		read_tcp(ip, next, length, seen);
	} else if (seen->protocol == IPPROTO_UDP && seen->to_port == BATON_PORT) {
		seen->wrapped = true;
		memcpy(&seen->header, next + 8, sizeof(seen->header));
		seen->inner = next + 8 + sizeof(seen->header);
		seen->inner_length = length - 8 - sizeof(seen->header);
		seen->mac_good = key && seen->header.mac == mac_of(&seen->header, seen->inner,
								   seen->inner_length, key);
	}
}

int wire_send(const struct wire *wire, const struct frame *frame)
{
	return write(wire->fd, frame->bytes, frame->length) == (ssize_t)frame->length ? 0 : -errno;
}

bool wire_receive(const struct wire *wire, struct frame *frame, int ms)
{
	struct pollfd ready = {.fd = wire->fd, .events = POLLIN};

	while (poll(&ready, 1, ms) == 1) {
		struct sockaddr_ll from;
		socklen_t size = sizeof(from);
		ssize_t got = recvfrom(wire->fd, frame->bytes, sizeof(frame->bytes), 0,
				       (struct sockaddr *)&from, &size);
		struct seen seen;

		if (got < 0)
			return false;
		frame->length = got;
		if (from.sll_pkttype == PACKET_OUTGOING)
			continue;
		frame_read(frame, NULL, &seen);
		if (seen.protocol == IPPROTO_TCP || seen.wrapped)
			return true;
	}
	return false;
}
