/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When SYNs are answered with cookies (flow_proxy.h) instead of making flows: for zones that say so,
 * always, or while more SYNs come in from there than `syn_rate` a second. Only SYNs that the rules
 * let in are answered, so what is closed stays closed. Workers judge by their own part of the rate.
 * All but new and free: worker.
 */
#ifndef FIREWALL_SYN_PROXY_H
#define FIREWALL_SYN_PROXY_H

#include "firewall.h"

struct firewall_syn; /* counts of each worker, by zone */

/* NULL in *syn where no zone wants it. 0 or -ENOMEM. control. */
int firewall_syn_new(struct firewall_syn **syn, const struct firewall_keys *keys);
void firewall_syn_free(struct firewall_syn *syn);

/* A packet without a flow that answers a cookie: the flow is to be the proxy's, and the rules are
 * asked as for its SYN. Where cookies are given out, an ACK that answers none is invalid: nothing is
 * picked up in mid-stream there, or a flood of ACKs would do what a flood of SYNs cannot. */
void firewall_syn_answer(const struct firewall *fw, struct datapath *dp, struct flow_open *open);

/* Is this a SYN that gets a cookie, if the rules let it in? */
bool firewall_syn_wanted(const struct firewall *fw, struct datapath *dp,
			 const struct flow_open *open);

/* The rules have let a SYN in: it counts, and gets its cookie where `wanted`. */
enum nf_verdict firewall_syn_accepted(const struct firewall *fw, struct datapath *dp,
				      struct flow_open *open, bool wanted);

#endif
