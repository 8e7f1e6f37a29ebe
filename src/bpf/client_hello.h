/* The TLS ClientHello (RFC 8446, 4.1.2): server name (RFC 6066, 3) and protocols (ALPN, RFC 7301).
 *
 * Read in place, as much of it as is there: post-quantum key shares make many a hello longer than a
 * segment, but its server name is often in the first. Malformed is what contradicts itself whatever
 * follows; everything else is whole or incomplete. A hello that is cut into several TLS records is
 * `fragmented`: allowed, rare, and read by the front's daemon, which joins them (front/head.c).
 */
#ifndef BATON_BPF_CLIENT_HELLO_H
#define BATON_BPF_CLIENT_HELLO_H

#include "bpf/scratch.h"
#include "place/hash.h"

enum client_hello_flags {
	CLIENT_HELLO_COMPLETE = 1,   /* all of it is there, what isn't found isn't in it */
	CLIENT_HELLO_MALFORMED = 2,  /* not a ClientHello */
	CLIENT_HELLO_NAME = 4,	     /* name_at, name_length */
	CLIENT_HELLO_ALPN = 8,	     /* alpn_at, alpn_length, alpn_hash */
	CLIENT_HELLO_FRAGMENTED = 16 /* goes on in a second record */
};

struct client_hello {
	__u64 alpn_hash; /* place_hash of the list, so that the same offer has the same number */
	__u32 flags;
	__u32 length; /* of the record it is in, header included; 0 if not known yet */
	__u16 name_at, name_length; /* in the scratch; 1 to 255 bytes */
	__u16 alpn_at, alpn_length; /* the list of (length byte, name) without its own length */
};

enum {
	TLS_RECORD_HEADER = 5,
	TLS_FRAGMENT_MAX = 16384, /* what a record holds (RFC 8446, 5.1) */
	TLS_RECORD_MAX = TLS_FRAGMENT_MAX + TLS_RECORD_HEADER,
	TLS_HANDSHAKE = 22,
	TLS_VERSION_MAJOR = 3,
	TLS_HANDSHAKE_HEADER = 4,
	TLS_EXTENSION_SERVER_NAME = 0,
	TLS_EXTENSION_ALPN = 16,
};

/* place_hash of scratch[at, at + length). */
SUBPROGRAM __u64 client_hello_hash(struct scratch *scratch, __u32 from, __u32 length)
{
	__u64 zero, at, end, hash, tail = 0;

	if (!scratch)
		return 0;
	zero = scratch_zero(scratch);
	at = zero + from;
	end = from + (length & ~7u);
	hash = PLACE_HASH_START;
	while (at < end) {
		FORGET(hash, zero);
		LOOP_STEP(at, zero);
		hash = place_hash_word(hash, scratch_u64(scratch, at));
		at += 8;
	}
	if (length & 7)
		tail = scratch_u64(scratch, at) & (~0ull >> (64 - 8 * (length & 7)));
	return place_hash_end(hash, tail, length);
}

/* Takes note of the extension whose data is scratch[at, at + size). Returns 0, or -1: malformed. */
INLINE int client_hello_extension(struct scratch *scratch, __u64 at, __u64 size, __u32 type,
				  struct client_hello *hello)
{
	__u64 length;

	if (type == TLS_EXTENSION_SERVER_NAME) {
		/* A list, of which only the first entry, a host name, was ever used. */
		if (size < 5 || hello->flags & CLIENT_HELLO_NAME)
			return -1;
		length = scratch_be16(scratch, at + 3);
		if (scratch_be16(scratch, at) != size - 2 || scratch_u8(scratch, at + 2) != 0 ||
		    !length || length > 255 || length > size - 5)
			return -1;
		hello->name_at = at + 5;
		hello->name_length = length;
		hello->flags |= CLIENT_HELLO_NAME;
	} else if (type == TLS_EXTENSION_ALPN) {
		if (size < 4 || scratch_be16(scratch, at) != size - 2 ||
		    hello->flags & CLIENT_HELLO_ALPN)
			return -1;
		hello->alpn_at = at + 2;
		hello->alpn_length = size - 2;
		hello->flags |= CLIENT_HELLO_ALPN;
	}
	return 0;
}

