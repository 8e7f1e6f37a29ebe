/* Request heads, ours beside llhttp. The input is the bytes. */
#include "disagree.h"

#include "unit/bpf/compare.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	if (length <= SCRATCH_SIZE)
		disagree(compare_request(bytes, length));
	return 0;
}
