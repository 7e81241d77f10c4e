/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine's keys, as tables: what may stand in a configuration file besides the functions' own
 * sections, with types, ranges and defaults. What is not here does not exist; the manual page's
 * list of keys is made from here.
 */
#include "config.h"
#include "log.h"

#define ENTRY(type_, strukt, member, ...) \
	.name = #member, .type = type_, .offset = offsetof(struct strukt, member), __VA_ARGS__

const char *const config_poll_names[] = { "busy", "adaptive", "interrupt", NULL };
const char *const config_port_mode_names[] = { "auto", "zerocopy", "copy", "generic", NULL };
const char *const config_fallback_names[] = { "kernel", "drop", "auto", NULL };
const char *const config_hugepages_names[] = { "prefer", "require", "off", NULL };
const char *const config_route_type_names[] = { "unicast", "blackhole", "unreachable", "prohibit",
						NULL };

static const struct conf_key workers_keys[] = {
	{ ENTRY(CONF_INT, workers_config, count, .max = WORKERS_MAX, .dflt = "0",
		.doc = "worker threads; 0: one for each queue of the port with most, up to the CPUs "
		       "there are") },
	{ ENTRY(CONF_INTS, workers_config, cpus, .max = 1023,
		.doc = "CPUs to pin the workers to, one each; none given: all allowed ones in order") },
	{ ENTRY(CONF_ENUM, workers_config, poll, .choices = config_poll_names, .dflt = "adaptive",
		.doc = "what an idle worker does: spin (busy), spin a while and then sleep (adaptive), "
		       "sleep at once (interrupt)") },
	{ ENTRY(CONF_INT, workers_config, burst, .min = 1, .max = 64, .dflt = "64",
		.unit = "packets", .doc = "most packets taken from a queue at a time") },
	{ ENTRY(CONF_INT, workers_config, spin_us, .max = 1000000, .dflt = "50",
		.unit = "microseconds",
		.doc = "how long an adaptive worker spins before it sleeps") },
	{ 0 }
};

static const struct conf_schema workers_schema = { "worker settings", sizeof(struct workers_config),
						   workers_keys };

static const struct conf_key memory_keys[] = {
	{ ENTRY(CONF_ENUM, memory_config, hugepages, .choices = config_hugepages_names,
		.dflt = "prefer",
		.doc = "huge pages for packet memory: used where there are any (prefer), needed to "
		       "start (require), not used (off)") },
	{ ENTRY(CONF_INT, memory_config, frame_size, .min = 2048, .max = 4096, .dflt = "2048",
		.unit = "bytes", .doc = "memory of one frame: 2048 or 4096") },
	{ ENTRY(CONF_INT, memory_config, frames, .max = 1 << 24, .dflt = "0",
		.doc = "frames in all; 0: what ports, queues and rings need") },
	{ 0 }
};

static const struct conf_schema memory_schema = { "memory settings", sizeof(struct memory_config),
						  memory_keys };

static const struct conf_key vlan_keys[] = {
	{ ENTRY(CONF_NAME, vlan_config, name, .required = true, .unique = true,
		.doc = "how chains and routes call it; unique among all ports and interfaces") },
	{ ENTRY(CONF_INT, vlan_config, vlan, .required = true, .min = 1, .max = 4094,
		.doc = "802.1Q VLAN id; the inner one where there are two") },
	{ ENTRY(CONF_INT, vlan_config, outer_vlan, .max = 4094, .dflt = "0",
		.doc = "802.1ad service VLAN id around it; 0: none") },
	{ ENTRY(CONF_STRING, vlan_config, device, .max = 15,
		.doc = "the kernel's device that carries its addresses; none given: the VLAN device "
		       "with this id on the port's device") },
	{ 0 }
};

static const struct conf_schema vlan_schema = { "interface", sizeof(struct vlan_config),
						vlan_keys };

