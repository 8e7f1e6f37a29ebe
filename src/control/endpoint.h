/* Addresses and ports as people write them. */
#ifndef BATON_CONTROL_ENDPOINT_H
#define BATON_CONTROL_ENDPOINT_H

#include "wire/address.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct endpoint {
	struct address address;
	uint16_t port; /* host order; 0: none */
};

enum { ADDRESS_TEXT = INET6_ADDRSTRLEN, ENDPOINT_TEXT = INET6_ADDRSTRLEN + 8 };

/* IPv4 or IPv6 text; an IPv4 address becomes a mapped one. Returns 0 or -EINVAL. */
int address_parse(const char *text, struct address *address);

/* "10.0.0.1" or "fd00::1"; `text` holds ADDRESS_TEXT bytes. Returns text. */
char *address_text(const struct address *address, char *text);

bool address_is_zero(const struct address *address);

/* "10.0.0.1:80" or "[fd00::1]:80". Returns 0 or -EINVAL. */
int endpoint_parse(const char *text, struct endpoint *endpoint);
char *endpoint_text(const struct endpoint *endpoint, char *text);

/* For bind and connect; returns the length. */
socklen_t endpoint_sockaddr(const struct endpoint *endpoint, struct sockaddr_storage *storage);

/* The other way; mapped IPv4 stays IPv4. Returns 0 or -EAFNOSUPPORT. */
int endpoint_from_sockaddr(const struct sockaddr *sockaddr, struct endpoint *endpoint);

#endif
