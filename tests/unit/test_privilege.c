/* SPDX-License-Identifier: Apache-2.0 */
/* What a confined process can and cannot do any more; each in a child, since there is no way back. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log.h"
#include "privilege.h"
#include "syscall_filter.h"

#ifndef AF_XDP
#define AF_XDP 44
#endif

#define FINE 0
#define DIFFERENT 1
#define NOT_CONFINED 2

/* The wait status of a child that confines itself and then does `what`. */
static int confined(int (*what)(void))
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		log_set_level(LOG_LEVEL_ERROR);
		_exit(privilege_confine(true) ? NOT_CONFINED : what());
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void assert_fine(int (*what)(void))
{
	int status = confined(what);

	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), FINE);
}

#define REFUSED(call) ((call) == -1 && errno == EPERM)
#define CHECK(condition)                                                                \
	do {                                                                            \
		if (!(condition)) {                                                     \
			fprintf(stderr, "%s:%d: not so: %s (%s)\n", __FILE__, __LINE__, \
				#condition, strerror(errno));                           \
			return DIFFERENT;                                               \
		}                                                                       \
	} while (0)

/* --- what is asked of the child --- */

static int files(void)
{
	int fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);

	CHECK(fd >= 0);
	close(fd);
	CHECK(REFUSED(open("/dev/null", O_WRONLY)));
	CHECK(REFUSED(open("/dev/null", O_RDWR)));
	CHECK(REFUSED(open("/tmp", O_TMPFILE | O_RDWR, 0600)));
	CHECK(REFUSED(open("/dev/null", O_RDONLY | O_TRUNC)));
	CHECK(REFUSED(creat("/tmp/visor-must-not-be", 0600)));
	CHECK(REFUSED(rename("/tmp/visor-must-not-be", "/tmp/visor-nor-this")));
	CHECK(REFUSED(chmod("/dev/null", 0600)));
	CHECK(REFUSED(chown("/dev/null", 0, 0)));
	return FINE;
}

static int sockets(void)
{
	CHECK(!REFUSED(socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0)));
	CHECK(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0) >= 0);
	CHECK(socket(AF_INET, SOCK_DGRAM, 0) >= 0);
	CHECK(socket(AF_UNIX, SOCK_DGRAM, 0) >= 0);
	CHECK(REFUSED(socket(AF_INET, SOCK_STREAM, 0)));
	CHECK(REFUSED(socket(AF_INET, SOCK_RAW, 1)));
	CHECK(REFUSED(socket(AF_INET6, SOCK_RAW, 58)));
	CHECK(REFUSED(socket(AF_PACKET, SOCK_RAW, 0)));
	CHECK(REFUSED(socket(AF_NETLINK, SOCK_RAW, 12 /* nfnetlink */)));
	/* what an int has above its 32 bits is nothing to the kernel, and no way around */
	CHECK(REFUSED((int)syscall(SYS_socket, AF_PACKET | 1L << 32, SOCK_RAW, 0)));
	return FINE;
}

static int memory(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(page != MAP_FAILED);
	CHECK(!mprotect(page, 4096, PROT_READ));
	CHECK(REFUSED(mprotect(page, 4096, PROT_READ | PROT_EXEC)));
	CHECK(mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		   0) == MAP_FAILED &&
	      errno == EPERM);
	CHECK(!munmap(page, 4096));
	return FINE;
}

static int others(void)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	CHECK(REFUSED(mount("none", "/tmp", "tmpfs", 0, NULL)));
	CHECK(REFUSED(unshare(CLONE_NEWNET)));
	CHECK(REFUSED(setns(0, CLONE_NEWNET)));
	CHECK(REFUSED(kill(getppid(), 0)));
	CHECK(REFUSED((int)syscall(SYS_tgkill, getppid(), getppid(), 0)));
	CHECK(REFUSED(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)));
	CHECK(REFUSED((int)syscall(SYS_bpf, BPF_PROG_ATTACH, &attr, sizeof(attr))));
	CHECK(REFUSED(ioctl(0, TIOCSTI, "x")));
	CHECK(REFUSED((int)syscall(SYS_io_uring_setup, 1, NULL)));
	CHECK(REFUSED(sethostname("visor", 5)));
	CHECK(REFUSED((int)fork()));
	return FINE;
}

