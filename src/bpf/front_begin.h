/* The first data of a connection: read, placed, entered in the table of flows and handed over. */
#ifndef BATON_BPF_FRONT_BEGIN_H
#define BATON_BPF_FRONT_BEGIN_H

#include "bpf/front_entry.h"
#include "bpf/front_question.h"
#include "bpf/front_slow.h"
#include "bpf/front_source.h"
#include "bpf/front_syn.h"

/* Fills work->fresh for the connection that begins with the segment in hand and goes to `node`. */
INLINE void flow_fill(struct front_work *work, const struct cluster *here, __u32 node, int pinned,
		      __u32 now)
{
	const struct segment *segment = &work->segment;
	const struct tcp_options *offered = &work->offered;
	struct front_flow *flow = (struct front_flow *)work->fresh;
	__u64 time = frame_now(work, here);

	__builtin_memset(flow, 0, sizeof(*flow));
	flow->owner.generation = time >> BATON_TIME_SHIFT;
	flow->owner.node = node;
	flow->owner.state = segment->flags & TCP_FIN ? FRONT_CLOSING : FRONT_OPEN;
	if (pinned)
		flow->owner.flags |= FRONT_PINNED;
	if (work->service.forward == FORWARD_TUNNEL)
		flow->owner.flags |= FRONT_TUNNEL;
	flow->seen = now;
	flow->since = now;
	flow->made = now;
	flow->last_seq = segment->seq + segment->length + !!(segment->flags & TCP_FIN);
	flow->last_ack = segment->ack;
	flow->first_seq = segment->seq;
	flow->first_ack = segment->ack;
	flow->handoff_seq = segment->seq;
	flow->handoff_ack = segment->ack;
	flow->mss = offered->mss;
	flow->snd_wscale = offered->wscale;
	flow->rcv_wscale = work->service.rcv_wscale;
	if (offered->seen & TCP_OPTION_SACK)
		flow->options |= BATON_OPTION_SACK;
	if (offered->seen & TCP_OPTION_WSCALE)
		flow->options |= BATON_OPTION_WSCALE;
	if (offered->seen & TCP_OPTION_TIMESTAMPS) {
		/* The node's socket takes its first round trip from this clock to the client's
		 * echo. An estimate that is too long heals, one that is too short poisons BBR's
		 * minimum; the client may have waited before it asked, so there is an end to it. */
		__u32 waited = clock_ms(time) - offered->tsecr;

		flow->options |= BATON_OPTION_TIMESTAMPS;
		flow->ts_clock = offered->tsecr + (waited < 333 ? waited : 333);
	}
	flow->reason = work->reason;
	flow->service = work->service.id;
	flow->handoffs = 1;
}

INLINE void flow_count_first(const struct front_work *work, __u32 node)
{
	struct front_service_counters *service = service_counters(work->service.id);
	struct front_node_counters *counters = node_counters(node);

	count(FRONT_COUNT_HANDOFFS_FIRST);
	if (service)
		service->handoffs_first++;
	if (counters) {
		counters->first++;
		counters->reasons[work->reason & 15]++;
	}
}

/* Loads the segment in hand, which is to be placed, if its checksum is right. Returns 0, or -1 with
 * the reason counted. */
INLINE int flow_load(struct xdp_md *ctx, struct front_work *work)
{
	const struct segment *segment = &work->segment;
	__u32 length = segment->ip_length - segment->tcp_at;
	__u64 pseudo;

	if (load_packet(ctx, work, ETHERNET_LENGTH, segment->ip_length) ||
	    load_text(ctx, work, ETHERNET_LENGTH + segment->payload_at, segment->length)) {
		count(FRONT_COUNT_TOO_LONG);
		return -1;
	}
	if (segment->protocol == 4)
		pseudo = checksum_pseudo4(segment->key.client.words[3], segment->key.vip.words[3],
					  IPPROTO_TCP, length);
	else
		pseudo = checksum_pseudo6(segment->key.client.words, segment->key.vip.words,
					  IPPROTO_TCP, length);
	if (!checksum_good(&work->packet, segment->tcp_at, length, pseudo)) {
		count(FRONT_COUNT_BAD_CHECKSUM);
		return -1;
	}
	return 0;
}

/* The first data of a connection, its cookie found good and work->offered filled: places it, makes
 * or takes over the entry, and sends it. Returns what the program has to return. */
