/* A block of raw traffic: a header of 40 bytes, then random bytes. What `baton load raw` sends and
 * `baton sink` checks. Numbers are little-endian: magic 4, length of what follows the header 4, run
 * 8, message 8, index of the block in its message 4, CRC-32 of what follows 4, CLOCK_REALTIME of
 * the sending in ns 8. */
#ifndef BATON_BASE_BLOCK_H
#define BATON_BASE_BLOCK_H

#include <stdint.h>

#define BLOCK_MAGIC 0x314b4c42u /* "BLK1" */

enum { BLOCK_HEADER = 40, BLOCK_MOST = 16384 };

struct block {
	uint32_t length, index, checksum;
	uint64_t run, message, time;
};

void block_pack(const struct block *block, unsigned char *bytes);

/* Returns 0, or -EINVAL for what is no block's header or one longer than BLOCK_MOST. */
int block_unpack(struct block *block, const unsigned char *bytes);

/* CRC-32 as in zlib and Ethernet. */
uint32_t block_checksum(const void *bytes, uint32_t length);

#endif
