/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The steering module without the rest of the daemon, for tests of what stays attached when.
 *
 *   steer_driver [--fallback drop] [--generic] [--frags] [--own ADDRESS]… [--socket] DEVICE…
 *   steer_driver --detach DEVICE
 *
 * On stdout, a line an event:
 *   attached DEVICE PROGRAM_ID native, plain      or      refused DEVICE ERRNO WHY (and status 1)
 *   ready                                         after the last
 *   lost DEVICE, back DEVICE                      what steer_attached() says has changed
 *   counters DEVICE LOCAL OTHER FALLBACK RECEIVED at the end
 * SIGUSR1 changes the fallback to the other one; SIGTERM is the orderly end. --socket puts a bound
 * AF_XDP socket on queue 0 of each device, and RECEIVED counts its packets.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xdp/xsk.h>

#include "src/log.h"
#include "src/steer.h"
#include "src/steer_program.h"

#define PORTS 8
#define FRAMES 1024
#define FRAME_SIZE 4096

struct receiver {
	struct xsk_umem *umem;
	struct xsk_socket *socket;
	struct xsk_ring_prod fill;
	struct xsk_ring_cons completion, rx;
	unsigned long packets;
};

struct driven {
	const char *device;
	struct steer *steer;
	bool attached;
	struct receiver receiver;
};

static struct driven ports[PORTS];
static unsigned n_ports;
static struct steer_options options;
static bool with_socket;
static volatile sig_atomic_t ended, toggled;

static void on_signal(int number)
{
	if (number == SIGUSR1)
		toggled = 1;
	else
		ended = 1;
}