SUBPROGRAM int flow_begin(struct xdp_md *ctx)
{
	struct front_work *work = work_area();
	struct cluster *here = cluster_here();
	struct segment *segment;
	struct front_flow *flow, *fresh;
	__u32 now, node;
	int placed, error, slow, taken;
	__u64 word;

	if (!work || !here)
		return XDP_DROP;
	segment = &work->segment;
	fresh = (struct front_flow *)work->fresh;
	now = tick_now();
	if (flow_load(ctx, work))
		return XDP_DROP;
	if (source_denied(work))
		return XDP_DROP;
	work->may_ask = here->dispatcher_count ? flow_may_ask(now) : ASK_ONCE;
	if (work->may_ask == ASK_WAIT)
		return XDP_DROP;
	/* What was asked about has been counted then. */
	if (work->may_ask == ASK_ONCE && !work->answered && work->service.flags & SERVICE_LIMITED &&
	    source_exceeds(work))
		return answer_reset(ctx, work);
	slow = slow_alive(now);
	work->may_wait = slow && slow_room();
	placed = place_segment(segment->length);
	if (placed == -EINPROGRESS)
		return flow_ask(ctx);
	if (work->may_ask == ASK_AGAIN)
		bpf_map_delete_elem(&questions, &segment->key);
	if (placed <= 0 && !work->may_wait) {
		count(FRONT_COUNT_NO_NODE);
		/* An answer's frame has no way back to the client. */
		return work->answered ? XDP_DROP : answer_reset(ctx, work);
	}
	if (placed > 0 && placed & PLACED_SPLIT)
		count(slow ? FRONT_COUNT_SLOW_FULL : FRONT_COUNT_SLOW_AWAY);
	/* The daemon waits for the rest, or says to the client that nobody is there. */
	slow = placed <= 0;
	node = slow ? 0 : placed & 0xffff;
	flow_fill(work, here, node, placed & PLACED_PINNED, now);
	if (slow) {
		fresh->owner.state = FRONT_SLOW;
		fresh->owner.flags &= ~FRONT_PINNED;
	}
	/* A client uses its ports again and again: more often than not there is an entry. */
	error = 0;
	flow = bpf_map_lookup_elem(&flows, &segment->key);
	if (!flow) {
		error = bpf_map_update_elem(&flows, &segment->key, fresh, BPF_NOEXIST);
		if (error == -EEXIST) {
			error = 0;
			flow = bpf_map_lookup_elem(&flows, &segment->key);
			if (!flow)
				return XDP_DROP;
		}
	}
	if (flow) {
		bpf_spin_lock(&flow->lock);
		word = flow->owner_word;
		/* One that the daemon kept and nothing is known of elsewhere may be begun anew. */
		taken = flow->owner.state != FRONT_SLOW || flow->owner.node ||
			flow->owner.flags & FRONT_ACKED || slow;
		if (flow->first_seq == fresh->first_seq && flow->first_ack == fresh->first_ack &&
		    taken) {
			/* Another CPU had the same segment. */
			bpf_spin_unlock(&flow->lock);
			return XDP_DROP;
		}
		if (before(fresh->owner.generation, owner_of(word).generation + 1))
			fresh->owner.generation = owner_of(word).generation + 1;
		flow->owner_word = fresh->owner_word;
		flow->seen = fresh->seen;
		flow->last_seq = fresh->last_seq;
		flow->last_ack = fresh->last_ack;
		flow->since = fresh->since;
		flow->made = fresh->made;
		flow->first_seq = fresh->first_seq;
		flow->first_ack = fresh->first_ack;
		flow->handoff_seq = fresh->handoff_seq;
		flow->handoff_ack = fresh->handoff_ack;
		flow->ts_clock = fresh->ts_clock;
		flow->srtt = 0;
		flow->cwnd = 0;
		flow->mss = fresh->mss;
		flow->snd_wscale = fresh->snd_wscale;
		flow->rcv_wscale = fresh->rcv_wscale;
		flow->options = fresh->options;
		flow->reason = fresh->reason;
		flow->service = fresh->service;
		flow->handoffs = 1;
		flow->have_seq = 0;
		bpf_spin_unlock(&flow->lock);
	} else if (error) {
		count(FRONT_COUNT_FLOWS_FULL);
		return XDP_DROP;
	}
	if (slow) {
		count(FRONT_COUNT_SLOW_FLOWS);
		return slow_keep(ctx);
	}
	flow_count_first(work, node);
	handoff_header(work, fresh);
	return send_wrapped(ctx, node);
}

#endif
