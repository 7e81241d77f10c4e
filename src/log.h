/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log: stderr, one event a line, with the journal's <N> priority prefix where stderr is the
 * journal, otherwise "visord: level: message". Control thread (and start-up); never the data path.
 */
#ifndef VISOR_LOG_H
#define VISOR_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

extern const char *const log_level_names[]; /* "error", "warning", "info", "debug", NULL */

void log_set_level(enum log_level level);
void log_event(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_event(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_event(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_event(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_event(LOG_LEVEL_DEBUG, __VA_ARGS__)

/* For events that a packet or the outside could cause at will: at most `burst` lines in
 * `interval_s` from one place; then one line says how many were left out. */
struct log_limit {
	uint64_t window_start_ns;
	unsigned sent, suppressed;
};
bool log_allowed(struct log_limit *limit, unsigned burst, unsigned interval_s);

#endif
