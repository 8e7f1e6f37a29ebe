/* Questions of a front to the nodes, for rows of tests. */
#ifndef BATON_TESTS_BPF_FRONT_ASKED_H
#define BATON_TESTS_BPF_FRONT_ASKED_H

#include "front.h"

/* Setup: the front's table has just been empty. */
static inline int young(void **state)
{
	struct address source;

	front_reset(state);
	cluster_now_is.began_ns = cluster_ns();
	cluster_now_is.node_most = NODES;
	cluster_now_is.ask_per_tick = 1000;
	cluster_now_is.ask_per_source = 1000;
	front_cluster();
	while (!bpf_map_get_next_key(bpf_map__fd(front->maps.askers), NULL, &source))
		bpf_map_delete_elem(bpf_map__fd(front->maps.askers), &source);
	return 0;
}

/* A client in the middle of a connection that began elsewhere. */
static inline struct client stranger(unsigned short port)
{
	struct client client = CLIENT;

	client.port = port;
	client.seq = 77000;
	client.ack = 88000;
	client.tsecr = 4711;
	return client;
}

/* The frame must be a question; it and the node that gets it. */
static inline struct baton_header question(const struct frame *in, const struct frame *segment,
					   unsigned int *node)
{
	struct frame out, inner;
	struct baton_header header;

	assert_int_equal(front_run(in, &out), XDP_TX);
	*node = out.bytes[5];
	header = wrapped_read(&out, *node, &inner);
	assert_int_equal(header.type, BATON_WHO_HAS);
	assert_int_equal(ntohs(header.node), *node);
	assert_int_equal(inner.length, segment->length - 14);
	assert_memory_equal(inner.bytes, segment->bytes + 14, inner.length);
	return header;
}

/* The answer of the node that was asked. */
static inline void answer(const struct baton_header *asked, enum baton_type type,
			  const struct frame *segment, struct frame *in)
{
	struct baton_header said = {.type = type, .sender = asked->node, .load = asked->load};

	message_make(said, segment, in);
}

#endif
