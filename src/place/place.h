/* The one door to all policies: the kernel's programs, the daemons, the simulator and the tests
 * call place_choose. */
#ifndef BATON_PLACE_PLACE_H
#define BATON_PLACE_PLACE_H

#include "place/bounded-ch.h"
#include "place/carp.h"
#include "place/ds.h"
#include "place/hrw.h"
#include "place/ht-rr.h"
#include "place/lard.h"
#include "place/lblc.h"
#include "place/lc.h"
#include "place/maglev.h"
#include "place/md5.h"
#include "place/mit-ch.h"
#include "place/mod-ch.h"
#include "place/p2c.h"
#include "place/rr.h"
#include "place/sh.h"
#include "place/tls-affinity.h"
#include "place/wrr.h"

/* What the pool's policy wants in a query (enum place_want); 0 for a pool that isn't there. */
INLINE __u32 place_wants(__u32 pool_id)
{
	const struct place_pool *pool = place_pool_at(pool_id);

	return pool ? pool->wants : 0;
}

/* The id of the node that the query goes to, with query->reason set; -ENOENT (-2): no node is up,
 * or the pool isn't there; -EINVAL (-22): a policy that this program doesn't know. A policy that
 * goes by load has charged the node with the request, unless PLACE_PEEK. */
SUBPROGRAM __s32 place_choose(struct place_query *query)
{
	const struct place_pool *pool;
	__s32 node = -22;

	if (!query)
		return -22;
	pool = place_pool_at(query->pool);
	if (!pool)
		return -2;
	query->reason = PLACE_REASON_POLICY;
	switch (pool->policy) {
	case PLACE_RR:
		node = place_rr(query);
		break;
	case PLACE_WRR:
		node = place_wrr(query);
		break;
	case PLACE_SH:
		node = place_slot_hash(query, query->client);
		break;
	case PLACE_DH:
		node = place_slot_hash(query, query->target);
		break;
	case PLACE_MD5:
		node = place_md5(query);
		break;
	case PLACE_MAGLEV:
		node = place_maglev(query);
		break;
	case PLACE_HRW:
		node = place_hrw(query);
		break;
	case PLACE_MIT_CH:
		node = place_mit_ch(query);
		break;
	case PLACE_CARP:
		node = place_carp(query);
		break;
	case PLACE_MOD_CH:
		node = place_mod_ch(query);
		break;
	case PLACE_HT_RR:
		node = place_ht_rr(query);
		break;
	case PLACE_BOUNDED_CH:
		node = place_bounded_ch(query);
		break;
	case PLACE_P2C:
		node = place_p2c(query);
		break;
	case PLACE_LC:
		node = place_lc(query);
		break;
	case PLACE_WLC:
		node = place_wlc(query);
		break;
	case PLACE_LBLC:
		node = place_lblc(query, 0);
		break;
	case PLACE_LBLCR:
		node = place_lblc(query, 1);
		break;
	case PLACE_LARD:
		node = place_lard(query, LARD_ONE);
		break;
	case PLACE_LARD_2004:
		node = place_lard(query, LARD_COST);
		break;
	case PLACE_LARD_R:
		node = place_lard(query, LARD_SET);
		break;
	case PLACE_DS:
		node = place_ds(query);
		break;
	case PLACE_DS_2004:
		node = place_ds_2004(query);
		break;
	case PLACE_TLS_AFFINITY:
		node = place_tls_affinity(query);
		break;
	}
	if (node > 0 && pool->wants & PLACE_WANT_LOAD && !(query->flags & PLACE_PEEK))
		place_charge(query, node);
	return node;
}

#endif
