/* Addresses and flows. An IPv4 address is kept as ::ffff:a.b.c.d, so one key serves both families.
 */
#ifndef BATON_WIRE_ADDRESS_H
#define BATON_WIRE_ADDRESS_H

#include "wire/types.h"

struct address {
	__be32 words[4];
};
WIRE_SIZE(struct address, 16);

/* One client TCP connection (or UDP flow) as the cluster sees it. No padding: it is a hash key. */
struct flow_key {
	struct address client, vip;
	__be16 client_port, vip_port;
};
WIRE_SIZE(struct flow_key, 36);

/* The third word of a mapped IPv4 address, in network order on a little-endian machine. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define ADDRESS_MAPPED ((__be32)0xffff0000)
#else
#define ADDRESS_MAPPED ((__be32)0x0000ffff)
#endif

static inline __attribute__((always_inline)) void address_from_ipv4(struct address *address,
								    __be32 v4)
{
	address->words[0] = 0;
	address->words[1] = 0;
	address->words[2] = ADDRESS_MAPPED;
	address->words[3] = v4;
}

static inline __attribute__((always_inline)) int address_is_ipv4(const struct address *address)
{
	return !address->words[0] && !address->words[1] && address->words[2] == ADDRESS_MAPPED;
}

static inline __attribute__((always_inline)) int address_equal(const struct address *a,
							       const struct address *b)
{
	return a->words[0] == b->words[0] && a->words[1] == b->words[1] &&
	       a->words[2] == b->words[2] && a->words[3] == b->words[3];
}

#endif
