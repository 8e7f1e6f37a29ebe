#include "control/endpoint.h"

#include "base/command.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

int address_parse(const char *text, struct address *address)
{
	struct in_addr v4;

	if (inet_pton(AF_INET, text, &v4) == 1) {
		address_from_ipv4(address, v4.s_addr);
		return 0;
	}
	return inet_pton(AF_INET6, text, address->words) == 1 ? 0 : -EINVAL;
}

char *address_text(const struct address *address, char *text)
{
	if (address_is_ipv4(address))
		inet_ntop(AF_INET, &address->words[3], text, ADDRESS_TEXT);
	else
		inet_ntop(AF_INET6, address->words, text, ADDRESS_TEXT);
	return text;
}

bool address_is_zero(const struct address *address)
{
	return !(address->words[0] | address->words[1] | address->words[2] | address->words[3]);
}

int endpoint_parse(const char *text, struct endpoint *endpoint)
{
	const char *colon = strrchr(text, ':');
	struct endpoint parsed;
	char address[ADDRESS_TEXT];
	uint64_t port;
	size_t length;

	if (!colon || parse_count(colon + 1, &port) || !port || port > 65535)
		return -EINVAL;
	length = (size_t)(colon - text);
	if (length > 2 && text[0] == '[' && text[length - 1] == ']') {
		text++;
		length -= 2;
	} else if (memchr(text, ':', length)) {
		return -EINVAL;
	}
	if (length >= sizeof(address))
		return -EINVAL;
	memcpy(address, text, length);
	address[length] = 0;
	if (address_parse(address, &parsed.address))
		return -EINVAL;
	endpoint->address = parsed.address;
	endpoint->port = (uint16_t)port;
	return 0;
}

char *endpoint_text(const struct endpoint *endpoint, char *text)
{
	char address[ADDRESS_TEXT];
	bool v4 = address_is_ipv4(&endpoint->address);

	snprintf(text, ENDPOINT_TEXT, v4 ? "%s:%u" : "[%s]:%u",
		 address_text(&endpoint->address, address), endpoint->port);
	return text;
}

socklen_t endpoint_sockaddr(const struct endpoint *endpoint, struct sockaddr_storage *storage)
{
	memset(storage, 0, sizeof(*storage));
	if (address_is_ipv4(&endpoint->address)) {
		struct sockaddr_in *in = (struct sockaddr_in *)storage;

		in->sin_family = AF_INET;
		in->sin_port = htons(endpoint->port);
		in->sin_addr.s_addr = endpoint->address.words[3];
		return sizeof(*in);
	} else {
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)storage;

		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(endpoint->port);
		memcpy(&in6->sin6_addr, &endpoint->address, sizeof(in6->sin6_addr));
		return sizeof(*in6);
	}
}

int endpoint_from_sockaddr(const struct sockaddr *sockaddr, struct endpoint *endpoint)
{
	if (sockaddr->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)sockaddr;

		address_from_ipv4(&endpoint->address, in->sin_addr.s_addr);
		endpoint->port = ntohs(in->sin_port);
		return 0;
	}
	if (sockaddr->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)sockaddr;

		memcpy(&endpoint->address, &in6->sin6_addr, sizeof(endpoint->address));
		endpoint->port = ntohs(in6->sin6_port);
		return 0;
	}
	return -EAFNOSUPPORT;
}
