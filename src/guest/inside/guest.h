/* The program inside a guest: its init, its agent, its TCP server. Linked statically, so that it
 * runs under whatever the guest has. */
#ifndef BATON_GUEST_INSIDE_GUEST_H
#define BATON_GUEST_INSIDE_GUEST_H

/* Serves what `agent.h` says on a port. Returns only when it can't listen. */
int guest_serve(int port);

#endif
