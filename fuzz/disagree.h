/* How a fuzzer says what it found. */
#ifndef BATON_FUZZ_DISAGREE_H
#define BATON_FUZZ_DISAGREE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* libFuzzer calls this with every input. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

/* Ends the run with the reason, if there is one; libFuzzer keeps the input. */
static inline void disagree(const char *reason)
{
	if (!reason)
		return;
	fprintf(stderr, "disagreement: %s\n", reason);
	abort();
}

#endif
