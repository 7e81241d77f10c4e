/* SPDX-License-Identifier: Apache-2.0 */
/* The lists, and how they become a filter. See syscall_filter.h. */
#include "syscall_filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/netlink.h>
#include <linux/sockios.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef AF_XDP
#define AF_XDP 44
#endif
#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif

#define N(list) (sizeof(list) / sizeof((list)[0]))
#define INT_ARGUMENT 0xffffffffu /* the kernel looks at the lower half of an int */

/* What a thread makes that moves packets, waits, and ends. The control thread as well. */
static const int of_a_worker[] = {
	/* the rings' kicks, the eventfd, waiting */
	SCMP_SYS(sendto),
	SCMP_SYS(recvfrom),
	SCMP_SYS(recvmsg),
	SCMP_SYS(sendmsg),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(read),
	SCMP_SYS(write),
	SCMP_SYS(futex),
	SCMP_SYS(nanosleep),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(sched_yield),
	SCMP_SYS(restart_syscall),
	/* the clock where the vDSO has none, RCU, the C library's own */
	SCMP_SYS(clock_gettime),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(getcpu),
	SCMP_SYS(membarrier),
	SCMP_SYS(rseq),
	SCMP_SYS(set_robust_list),
	SCMP_SYS(getrandom),
	SCMP_SYS(sched_getaffinity),
	/* memory of a thread that starts and ends; an abort() that says where */
	SCMP_SYS(munmap),
	SCMP_SYS(madvise),
	SCMP_SYS(brk),
	SCMP_SYS(close),
	SCMP_SYS(writev),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(sigaltstack),
	SCMP_SYS(getpid),
	SCMP_SYS(gettid),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
};

static const int of_control[] = {
	/* descriptors and files */
	SCMP_SYS(readv),
	SCMP_SYS(pread64),
	SCMP_SYS(pwrite64),
	SCMP_SYS(lseek),
	SCMP_SYS(dup),
	SCMP_SYS(dup2),
	SCMP_SYS(dup3),
	SCMP_SYS(fcntl),
	SCMP_SYS(flock),
	SCMP_SYS(close_range),
	SCMP_SYS(stat),
	SCMP_SYS(fstat),
	SCMP_SYS(lstat),
	SCMP_SYS(newfstatat),
	SCMP_SYS(statx),
	SCMP_SYS(statfs),
	SCMP_SYS(fstatfs),
	SCMP_SYS(access),
	SCMP_SYS(faccessat),
	SCMP_SYS(faccessat2),
	SCMP_SYS(readlink),
	SCMP_SYS(readlinkat),
	SCMP_SYS(getdents64),
	SCMP_SYS(getcwd),
	SCMP_SYS(umask),
	SCMP_SYS(pipe2),
	SCMP_SYS(eventfd2),
	/* pins in a bpffs, and the control socket that goes at the end */
	SCMP_SYS(mkdir),
	SCMP_SYS(mkdirat),
	SCMP_SYS(rmdir),
	SCMP_SYS(unlink),
	SCMP_SYS(unlinkat),
	/* sockets and the event loop */
	SCMP_SYS(socketpair),
	SCMP_SYS(bind),
	SCMP_SYS(listen),
	SCMP_SYS(accept),
	SCMP_SYS(accept4),
	SCMP_SYS(shutdown),
	SCMP_SYS(getsockname),
	SCMP_SYS(getpeername),
	SCMP_SYS(getsockopt),
	SCMP_SYS(setsockopt),
	SCMP_SYS(recvmmsg),
	SCMP_SYS(sendmmsg),
	SCMP_SYS(select),
	SCMP_SYS(pselect6),
	SCMP_SYS(epoll_create1),
	SCMP_SYS(epoll_ctl),
	SCMP_SYS(epoll_wait),
	SCMP_SYS(epoll_pwait),
	SCMP_SYS(epoll_pwait2),
	SCMP_SYS(timerfd_create),
	SCMP_SYS(timerfd_settime),
	SCMP_SYS(signalfd4),
	/* memory and where it is */
	SCMP_SYS(mremap),
	SCMP_SYS(mincore),
	SCMP_SYS(mlock),
	SCMP_SYS(mlock2),
	SCMP_SYS(munlock),
	SCMP_SYS(mbind),
	SCMP_SYS(get_mempolicy),
	SCMP_SYS(set_mempolicy),
	/* threads, limits, who and where we are; the clock */
	SCMP_SYS(set_tid_address),
	SCMP_SYS(sched_setaffinity),
	SCMP_SYS(sched_getparam),
	SCMP_SYS(sched_getscheduler),
	SCMP_SYS(prlimit64),
	SCMP_SYS(getrlimit),
	SCMP_SYS(setrlimit),
	SCMP_SYS(getrusage),
	SCMP_SYS(sysinfo),
	SCMP_SYS(uname),
	SCMP_SYS(times),
	SCMP_SYS(clock_getres),
	SCMP_SYS(time),
	SCMP_SYS(getppid),
	SCMP_SYS(getuid),
	SCMP_SYS(geteuid),
	SCMP_SYS(getgid),
	SCMP_SYS(getegid),
	SCMP_SYS(getgroups),
	SCMP_SYS(rt_sigpending),
	SCMP_SYS(rt_sigtimedwait),
	SCMP_SYS(rt_sigsuspend),
	/* giving up more: a worker's start. Neither can take back what is gone. */
	SCMP_SYS(capget),
	SCMP_SYS(capset),
	SCMP_SYS(seccomp),
};

