/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words of a rule: addresses, ports, protocols, flags, types, as numbers. Each parser answers
 * NULL where the word was understood, else what was expected instead (static text). control.
 */
#ifndef FIREWALL_WORDS_H
#define FIREWALL_WORDS_H

#include "conf.h"
#include "span.h"

/* "192.0.2.0/24", "2001:db8::1", "10.0.0.1-10.0.0.9". */
const char *words_addresses(const char *word, unsigned *family, struct span *span);
/* "80", "8000-8080". */
const char *words_ports(const char *word, struct span *span);
/* "tcp", "47". */
const char *words_protocol(const char *word, unsigned *protocol);
/* "syn,!ack": those in `mask` must be as in `value`. */
const char *words_tcp_flags(const char *word, uint8_t *mask, uint8_t *value);
/* "ef", "46". */
const char *words_dscp(const char *word, unsigned *dscp);

#define WORDS_NO_TYPE 0xffff /* this family has no such message */
struct words_icmp {
	uint16_t type[2], code[2]; /* IPv4, IPv6; code 0x100: any */
	bool named;		   /* else a number, the same in both */
};
/* "echo-request", "3", "3/4". */
const char *words_icmp(const char *word, struct words_icmp *icmp);

#endif