/* Reads scratch[0, length), the beginning of what the client sends, and fills `hello` whole. */
SUBPROGRAM int client_hello_parse(struct scratch *scratch, __u32 length, struct client_hello *hello)
{
	__u64 zero, at, end, size, there = length;
	__u32 flags;

	if (!scratch || !hello)
		return 0;
	__builtin_memset(hello, 0, sizeof(*hello));
	if (there > SCRATCH_SIZE)
		there = SCRATCH_SIZE;
	zero = scratch_zero(scratch);
	/* Bytes that are not there yet are not judged. */
	if (!there)
		return 0;
	if (scratch_u8(scratch, 0) != TLS_HANDSHAKE ||
	    (there > 1 && scratch_u8(scratch, 1) != TLS_VERSION_MAJOR))
		goto malformed;
	if (there > TLS_RECORD_HEADER && scratch_u8(scratch, TLS_RECORD_HEADER) != 1)
		goto malformed;
	if (there < TLS_RECORD_HEADER)
		return 0;
	size = scratch_be16(scratch, 3);
	if (!size || size > TLS_FRAGMENT_MAX)
		goto malformed;
	hello->length = size + TLS_RECORD_HEADER;
	if (size < TLS_HANDSHAKE_HEADER) {
		hello->flags |= CLIENT_HELLO_FRAGMENTED;
		return 0;
	}
	if (there < TLS_RECORD_HEADER + TLS_HANDSHAKE_HEADER)
		return 0;
	/* The handshake message's length, 24 bits. */
	size = scratch_be32(scratch, TLS_RECORD_HEADER) & 0xffffff;
	end = TLS_RECORD_HEADER + TLS_HANDSHAKE_HEADER + size;
	if (end > hello->length) {
		hello->flags |= CLIENT_HELLO_FRAGMENTED;
		return 0;
	}
	if (end < hello->length)
		goto malformed; /* nothing may follow before the server has answered */

	/* version, random */
	at = zero + TLS_RECORD_HEADER + TLS_HANDSHAKE_HEADER + 2 + 32;
	if (at + 1 > end)
		goto malformed;
	if (at + 1 > there)
		return 0;
	/* session id */
	size = scratch_u8(scratch, at);
	at += 1 + size;
	if (size > 32 || at + 2 > end)
		goto malformed;
	if (at + 2 > there)
		return 0;
	/* cipher suites */
	size = scratch_be16(scratch, at);
	at += 2 + size;
	if (size < 2 || size & 1 || at + 1 > end)
		goto malformed;
	if (at + 1 > there)
		return 0;
	/* compression methods */
	size = scratch_u8(scratch, at);
	at += 1 + size;
	if (!size || at > end)
		goto malformed;
	if (at == end) { /* TLS 1.2 without extensions */
		if (end <= there)
			hello->flags |= CLIENT_HELLO_COMPLETE;
		return 0;
	}
	if (at + 2 > end)
		goto malformed;
	if (at + 2 > there)
		return 0;
	/* extensions */
	if (scratch_be16(scratch, at) != end - at - 2)
		goto malformed;
	at += 2;
	while (at < end) {
		__u32 type;

		LOOP_STEP(at, zero);
		if (at + 4 > end)
			goto malformed;
		if (at + 4 > there)
			break;
		type = scratch_be16(scratch, at);
		size = scratch_be16(scratch, at + 2);
		at += 4;
		if (at + size > end)
			goto malformed;
		if (at + size > there)
			break;
		if (client_hello_extension(scratch, at, size, type, hello))
			goto malformed;
		at += size;
	}
	flags = hello->flags;
	if (flags & CLIENT_HELLO_ALPN)
		hello->alpn_hash = client_hello_hash(scratch, hello->alpn_at, hello->alpn_length);
	if (at == end && end <= there)
		hello->flags = flags | CLIENT_HELLO_COMPLETE;
	return 0;
malformed:
	hello->flags = CLIENT_HELLO_MALFORMED;
	return 0;
}

#endif
