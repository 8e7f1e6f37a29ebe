/* Chunked bodies in pieces and whole, ours beside llhttp. The first four bytes say how it is cut.
 */
#include "disagree.h"

#include "unit/bpf/compare.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	if (length > 4)
		disagree(compare_chunked(bytes + 4, length - 4, bytes, 4));
	return 0;
}
