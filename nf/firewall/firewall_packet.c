/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What rules look at, from a flow's first packet as the engine describes it, or from a packet's own
 * headers; and whether the source may be where the packet came from.
 */
#include <netinet/in.h>

#include "bytes.h"
#include "egress.h"
#include "firewall.h"
#include "firewall_packet.h"
#include "reassembly_datagram.h"

/* --- interfaces --- */

static void classes_fill(const struct firewall *fw, const struct datapath *dp,
			 struct firewall_packet *p)
{
	p->key.in = firewall_zones_at(&fw->zones, dp, p->in_iface)->class;
	p->key.out = firewall_zones_at(&fw->zones, dp, p->out_iface)->class;
}

/* --- a flow --- */

void firewall_packet_of_flow(const struct firewall *fw, struct datapath *dp, struct flow_open *open,
			     struct firewall_packet *p)
{
	const struct flow_key *key = &open->key;

	*p = (struct firewall_packet){
		.packet = open->packet,
		.flow_key = key,
		.in_iface = open->in_iface,
		.out_iface = fw->asks_out ? flow_open_out(dp, open) : IFACE_NONE,
		.family = key->family == 6,
		.class = open->again ? FLOW_CLASS_NEW : open->class,
		.tcp_flags = open->tcp_flags,
		.icmp_type = open->icmp_type,
		.icmp_code = open->icmp_code,
		.dscp = open->dscp,
		.label = open->again ? open->label : 0,
		.again = open->again,
		.flow = open->again,
		.has_icmp = key->protocol == IPPROTO_ICMP || key->protocol == IPPROTO_ICMPV6,
	};
	p->key.proto = key->protocol;
	p->key.has_ports = open->has_ports;
	if (p->family) {
		p->key.src.v6 = key->v6.source;
		p->key.dst.v6 = key->v6.destination;
	} else {
		p->key.src.v4 = be32toh(key->v4.source);
		p->key.dst.v4 = be32toh(key->v4.destination);
	}
	if (open->has_ports) {
		p->key.sport = be16toh(p->family ? key->v6.sport : key->v4.sport);
		p->key.dport = be16toh(p->family ? key->v6.dport : key->v4.dport);
	}
	p->source = firewall_source(key);
	classes_fill(fw, dp, p);
}

/* --- a packet --- */

static void headers_fill(struct firewall_packet *p)
{
	const uint8_t *l4 = packet_l4(p->packet);

	if ((p->packet->flags & (PKT_L4_COMPLETE | PKT_LATER_FRAGMENT)) != PKT_L4_COMPLETE)
		return;
	switch (p->key.proto) {
	case IPPROTO_TCP: p->tcp_flags = l4[13]; /* fall through */
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_SCTP:
	case IPPROTO_DCCP:
		p->key.has_ports = true;
		p->key.sport = bytes_get16(l4);
		p->key.dport = bytes_get16(l4 + 2);
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		p->has_icmp = true;
		p->icmp_type = l4[0];
		p->icmp_code = l4[1];
		break;
	default: break;
	}
}

/* The protocols of which rules look at the header. */
static bool has_header(uint8_t protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_SCTP:
	case IPPROTO_DCCP:
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6: return true;
	default: return false;
	}
}

static uint16_t fragment_unreadable(const struct packet *p)
{
	struct fragment f;
	const uint16_t reason = fragment_read(p, &f);

	return !reason && f.tiny ? DROP_FRAGMENT_TINY : reason;
}

uint16_t firewall_unreadable(const struct nf *nf, const struct packet *p)
{
	if (likely((p->flags & (PKT_L4_COMPLETE | PKT_FRAGMENT)) == PKT_L4_COMPLETE))
		return DROP_NONE;
	if (p->flags & PKT_FRAGMENT)
		return fragment_unreadable(p);
	return has_header(p->protocol) ? (uint16_t)(nf->drop_base + FIREWALL_BY_INVALID) :
					 DROP_NONE;
}

static void packet_fill(const struct packet *packet, struct firewall_packet *p)
{
	const uint8_t *ip = packet_l3(packet);

	memset(p, 0, sizeof(*p));
	p->packet = packet;
	p->in_iface = packet->iface;
	p->out_iface = IFACE_NONE;
	p->class = FLOW_CLASS_UNTRACKED;
	p->key.proto = packet->protocol;
	if (packet->ip_version == 4) {
		p->key.src.v4 = bytes_get32(ip + 12);
		p->key.dst.v4 = bytes_get32(ip + 16);
		p->source = p->key.src.v4;
		p->dscp = ip[1] >> 2;
	} else {
		p->family = 1;
		memcpy(&p->key.src.v6, ip + 8, sizeof(p->key.src.v6));
		memcpy(&p->key.dst.v6, ip + 24, sizeof(p->key.dst.v6));
		p->source = bytes_load64(ip + 8);
		p->dscp = (uint8_t)(bytes_get16(ip) >> 6 & 0x3f);
	}
	headers_fill(p);
}

void firewall_packets_of(const struct firewall *fw, struct datapath *dp,
			 struct packet *const *packets, struct firewall_packet *out, unsigned n)
{
	const struct nexthop *hops[BURST_MAX];

	if (fw->asks_out)
		egress_lookup(dp, packets, hops, n);
	for (unsigned i = 0; i < n; i++) {
		packet_fill(packets[i], &out[i]);
		if (fw->asks_out)
			out[i].out_iface = egress_iface(hops[i]);
		classes_fill(fw, dp, &out[i]);
	}
}

/* --- where it came from --- */

/* Does the route lead out of `iface` (strict), or anywhere at all? */
static bool route_fits(const struct fib *fib, uint32_t id, bool strict, uint16_t iface)
{
	const struct nexthop *hop = fib_nexthop(fib, id);

	switch ((enum nexthop_kind)hop->kind) {
	case NEXTHOP_FORWARD:
	case NEXTHOP_ONLINK:
	case NEXTHOP_INCOMPLETE:
	case NEXTHOP_FAILED:
	case NEXTHOP_DOWN: return !strict || hop->iface == iface;
	case NEXTHOP_NOT_A_PORT: return !strict;
	case NEXTHOP_GROUP:
		for (uint32_t i = 0; i <= hop->bucket_mask; i++)
			if (route_fits(fib, hop->buckets[i], strict, iface))
				return true;
		return false;
	default: return false;
	}
}

bool firewall_spoofed(const struct firewall *fw, struct datapath *dp,
		      const struct firewall_packet *p)
{
	const struct firewall_interface *in = firewall_zones_at(&fw->zones, dp, p->in_iface);
	uint32_t id;

	if (in->antispoof == FIREWALL_SPOOF_OFF)
		return false;
	if (p->family && IN6_IS_ADDR_LINKLOCAL(&p->key.src.v6))
		return false; /* of this link by its nature */
	id = p->family ? lpm6_lookup(dp->fib->lpm6, &p->key.src.v6) :
			 lpm4_lookup(dp->fib->lpm4, p->key.src.v4);
	return !route_fits(dp->fib, id, in->antispoof == FIREWALL_SPOOF_STRICT, p->in_iface);
}
