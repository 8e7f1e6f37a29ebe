#include "place/tables.h"

__u32 carp_member_hash(const char *name)
{
	__u32 hash = 0;

	for (const unsigned char *at = (const unsigned char *)name; *at; at++)
		hash += (hash << 19 | hash >> 13) + *at;
	hash += hash * 0x62531965;
	return hash << 21 | hash >> 11;
}
