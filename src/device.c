/* SPDX-License-Identifier: Apache-2.0 */
/* ethtool by ioctl: no netlink family to look up, and every kernel and driver has it. */
#include "device.h"

#include <dirent.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static int ethtool_ioctl(const char *device, void *command)
{
	struct ifreq request = { .ifr_data = command };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), err;

	if (fd < 0)
		return -errno;
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", device);
	err = ioctl(fd, SIOCETHTOOL, &request) ? -errno : 0;
	close(fd);
	return err;
}

/* Entries "rx-0", "rx-1" … below /sys/class/net/DEVICE/queues. */
static int sysfs_queues(const char *device, const char *prefix)
{
	char path[96];
	struct dirent *entry;
	DIR *dir;
	int n = 0;

	snprintf(path, sizeof(path), "/sys/class/net/%s/queues", device);
	dir = opendir(path);
	if (!dir)
		return 1;
	while ((entry = readdir(dir)))
		n += !strncmp(entry->d_name, prefix, strlen(prefix));
	closedir(dir);
	return n ? n : 1;
}

int device_rx_queues(const char *device)
{
	struct ethtool_channels channels = { .cmd = ETHTOOL_GCHANNELS };

	if (!ethtool_ioctl(device, &channels) && channels.rx_count + channels.combined_count)
		return (int)(channels.rx_count + channels.combined_count);
	return sysfs_queues(device, "rx-");
}

int device_tx_queues(const char *device)
{
	struct ethtool_channels channels = { .cmd = ETHTOOL_GCHANNELS };

	if (!ethtool_ioctl(device, &channels) && channels.tx_count + channels.combined_count)
		return (int)(channels.tx_count + channels.combined_count);
	return sysfs_queues(device, "tx-");
}

bool device_strips_vlan(const char *device)
{
	struct ethtool_value value = { .cmd = ETHTOOL_GFLAGS };

	return !ethtool_ioctl(device, &value) && (value.data & ETH_FLAG_RXVLAN);
}

void device_driver(const char *device, char name[32])
{
	struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };

	name[0] = '\0';
	if (!ethtool_ioctl(device, &info))
		snprintf(name, 32, "%s", info.driver);
}