static const int never[] = {
	SCMP_SYS(execve),
	SCMP_SYS(execveat),
	SCMP_SYS(ptrace),
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(init_module),
	SCMP_SYS(finit_module),
	SCMP_SYS(process_vm_writev),
	SCMP_SYS(kexec_load),
	SCMP_SYS(kexec_file_load),
};

/* Loading, maps, links, pins, and finding what others have attached; not: attaching to cgroups,
 * iterators, statistics, other processes' descriptors. */
static const int bpf_commands[] = {
	BPF_MAP_CREATE,
	BPF_MAP_LOOKUP_ELEM,
	BPF_MAP_UPDATE_ELEM,
	BPF_MAP_DELETE_ELEM,
	BPF_MAP_GET_NEXT_KEY,
	BPF_PROG_LOAD,
	BPF_OBJ_PIN,
	BPF_OBJ_GET,
	BPF_PROG_TEST_RUN,
	BPF_PROG_GET_NEXT_ID,
	BPF_MAP_GET_NEXT_ID,
	BPF_PROG_GET_FD_BY_ID,
	BPF_MAP_GET_FD_BY_ID,
	BPF_OBJ_GET_INFO_BY_FD,
	BPF_RAW_TRACEPOINT_OPEN,
	BPF_BTF_LOAD,
	BPF_BTF_GET_FD_BY_ID,
	BPF_MAP_LOOKUP_AND_DELETE_ELEM,
	BPF_MAP_FREEZE,
	BPF_BTF_GET_NEXT_ID,
	BPF_MAP_LOOKUP_BATCH,
	BPF_MAP_UPDATE_BATCH,
	BPF_MAP_DELETE_BATCH,
	BPF_LINK_CREATE,
	BPF_LINK_UPDATE,
	BPF_LINK_GET_FD_BY_ID,
	BPF_LINK_GET_NEXT_ID,
	BPF_LINK_DETACH,
	BPF_PROG_BIND_MAP,
};

static const int ioctl_requests[] = {
	SIOCETHTOOL, SIOCGIFNAME, SIOCGIFINDEX, SIOCGIFFLAGS, FIONREAD, FIONBIO, TCGETS,
};

static const int prctl_options[] = {
	PR_SET_NAME,	PR_GET_NAME,	     PR_SET_VMA,	  PR_CAPBSET_READ, PR_GET_DUMPABLE,
	PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, PR_GET_NO_NEW_PRIVS, PR_GET_SECCOMP,
};

/* --- rules; each returns 0 or -errno --- */

static int allow(scmp_filter_ctx filter, const int *list, size_t n)
{
	int err = 0;

	for (size_t i = 0; i < n && !err; i++)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, list[i], 0);
	return err;
}

/* A call where its argument `index` is one of a list. */
static int allow_values(scmp_filter_ctx filter, int call, unsigned index, const int *list, size_t n)
{
	int err = 0;

	for (size_t i = 0; i < n && !err; i++)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 1,
				       SCMP_CMP(index, SCMP_CMP_MASKED_EQ, INT_ARGUMENT,
						(uint32_t)list[i]));
	return err;
}

/* A call where of the bits `mask` of an argument those of `value` are set. */
static int allow_bits(scmp_filter_ctx filter, int call, unsigned index, uint64_t mask,
		      uint64_t value)
{
	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 1,
				SCMP_CMP(index, SCMP_CMP_MASKED_EQ, mask, value));
}

