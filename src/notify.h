/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The service manager's readiness protocol (sd_notify(3)), spoken directly: a datagram to the
 * socket that $NOTIFY_SOCKET names. Without that variable nothing happens. control.
 */
#ifndef VISOR_NOTIFY_H
#define VISOR_NOTIFY_H

/* Each: 0, also where nobody wants to know; or -errno, which nothing needs to fail for. */
int notify_ready(void);	    /* started, or a reload is over, whatever its outcome */
int notify_reloading(void); /* to be followed by notify_ready() */
int notify_stopping(void);
/* One line for `systemctl status`. */
int notify_status(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
