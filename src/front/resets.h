/* RSTs that the front's daemon sends to clients in the service's name. */
#ifndef BATON_FRONT_RESETS_H
#define BATON_FRONT_RESETS_H

#include "wire/front.h"

#include <stdbool.h>

struct resets {
	int raw4, raw6; /* -1: the kernel has no such family */
};

/* Opens the sockets; what is missing is logged. */
void resets_open(struct resets *resets);
void resets_close(struct resets *resets);

/* Sends the client an RST at `lost->seq`. A client that has received more answers with a challenge
 * (RFC 5961, 3.2), which gets the exact RST from the program if the flow is FRONT_LOST. Returns
 * whether it was sent. */
bool resets_send(const struct resets *resets, const struct front_lost *lost);

#endif
