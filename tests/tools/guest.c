/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Running commands in a test's virtual machine as `ip netns exec` runs them in a namespace: output,
 * signals and the exit status cross a TCP connection, and the command ends with whoever asked for
 * it. A kill -9 of the local process is one of the remote command.
 *
 *   guest serve PORT PIDFILE                              in the guest
 *   guest run ADDRESS PORT [--put FILE]… COMMAND [ARG]…   on the host
 *
 * The server listens in the namespace that it starts in and runs the commands in a new one, with a
 * /sys of its own and a bpffs: the interface that the connections come by is not to be seen there.
 * --put makes a file in the guest what it is on the host, or removes it there. Standard input is
 * /dev/null. Of the environment, LC_ALL and VISOR_* are passed on.
 *
 * A connection carries frames: a type, a length, and that many bytes.
 *   to the guest:  f "path\0contents"   u "path" (remove)   a "argument\0…"   e "NAME=value\0…"
 *                  x (start)   s (a signal's number)
 *   to the host:   1, 2 (output)   r (exit status, or 128 + the signal that it died of)
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHUNK 65536
#define FRAME_MAX (64u << 20)
#define FAILED 125 /* ours, not the command's, as with env(1) */

struct frame {
	uint32_t length;
	char type;
} __attribute__((packed));

static int fail(const char *what)
{
	fprintf(stderr, "guest: %s: %s\n", what, strerror(errno));
	return FAILED;
}

static bool write_all(int fd, const void *data, size_t n)
{
	const char *p = data;

	while (n) {
		ssize_t done = write(fd, p, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return false;
		p += done;
		n -= (size_t)done;
	}
	return true;
}

static bool read_all(int fd, void *data, size_t n)
{
	char *p = data;

	while (n) {
		ssize_t done = read(fd, p, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return false;
		p += done;
		n -= (size_t)done;
	}
	return true;
}

static bool frame_send(int fd, char type, const void *data, size_t n)
{
	struct frame frame = { .length = htonl((uint32_t)n), .type = type };

	return write_all(fd, &frame, sizeof(frame)) && write_all(fd, data, n);
}

/* The contents, malloc'ed and with a NUL behind them; NULL at the connection's end. */
static char *frame_receive(int fd, struct frame *frame)
{
	char *data;

	if (!read_all(fd, frame, sizeof(*frame)))
		return NULL;
	frame->length = ntohl(frame->length);
	if (frame->length > FRAME_MAX)
		return NULL;
	data = malloc((size_t)frame->length + 1);
	if (!data || !read_all(fd, data, frame->length)) {
		free(data);
		return NULL;
	}
	data[frame->length] = '\0';
	return data;
}

/* --- in the guest --- */

static void file_put(char *path, const char *contents, size_t n)
{
	int fd;

	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(path, 0755);
		*slash = '/';
	}
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0 || !write_all(fd, contents, n))
		fail(path);
	if (fd >= 0)
		close(fd);
}

/* The strings of a frame as an array that ends in NULL. */
static char **strings(char *data, size_t length)
{
	char **array;
	size_t n = 0, i = 0;

	for (size_t at = 0; at < length; at += strlen(data + at) + 1)
		n++;
	array = calloc(n + 1, sizeof(*array));
	for (size_t at = 0; array && at < length; at += strlen(data + at) + 1)
		array[i++] = data + at;
	return array;
}

struct command {
	char **argv, **env;
	pid_t pid;
	int pidfd, out[2]; /* stdout, stderr: our ends */
};

static void command_exec(struct command *command, const int *out)
{
	int null = open("/dev/null", O_RDONLY);

	setsid();
	dup2(null, 0);
	dup2(out[0], 1);
	dup2(out[1], 2);
	for (char **e = command->env; e && *e; e++)
		putenv(*e);
	execvp(command->argv[0], command->argv);
	fail(command->argv[0]);
	_exit(127);
}

static bool command_start(struct command *command)
{
	int a[2], b[2];

	if (!command->argv || !command->argv[0] || pipe2(a, O_CLOEXEC) || pipe2(b, O_CLOEXEC))
		return false;
	command->pid = fork();
	if (command->pid < 0)
		return false;
	if (!command->pid)
		command_exec(command, (int[]){ a[1], b[1] });
	close(a[1]);
	close(b[1]);
	command->out[0] = a[0];
	command->out[1] = b[0];
	command->pidfd = (int)syscall(SYS_pidfd_open, command->pid, 0);
	return command->pidfd >= 0;
}

/* One frame of the host's; false: it has gone. */
static bool command_told(struct command *command, int fd)
{
	struct frame frame;
	char *data = frame_receive(fd, &frame);
	bool keep = false;

	if (!data)
		return false;
	switch (frame.type) {
	case 'f': file_put(data, data + strlen(data) + 1, frame.length - strlen(data) - 1); break;
	case 'u': unlink(data); break;
	case 'a':
		command->argv = strings(data, frame.length);
		keep = true;
		break;
	case 'e':
		command->env = strings(data, frame.length);
		keep = true;
		break;
	case 'x':
		if (!command_start(command))
			frame.type = 0;
		break;
	case 's':
		if (command->pid > 0)
			kill(command->pid, atoi(data));
		break;
	default: break;
	}
	if (!keep)
		free(data);
	return frame.type != 0;
}

/* Pass output on; false: there will be no more. */
static bool output_pass(int from, int to, char type)
{
	static char buffer[CHUNK];
	ssize_t n = read(from, buffer, sizeof(buffer));

	return n > 0 && frame_send(to, type, buffer, (size_t)n);
}

/* What the command wrote before it ended is in the pipes; who inherited them is not waited for. */
static void command_ended(struct command *command, int fd)
{
	int status = 0;
	char text[16];

	for (int i = 0; i < 2; i++) {
		struct pollfd p = { .fd = command->out[i], .events = POLLIN };

		while (command->out[i] >= 0 && poll(&p, 1, 0) > 0 && (p.revents & POLLIN) &&
		       output_pass(command->out[i], fd, (char)('1' + i)))
			;
	}
	waitpid(command->pid, &status, 0);
	status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	snprintf(text, sizeof(text), "%d", status);
	frame_send(fd, 'r', text, strlen(text));
}

static void connection_serve(int fd)
{
	struct command command = { .pidfd = -1, .out = { -1, -1 } };

	for (;;) {
		struct pollfd p[4] = {
			{ .fd = fd, .events = POLLIN },
			{ .fd = command.out[0], .events = POLLIN },
			{ .fd = command.out[1], .events = POLLIN },
			{ .fd = command.pidfd, .events = POLLIN },
		};

		if (poll(p, 4, -1) < 0)
			continue;
		if (p[0].revents && !command_told(&command, fd)) {
			if (command.pid > 0)
				kill(-command.pid, SIGKILL);
			return;
		}
		for (int i = 0; i < 2; i++)
			if (p[1 + i].revents && !output_pass(command.out[i], fd, (char)('1' + i))) {
				close(command.out[i]);
				command.out[i] = -1;
			}
		if (p[3].revents) {
			command_ended(&command, fd);
			return;
		}
	}
}

static int loopback_up(void)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), status;

	status = fd < 0 ? -1 : ioctl(fd, SIOCSIFFLAGS, &lo);
	if (fd >= 0)
		close(fd);
	return status;
}

