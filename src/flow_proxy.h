/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SYN proxy's part of a flow's life (the policy is the firewall's, syn_cookie.h the cookies):
 *
 *   client                     appliance                      server
 *     SYN ───────────────────→
 *     ←── SYN-ACK, window 0 ──  the sequence number is a cookie; no flow yet
 *     ACK ───────────────────→  the cookie is good: a flow, FLOW_TCP_PROXY
 *                               ── SYN, as the client's would have been ──→
 *                               ←───────────────────────────── SYN-ACK ────
 *     ←──── ACK, window open ─  established  ─────────────────────── ACK ─→
 *
 * The window of 0 keeps the client from sending before the server is there; its probes of the closed
 * window make us repeat a SYN that was lost. From then on packets pass with their numbers moved
 * (flow_seq.h). Timestamps are not offered: nobody could tell the one side the other's clock.
 *
 * All: worker.
 */
#ifndef VISOR_FLOW_PROXY_H
#define VISOR_FLOW_PROXY_H

#include "flow_open.h"
#include "syn_cookie.h"

#define FLOW_PROXY_SCALE 7 /* the window scale that a client is told, where it has offered one */

/* Answer a client's SYN with a cookie. `mss` is what it is told of the server at most. */
void flow_proxy_challenge(struct datapath *dp, const struct packet *syn, const struct flow_key *key,
			  uint16_t mss);

/* Is this ACK the answer to a cookie? Then `options` are the client's. */
bool flow_proxy_answer(const struct datapath *dp, const struct packet *ack,
		       const struct flow_key *key, struct syn_options *options);

/* Called by open() for such an ACK: the flow is to begin as the proxy's. */
void flow_proxy_open(struct flow_open *open, const struct syn_options *options);

/* --- the flow engine's --- */

/* The TCP state of a flow that begins with that ACK. */
void flow_proxy_begin(struct flow_head *head, const struct packet *ack);

/* A packet of a flow in FLOW_TCP_PROXY, or the one that has just opened it. It is used up: p's
 * verdict is DROP as syn_proxy. */
void flow_proxy_packet(struct datapath *dp, uint32_t ref, struct packet *p);

#endif
