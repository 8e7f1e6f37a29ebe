/* TCP options, ours beside a reader written plainly, byte by byte, as RFC 9293 3.2 has it. */
#include "disagree.h"

#include "bpf/tcp_options.h"

#include <string.h>

static struct tcp_options plain(const uint8_t *bytes, size_t length)
{
	struct tcp_options options = {0};
	size_t at = 0;

	while (at < length && bytes[at] != 0) {
		const uint8_t *option = bytes + at;
		size_t size;

		if (*option == 1) {
			at++;
			continue;
		}
		size = at + 1 < length ? option[1] : 0;
		if (size < 2 || at + size > length) {
			options.seen |= TCP_OPTION_MALFORMED;
			break;
		}
		at += size;
		if (*option == 2 && size == 4) {
			options.mss = option[2] << 8 | option[3];
			options.seen |= options.mss ? TCP_OPTION_MSS : 0;
		}
		if (*option == 3 && size == 3) {
			options.wscale = option[2] < 14 ? option[2] : 14;
			options.seen |= TCP_OPTION_WSCALE;
		}
		if (*option == 4 && size == 2)
			options.seen |= TCP_OPTION_SACK;
		if (*option == 5)
			options.seen |= TCP_OPTION_SACK_BLOCKS;
		if (*option == 8 && size == 10) {
			memcpy(&options.tsval, option + 2, 4);
			memcpy(&options.tsecr, option + 6, 4);
			options.tsval = __builtin_bswap32(options.tsval);
			options.tsecr = __builtin_bswap32(options.tsecr);
			options.seen |= TCP_OPTION_TIMESTAMPS;
		}
		if (*option == 30)
			options.seen |= TCP_OPTION_MPTCP;
		if (*option == 34)
			options.seen |= TCP_OPTION_FAST_OPEN;
	}
	return options;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	static struct scratch scratch;
	struct tcp_options ours, theirs;

	if (length > 40)
		length = 40;
	memset(&scratch, 2, sizeof(scratch));
	memcpy(scratch.bytes + 20, bytes, length);
	tcp_options_parse(&scratch, 20, length, &ours);
	theirs = plain(bytes, length);
	if (memcmp(&ours, &theirs, sizeof(ours)))
		disagree("options");
	return 0;
}
