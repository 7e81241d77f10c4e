/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file as a whole. Only a regular file is a configuration: a reload must neither wait for the
 * writer of a pipe nor read a device to its end.
 */
#include "conf_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char *conf_file_read(const char *path, size_t room, size_t *len, const char **why)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	char *data = NULL;
	ssize_t n = 0;

	*len = 0;
	*why = NULL;
	if (fd < 0 || fstat(fd, &st) < 0)
		*why = strerror(errno);
	else if (S_ISDIR(st.st_mode))
		*why = "it is a folder";
	else if (!S_ISREG(st.st_mode))
		*why = "it is not a regular file";
	else if ((uintmax_t)st.st_size > room)
		*why = "it is too large: a configuration has at most 64 MiB";
	if (*why)
		goto out;
	data = malloc((size_t)st.st_size + 1);
	while (data && *len < (size_t)st.st_size &&
	       (n = read(fd, data + *len, (size_t)st.st_size - *len)) > 0)
		*len += (size_t)n;
	if (!data || n < 0) {
		*why = strerror(errno);
		free(data);
		data = NULL;
	}
out:
	if (fd >= 0)
		close(fd);
	return data;
}