/* Nothing both writable and executable. A function's shared object is mapped either way. */
static int allow_memory(scmp_filter_ctx filter)
{
	int err = allow_bits(filter, SCMP_SYS(mmap), 2, PROT_EXEC, 0);

	if (!err)
		err = allow_bits(filter, SCMP_SYS(mmap), 2, PROT_WRITE | PROT_EXEC, PROT_EXEC);
	return err ? err : allow_bits(filter, SCMP_SYS(mprotect), 2, PROT_EXEC, 0);
}

static int allow_signal_to_self(scmp_filter_ctx filter)
{
	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
				SCMP_CMP(0, SCMP_CMP_MASKED_EQ, INT_ARGUMENT, (uint32_t)getpid()));
}

static int allow_socket(scmp_filter_ctx filter, int family, int type, int protocol)
{
	const uint32_t flags = (uint32_t) ~(SOCK_CLOEXEC | SOCK_NONBLOCK);

	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 3,
				SCMP_CMP(0, SCMP_CMP_MASKED_EQ, INT_ARGUMENT, (uint32_t)family),
				SCMP_CMP(1, SCMP_CMP_MASKED_EQ, flags, (uint32_t)type),
				SCMP_CMP(2, SCMP_CMP_MASKED_EQ, INT_ARGUMENT, (uint32_t)protocol));
}

static int allow_sockets(scmp_filter_ctx filter)
{
	static const struct {
		int family, type, protocol;
	} sockets[] = {
		{ AF_XDP, SOCK_RAW, 0 },
		{ AF_NETLINK, SOCK_RAW, NETLINK_ROUTE },
		{ AF_NETLINK, SOCK_DGRAM, NETLINK_ROUTE },
		{ AF_NETLINK, SOCK_RAW, NETLINK_GENERIC }, /* libbpf: a device's XDP features */
		{ AF_UNIX, SOCK_DGRAM, 0 },		   /* the service manager, names of links */
		{ AF_UNIX, SOCK_STREAM, 0 },
		{ AF_INET, SOCK_DGRAM, 0 }, /* ethtool's ioctl */
		{ AF_INET6, SOCK_DGRAM, 0 },
	};
	int err = 0;

	for (size_t i = 0; i < N(sockets) && !err; i++)
		err = allow_socket(filter, sockets[i].family, sockets[i].type, sockets[i].protocol);
	return err;
}

/* Files are read: nothing that is there from now on is opened to be written. */
static int allow_open(scmp_filter_ctx filter)
{
	const uint64_t writing = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC;
	int err = allow_bits(filter, SCMP_SYS(openat), 2, writing, 0);

	return err ? err : allow_bits(filter, SCMP_SYS(open), 1, writing, 0);
}

/* Threads, not processes. The flags of clone3 lie in memory, where a filter cannot see them; the C
 * library takes ENOSYS for an older kernel and uses clone. */
static int allow_threads(scmp_filter_ctx filter)
{
	int err = allow_bits(filter, SCMP_SYS(clone), 0, CLONE_THREAD, CLONE_THREAD);

	return err ? err : seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
}

static int forbid(scmp_filter_ctx filter)
{
	int err = 0;

	for (size_t i = 0; i < N(never) && !err; i++)
		err = seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, never[i], 0);
	return err;
}

static int process_rules(scmp_filter_ctx filter)
{
	int err = allow(filter, of_control, N(of_control));

	if (!err)
		err = allow_values(filter, SCMP_SYS(bpf), 0, bpf_commands, N(bpf_commands));
	if (!err)
		err = allow_values(filter, SCMP_SYS(ioctl), 1, ioctl_requests, N(ioctl_requests));
	if (!err)
		err = allow_values(filter, SCMP_SYS(prctl), 0, prctl_options, N(prctl_options));
	if (!err)
		err = allow_sockets(filter);
	if (!err)
		err = allow_open(filter);
	if (!err)
		err = allow_threads(filter);
	return err ? err : forbid(filter);
}

/* --- the filters --- */

static int load(int (*more)(scmp_filter_ctx filter))
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int err;

	if (!filter)
		return -ENOMEM;
	err = seccomp_attr_set(filter, SCMP_FLTATR_CTL_LOG, 1);
	if (!err)
		err = allow(filter, of_a_worker, N(of_a_worker));
	if (!err)
		err = allow_memory(filter);
	if (!err)
		err = allow_signal_to_self(filter);
	if (!err && more)
		err = more(filter);
	if (!err)
		err = seccomp_load(filter);
	seccomp_release(filter);
	return err;
}

bool syscall_filter_available(void)
{
#ifdef VISOR_SANITIZED
	return false;
#else
	return true;
#endif
}

int syscall_filter_process(void)
{
	return load(process_rules);
}

int syscall_filter_worker(void)
{
	return load(NULL);
}
