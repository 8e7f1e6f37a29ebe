/* Fixed-width types and layout checks for everything that BPF programs, daemons and tests share.
 * A BPF program includes vmlinux.h before; everybody else gets the kernel's own names here. */
#ifndef BATON_WIRE_TYPES_H
#define BATON_WIRE_TYPES_H

#ifndef __bpf__
#include <linux/types.h>
#include <stddef.h>
#endif

#define WIRE_SIZE(type, bytes) _Static_assert(sizeof(type) == (bytes), "size of " #type)
#define WIRE_OFFSET(type, member, at)                                                              \
	_Static_assert(__builtin_offsetof(type, member) == (at), "offset of " #type "." #member)

#endif
