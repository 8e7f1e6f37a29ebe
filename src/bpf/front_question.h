/* Asking a dispatcher on a host of its own about a connection's first request, or about one that a
 * node has returned undecided.
 *
 *	first data	goes to the target's dispatcher under an ASK, and comes back under
 *			its ANSWER as if it had just come, with a node named
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
#include "bpf/front_maps.h"
#include "bpf/front_send.h"

/* Sends the segment in hand to work->dispatcher under a question with these flags, and what else
 * work->header has. */
INLINE int flow_question(struct xdp_md *ctx, struct front_work *work, __u32 flags)
{
	work->header.type = BATON_ASK;
	work->header.flags = net16(flags);
	return send_wrapped(ctx, BATON_DISPATCHER(work->dispatcher & (DISPATCHERS_MAX - 1)));
}

/* What is remembered of a question about the first data in hand. */
SUBPROGRAM int flow_may_ask(__u32 now)
{
	const struct front_work *work = work_area();
	const struct front_question *question;
	const struct segment *segment;

	if (!work)
		return ASK_WAIT;
	segment = &work->segment;
	question = bpf_map_lookup_elem(&questions, &segment->key);
	if (!question || question->seq != segment->seq || question->ack != segment->ack)
		return ASK_ONCE;
	return now - question->tick < FRONT_REPEAT_TICKS ? ASK_WAIT : ASK_AGAIN;
}

/* The first data in hand goes to the dispatcher that is to choose its node. */
SUBPROGRAM int flow_ask(struct xdp_md *ctx)
{
	struct front_work *work = work_area();
	const struct segment *segment;

	if (!work)
		return XDP_DROP;
	segment = &work->segment;
	/* Not on the stack, which is short here. */
	work->asking =
		(struct front_question){tick_now(), segment->seq, segment->ack, work->dispatcher};
	if (bpf_map_update_elem(&questions, &segment->key, &work->asking, BPF_ANY))
		return XDP_DROP;
	__builtin_memset(&work->header, 0, sizeof(work->header));
	count(FRONT_COUNT_QUESTIONS);
	dispatcher_asked(work->dispatcher);
	return flow_question(ctx, work, BATON_FLAG_FIRST);
}

/* 1 if the segment in hand is of a connection whose first data a dispatcher has, and behind that:
 * it goes the same way, so that it comes behind the answer. Sets work->dispatcher. */
INLINE int flow_follows(struct front_work *work, const struct cluster *here)
{
	const struct segment *segment = &work->segment;
	const struct front_question *question;

	if (!here->dispatcher_count || !segment->length || segment->flags & (TCP_SYN | TCP_RST))
		return 0;
	question = bpf_map_lookup_elem(&questions, &segment->key);
	if (!question || tick_now() - question->tick >= FRONT_QUESTION_TICKS ||
	    segment->seq - question->seq - 1 >= 1u << 16)
		return 0;
	work->dispatcher = question->dispatcher;
	return 1;
}

/* See flow_follows. */
SUBPROGRAM int flow_follow(struct xdp_md *ctx)
{
	struct front_work *work = work_area();

	if (!work)
		return XDP_DROP;
	__builtin_memset(&work->header, 0, sizeof(work->header));
	count(FRONT_COUNT_QUESTIONS_LATER);
	return flow_question(ctx, work, BATON_FLAG_LATER);
}

#endif
