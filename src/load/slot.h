/* One connection of the engine, and what is under way on it. */
#ifndef BATON_LOAD_SLOT_H
#define BATON_LOAD_SLOT_H

#include "base/buffer.h"
#include "load/engine.h"

#include <llhttp/llhttp.h>

enum slot_state {
	SLOT_CLOSED,
	SLOT_CONNECTING,
	SLOT_HANDSHAKE, /* of TLS */
	SLOT_OPEN,
	SLOT_ENDING,  /* all answers are in; the server closes first, so that its side waits in
		       * TIME_WAIT and this machine doesn't run out of ports */
	SLOT_RESTING, /* could not connect; tried again a little later */
};

struct pending {
	struct request request;
	uint64_t sent; /* 0: not yet */
};

struct slot {
	struct engine *engine;
	int fd;
	uint8_t state;
	bool free;    /* is in the row of free slots */
	bool last;    /* the connection ends with what is under way */
	bool parting; /* the server said that it closes */
	uint32_t number, generation;
	uint32_t asked, answered; /* on this connection */
	int node;		  /* of the answer before, or -1 */
	uint64_t began;		  /* connecting, or ending */
	struct sockaddr_storage address;
	socklen_t address_length;
	SSL *ssl;
	struct buffer out;	 /* what the socket didn't take yet */
	struct pending *pending; /* row of `pipeline`, oldest at 0 */
	uint32_t pending_count;

	/* The answer that is being read. */
	llhttp_t parser;
	bool begun, wrong, in_node;
	uint64_t body, first_byte;
	uint32_t match;
	uint32_t node_length;
	char node_text[NODE_NAME_ROOM];
};

struct engine {
	const struct engine_options *options;
	struct source *source;
	struct tally *tally;
	struct slot *slots;
	int poll;
	uint64_t now, start;
	size_t node_header_length;
	llhttp_settings_t parsing;
	SSL_CTX *tls;
	SSL_SESSION *session;
	struct histogram *interval_latency;
	char *read_buffer;
	struct buffer write_buffer;

	uint32_t *free; /* ring of free slots' numbers */
	uint32_t free_first, free_count;
	uint32_t *resting; /* ring of resting ones, in the order of their times */
	uint32_t resting_first, resting_count;
	uint64_t outstanding;
};

enum { READ_ROOM = 256 << 10 };

/* Sends what is pending and was not sent yet; opens the connection first where needed. */
void slot_go(struct slot *slot);

/* Takes epoll's events. */
void slot_event(struct slot *slot, uint32_t events);

/* Ends whatever is under way with an error; the connection is closed. */
void slot_fail(struct slot *slot, enum load_error error);

/* Closes the connection; what is pending stays so. */
void slot_close(struct slot *slot);

/* The engine's part: the slot has nothing under way. */
void engine_slot_free(struct engine *engine, struct slot *slot);
void engine_slot_rest(struct engine *engine, struct slot *slot);

#endif
