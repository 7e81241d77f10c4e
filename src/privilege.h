/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Least privilege: what the process may still do once it has begun to read other people's packets.
 *
 * visord parses what strangers send, as root, with the right to load programs into the kernel. So
 * after the one thing that needs more (the control socket's place and owner) and before the first
 * thread, port or packet, it gives up for good all but this:
 *
 *   CAP_NET_ADMIN   XDP programs on devices, XSKMAPs, asking for neighbours, large buffers
 *   CAP_NET_RAW     AF_XDP sockets
 *   CAP_BPF         loading the steering program and making its maps
 *   CAP_PERFMON     libxdp's dispatcher: programs that extend it count as tracing
 *   CAP_SYS_ADMIN   from a program's or map's id to a descriptor: how libxdp finds what is attached
 *   CAP_IPC_LOCK    only where the limit of locked memory could not be lifted: UMEM pages count
 *
 * A reload, a port that is added and a device that comes back need these and no more, so there is
 * no broker process that keeps the rest. Workers need none: the ring kicks are checked by nobody.
 * What these capabilities allow beyond their purpose, the system-call filter (syscall_filter.h)
 * takes away again: mount, ptrace, other namespaces, kernel modules, raw and packet sockets, new
 * programs, files opened for writing.
 *
 * A process is one address space, so a worker that is taken over can reach the control thread's
 * memory: its empty set is a hurdle, the process's own sets and filter are the wall.
 */
#ifndef VISOR_PRIVILEGE_H
#define VISOR_PRIVILEGE_H

#include <jansson.h>
#include <stdbool.h>

/* Give up what is not needed and filter system calls, for this thread and all that it will make;
 * with `sandbox` false only take note that nothing is given up. Called once, before the first
 * thread. 0 or -errno, said in the log: never half. control. */
int privilege_confine(bool sandbox);

/* The same for a worker, which keeps less. Nothing where the process is not confined. Called at the
 * thread's start. 0 or -errno. worker. */
int privilege_confine_worker(void);

/* For show status: what the control thread holds now and whether system calls are filtered. */
json_t *privilege_show(void);

/* Say so now where a reload will not be able to read this file with what is left. control. */
void privilege_check_readable(const char *path);

#endif
