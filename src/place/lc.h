/* lc and wlc: the node with the fewest requests in service, in wlc by weight.
 *
 * Source: Linux Virtual Server's schedulers of these names (Zhang 2000). Load is requests in
 * service: an idle connection weighs nothing, unlike there. Cost: two look-ups a node. Memory: 48
 * bytes a node, its load. No target has a node, so none moves. Decides where all requests are
 * charged; several deciders share what nodes report and herd a little between reports.
 */
#ifndef BATON_PLACE_LC_H
#define BATON_PLACE_LC_H

#include "place/target_set.h"

SUBPROGRAM __s32 place_lc(struct place_query *query)
{
	return place_least(query, 0, 0);
}

SUBPROGRAM __s32 place_wlc(struct place_query *query)
{
	return place_least(query, 0, LEAST_BY_WEIGHT);
}

#endif
