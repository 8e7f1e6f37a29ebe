/* Takes flows out of `held` that are over. The programs never do it themselves: an entry must stay
 * for as long as a late or replayed segment of it could be taken (FLOW_TOMBSTONE_S), and that is
 * longer than the connection lives. An open flow that was silent so long is asked for in the
 * kernel: its server may have closed it without a word (a killed process with muted egress, say).
 */
#include "node/node.h"

#include "base/clock.h"
#include "base/fail.h"
#include "wire/header.h"
#include "wire/node.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	TICK_MS = 1000,
	BATCH = 1024,
	CHECKS = 2048, /* silent open flows asked for in one tick; the next ones in the next */
};

struct held_sweep {
	uv_timer_t timer;
	const struct node *node;
	int held;
	struct node_load *load; /* in the kernel; NULL if it can't be had */
	uint32_t at;		/* the batch lookup's place in the table, while `going` */
	bool going;
	uint64_t counting, open, counting_pinned, pinned;
	uint32_t counting_tls[CONFIG_SERVICES], tls[CONFIG_SERVICES];
	uint64_t silent, from; /* silent open flows so far, and the first of them to be asked for */
	struct flow_key keys[BATCH];
	struct held values[BATCH];
};

static uint32_t now_s(void)
{
	return (uint32_t)(clock_now() / NS_PER_S);
}

bool held_has_socket(const struct node *node, const struct flow_key *key)
{
	struct {
		struct ethhdr ethernet;
		struct flow_key key;
	} __attribute__((packed)) data = {.key = *key};
	struct __sk_buff context = {.ifindex = (__u32)node->ifindex};
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = &data, .data_size_in = sizeof(data),
		    .ctx_in = &context, .ctx_size_in = sizeof(context), .repeat = 1);

	data.ethernet.h_proto = htons(address_is_ipv4(&key->vip) ? ETH_P_IP : ETH_P_IPV6);
	if (bpf_prog_test_run_opts(node->check, &run))
		return true;
	return run.retval != NODE_CHECK_NONE;
}

/* Nobody has touched the flow since it was read. What comes between this and the deletion finds no
 * flow, which is what it would find a moment later. */
static void forget(const struct held_sweep *sweep, const struct flow_key *key,
		   const struct held *seen)
{
	struct held now;

	if (bpf_map_lookup_elem(sweep->held, key, &now) || now.seen_s != seen->seen_s ||
	    now.owner != seen->owner || bpf_map_delete_elem(sweep->held, key))
		return;
	/* It died without a word: what it was asked is not in service any more. */
	if ((uint32_t)now.owner == HELD_OPEN && !(now.flags & HELD_PINNED) && sweep->load)
		__atomic_sub_fetch(&sweep->load->in_service,
				   (int64_t)(now.requests - now.responses), __ATOMIC_RELAXED);
}

/* What both sides have closed is kept only as memory. */
static void count_open(struct held_sweep *sweep, const struct held *flow)
{
	if (flow->flags & HELD_CLIENT_FIN && flow->flags & HELD_SERVER_FIN)
		return;
	sweep->counting++;
	sweep->counting_pinned += !!(flow->flags & HELD_PINNED);
	if (flow->service < CONFIG_SERVICES &&
	    sweep->node->registry->services[flow->service].settings.protocol == PROTOCOL_TLS)
		sweep->counting_tls[flow->service]++;
}

static void look_at(struct held_sweep *sweep, const struct flow_key *key, const struct held *flow)
{
	uint32_t state = (uint32_t)flow->owner, silent = now_s() - flow->seen_s;

	if (state == HELD_OPEN)
		count_open(sweep, flow);
	if (silent <= FLOW_TOMBSTONE_S || silent > INT32_MAX)
		return;
	if (state == HELD_LEFT || state == HELD_OVER) {
		forget(sweep, key, flow);
		return;
	}
	sweep->silent++;
	if (sweep->silent - 1 - sweep->from < CHECKS && !held_has_socket(sweep->node, key)) {
		/* The client's own FIN told the front. */
		if (!(flow->flags & HELD_CLIENT_FIN))
			release_flow(sweep->node->release, key, flow->received_seq,
				     flow->response_seq);
		forget(sweep, key, flow);
	}
}

static void on_tick(uv_timer_t *timer)
{
	struct held_sweep *sweep = timer->data;
	uint32_t next;

	/* The whole table in one tick; the place is kept by the kernel's bucket number. */
	sweep->going = false;
	sweep->counting = 0;
	sweep->counting_pinned = 0;
	memset(sweep->counting_tls, 0, sizeof(sweep->counting_tls));
	sweep->silent = 0;
	for (;;) {
		LIBBPF_OPTS(bpf_map_batch_opts, options);
		__u32 count = BATCH;
		int error;

		error = bpf_map_lookup_batch(sweep->held, sweep->going ? &sweep->at : NULL, &next,
					     sweep->keys, sweep->values, &count, &options);
		if (error && errno != ENOENT)
			break;
		for (__u32 i = 0; i < count; i++)
			look_at(sweep, &sweep->keys[i], &sweep->values[i]);
		if (error)
			break;
		sweep->at = next;
		sweep->going = true;
	}
	sweep->open = sweep->counting;
	sweep->pinned = sweep->counting_pinned;
	memcpy(sweep->tls, sweep->counting_tls, sizeof(sweep->tls));
	sweep->from = sweep->from + CHECKS < sweep->silent ? sweep->from + CHECKS : 0;
}

struct held_sweep *held_sweep_start(struct node *node)
{
	struct held_sweep *sweep = calloc(1, sizeof(*sweep));

	if (!sweep)
		out_of_memory();
	sweep->node = node;
	sweep->held = bpf_object__find_map_fd_by_name(node->object, "held");
	node->check = bpf_program__fd(bpf_object__find_program_by_name(node->object, "node_check"));
	sweep->load = mmap(NULL, (size_t)sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE, MAP_SHARED,
			   bpf_object__find_map_fd_by_name(node->object, "node_load"), 0);
	if (sweep->load == MAP_FAILED)
		sweep->load = NULL;
	uv_timer_init(&node->loop, &sweep->timer);
	sweep->timer.data = sweep;
	uv_timer_start(&sweep->timer, on_tick, TICK_MS, TICK_MS);
	return sweep;
}

static void on_closed(uv_handle_t *handle)
{
	struct held_sweep *sweep = handle->data;

	if (sweep->load)
		munmap(sweep->load, (size_t)sysconf(_SC_PAGESIZE));
	free(sweep);
}

void held_sweep_end(struct held_sweep *sweep)
{
	uv_close((uv_handle_t *)&sweep->timer, on_closed);
}

uint64_t held_sweep_open(const struct held_sweep *sweep)
{
	return sweep->open;
}

uint64_t held_sweep_pinned(const struct held_sweep *sweep)
{
	return sweep->pinned;
}

uint64_t held_sweep_tls(const struct held_sweep *sweep, uint32_t service)
{
	return sweep->tls[service];
}