static int serve(const char *port, const char *pidfile)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_port = htons((uint16_t)atoi(port)) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1, peer;
	FILE *file;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_IGN); /* of the connections; each of these waits for its own command */
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 16))
		return fail("listening");
	if (unshare(CLONE_NEWNET) || loopback_up())
		return fail("a new network namespace");
	umount2("/sys", MNT_DETACH);
	if (mount("sysfs", "/sys", "sysfs", 0, NULL) || mount("bpf", "/sys/fs/bpf", "bpf", 0, NULL))
		return fail("mounting /sys");
	file = fopen(pidfile, "w");
	if (!file || fprintf(file, "%d\n", getpid()) < 0 || fclose(file))
		return fail(pidfile);
	for (;;) {
		peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
		if (peer < 0)
			continue;
		if (!fork()) {
			signal(SIGCHLD, SIG_DFL);
			close(fd);
			connection_serve(peer);
			_exit(0);
		}
		close(peer);
	}
}

/* --- on the host --- */

static bool put(int fd, const char *path)
{
	size_t name = strlen(path) + 1, size = name + FRAME_MAX / 2;
	char *data = malloc(size);
	int file = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;
	bool ok;

	if (!data)
		return false;
	memcpy(data, path, name);
	if (file < 0) {
		ok = frame_send(fd, 'u', path, name);
	} else {
		n = read(file, data + name, size - name);
		ok = n >= 0 && frame_send(fd, 'f', data, name + (size_t)n);
		close(file);
	}
	free(data);
	return ok;
}

