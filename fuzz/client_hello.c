/* ClientHellos: what is found lies inside; what is whole has only incomplete beginnings. */
#include "disagree.h"

#include "bpf/client_hello.h"

#include <string.h>

static void parse(const uint8_t *bytes, size_t length, int behind, struct client_hello *hello)
{
	static struct scratch scratch;

	memset(&scratch, behind, sizeof(scratch));
	memcpy(scratch.bytes, bytes, length);
	client_hello_parse(&scratch, length, hello);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	struct client_hello hello, again;

	if (length > SCRATCH_SIZE)
		return 0;
	parse(bytes, length, 0, &hello);
	parse(bytes, length, 0xff, &again);
	if (memcmp(&hello, &again, sizeof(hello)))
		disagree("bytes behind the end matter");
	if (hello.flags & CLIENT_HELLO_MALFORMED)
		return 0;
	if (hello.flags & CLIENT_HELLO_NAME &&
	    (!hello.name_length || hello.name_at + (size_t)hello.name_length > length))
		disagree("name outside");
	if (hello.flags & CLIENT_HELLO_ALPN && hello.alpn_at + (size_t)hello.alpn_length > length)
		disagree("protocols outside");
	if (hello.flags & CLIENT_HELLO_COMPLETE && hello.length > length)
		disagree("whole without its bytes");
	for (size_t cut = 0; cut < length; cut += 1 + cut / 16) {
		parse(bytes, cut, 0x5a, &again);
		if (again.flags & CLIENT_HELLO_MALFORMED)
			disagree("a beginning of what isn't malformed is");
		if (again.flags & ~hello.flags)
			disagree("a beginning knows more");
	}
	return 0;
}
