#include "base/block.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <zlib.h>

static void put32(unsigned char *at, uint32_t value)
{
	value = htole32(value);
	memcpy(at, &value, sizeof(value));
}

static void put64(unsigned char *at, uint64_t value)
{
	value = htole64(value);
	memcpy(at, &value, sizeof(value));
}

static uint32_t get32(const unsigned char *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return le32toh(value);
}

static uint64_t get64(const unsigned char *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	return le64toh(value);
}

void block_pack(const struct block *block, unsigned char *bytes)
{
	put32(bytes, BLOCK_MAGIC);
	put32(bytes + 4, block->length);
	put64(bytes + 8, block->run);
	put64(bytes + 16, block->message);
	put32(bytes + 24, block->index);
	put32(bytes + 28, block->checksum);
	put64(bytes + 32, block->time);
}

int block_unpack(struct block *block, const unsigned char *bytes)
{
	block->length = get32(bytes + 4);
	block->run = get64(bytes + 8);
	block->message = get64(bytes + 16);
	block->index = get32(bytes + 24);
	block->checksum = get32(bytes + 28);
	block->time = get64(bytes + 32);
	return get32(bytes) == BLOCK_MAGIC && block->length <= BLOCK_MOST ? 0 : -EINVAL;
}

uint32_t block_checksum(const void *bytes, uint32_t length)
{
	return (uint32_t)crc32(crc32(0, NULL, 0), bytes, length);
}
