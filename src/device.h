/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What only ethtool tells of a network device. Control thread; -errno on failure.
 */
#ifndef VISOR_DEVICE_H
#define VISOR_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

/* RX queues in use now (rx + combined channels); without ethtool channels, the queues in sysfs,
 * and 1 where neither tells. */
int device_rx_queues(const char *device);
int device_tx_queues(const char *device);

/* Does the NIC take VLAN tags out of the packet before XDP sees it? */
bool device_strips_vlan(const char *device);

/* The driver's name, e.g. "veth"; "" where it is not told. */
void device_driver(const char *device, char name[32]);

#endif
