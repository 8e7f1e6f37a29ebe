#include "front/orders.h"

#include "wire/cluster.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int orders_open(struct orders *orders, const struct bpf_object *object, int ifindex)
{
	const int mark = MARK_FRONT;

	orders->ifindex = ifindex;
	orders->program = bpf_program__fd(bpf_object__find_program_by_name(object, "front_slow"));
	orders->here = bpf_program__fd(bpf_object__find_program_by_name(object, "front_here"));
	/* Protocol 0: it receives nothing. */
	orders->socket = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (orders->socket < 0)
		return -errno;
	if (setsockopt(orders->socket, SOL_SOCKET, SO_MARK, &mark, sizeof(mark))) {
		int error = -errno;

		close(orders->socket);
		return error;
	}
	return 0;
}

void orders_close(struct orders *orders)
{
	close(orders->socket);
}

int orders_do(const struct orders *orders, struct slow_order *order)
{
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = order, .data_size_in = sizeof(*order),
		    .data_out = order, .data_size_out = sizeof(*order), .repeat = 1);

	if (bpf_prog_test_run_opts(orders->program, &run))
		return -errno;
	return run.retval == XDP_PASS ? order->result : -EIO;
}

int orders_send(const struct orders *orders, const uint8_t *frame, uint32_t length,
		uint32_t ifindex)
{
	struct sockaddr_ll to = {.sll_family = AF_PACKET,
				 .sll_ifindex = ifindex ? (int)ifindex : orders->ifindex};

	return sendto(orders->socket, frame, length, 0, (struct sockaddr *)&to, sizeof(to)) < 0
		       ? -errno
		       : 0;
}

/* A frame for the node on this host comes in once more. */
static int send_here(const struct orders *orders, const uint8_t *frame, uint32_t length)
{
	struct __sk_buff context = {.ifindex = (__u32)orders->ifindex};
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame, .data_size_in = length,
		    .ctx_in = &context, .ctx_size_in = sizeof(context), .repeat = 1);

	if (bpf_prog_test_run_opts(orders->here, &run))
		return -errno;
	return (int)run.retval;
}

/* Carries out an order about a frame, and sends what comes of it. */
static int with_frame(const struct orders *orders, const struct slow_order *order,
		      const uint8_t *frame, uint32_t length, uint32_t ifindex)
{
	struct {
		struct slow_order order;
		uint8_t frame[SLOW_FRAME_MAX];
	} in = {.order = *order};
	uint8_t out[SLOW_FRAME_MAX + 256];
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = &in,
		    .data_size_in = sizeof(in.order) + length, .data_out = out,
		    .data_size_out = sizeof(out), .repeat = 1);

	if (length > sizeof(in.frame))
		return -EMSGSIZE;
	memcpy(in.frame, frame, length);
	if (bpf_prog_test_run_opts(orders->program, &run))
		return -errno;
	if (run.retval == XDP_PASS)
		return send_here(orders, out, run.data_size_out);
	if (run.retval != XDP_TX && run.retval != XDP_REDIRECT)
		return -ESTALE;
	return orders_send(orders, out, run.data_size_out, ifindex);
}

int orders_hand(const struct orders *orders, const struct flow_key *key, uint32_t generation,
		const uint8_t *frame, uint32_t length, uint32_t ifindex)
{
	struct slow_order order = {.key = *key, .generation = generation, .action = SLOW_SEND};

	return with_frame(orders, &order, frame, length, ifindex);
}

int orders_ask(const struct orders *orders, const struct slow_order *placing, const uint8_t *frame,
	       uint32_t length)
{
	struct slow_order order = *placing;

	order.action = SLOW_ASK;
	return with_frame(orders, &order, frame, length, order.ifindex);
}
