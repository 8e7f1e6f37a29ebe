/* What code that builds for BPF and for the host from the same lines is written with.
 *
 * Loops are written as `while (at < end) { LOOP_STEP(at, zero); ... }`. In BPF that is the may_goto
 * instruction (Linux 6.9): the verifier looks at a body once instead of once a turn, and no call is
 * paid as with bpf_loop(). What the verifier believes to know of `at` (that it grows) would make
 * every turn new to it; adding `zero`, a nought that it doesn't know (read from a map), makes it
 * forget; every other number that a turn changes is FORGET()ed likewise. (Never write `x = zero`:
 * the verifier remembers that the two are equal, and a test of `x` would tell it what `zero` is.)
 */
#ifndef BATON_WIRE_FREESTANDING_H
#define BATON_WIRE_FREESTANDING_H

#include "wire/types.h"

#define INLINE static inline __attribute__((always_inline, unused))

#ifdef __bpf__

/* A function that the verifier checks once, by itself, whoever calls it. */
#define SUBPROGRAM __attribute__((noinline, unused))

/* Adds a nought that the verifier doesn't know to a __u64. */
#define FORGET(value, zero) asm volatile("%0 += %1" : "+r"(value) : "r"(zero))

/* The kernel's cond_break (tools/testing/selftests/bpf/bpf_experimental.h), with the instruction
 * spelled out because clang 14 doesn't know its name. Leaves the innermost loop after millions of
 * turns, which never happens: each loop is bounded by the length of what it reads. */
#define LOOP_STEP(at, zero)                                                                        \
	({                                                                                         \
		__label__ done, next;                                                              \
		FORGET(at, zero);                                                                  \
		asm volatile goto("1: .byte 0xe5; .byte 0; "                                       \
				  ".long ((%l[done] - 1b - 8) / 8) & 0xffff; .short 0"             \
				  :                                                                \
				  :                                                                \
				  :                                                                \
				  : done);                                                         \
		goto next;                                                                         \
done:                                                                                              \
		break;                                                                             \
next:;                                                                                             \
	})

#else

#define SUBPROGRAM	    static inline __attribute__((unused))
#define FORGET(value, zero) ((void)(zero))
#define LOOP_STEP(at, zero) ((void)(zero))

#endif
#endif
