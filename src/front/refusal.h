/* What the front itself answers to a client that it can't give to a node. */
#ifndef BATON_FRONT_REFUSAL_H
#define BATON_FRONT_REFUSAL_H

#include <stdbool.h>
#include <stdint.h>

enum refusal_kind {
	REFUSAL_TOO_LONG,     /* 431; TLS: illegal_parameter, as OpenSSL answers */
	REFUSAL_URI_TOO_LONG, /* 414 */
	REFUSAL_TIMED_OUT,    /* 408; TLS: nothing but an RST */
	REFUSAL_NO_NODE,      /* 503; TLS: internal_error */
	REFUSAL_CLOSED,	      /* nothing but a FIN: the client has gone before it was understood */
};

struct refusal {
	const void *text;
	uint32_t length;
};

/* NULL: an RST is all there is to say. */
const struct refusal *refusal_of(enum refusal_kind kind, bool tls);

#endif
