/* What this front may not know: flows that others have handed over or moved on, or that were here
 * before the table was emptied. */
#ifndef BATON_BPF_FRONT_ELSEWHERE_H
#define BATON_BPF_FRONT_ELSEWHERE_H

#include "bpf/front_syn.h"

/* 1 if nodes may have flows that this front knows nothing of. */
INLINE int flow_may_be_elsewhere(struct front_work *work, const struct cluster *here)
{
	return here->ask_per_tick && (here->ask_always || frame_now(work, here) - here->began_ns <
								  here->idle_s * 1000000000ull);
}

/* 1 if the first data in hand, whose cookie is good, may be of a flow that another front, or this
 * one before it forgot all, has handed over: its SYN-ACK was another's, or is older than the table.
 */
INLINE int flow_older(struct front_work *work, const struct cluster *here)
{
	if (work->made_by != (here->self & (FRONTS_MAX - 1)) && here->ask_per_tick)
		return 1;
	if (!flow_may_be_elsewhere(work, here) ||
	    frame_now(work, here) - here->began_ns > COOKIE_LIFE_MAX_S * 1000000000ull)
		return 0;
	return !(work->offered.seen & TCP_OPTION_TIMESTAMPS) ||
	       before(work->offered.tsecr, clock_ms(here->began_ns));
}

/* 1 if there are other fronts, which may have moved a flow on that is known here, and the nodes are
 * to be asked before the client hears that it is lost. A connection's first data is never asked
 * about again: it would begin anew. */
INLINE int flow_outdated(const struct cluster *here, int first)
{
	return here->ask_always && here->ask_per_tick && !first;
}

#endif
