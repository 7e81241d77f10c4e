/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lists of system calls that visord and its workers may make (seccomp, by libseccomp).
 *
 * An allow list. What is not on it fails with EPERM, and the kernel's audit log says which call it
 * was (type=1326, syscall=N; a clone3 for each worker at its start is no fault). It is not a kill:
 * this process carries everybody's packets, a C library that is updated underneath it may begin to
 * make calls that nobody has thought of, and one operation that fails with a message is the smaller
 * evil. What visord and its libraries can have no reason for at all, such as to run another program
 * or to attach to one, ends the process.
 *
 * Lists rather than a deny list, since kernels grow calls; taken from traces of the test scripts of
 * devices, reloads, fallbacks and control clients on the one hand, and from what libbpf and libxdp
 * do with a bpffs, an older kernel or none of the newer calls on the other. Arguments are looked at
 * where a call is many calls: bpf, ioctl, prctl, socket, and the flags of open, clone, mmap and
 * mprotect (no file for writing, no process, nothing both writable and executable).
 */
#ifndef VISOR_SYSCALL_FILTER_H
#define VISOR_SYSCALL_FILTER_H

#include <stdbool.h>

/* Sanitizers map, clone, trace and read as no list foresees: a build with one has no filter. */
bool syscall_filter_available(void);

/* For the calling thread and those that it makes. no_new_privs must be set. 0 or -errno. any. */
int syscall_filter_process(void);

/* On top of that, for the calling thread: a worker's rings, its clock, its end. Makes memory
 * allocations. 0 or -errno. worker, at its start. */
int syscall_filter_worker(void);

#endif
