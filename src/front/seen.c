/* What nodes tell of single requests while somebody looks at the page. */
#include "front/front.h"

#include "base/clock.h"

json_t *front_seen(struct front *front)
{
	json_t *nodes = json_object();
	bool ask = clock_now() - front->looked >= NS_PER_S;

	if (ask)
		front->looked = clock_now();
	for (uint32_t id = 1; id < NODES_MAX; id++) {
		const char *name = front->registry->nodes[id].name;
		const json_t *seen;

		if (!front->registry->nodes[id].used)
			continue;
		if (ask)
			peers_send(front->peers, name, json_pack("{s:s}", "type", "look"));
		seen = json_object_get(peers_report(front->peers, name), "seen");
		if (seen)
			json_object_set(nodes, name, (json_t *)seen);
	}
	return json_pack("{s:o}", "nodes", nodes);
}
