/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control socket's file. See control_socket.h.
 *
 * Whether a socket file is alive can only be found out by connecting, and between that and its
 * removal another daemon may have put its own there. So the whole of look, remove and bind happens
 * under a lock on PATH.lock, which is then kept for as long as the daemon lives; its file is never
 * removed, because removing a lock file is the same race again.
 *
 * The socket's file is never open to more people than it ends with: on Linux the mode of the
 * socket's inode is what bind() makes the file with, so it starts as 0600, is given its group, and
 * then becomes 0660; nobody can connect before listen() anyway.
 */
#include "control_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control.h"
#include "log.h"

static int make_parent(const char *path)
{
	char *parent = strdup(path), *slash;
	int rc = 0;

	if (!parent)
		return -ENOMEM;
	slash = strrchr(parent, '/');
	if (slash && slash != parent) {
		*slash = '\0';
		/* The daemon's umask may well be stricter, but others shall find the socket. */
		if (!mkdir(parent, 0755)) {
			rc = chmod(parent, 0755) ? -errno : 0;
		} else if (errno != EEXIST) {
			rc = -errno;
			log_error("control socket '%s': cannot make the folder '%s': %s", path,
				  parent, strerror(-rc));
		}
	}
	free(parent);
	return rc;
}

static int take_lock(const char *path)
{
	char *name;
	int fd, rc;

	if (asprintf(&name, "%s.lock", path) < 0)
		return -ENOMEM;
	fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		rc = -errno;
		log_error("control socket '%s': cannot open its lock '%s': %s", path, name,
			  strerror(-rc));
	} else if (flock(fd, LOCK_EX | LOCK_NB)) {
		rc = errno == EWOULDBLOCK ? -EADDRINUSE : -errno;
		log_error("control socket '%s': %s", path,
			  rc == -EADDRINUSE ? "another visord runs with it" : strerror(-rc));
		close(fd);
	} else {
		rc = fd;
	}
	free(name);
	return rc;
}

/* 0 where nobody listens, -EADDRINUSE where somebody does, -errno where that cannot be told. */
static int probe(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), rc;

	if (fd < 0)
		return -errno;
	if (!connect(fd, (const struct sockaddr *)address, sizeof(*address)))
		rc = -EADDRINUSE;
	else if (errno == EAGAIN) /* its backlog is full: it lives */
		rc = -EADDRINUSE;
	else
		rc = errno == ECONNREFUSED ? 0 : -errno;
	close(fd);
	return rc;
}

static int remove_stale(const struct sockaddr_un *address)
{
	const char *path = address->sun_path;
	struct stat st;
	int rc;

	if (lstat(path, &st))
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode)) {
		log_error("control socket '%s': there is something else of that name; remove it",
			  path);
		return -EEXIST;
	}
	rc = probe(address);
	if (rc) {
		log_error("control socket '%s': %s", path,
			  rc == -EADDRINUSE ? "another process listens on it" : strerror(-rc));
		return rc;
	}
	log_info("control socket '%s': replacing the one that a dead process left", path);
	return unlink(path) && errno != ENOENT ? -errno : 0;
}

/* The file belongs to us alone so far; open it to the group. Where the group cannot be given, it
 * stays ours alone: 0660 would open it to whatever group we happen to run as. */
static int admit_group(const char *path, const char *name)
{
	const struct group *group = name && *name ? getgrnam(name) : NULL;

	if (name && *name && !group)
		log_debug("control socket '%s': no group '%s', only root may use it", path, name);
	if (group && lchown(path, (uid_t)-1, group->gr_gid)) {
		log_warning("control socket '%s': cannot give it to group '%s': %s", path, name,
			    strerror(errno));
		return 0;
	}
	return chmod(path, 0660) ? -errno : 0;
}

static int bind_and_listen(struct control_socket *sock, const struct sockaddr_un *address,
			   const char *group)
{
	struct stat st;
	int rc;

	sock->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (sock->fd < 0)
		return -errno;
	if (fchmod(sock->fd, 0600) ||
	    bind(sock->fd, (const struct sockaddr *)address, sizeof(*address)))
		return -errno;
	if (lstat(address->sun_path, &st))
		return -errno;
	sock->device = st.st_dev;
	sock->inode = st.st_ino;
	rc = admit_group(address->sun_path, group);
	if (rc)
		return rc;
	return listen(sock->fd, CONTROL_CLIENTS_MAX) ? -errno : 0;
}

int control_socket_open(struct control_socket *sock, const char *path, const char *group)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int rc;

	*sock = (struct control_socket){ .fd = -1, .lock = -1 };
	if (!*path || strlen(path) > CONTROL_PATH_MAX) {
		log_error("control socket '%s': a path of 1 to %u bytes was expected", path,
			  CONTROL_PATH_MAX);
		return *path ? -ENAMETOOLONG : -EINVAL;
	}
	strcpy(address.sun_path, path);
	sock->path = strdup(path);
	if (!sock->path)
		return -ENOMEM;
	rc = make_parent(path);
	if (rc)
		goto fail;
	sock->lock = rc = take_lock(path);
	if (rc < 0)
		goto fail;
	rc = remove_stale(&address);
	if (rc)
		goto fail;
	rc = bind_and_listen(sock, &address, group);
	if (rc) {
		log_error("control socket '%s': cannot listen on it: %s", path, strerror(-rc));
		goto fail;
	}
	return 0;
fail:
	control_socket_close(sock);
	return rc;
}

void control_socket_close(struct control_socket *sock)
{
	struct stat st;

	/* Gone from the file system first: who connects now finds nobody rather than a dead end. */
	if (sock->inode && !lstat(sock->path, &st) && st.st_dev == sock->device &&
	    st.st_ino == sock->inode)
		unlink(sock->path);
	if (sock->fd >= 0)
		close(sock->fd);
	if (sock->lock >= 0)
		close(sock->lock);
	free(sock->path);
	*sock = (struct control_socket){ .fd = -1, .lock = -1 };
}