static int receiver_open(struct receiver *r, const char *device)
{
	const struct xsk_umem_config memory = { .fill_size = FRAMES,
						.comp_size = 64,
						.frame_size = FRAME_SIZE };
	const struct xsk_socket_config config = {
		.rx_size = FRAMES,
		.libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD,
	};
	void *area = mmap(NULL, FRAMES * FRAME_SIZE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint32_t index = 0;
	int err;

	if (area == MAP_FAILED)
		return -errno;
	err = xsk_umem__create(&r->umem, area, FRAMES * FRAME_SIZE, &r->fill, &r->completion,
			       &memory);
	if (!err)
		err = xsk_socket__create(&r->socket, device, 0, r->umem, &r->rx, NULL, &config);
	if (err)
		return err;
	xsk_ring_prod__reserve(&r->fill, FRAMES, &index);
	for (uint32_t i = 0; i < FRAMES; i++)
		*xsk_ring_prod__fill_addr(&r->fill, index + i) = (uint64_t)i * FRAME_SIZE;
	xsk_ring_prod__submit(&r->fill, FRAMES);
	return xsk_socket__fd(r->socket);
}

static void receiver_poll(struct receiver *r)
{
	uint32_t rx = 0, fill = 0, n = r->socket ? xsk_ring_cons__peek(&r->rx, FRAMES, &rx) : 0;

	if (!n || xsk_ring_prod__reserve(&r->fill, n, &fill) != n)
		return;
	for (uint32_t i = 0; i < n; i++)
		*xsk_ring_prod__fill_addr(&r->fill, fill + i) =
			xsk_ring_cons__rx_desc(&r->rx, rx + i)->addr & ~(uint64_t)(FRAME_SIZE - 1);
	xsk_ring_prod__submit(&r->fill, n);
	xsk_ring_cons__release(&r->rx, n);
	r->packets += n;
}

static int port_attach(struct driven *port, struct steer_addresses *addresses)
{
	struct steer_hook hook;
	char why[256] = "";
	int err, fd;

	options.device = port->device;
	options.ifindex = (int)if_nametoindex(port->device);
	err = steer_attach(&port->steer, &options, addresses, why);
	if (err) {
		printf("refused %s %d %s\n", port->device, -err, why);
		return err;
	}
	port->attached = true;
	steer_hook_query(options.ifindex, &hook);
	printf("attached %s %u %s\n", port->device, hook.program_id, steer_describe(port->steer));
	if (!with_socket)
		return 0;
	fd = receiver_open(&port->receiver, port->device);
	return fd < 0 ? fd : steer_socket_set(port->steer, 0, fd);
}

static void port_watch(struct driven *port)
{
	bool attached = steer_attached(port->steer);

	if (attached != port->attached)
		printf("%s %s\n", attached ? "back" : "lost", port->device);
	port->attached = attached;
	receiver_poll(&port->receiver);
}

static void port_close(struct driven *port)
{
	struct steer_counters c = { 0 };

	steer_counters_read(port->steer, &c);
	printf("counters %s %llu %llu %llu %lu\n", port->device, (unsigned long long)c.local,
	       (unsigned long long)c.other, (unsigned long long)c.fallback, port->receiver.packets);
	if (port->receiver.socket) {
		xsk_socket__delete(port->receiver.socket);
		xsk_umem__delete(port->receiver.umem);
	}
	steer_close(port->steer);
}

static int drive(struct steer_addresses *addresses)
{
	for (unsigned i = 0; i < n_ports; i++) {
		int err = port_attach(&ports[i], addresses);

		if (err)
			return err;
	}
	steer_addresses_sweep(addresses);
	puts("ready");
	while (!ended) {
		bool toggle = toggled;

		usleep(20000);
		if (toggle) {
			toggled = 0;
			options.fallback = !options.fallback;
		}
		for (unsigned i = 0; i < n_ports; i++) {
			if (toggle)
				steer_set_fallback(ports[i].steer, options.fallback);
			port_watch(&ports[i]);
		}
	}
	return 0;
}

static int own_add(struct steer_addresses *addresses, const char *text)
{
	struct ip_addr addr = { .family = 6 };

	if (inet_pton(AF_INET, text, &addr.addr.s6_addr[12]) == 1)
		addr.family = 4;
	else if (inet_pton(AF_INET6, text, &addr.addr) != 1)
		return -EINVAL;
	return steer_addresses_set(addresses, &addr, true);
}

static int detach(const char *device)
{
	char why[256] = "";
	int err = steer_detach_device(device, why);

	if (err)
		printf("refused %s %d %s\n", device, -err, why);
	else
		printf("detached %s\n", device);
	return err ? 1 : 0;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct steer_addresses *addresses;
	int err;

	setvbuf(stdout, NULL, _IOLBF, 0);
	log_set_level(LOG_LEVEL_DEBUG);
	if (argc == 3 && strcmp(argv[1], "--detach") == 0)
		return detach(argv[2]);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGUSR1, &action, NULL);
	err = steer_addresses_new(&addresses);
	for (int i = 1; i < argc && !err; i++) {
		if (strcmp(argv[i], "--generic") == 0)
			options.generic = true;
		else if (strcmp(argv[i], "--frags") == 0)
			options.frags = true;
		else if (strcmp(argv[i], "--socket") == 0)
			with_socket = true;
		else if (strcmp(argv[i], "--fallback") == 0 && i + 1 < argc)
			options.fallback = strcmp(argv[++i], "drop") ? FALLBACK_KERNEL :
								       FALLBACK_DROP;
		else if (strcmp(argv[i], "--own") == 0 && i + 1 < argc)
			err = own_add(addresses, argv[++i]);
		else if (argv[i][0] != '-' && n_ports < PORTS)
			ports[n_ports++].device = argv[i];
		else
			err = -EINVAL;
	}
	if (!err)
		err = drive(addresses);
	else
		fprintf(stderr, "steer_driver: %s\n", strerror(-err));
	for (unsigned i = 0; i < n_ports; i++)
		if (ports[i].steer)
			port_close(&ports[i]);
	steer_addresses_free(addresses);
	return err ? 1 : 0;
}
