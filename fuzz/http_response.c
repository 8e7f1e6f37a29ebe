/* Response streams in pieces and whole, ours beside llhttp. The first byte of the input says how
 * many requests are awaited, the next four which of them are HEADs, four more how the stream is
 * cut. */
#include "disagree.h"

#include "unit/bpf/compare.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	uint32_t heads;

	if (length < 9)
		return 0;
	memcpy(&heads, bytes + 1, 4);
	disagree(compare_response(bytes[0] % (RESPONSE_REQUESTS + 1), heads, bytes + 9, length - 9,
				  bytes + 5, 4));
	return 0;
}
