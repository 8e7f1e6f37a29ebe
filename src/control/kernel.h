/* Programs and maps in the kernel that outlive their daemon: pinned in a directory of the BPF file
 * system, found again at a restart, the programs replaced in place. */
#ifndef BATON_CONTROL_KERNEL_H
#define BATON_CONTROL_KERNEL_H

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdbool.h>

/* Attachment points that older headers don't name. */
enum { KERNEL_TCX_INGRESS = 46, KERNEL_TCX_EGRESS = 47 };

/* Whether this kernel has what `needs` lists (functions that programs call, by name; NULL-ended)
 * and this process may load programs. Returns 0, or -ENOTSUP / -EPERM with one sentence in `why`
 * that says what was found and what to do. */
int kernel_check(const char *const *needs, char why[256]);

/* Keeps what libbpf says instead of printing it; kernel_words returns the last warning, "" if
 * there was none. */
void kernel_listen(void);
const char *kernel_words(void);

/* Makes the directory, mounting the BPF file system if it isn't. Returns 0 or -errno. */
int kernel_pins_make(const char *directory);

/* Whether a link pinned in `directory` is still attached to the device or cgroup. Pins without one
 * belong to a device that is gone. */
bool kernel_pins_alive(const char *directory);

/* Takes away everything pinned in `directory`, which detaches the programs, and the directory. A
 * directory that isn't there is no error. Returns 0 or -errno. */
int kernel_pins_remove(const char *directory);

/* Takes away what is pinned without a program that is attached: of a device that is gone, or of a
 * start that failed. */
void kernel_pins_tidy(const char *directory);

/* What a daemon does before it loads its programs: kernel_listen, kernel_check, and the directory
 * for its pins, without those of a device that is gone. Returns 0, or -errno with one sentence in
 * `why`. */
int kernel_prepare(const char *const *needs, const char *pins, char why[512]);

/* Before bpf_object__load: each map of the object is pinned as DIRECTORY/NAME, or the one pinned
 * there is taken, except counters and scratch memory (per-CPU arrays) of another shape, as after an
 * upgrade. Maps of the compiler (.rodata and so on) are not pinned. Returns 0 or -errno. */
int kernel_pin_maps(struct bpf_object *object, const char *directory);

/* Attaches a program by a link pinned as DIRECTORY/NAME. If one is there on the same target, its
 * program is replaced without a gap; a dead one is replaced. `target` is an ifindex, or the
 * descriptor of a cgroup; `flags` those of XDP. Returns 0 or -errno. */
int kernel_attach(int program, int target, int type, __u32 flags, const char *directory,
		  const char *name);

#endif
