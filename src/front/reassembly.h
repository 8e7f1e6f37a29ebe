/* The beginning of a client's byte stream, put together from segments that may come in any order,
 * repeated, overlapping or with gaps. Bounded: `limit` bytes, REASSEMBLY_PARTS islands behind gaps.
 * A byte that has come stays as it came first, whatever later segments claim. */
#ifndef BATON_FRONT_REASSEMBLY_H
#define BATON_FRONT_REASSEMBLY_H

#include <stdint.h>

enum { REASSEMBLY_PARTS = 8 };

struct reassembly {
	uint8_t *bytes; /* `room` of them; NULL before the first came */
	uint32_t room, limit;
	uint32_t have; /* so many have come without a gap */
	struct reassembly_part {
		uint32_t from, to;
	} parts[REASSEMBLY_PARTS]; /* behind a gap: in order, none touches another */
	unsigned int count;	   /* of parts */
};

/* Nothing has come; bytes at `limit` and behind it never will. */
void reassembly_init(struct reassembly *reassembly, uint32_t limit);
void reassembly_release(struct reassembly *reassembly);

/* Adds `length` bytes that stand at `offset` of the stream. Returns how many of them were new and
 * taken: fewer where they have come before, lie behind the limit, or make one island too many. */
uint32_t reassembly_add(struct reassembly *reassembly, uint32_t offset, const uint8_t *bytes,
			uint32_t length);

#endif
