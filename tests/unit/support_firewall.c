/* SPDX-License-Identifier: Apache-2.0 */
/* A firewall to ask. See support_firewall.h. */
#include "support_firewall.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <urcu-qsbr.h>

#include "src/bytes.h"
#include "src/egress.h"
#include "src/flow_key.h"
#include "src/flow_label.h"
#include "src/parse.h"

int wall_start(void **state)
{
	(void)state;
	urcu_qsbr_register_thread();
	return flow_labels_start(1);
}

int wall_stop(void **state)
{
	(void)state;
	flow_labels_stop();
	urcu_qsbr_unregister_thread();
	return 0;
}

static void *conf_parse(const char *format, va_list args)
{
	struct conf_errors *errors = conf_errors_new();
	char *text = NULL;
	void *conf;

	assert(vasprintf(&text, format, args) >= 0);
	conf = conf_struct_parse(nf_find("firewall")->schema, text, errors);
	if (conf)
		nf_find("firewall")->check(conf, NULL, errors);
	for (unsigned i = 0; i < conf_errors_count(errors); i++)
		fprintf(stderr, "%s\n", conf_errors_get(errors, i));
	assert(conf && !conf_errors_count(errors));
	conf_errors_free(errors);
	free(text);
	return conf;
}

static void nf_start(struct nf *nf, const void *conf)
{
	*nf = (struct nf){ .ops = nf_find("firewall"), .name = "edge", .conf = conf };
	nf->drop_base = DROP_ENGINE_COUNT;
	nf->stateful = true;
	assert(!nf->ops->init(nf));
}

struct wall *wall_new(const char *format, ...)
{
	struct wall *wall = calloc(1, sizeof(*wall));
	va_list args;

	va_start(args, format);
	wall->conf = conf_parse(format, args);
	va_end(args);
	wall->s = support_new();
	nf_start(&wall->nf, wall->conf);
	return wall;
}

void wall_reload(struct wall *wall, const char *format, ...)
{
	struct nf next;
	va_list args;
	void *conf;

	va_start(args, format);
	conf = conf_parse(format, args);
	va_end(args);
	nf_start(&next, conf);
	assert(!next.ops->adopt || !next.ops->adopt(&next, &wall->nf));
	wall->nf.ops->fini(&wall->nf);
	conf_struct_free(wall->conf);
	wall->nf = next;
	wall->conf = conf;
}

void wall_free(struct wall *wall)
{
	wall->nf.ops->fini(&wall->nf);
	conf_struct_free(wall->conf);
	assert(support_balanced(wall->s));
	support_free(wall->s);
	free(wall);
}

static const char *reason_name(const struct wall *wall, uint16_t reason)
{
	return wall->nf.ops->drop_reasons[reason - wall->nf.drop_base];
}

/* What the flow stage says of a first packet. */
static void describe(struct wall *wall, struct packet *p, const struct asked *asked)
{
	const uint8_t *l4 = packet_l4(p);
	struct flow_open *open = &wall->open;

	*open = (struct flow_open){ .packet = p, .in_iface = p->iface };
	flow_key_from_packet(p, &open->key);
	open->out = open->key;
	open->class = (uint8_t)(asked->again ? FLOW_CLASS_ESTABLISHED : asked->class);
	open->again = asked->again;
	open->dscp = p->ip_version == 4 ? packet_l3(p)[1] >> 2 :
					  (uint8_t)(bytes_get16(packet_l3(p)) >> 6 & 0x3f);
	open->has_ports = p->protocol == IPPROTO_TCP || p->protocol == IPPROTO_UDP ||
			  p->protocol == IPPROTO_SCTP;
	if (p->protocol == IPPROTO_TCP)
		open->tcp_flags = l4[13];
	if (p->protocol == IPPROTO_ICMP || p->protocol == IPPROTO_ICMPV6) {
		open->icmp_type = l4[0];
		open->icmp_code = l4[1];
	}
}

static struct packet *build(struct wall *wall, const struct asked *asked)
{
	struct packet *p = support_probe(wall->s, &asked->probe, asked->iface);
	uint8_t *ip = p->data + 14, *l4 = ip + (*ip >> 4 == 4 ? 20 : 40);

	if (*ip >> 4 == 4) {
		ip[1] = asked->tos;
		bytes_put16(ip + 10, 0);
		bytes_put16(ip + 10, support_checksum(ip, 20, 0));
	} else {
		bytes_put32(ip, 6u << 28 | (uint32_t)asked->tos << 20);
	}
	if (asked->probe.protocol == IPPROTO_TCP) {
		l4[12] = 0x50;
		l4[13] = asked->tcp_flags ? asked->tcp_flags : 0x02;
	}
	if (asked->probe.protocol == IPPROTO_ICMP || asked->probe.protocol == IPPROTO_ICMPV6)
		l4[1] = asked->icmp_code;
	wall->last = p;
	return p;
}

static const char *ask_open(struct wall *wall, struct packet *p, const struct asked *asked)
{
	struct datapath *dp = &wall->s->dp;
	enum nf_verdict verdict;
	uint32_t label = wall->open.label;

	assert(!parse_packet(p));
	wall->s->counters.rx_packets++;
	describe(wall, p, asked);
	wall->open.label = asked->again ? label : 0;
	verdict = wall->nf.ops->open(&wall->nf, dp, &wall->open);
	if (verdict == NF_DROP)
		packet_drop(p, wall->open.reason);
	datapath_finish(dp, &p, 1);
	egress_flush(dp);
	return verdict == NF_DROP ? reason_name(wall, wall->open.reason) : NULL;
}

const char *wall_ask(struct wall *wall, const struct asked *asked)
{
	struct packet *p = build(wall, asked);

	if (wall->nf.stateful)
		return ask_open(wall, p, asked);
	support_run(wall->s, &wall->nf, &p, 1);
	return p->verdict == PACKET_DROP ? reason_name(wall, p->reason) : NULL;
}

void wall_close(struct wall *wall)
{
	const struct flow_close close = { .key = wall->open.key,
					  .out = wall->open.out,
					  .label = wall->open.label,
					  .opened = true,
					  .in_iface = wall->open.in_iface };

	wall->nf.ops->close(&wall->nf, &wall->s->dp, &close);
}
