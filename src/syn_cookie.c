/* SPDX-License-Identifier: Apache-2.0 */
#include "syn_cookie.h"

#include <pthread.h>
#include <string.h>
#include <sys/random.h>

#include "bytes.h"
#include "clock.h"
#include "tcp_option.h"

#define SLOT_SHIFT 35 /* of nanoseconds: 34 s */
#define HASH_MASK 0xffffffu

/* --- SipHash-2-4 over a few words --- */

static uint64_t secret[2];
static pthread_once_t secret_once = PTHREAD_ONCE_INIT;

static void make_secret(void)
{
	if (getrandom(secret, sizeof(secret), 0) != sizeof(secret)) {
		secret[0] = clock_now_ns(); /* a kernel without random numbers: better than none */
		secret[1] = (uint64_t)(uintptr_t)&secret ^ secret[0] << 32;
	}
}

static inline uint64_t rotate(uint64_t x, unsigned n)
{
	return x << n | x >> (64 - n);
}

static inline void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] = rotate(v[0], 32);
	v[2] += v[1];
	v[0] += v[3];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] = rotate(v[2], 32);
}

static uint64_t siphash(const uint64_t *words, unsigned n)
{
	uint64_t v[4] = { secret[0] ^ 0x736f6d6570736575, secret[1] ^ 0x646f72616e646f6d,
			  secret[0] ^ 0x6c7967656e657261, secret[1] ^ 0x7465646279746573 };

	for (unsigned i = 0; i <= n; i++) {
		const uint64_t word = i < n ? words[i] : (uint64_t)(n * 8) << 56;

		v[3] ^= word;
		sip_round(v);
		sip_round(v);
		v[0] ^= word;
	}
	v[2] ^= 0xff;
	for (unsigned i = 0; i < 4; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* --- what a cookie holds --- */

static const uint16_t mss_of[2][4] = { { 536, 1300, 1440, 1460 }, { 1220, 1340, 1420, 1440 } };

/* SACK comes with a scale: who offers the one and not the other has neither. 0: nothing, 1: SACK
 * alone, 2..7: SACK and a scale. A scale between two of these is taken as the smaller: the window
 * that we tell the server then is smaller than the client's. */
static const uint8_t scale_of[8] = { SYN_NO_SCALE, SYN_NO_SCALE, 0, 2, 5, 7, 8, 10 };

static unsigned code_mss(uint16_t mss, bool ip6)
{
	unsigned i = 3;

	while (i && mss_of[ip6][i] > mss)
		i--;
	return i;
}

static unsigned code_scale(const struct syn_options *options)
{
	unsigned i = 7;

	if (!options->sack)
		return 0;
	if (options->scale == SYN_NO_SCALE)
		return 1;
	while (scale_of[i] > options->scale)
		i--;
	return i;
}

static uint32_t hash_of(const struct flow_key *key, uint32_t client_isn, uint64_t slot,
			uint32_t data)
{
	uint64_t words[7] = { slot, (uint64_t)client_isn << 32 | data };
	unsigned n = 3;

	pthread_once(&secret_once, make_secret);
	if (key->family == 4) {
		words[2] = bytes_load64(&key->v4);
		words[3] = bytes_load32((const uint8_t *)&key->v4 + 8);
		n = 4;
	} else {
		memcpy(words + 2, &key->v6, 32);
		words[6] = bytes_load32((const uint8_t *)&key->v6 + 32);
		n = 7;
	}
	return (uint32_t)siphash(words, n) & HASH_MASK;
}

uint32_t syn_cookie_make(const struct flow_key *key, uint32_t client_isn, uint64_t now_ns,
			 struct syn_options *options)
{
	const bool ip6 = key->family == 6;
	const uint64_t slot = now_ns >> SLOT_SHIFT;
	const unsigned mss = code_mss(options->mss, ip6), scale = code_scale(options);
	const uint32_t data = (uint32_t)(slot & 7) << 29 | mss << 27 | scale << 24;

	/* an MSS below the least is kept by the server: it is told the least, as if by default */
	options->mss = mss_of[ip6][mss];
	options->sack = scale > 0;
	options->scale = scale_of[scale];
	return data | hash_of(key, client_isn, slot, data);
}

bool syn_cookie_check(const struct flow_key *key, uint32_t client_isn, uint32_t cookie,
		      uint64_t now_ns, struct syn_options *options)
{
	const bool ip6 = key->family == 6;
	const uint64_t now = now_ns >> SLOT_SHIFT;
	const uint64_t age = (now - (cookie >> 29)) & 7;
	const unsigned scale = cookie >> 24 & 7;

	if (age > 1 || age > now ||
	    (cookie & HASH_MASK) != hash_of(key, client_isn, now - age, cookie & ~HASH_MASK))
		return false;
	options->mss = mss_of[ip6][cookie >> 27 & 3];
	options->sack = scale > 0;
	options->scale = scale_of[scale];
	return true;
}

void syn_options_read(const uint8_t *tcp, unsigned len, bool ip6, struct syn_options *options)
{
	const unsigned header = (tcp[12] >> 4) * 4u, end = header < len ? header : len;
	struct tcp_option option = { .at = 0 };

	*options = (struct syn_options){ .mss = ip6 ? 1220 : 536, .scale = SYN_NO_SCALE };
	while (tcp_option_next(tcp, end, &option)) {
		if (option.kind == TCP_OPTION_MSS && option.size == 4)
			options->mss = bytes_get16(tcp + option.at + 2);
		else if (option.kind == TCP_OPTION_SCALE && option.size == 3)
			options->scale = tcp[option.at + 2] < 14 ? tcp[option.at + 2] : 14;
		else if (option.kind == TCP_OPTION_SACK_PERMITTED)
			options->sack = true;
	}
}
