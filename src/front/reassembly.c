#include "front/reassembly.h"

#include "base/fail.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM_LEAST = 2048 };

void reassembly_init(struct reassembly *reassembly, uint32_t limit)
{
	memset(reassembly, 0, sizeof(*reassembly));
	reassembly->limit = limit;
}

void reassembly_release(struct reassembly *reassembly)
{
	free(reassembly->bytes);
	reassembly->bytes = NULL;
	reassembly->room = 0;
}

static void make_room(struct reassembly *reassembly, uint32_t until)
{
	uint32_t room = reassembly->room ? reassembly->room : ROOM_LEAST;

	if (until <= reassembly->room)
		return;
	while (room < until)
		room *= 2;
	reassembly->bytes = realloc(reassembly->bytes, room);
	if (!reassembly->bytes)
		out_of_memory();
	reassembly->room = room;
}

/* Copies what of [from, to) has not come yet. Returns how much that was. */
static uint32_t fill(struct reassembly *reassembly, uint32_t from, uint32_t to,
		     const uint8_t *bytes)
{
	uint32_t at = from, taken = 0;

	for (unsigned int i = 0; i <= reassembly->count && at < to; i++) {
		bool last = i == reassembly->count;
		uint32_t until = last ? to : reassembly->parts[i].from;

		if (until > to)
			until = to;
		if (at < until) {
			memcpy(reassembly->bytes + at, bytes + (at - from), until - at);
			taken += until - at;
		}
		if (!last && at < reassembly->parts[i].to)
			at = reassembly->parts[i].to;
	}
	return taken;
}

/* Takes part `index` out. */
static void drop_part(struct reassembly *reassembly, unsigned int index)
{
	reassembly->count--;
	memmove(&reassembly->parts[index], &reassembly->parts[index + 1],
		(reassembly->count - index) * sizeof(reassembly->parts[0]));
}

/* Joins [from, to) with the parts that it touches. Returns false if it would be one too many. */
static bool join(struct reassembly *reassembly, uint32_t from, uint32_t to)
{
	unsigned int at = 0;

	while (at < reassembly->count && reassembly->parts[at].to < from)
		at++;
	if (at < reassembly->count && reassembly->parts[at].from <= to) {
		struct reassembly_part *part = &reassembly->parts[at];

		part->from = from < part->from ? from : part->from;
		part->to = to > part->to ? to : part->to;
		while (at + 1 < reassembly->count && reassembly->parts[at + 1].from <= part->to) {
			if (reassembly->parts[at + 1].to > part->to)
				part->to = reassembly->parts[at + 1].to;
			drop_part(reassembly, at + 1);
		}
		return true;
	}
	if (reassembly->count == REASSEMBLY_PARTS)
		return false;
	memmove(&reassembly->parts[at + 1], &reassembly->parts[at],
		(reassembly->count - at) * sizeof(reassembly->parts[0]));
	reassembly->parts[at] = (struct reassembly_part){from, to};
	reassembly->count++;
	return true;
}

uint32_t reassembly_add(struct reassembly *reassembly, uint32_t offset, const uint8_t *bytes,
			uint32_t length)
{
	uint32_t from = offset, to, taken;

	if (offset >= reassembly->limit)
		return 0;
	to = length < reassembly->limit - offset ? offset + length : reassembly->limit;
	if (from < reassembly->have)
		from = reassembly->have;
	if (from >= to)
		return 0;
	make_room(reassembly, to);
	if (from == reassembly->have) {
		taken = fill(reassembly, from, to, bytes + (from - offset));
		reassembly->have = to;
		while (reassembly->count && reassembly->parts[0].from <= reassembly->have) {
			if (reassembly->parts[0].to > reassembly->have)
				reassembly->have = reassembly->parts[0].to;
			drop_part(reassembly, 0);
		}
		return taken;
	}
	taken = fill(reassembly, from, to, bytes + (from - offset));
	return join(reassembly, from, to) ? taken : 0;
}
