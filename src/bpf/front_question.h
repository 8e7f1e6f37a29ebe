/* Asking a dispatcher on a host of its own about a connection's first request, or about one that a
 * node has returned undecided.
 *
 *	first data	goes to the target's dispatcher under an ASK, and comes back under its
 *ANSWER as if it had just come, with a node named
 *	what is behind	goes the same way after it, so that it arrives behind the answer
 *	a RETURN	travels whole: the answer is the RETURN again, with a node named
 *
 * Nobody keeps a segment. Of a first request `questions` remembers that it was asked about: when
 * the client sends it again no answer has come, and it is placed by hash. An answer behind that
 * finds nothing in `questions` and is dropped.
 */
#ifndef BATON_BPF_FRONT_QUESTION_H
#define BATON_BPF_FRONT_QUESTION_H

#include "bpf/dispatchers.h"
#include "bpf/front_flow.h"

/* What a node has returned is asked about; `at` is where it begins in the frame. The header goes
 * there and back, its sender's name meanwhile in `load`. */
INLINE int question_returned(struct xdp_md *ctx, struct front_work *work, __u32 at)
{
	work->header.load = net32(net16(work->header.sender));
	if (send_strip(ctx, work, at - ETHERNET_LENGTH))
		return XDP_DROP;
	count(FRONT_COUNT_QUESTIONS);
	dispatcher_asked(work->dispatcher);
	return flow_question(ctx, work, BATON_FLAG_RETURNED);
}

/* The answer in hand is about a connection's first data, which begins `at` bytes into the frame:
 * makes it what came from the client. Returns FLOW_BEGINS, or what the program has to return. */
INLINE int question_answered(struct xdp_md *ctx, struct front_work *work, __u32 at)
{
	const struct front_question *question = bpf_map_lookup_elem(&questions, &work->segment.key);
	int action;

	if (!question || question->seq != work->segment.seq || question->ack != work->segment.ack ||
	    bpf_map_delete_elem(&questions, &work->segment.key)) {
		count(FRONT_COUNT_ANSWERS_LATE);
		return XDP_DROP;
	}
	count(FRONT_COUNT_ANSWERS);
	if (!service_find(work, IPPROTO_TCP) || send_strip(ctx, work, at - ETHERNET_LENGTH))
		return XDP_DROP;
	/* The cookie was good before, and what it says of the connection is needed again. */
	return syn_first(ctx, work, &action) == 1 ? FLOW_BEGINS : XDP_DROP;
}

#endif
