/* SPDX-License-Identifier: Apache-2.0 */
#include "syn_proxy.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>

#include "config.h"
#include "flow_proxy.h"

#define SECOND_NS 1000000000ull
#define IP4_TCP_HEADERS 40
#define IP6_TCP_HEADERS 60
#define MSS_MAX 1460 /* what a path of Ethernet can hold is not ours to raise */

/* One worker's count of a zone's SYNs. */
struct count {
	uint64_t second; /* that is being counted */
	uint32_t seen;
	bool flooded; /* the rate was exceeded in this second or the last */
};

struct firewall_syn {
	unsigned zones;
	struct count *worker[WORKERS_MAX]; /* [zones] each */
};

int firewall_syn_new(struct firewall_syn **result, const struct firewall_keys *keys)
{
	struct firewall_syn *syn;
	bool wanted = false;

	*result = NULL;
	for (unsigned i = 0; i < keys->zones.n; i++)
		wanted |= firewall_zone_at(keys, i)->syn_proxy != FIREWALL_SYN_OFF;
	if (!wanted)
		return 0;
	syn = calloc(1, sizeof(*syn));
	if (!syn)
		return -ENOMEM;
	syn->zones = keys->zones.n;
	for (unsigned i = 0; i < WORKERS_MAX; i++) {
		const size_t bytes = (syn->zones * sizeof(struct count) + 63) / 64 * 64;

		syn->worker[i] = aligned_alloc(64, bytes);
		if (!syn->worker[i]) {
			firewall_syn_free(syn);
			return -ENOMEM;
		}
		memset(syn->worker[i], 0, bytes);
	}
	*result = syn;
	return 0;
}

void firewall_syn_free(struct firewall_syn *syn)
{
	if (!syn)
		return;
	for (unsigned i = 0; i < WORKERS_MAX; i++)
		free(syn->worker[i]);
	free(syn);
}

/* The zone that the packet came in by, where it has a proxy; otherwise NULL. */
static const struct firewall_zone_keys *zone_of(const struct firewall *fw,
						const struct datapath *dp,
						const struct flow_open *open, unsigned *index)
{
	const struct firewall_zone_keys *zone;

	*index = firewall_zones_at(&fw->zones, dp, open->in_iface)->zone;
	if (*index == FIREWALL_NO_ZONE)
		return NULL;
	zone = firewall_zone_at(fw->keys, *index);
	return zone->syn_proxy == FIREWALL_SYN_OFF ? NULL : zone;
}

static bool is_tcp(const struct flow_open *open, uint8_t flags)
{
	return open->key.protocol == IPPROTO_TCP && !open->again && open->has_ports &&
	       (open->tcp_flags & (TH_SYN | TH_ACK | TH_RST | TH_FIN)) == flags;
}

/* The count of this second; a flood is over after a second below the rate. */
static struct count *count_of(const struct firewall *fw, const struct datapath *dp, unsigned index,
			      uint32_t most)
{
	struct count *count = &fw->syn->worker[dp->index][index];
	const uint64_t second = dp->now_ns / SECOND_NS;

	if (count->second != second) {
		count->flooded = count->second + 1 == second && count->seen > most;
		count->second = second;
		count->seen = 0;
	}
	return count;
}

static uint32_t worker_rate(const struct firewall_zone_keys *zone, const struct datapath *dp)
{
	return (uint32_t)zone->syn_rate / dp->workers;
}

static bool is_active(const struct firewall *fw, const struct datapath *dp,
		      const struct firewall_zone_keys *zone, unsigned index)
{
	return zone->syn_proxy == FIREWALL_SYN_ALWAYS ||
	       count_of(fw, dp, index, worker_rate(zone, dp))->flooded;
}

void firewall_syn_answer(const struct firewall *fw, struct datapath *dp, struct flow_open *open)
{
	const struct firewall_zone_keys *zone;
	struct syn_options options;
	unsigned index;

	if (!fw->syn || !is_tcp(open, TH_ACK))
		return;
	zone = zone_of(fw, dp, open, &index);
	if (!zone)
		return;
	if (flow_proxy_answer(dp, open->packet, &open->key, &options))
		flow_proxy_open(open, &options);
	else if (is_active(fw, dp, zone, index))
		open->class = FLOW_CLASS_INVALID;
}

bool firewall_syn_wanted(const struct firewall *fw, struct datapath *dp,
			 const struct flow_open *open)
{
	const struct firewall_zone_keys *zone;
	unsigned index;

	if (!fw->syn || !is_tcp(open, TH_SYN) || open->class != FLOW_CLASS_NEW ||
	    open->state == FLOW_TCP_PROXY)
		return false;
	zone = zone_of(fw, dp, open, &index);
	return zone && is_active(fw, dp, zone, index);
}

/* What a client may be told that the server can take: no more than the way there. */
static uint16_t mss_of(struct datapath *dp, struct flow_open *open)
{
	const unsigned headers = open->out.family == 4 ? IP4_TCP_HEADERS : IP6_TCP_HEADERS;
	const uint32_t mtu = flow_open_route(dp, open)->mtu;
	const uint32_t mss = mtu > headers ? mtu - headers : 0;

	return (uint16_t)(mss && mss < MSS_MAX ? mss : MSS_MAX + IP4_TCP_HEADERS - headers);
}

enum nf_verdict firewall_syn_accepted(const struct firewall *fw, struct datapath *dp,
				      struct flow_open *open, bool wanted)
{
	const struct firewall_zone_keys *zone;
	struct count *count;
	unsigned index;

	if (!fw->syn || !is_tcp(open, TH_SYN) || open->state == FLOW_TCP_PROXY)
		return NF_ACCEPT;
	zone = zone_of(fw, dp, open, &index);
	if (!zone)
		return NF_ACCEPT;
	count = count_of(fw, dp, index, worker_rate(zone, dp));
	count->seen++;
	count->flooded |= count->seen > worker_rate(zone, dp);
	if (!wanted)
		return NF_ACCEPT;
	flow_proxy_challenge(dp, open->packet, &open->key, mss_of(dp, open));
	packet_drop(open->packet, DROP_SYN_PROXY);
	return NF_STOLEN;
}
