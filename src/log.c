/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log. See log.h.
 *
 * A line is built on the stack and leaves in one write(2), so that lines of several threads at
 * start-up do not mix and no stdio lock or buffer is involved. What a message carries from outside
 * (a device name, a client's command) cannot forge a second line or move the cursor: control
 * characters are written as \xNN.
 *
 * stderr may be a pipe that nobody empties. The control thread must not hang on it, so a line
 * waits a short time for room and is then left out (and those after it without waiting); the next
 * line that fits says how many were.
 */
#include "log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"

#define LINE_MAX_BYTES 2048 /* below PIPE_BUF: one write is one line */
#define ROOM_WAIT_MS 50

const char *const log_level_names[] = { "error", "warning", "info", "debug", NULL };

static const char journal_priority[] = { '3', '4', '6', '7' };
static _Atomic int threshold = LOG_LEVEL_INFO;
static _Atomic unsigned left_out;

void log_set_level(enum log_level level)
{
	threshold = (int)level;
}

/* systemd gives the device and inode of the stream that it connected; stderr may have been
 * redirected since, so both are compared. */
static bool stderr_is_journal(void)
{
	static _Atomic int known = -1;
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;

	if (known < 0)
		known = stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
			!fstat(STDERR_FILENO, &st) && st.st_dev == device && st.st_ino == inode;
	return known;
}

static int prefix(char *line, size_t size, enum log_level level)
{
	if (stderr_is_journal())
		return snprintf(line, size, "<%c>", journal_priority[level]);
	return snprintf(line, size, "visord: %s: ", log_level_names[level]);
}

/* Copy `text` to `line`, control characters as \xNN; cut with "..." where it does not fit. Returns
 * the length, which leaves room for the newline. */
static size_t append_clean(char *line, size_t used, const char *text)
{
	const size_t end = LINE_MAX_BYTES - sizeof("...\n");

	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (used + 4 > end) {
			memcpy(line + used, "...", 3);
			return used + 3;
		}
		if (c >= 0x20 && c != 0x7f)
			line[used++] = (char)c;
		else
			used += (size_t)sprintf(line + used, "\\x%02x", c);
	}
	return used;
}

static bool write_line(const char *line, size_t len)
{
	struct pollfd room = { .fd = STDERR_FILENO, .events = POLLOUT };

	if (poll(&room, 1, left_out ? 0 : ROOM_WAIT_MS) == 0)
		return false;
	/* A stderr that is closed or broken is nobody's to tell. */
	return write(STDERR_FILENO, line, len) >= 0 || errno != EAGAIN;
}

static bool put(enum log_level level, const char *text)
{
	char line[LINE_MAX_BYTES];
	size_t len = append_clean(line, (size_t)prefix(line, sizeof(line), level), text);

	line[len++] = '\n';
	return write_line(line, len);
}

/* There is room again: say what is missing before it, or go on counting. */
static void tell_left_out(unsigned missing)
{
	char text[80];

	snprintf(text, sizeof(text), "%u lines were left out: nobody read the log", missing);
	if (put(LOG_LEVEL_WARNING, text))
		atomic_fetch_sub(&left_out, missing);
}

void log_event(enum log_level level, const char *format, ...)
{
	int saved = errno;
	char text[LINE_MAX_BYTES];
	unsigned missing;
	va_list args;

	if ((int)level > threshold)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	missing = left_out;
	if (!put(level, text))
		left_out++;
	else if (missing)
		tell_left_out(missing);
	errno = saved;
}

bool log_allowed(struct log_limit *limit, unsigned burst, unsigned interval_s)
{
	uint64_t now = clock_now_ns();

	if (!limit->sent || now - limit->window_start_ns >= interval_s * 1000000000ull) {
		unsigned suppressed = limit->suppressed;

		*limit = (struct log_limit){ .window_start_ns = now };
		if (suppressed)
			log_warning("%u events like the next one were not logged", suppressed);
	}
	if (limit->sent >= burst) {
		limit->suppressed++;
		return false;
	}
	limit->sent++;
	return true;
}
