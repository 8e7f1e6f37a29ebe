/* What host and guest say to each other over the guest's console, in lines. The host sends
 *
 *	run ID SECONDS LENGTH\n	and LENGTH bytes for /bin/sh -c
 *	off\n			end at once
 *
 * and the guest answers with lines that begin with AGENT_MARK; a console has other lines too:
 *
 *	@baton ready			once, when it listens
 *	@baton ID + TEXT		a line that the command printed
 *	@baton ID = CODE		its end: exit code, 128 + signal, 124 for out of time */
#ifndef BATON_GUEST_AGENT_H
#define BATON_GUEST_AGENT_H

#define AGENT_MARK    "@baton "
#define AGENT_PATH    "/sbin/baton-guest"
#define AGENT_TIMEOUT 124

enum { AGENT_COMMAND_MOST = 65536 };

/* The guest's TCP server (`baton-guest serve PORT`): the first byte of a connection says what it is
 * for. Lengths are 8 bytes, most significant first. */
enum {
	TALK_UP = 'u',	    /* the client sends until it shuts down; the length is answered */
	TALK_DOWN = 'd',    /* a length follows; so many bytes are answered */
	TALK_ECHO = 'e',    /* a length follows; blocks of it are sent back */
	TALK_CONNECT = 'c', /* one byte is answered, then the end */
	TALK_PORT = 5301,
	/* What is written or read at a time by whoever streams, iperf3 beside ours too: goodput
	 * where CPU is the bound depends on it. */
	TALK_BLOCK = 128 * 1024,
};

#endif
