/* Error numbers, which vmlinux.h doesn't have: they are macros. */
#ifndef BATON_BPF_ERRNO_H
#define BATON_BPF_ERRNO_H

#define ENOENT	    2
#define EIO	    5
#define EAGAIN	    11
#define EFAULT	    14
#define EBUSY	    16
#define EEXIST	    17
#define EINVAL	    22
#define EPROTO	    71
#define EMSGSIZE    90
#define EINPROGRESS 115
#define ESTALE	    116

#endif