static bool send_strings(int fd, char type, char **array, bool (*wanted)(const char *))
{
	char *data = NULL;
	size_t length = 0;
	FILE *file = open_memstream(&data, &length);
	bool ok;

	for (; file && *array; array++)
		if (!wanted || wanted(*array))
			fwrite(*array, strlen(*array) + 1, 1, file);
	ok = file && !fclose(file) && frame_send(fd, type, data, length);
	free(data);
	return ok;
}

static bool is_passed_on(const char *variable)
{
	return !strncmp(variable, "VISOR_", 6) || !strncmp(variable, "LC_ALL=", 7);
}

static int signals_catch(void)
{
	static const int caught[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGQUIT };
	sigset_t set;

	sigemptyset(&set);
	for (unsigned i = 0; i < sizeof(caught) / sizeof(caught[0]); i++)
		sigaddset(&set, caught[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

static bool signal_pass(int from, int fd)
{
	struct signalfd_siginfo info;
	char text[16];

	if (read(from, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return false;
	snprintf(text, sizeof(text), "%u", info.ssi_signo);
	return frame_send(fd, 's', text, strlen(text));
}

static int follow(int fd, int signals)
{
	struct frame frame;
	int status = -1;

	while (status < 0) {
		struct pollfd p[2] = { { .fd = fd, .events = POLLIN },
				       { .fd = signals, .events = POLLIN } };
		char *data;

		if (poll(p, 2, -1) < 0)
			continue;
		if (p[1].revents && !signal_pass(signals, fd))
			return fail("passing a signal on");
		if (!p[0].revents)
			continue;
		data = frame_receive(fd, &frame);
		if (!data) {
			fprintf(stderr, "guest: the connection to the guest has ended\n");
			return FAILED;
		}
		if (frame.type == 'r')
			status = atoi(data);
		else
			write_all(frame.type == '1' ? STDOUT_FILENO : STDERR_FILENO, data,
				  frame.length);
		free(data);
	}
	return status;
}

static int run(const char *host, const char *port, char **argv)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_port = htons((uint16_t)atoi(port)) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), signals = signals_catch();

	if (inet_pton(AF_INET, host, &address.sin_addr) != 1) {
		errno = EINVAL;
		return fail(host);
	}
	if (fd < 0 || signals < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)))
		return fail("connecting to the guest");
	for (; argv[0] && argv[1] && !strcmp(argv[0], "--put"); argv += 2)
		if (!put(fd, argv[1]))
			return fail(argv[1]);
	if (!send_strings(fd, 'e', environ, is_passed_on) || !send_strings(fd, 'a', argv, NULL) ||
	    !frame_send(fd, 'x', "", 0))
		return fail("asking the guest");
	return follow(fd, signals);
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "serve"))
		return serve(argv[2], argv[3]);
	if (argc > 4 && !strcmp(argv[1], "run"))
		return run(argv[2], argv[3], argv + 4);
	fprintf(stderr, "guest serve PORT PIDFILE\n"
			"guest run ADDRESS PORT [--put FILE]... COMMAND [ARGUMENT]...\n");
	return FAILED;
}
