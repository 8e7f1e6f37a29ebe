/* Charges the CPU time of network interrupts to the hosts (network namespaces) whose packets they
 * handle.
 *
 * The kernel books softirq time to whatever task it interrupts, so a front that works in softirq
 * reads as free and an innocent process as dear. Here each NET_RX softirq is cut at the points
 * where a packet is known: netif_receive_skb and napi_gro_receive name a packet, napi_poll names
 * the device whose poll has just ended. The time up to a cut belongs to the packet being handled;
 * where none has been named yet (a driver's poll, an XDP program that sends its packets on by
 * itself) to the device or packet that the cut names. Beside that, what ran on top of a host's
 * tasks is summed, to be taken off their CPU time. */
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "wire/softirq.h"

enum { NET_TX_VECTOR = 2, NET_RX_VECTOR = 3, PENDING = SOFTIRQ_CLASSES };

struct running {
	__u64 began, mark; /* of the softirq; of the piece being measured */
	__u32 class;	   /* of the packet being handled, or PENDING */
	__u32 task;	   /* class of the interrupted task */
	__u32 vector;	   /* + 1; 0: no softirq runs */
	__u32 zero;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SOFTIRQ_CLASSES);
	__type(key, __u32);
	__type(value, struct softirq_spent);
} spent SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct running);
} running SEC(".maps");

/* Inode number of a network namespace -> class. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, __u32);
} classes SEC(".maps");

static __always_inline struct running *running_here(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&running, &zero);
}

static __always_inline __u32 class_of(__u32 namespace)
{
	__u32 *class = bpf_map_lookup_elem(&classes, &namespace);

	return class && *class < SOFTIRQ_CLASSES ? *class : 0;
}

static __always_inline __u32 class_of_device(struct net_device *device)
{
	return class_of(BPF_CORE_READ(device, nd_net.net, ns.inum));
}

static __always_inline void charge(__u32 class, __u64 packets, __u64 inlined)
{
	struct softirq_spent *to = bpf_map_lookup_elem(&spent, &class);

	if (!to)
		return;
	to->packets_ns += packets;
	to->inlined_ns += inlined;
}

/* Ends the piece being measured; `named` is who it belongs to if nobody was named before. */
static __always_inline void cut(struct running *now, __u32 named, __u32 next)
{
	__u64 at = bpf_ktime_get_ns();

	charge(now->class == PENDING ? named : now->class, at - now->mark, 0);
	now->mark = at;
	now->class = next;
}

SEC("tp_btf/softirq_entry")
int BPF_PROG(softirq_begins, unsigned int vector)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct nsproxy *proxy = task->nsproxy;
	struct running *now = running_here();

	if (!now)
		return 0;
	now->began = now->mark = bpf_ktime_get_ns();
	now->vector = vector + 1;
	now->class = PENDING;
	now->task = proxy && task->pid ? class_of(BPF_CORE_READ(proxy, net_ns, ns.inum)) : 0;
	return 0;
}

/* From here on it is this packet that is handled. */
static __always_inline void name_packet(struct sk_buff *skb)
{
	struct running *now = running_here();
	__u32 class;

	if (!now || now->vector != NET_RX_VECTOR + 1)
		return;
	class = class_of_device(BPF_CORE_READ(skb, dev));
	cut(now, class, class);
}

SEC("tp_btf/netif_receive_skb")
int BPF_PROG(packet_received, struct sk_buff *skb)
{
	name_packet(skb);
	return 0;
}

SEC("tp_btf/napi_gro_receive_entry")
int BPF_PROG(packet_gathered, struct sk_buff *skb)
{
	name_packet(skb);
	return 0;
}

SEC("tp_btf/napi_poll")
int BPF_PROG(poll_ended, struct napi_struct *napi)
{
	struct running *now = running_here();
	struct net_device *device = BPF_CORE_READ(napi, dev);

	if (!now || now->vector != NET_RX_VECTOR + 1)
		return 0;
	cut(now, device ? class_of_device(device) : 0, PENDING);
	return 0;
}

SEC("tp_btf/softirq_exit")
int BPF_PROG(softirq_ends, unsigned int vector)
{
	struct running *now = running_here();

	(void)vector;
	if (!now || !now->vector)
		return 0;
	if (now->vector == NET_RX_VECTOR + 1 || now->vector == NET_TX_VECTOR + 1)
		cut(now, 0, PENDING);
	charge(now->task, 0, bpf_ktime_get_ns() - now->began);
	now->vector = 0;
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
