/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control socket's place in the file system: the listening socket under its path with the
 * right owner, and nothing of a live daemon's taken away. Used by control.c only. control.
 */
#ifndef VISOR_CONTROL_SOCKET_H
#define VISOR_CONTROL_SOCKET_H

#include <sys/types.h>

struct control_socket {
	int fd;	  /* listening, non-blocking */
	int lock; /* held on PATH.lock while we live */
	char *path;
	dev_t device; /* of the socket's file, to remove only our own */
	ino_t inode;
};

/* Logs what stands in the way. 0 or -errno. */
int control_socket_open(struct control_socket *sock, const char *path, const char *group);
void control_socket_close(struct control_socket *sock);

#endif