static uint64_t permitted(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data))
		return UINT64_MAX;
	return data[0].permitted | (uint64_t)data[1].permitted << 32;
}

static int sets(void)
{
	const uint64_t kept = UINT64_C(1) << CAP_NET_ADMIN | UINT64_C(1) << CAP_NET_RAW |
			      UINT64_C(1) << CAP_BPF | UINT64_C(1) << CAP_PERFMON |
			      UINT64_C(1) << CAP_SYS_ADMIN | UINT64_C(1) << CAP_IPC_LOCK;

	CHECK(!(permitted() & ~kept));
	CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	CHECK(!syscall_filter_available() || prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0);
	return FINE;
}

static void *as_worker(void *arg)
{
	int *result = arg;

	*result = DIFFERENT;
	if (privilege_confine_worker())
		return NULL;
	/* nor may it ask; tests/topo/privilege.sh looks from outside */
	if (permitted() != (syscall_filter_available() ? UINT64_MAX : 0))
		return NULL;
	if (syscall_filter_available() &&
	    !(REFUSED(socket(AF_UNIX, SOCK_DGRAM, 0)) && REFUSED(open("/proc/meminfo", O_RDONLY)) &&
	      REFUSED((int)syscall(SYS_bpf, BPF_MAP_CREATE, NULL, 0))))
		return NULL;
	free(malloc(1 << 20));
	*result = FINE;
	return NULL;
}

static int worker(void)
{
	const uint64_t ours = permitted();
	pthread_t thread;
	int result = DIFFERENT;

	CHECK(!pthread_create(&thread, NULL, as_worker, &result));
	CHECK(!pthread_join(thread, NULL));
	CHECK(permitted() == ours);
	return result;
}

static int program(void)
{
	execl("/bin/true", "true", (char *)NULL);
	return DIFFERENT;
}

/* --- tests --- */

static void skip_without_filter(void)
{
	if (syscall_filter_available())
		return;
	print_message("SKIPPED: a build with a sanitizer has no filter\n");
	skip();
}

static void files_are_read_and_never_written(void **state)
{
	skip_without_filter();
	assert_fine(files);
}

static void only_sockets_of_its_own_kinds_are_made(void **state)
{
	skip_without_filter();
	assert_fine(sockets);
}

static void no_memory_is_both_written_and_run(void **state)
{
	skip_without_filter();
	assert_fine(memory);
}

static void what_it_has_no_use_for_is_refused(void **state)
{
	skip_without_filter();
	assert_fine(others);
}

static void running_a_program_ends_the_process(void **state)
{
	int status;

	skip_without_filter();
	status = confined(program);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
}

static void only_the_named_capabilities_are_kept(void **state)
{
	assert_fine(sets);
}

static void a_worker_keeps_nothing(void **state)
{
	assert_fine(worker);
}

static void *wait_for_it(void *arg)
{
	char byte;

	return read(*(int *)arg, &byte, 1) < 0 ? arg : NULL;
}

/* In a child: a thread that was there before would keep everything. */
static int with_another_thread(void)
{
	int ends[2];
	pthread_t thread;

	CHECK(!pipe(ends));
	CHECK(!pthread_create(&thread, NULL, wait_for_it, &ends[0]));
	log_set_level(LOG_LEVEL_ERROR);
	CHECK(privilege_confine(true) == -EBUSY);
	CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0);
	return FINE;
}

static void a_thread_that_is_there_already_is_refused(void **state)
{
	int status;
	pid_t pid;

	skip_without_filter();
	pid = fork();
	if (!pid)
		_exit(with_another_thread());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), FINE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_are_read_and_never_written),
		cmocka_unit_test(only_sockets_of_its_own_kinds_are_made),
		cmocka_unit_test(no_memory_is_both_written_and_run),
		cmocka_unit_test(what_it_has_no_use_for_is_refused),
		cmocka_unit_test(running_a_program_ends_the_process),
		cmocka_unit_test(only_the_named_capabilities_are_kept),
		cmocka_unit_test(a_worker_keeps_nothing),
		cmocka_unit_test(a_thread_that_is_there_already_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