static const struct conf_key port_keys[] = {
	{ ENTRY(CONF_NAME, port_config, name, .required = true, .unique = true,
		.doc = "how chains and routes call it") },
	{ ENTRY(CONF_STRING, port_config, device, .required = true, .max = 15,
		.doc = "the kernel's network device, such as \"eth0\"") },
	{ ENTRY(CONF_ENUM, port_config, mode, .choices = config_port_mode_names, .dflt = "auto",
		.doc = "how packets are taken from the device: zerocopy, copy, generic (any driver, "
		       "slow), or the best of them that the driver can do (auto)") },
	{ ENTRY(CONF_INT, port_config, queues, .max = 256, .dflt = "0",
		.doc = "receive queues to serve; 0: all that the device has. Packets that the "
		       "device puts into others take the fallback") },
	{ ENTRY(CONF_ENUM, port_config, fallback, .choices = config_fallback_names, .dflt = "auto",
		.doc = "who gets the traffic while visord is not there: the kernel, or nobody (drop); "
		       "auto: nobody where a firewall is in a chain of the port, else the kernel") },
	{ ENTRY(CONF_BOOL, port_config, spread, .dflt = "false",
		.doc = "spread the packets over all workers by flow, for a device with few queues") },
	{ ENTRY(CONF_INT, port_config, rx_ring, .min = 64, .max = 32768, .dflt = "2048",
		.unit = "descriptors",
		.doc = "size of each receive and fill ring, a power of two") },
	{ ENTRY(CONF_INT, port_config, tx_ring, .min = 64, .max = 32768, .dflt = "2048",
		.unit = "descriptors",
		.doc = "size of each transmit and completion ring, a power of two") },
	{ ENTRY(CONF_LIST, port_config, interfaces, .max = IFACE_MAX - 1, .sub = &vlan_schema,
		.doc = "VLANs of the port, each an interface of its own; untagged packets stay the "
		       "port's") },
	{ 0 }
};

static const struct conf_schema port_schema = { "port", sizeof(struct port_config), port_keys };

static const struct conf_key route_keys[] = {
	{ ENTRY(CONF_PREFIX, route_config, to, .required = true,
		.doc = "the destinations, such as \"0.0.0.0/0\" or \"2001:db8::/32\"") },
	{ ENTRY(CONF_ADDRESS, route_config, via,
		.doc = "the next hop; an IPv6 one may serve IPv4; none given: destinations are on the "
		       "link") },
	{ ENTRY(CONF_NAME, route_config, interface,
		.doc = "the port or VLAN interface to leave by; none given: the one that reaches the "
		       "next hop") },
	{ ENTRY(CONF_ENUM, route_config, type, .choices = config_route_type_names,
		.dflt = "unicast",
		.doc = "forward (unicast), drop silently (blackhole), or drop with an ICMP error "
		       "(unreachable, prohibit)") },
	{ ENTRY(CONF_INT, route_config, metric, .max = UINT32_MAX, .dflt = "0",
		.doc = "of several routes to one prefix the one with the lowest metric is used; equal "
		       "ones share the traffic") },
	{ 0 }
};

static const struct conf_schema route_schema = { "route", sizeof(struct route_config), route_keys };

static const struct conf_key chain_keys[] = {
	{ ENTRY(CONF_STRINGS, chain_config, ports,
		.doc = "ports and VLAN interfaces whose packets take this chain; none given: all "
		       "ports that no other chain names. A VLAN interface that no chain names goes "
		       "with its port") },
	{ ENTRY(CONF_STRINGS, chain_config, functions, .required = true, .min = 1,
		.doc = "the functions in their order, each \"FUNCTION\" or \"FUNCTION:INSTANCE\"; "
		       "without an instance the one called \"default\" is meant, which needs no "
		       "section") },
	{ 0 }
};

static const struct conf_schema chain_schema = { "chain", sizeof(struct chain_config), chain_keys };

static const struct conf_key control_keys[] = {
	{ ENTRY(CONF_STRING, control_config, socket, .max = 107, .dflt = "/run/visor/visor.sock",
		.doc = "path of the socket that visorctl talks to") },
	{ ENTRY(CONF_STRING, control_config, group, .max = 31,
		.doc = "group that may use the socket; none given: visor where it exists") },
	{ 0 }
};

static const struct conf_schema control_schema = { "control settings",
						   sizeof(struct control_config), control_keys };

static const struct conf_key routing_keys[] = {
	{ ENTRY(CONF_STRINGS, routing_config, tables, .min = 1, .max = 64, .dflt = "main",
		.doc = "the kernel's routing tables to follow, the preferred one first: names of "
		       "rt_tables, or numbers in quotes; table local always comes before them") },
	{ ENTRY(CONF_INT, routing_config, icmp_rate, .max = 1000000, .dflt = "1000",
		.unit = "a second", .doc = "own ICMP errors, over all workers; 0: none") },
	{ ENTRY(CONF_INT, routing_config, receive_buffer, .min = 65536, .max = 1 << 30,
		.dflt = "8388608", .unit = "bytes",
		.doc = "of the netlink socket; with more, fewer full resyncs when many routes change") },
	{ 0 }
};

static const struct conf_schema routing_schema = { "routing settings",
						   sizeof(struct routing_config), routing_keys };

static const struct conf_key fragments_keys[] = {
	{ ENTRY(CONF_INT, fragments_config, datagrams, .min = 256, .max = 1 << 20, .dflt = "4096",
		.doc = "fragmented datagrams that each worker follows at once") },
	{ ENTRY(CONF_INT, fragments_config, held, .min = 16, .max = 32768, .dflt = "256",
		.unit = "packets",
		.doc = "fragments that each worker holds until the first of their datagram comes") },
	{ ENTRY(CONF_INT, fragments_config, timeout_ms, .min = 10, .max = 60000, .dflt = "2000",
		.unit = "ms", .doc = "how long they are held, and a datagram is followed") },
	{ 0 }
};

static const struct conf_schema fragments_schema = { "fragment settings",
						     sizeof(struct fragments_config),
						     fragments_keys };

static const struct conf_key flows_keys[] = {
	{ ENTRY(CONF_INT, flows_config, ipv4, .min = 1024, .max = FLOW_MAX, .dflt = "262144",
		.unit = "flows", .doc = "IPv4 flows that there is room for, 128 bytes each") },
	{ ENTRY(CONF_INT, flows_config, ipv6, .min = 1024, .max = FLOW_MAX, .dflt = "262144",
		.unit = "flows",
		.doc = "IPv6 flows that there is room for, 192 bytes each; IPv4 flows behind a SYN "
		       "proxy or with an encapsulation are among them") },
	{ ENTRY(CONF_BOOL, flows_config, loose, .dflt = "true",
		.doc = "take up TCP connections in mid-stream, where the rules allow a new one: what "
		       "was established goes on after a restart") },
	{ ENTRY(CONF_GROUP, flows_config, timeouts, .sub = &flow_timeouts_schema,
		.doc = "how long a flow may be idle, by its state") },
	{ ENTRY(CONF_GROUP, flows_config, fragments, .sub = &fragments_schema,
		.doc = "fragments on their way to a flow") },
	{ 0 }
};

static const struct conf_schema flows_schema = { "flow settings", sizeof(struct flows_config),
						 flows_keys };

static const struct conf_key log_keys[] = {
	{ ENTRY(CONF_ENUM, log_config, level, .choices = log_level_names, .dflt = "info",
		.doc = "the least important events that are logged") },
	{ 0 }
};

static const struct conf_schema log_schema = { "log settings", sizeof(struct log_config),
					       log_keys };

static const struct conf_key file_keys[] = {
	{ ENTRY(CONF_LIST, config, ports, .required = true, .min = 1, .max = PORT_MAX,
		.sub = &port_schema, .doc = "the network devices that visord takes over") },
	{ ENTRY(CONF_LIST, config, chains, .required = true, .min = 1, .max = IFACE_MAX,
		.sub = &chain_schema, .doc = "what happens to the packets of which ports") },
	{ ENTRY(CONF_LIST, config, routes, .sub = &route_schema,
		.doc = "static routes, besides those that the kernel has") },
	{ ENTRY(CONF_GROUP, config, routing, .sub = &routing_schema,
		.doc = "what is taken from the kernel's routing, and what is said by ICMP") },
	{ ENTRY(CONF_GROUP, config, workers, .sub = &workers_schema,
		.doc = "the threads that move packets") },
	{ ENTRY(CONF_GROUP, config, memory, .sub = &memory_schema,
		.doc = "the memory that packets live in") },
	{ ENTRY(CONF_GROUP, config, flows, .sub = &flows_schema,
		.doc = "the table of flows, which chains with a stateful function use") },
	{ ENTRY(CONF_GROUP, config, control, .sub = &control_schema,
		.doc = "the socket of visorctl") },
	{ ENTRY(CONF_GROUP, config, log, .sub = &log_schema, .doc = "the log on stderr") },
	{ 0 }
};

const struct conf_schema conf_file_schema = { "", sizeof(struct config), file_keys };
