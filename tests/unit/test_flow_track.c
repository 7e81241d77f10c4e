/* SPDX-License-Identifier: Apache-2.0 */
/* Tracking of UDP, ICMP echo and others; names, ranks and time-outs of states. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the five above */
#include <cmocka.h>

#include "src/clock.h"
#include "support_track.h"

static enum flow_track_result give(struct track *t, enum flow_direction d, unsigned version,
				   uint8_t protocol, const char *l4, unsigned len)
{
	return track_give(t, d, track_packet(t, version, protocol, l4, len, 0));
}

static const char *state(const struct track *t)
{
	return flow_state_name(t->head.state);
}

#define UDP "\x9c\x40\x00\x35\x00\x08\x00\x00"
#define ECHO4 "\x08\x00\x00\x00\x12\x34\x00\x01"
#define ECHO4_REPLY "\x00\x00\x00\x00\x12\x34\x00\x01"
#define ECHO6 "\x80\x00\x00\x00\x12\x34\x00\x01"
#define ECHO6_REPLY "\x81\x00\x00\x00\x12\x34\x00\x01"

static void udp_is_new_until_the_other_side_answers(void **unused)
{
	struct track t = { 0 };

	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(give(&t, FLOW_ORIGINAL, 4, IPPROTO_UDP, UDP, 8), FLOW_TRACK_OK);
		assert_int_equal(t.head.state, FLOW_UDP_NEW);
	}
	assert_int_equal(t.head.protocol, IPPROTO_UDP);
	assert_int_equal(t.head.flags, 0);
	assert_int_equal(give(&t, FLOW_REPLY, 4, IPPROTO_UDP, UDP, 8), FLOW_TRACK_OK);
	assert_int_equal(t.head.state, FLOW_UDP_REPLIED);
	assert_string_equal(state(&t), "replied");
	assert_int_equal(t.head.flags, 0);
}

static void udp_with_several_packets_each_way_is_assured(void **unused)
{
	struct track t = { 0 };

	for (unsigned i = 1; i <= 4; i++) {
		assert_false(t.open && t.head.flags & FLOW_ASSURED);
		give(&t, FLOW_ORIGINAL, 4, IPPROTO_UDP, UDP, 8);
		assert_false(t.head.flags & FLOW_ASSURED);
		give(&t, FLOW_REPLY, 4, IPPROTO_UDP, UDP, 8);
	}
	assert_true(t.head.flags & FLOW_ASSURED);
	/* one side first; both far beyond the threshold when the other begins */
	t = (struct track){ 0 };
	for (unsigned i = 0; i < 100; i++)
		give(&t, FLOW_ORIGINAL, 4, IPPROTO_UDP, UDP, 8);
	for (unsigned i = 1; i <= 4; i++) {
		assert_false(t.head.flags & FLOW_ASSURED);
		give(&t, FLOW_REPLY, 4, IPPROTO_UDP, UDP, 8);
	}
	assert_true(t.head.flags & FLOW_ASSURED);
}

static void an_echo_is_new_until_its_reply(void **unused)
{
	struct track t = { 0 };

	assert_int_equal(give(&t, FLOW_ORIGINAL, 4, IPPROTO_ICMP, ECHO4, 8), FLOW_TRACK_OK);
	assert_int_equal(give(&t, FLOW_ORIGINAL, 4, IPPROTO_ICMP, ECHO4, 8), FLOW_TRACK_OK);
	assert_int_equal(t.head.state, FLOW_ICMP_NEW);
	assert_int_equal(give(&t, FLOW_REPLY, 4, IPPROTO_ICMP, ECHO4_REPLY, 8), FLOW_TRACK_OK);
	assert_int_equal(t.head.state, FLOW_ICMP_REPLIED);
	t = (struct track){ 0 };
	assert_int_equal(give(&t, FLOW_ORIGINAL, 6, IPPROTO_ICMPV6, ECHO6, 8), FLOW_TRACK_OK);
	assert_int_equal(give(&t, FLOW_REPLY, 6, IPPROTO_ICMPV6, ECHO6_REPLY, 8), FLOW_TRACK_OK);
	assert_int_equal(t.head.state, FLOW_ICMP_REPLIED);
}

/* Between families, the two directions are of two protocols. */
static void an_echo_may_change_its_family(void **unused)
{
	struct track t = { 0 };

	assert_int_equal(give(&t, FLOW_ORIGINAL, 6, IPPROTO_ICMPV6, ECHO6, 8), FLOW_TRACK_OK);
	assert_int_equal(give(&t, FLOW_REPLY, 4, IPPROTO_ICMP, ECHO4_REPLY, 8), FLOW_TRACK_OK);
	assert_int_equal(t.head.state, FLOW_ICMP_REPLIED);
}

static void echoes_go_one_way_and_replies_the_other(void **unused)
{
	struct track t = { 0 };

	give(&t, FLOW_ORIGINAL, 4, IPPROTO_ICMP, ECHO4, 8);
	assert_int_equal(give(&t, FLOW_ORIGINAL, 4, IPPROTO_ICMP, ECHO4_REPLY, 8),
			 FLOW_TRACK_INVALID);
	assert_int_equal(give(&t, FLOW_REPLY, 4, IPPROTO_ICMP, ECHO4, 8), FLOW_TRACK_INVALID);
	assert_int_equal(give(&t, FLOW_REPLY, 4, IPPROTO_ICMP, "\0\1\0\0\x12\x34\0\1", 8),
			 FLOW_TRACK_INVALID); /* with a code */
	assert_int_equal(t.head.state, FLOW_ICMP_NEW);
}

static void only_an_echo_request_opens(void **unused)
{
	for (unsigned type = 0; type < 256; type++) {
		char icmp[8] = { (char)type };
		struct track t = { 0 };

		assert_int_equal(give(&t, FLOW_ORIGINAL, 4, IPPROTO_ICMP, icmp, 8),
				 type == 8 ? FLOW_TRACK_OK : FLOW_TRACK_INVALID);
		t.open = false;
		assert_int_equal(give(&t, FLOW_ORIGINAL, 6, IPPROTO_ICMPV6, icmp, 8),
				 type == 128 ? FLOW_TRACK_OK : FLOW_TRACK_INVALID);
		t.open = false; /* each in its own family */
		assert_int_equal(give(&t, FLOW_ORIGINAL, 6, IPPROTO_ICMP, icmp, 8),
				 FLOW_TRACK_INVALID);
		assert_int_equal(give(&t, FLOW_ORIGINAL, 4, IPPROTO_ICMPV6, icmp, 8),
				 FLOW_TRACK_INVALID);
	}
}

static void other_protocols_are_new_until_the_other_side_answers(void **unused)
{
	static const uint8_t protocols[] = { IPPROTO_GRE, IPPROTO_ESP, IPPROTO_IPIP, 0, 253, 255 };

	for (unsigned i = 0; i < sizeof(protocols); i++) {
		struct track t = { 0 };

		give(&t, FLOW_ORIGINAL, 4, protocols[i], "", 0);
		assert_true(t.open);
		assert_int_equal(t.head.state, FLOW_OTHER_NEW);
		assert_int_equal(t.head.protocol, protocols[i]);
		give(&t, FLOW_ORIGINAL, 4, protocols[i], "", 0);
		assert_int_equal(t.head.state, FLOW_OTHER_NEW);
		give(&t, FLOW_REPLY, 4, protocols[i], "", 0);
		assert_int_equal(t.head.state, FLOW_OTHER_REPLIED);
	}
}

static void without_its_header_a_packet_is_of_no_flow(void **unused)
{
	static const uint8_t with_header[] = { IPPROTO_TCP,  IPPROTO_UDP,     IPPROTO_ICMP,
					       IPPROTO_SCTP, IPPROTO_UDPLITE, IPPROTO_DCCP };

	for (unsigned i = 0; i < sizeof(with_header); i++) {
		struct track t = { 0 };
		const uint8_t four[4] = { 0 };

		track_packet(&t, 4, with_header[i], four, 4, 0);
		t.packet.flags = 0;
		assert_int_equal(track_give(&t, FLOW_ORIGINAL, &t.packet), FLOW_TRACK_INVALID);
		t.head.state = FLOW_UDP_NEW; /* inside one */
		assert_int_equal(flow_track(&t.head, FLOW_REPLY, &t.packet, 0), FLOW_TRACK_INVALID);
		t.packet.flags = PKT_FRAGMENT | PKT_LATER_FRAGMENT;
		assert_int_equal(track_give(&t, FLOW_ORIGINAL, &t.packet), FLOW_TRACK_INVALID);
	}
}

static void a_flow_that_has_ended_takes_no_packet(void **unused)
{
	struct track t = { 0 };

	give(&t, FLOW_ORIGINAL, 4, IPPROTO_UDP, UDP, 8);
	for (uint8_t ended = FLOW_FREE; ended <= FLOW_DEAD; ended++) {
		t.head.state = ended;
		assert_int_equal(give(&t, FLOW_REPLY, 4, IPPROTO_UDP, UDP, 8), FLOW_TRACK_REOPEN);
		assert_int_equal(t.head.state, ended);
	}
}

/* Which states a protocol's flow may be in. */
static bool state_fits(uint8_t protocol, uint8_t is)
{
	switch (protocol) {
	case IPPROTO_TCP: return is >= FLOW_TCP_SYN_SENT && is <= FLOW_TCP_LOOSE;
	case IPPROTO_UDP: return is == FLOW_UDP_NEW || is == FLOW_UDP_REPLIED;
	case IPPROTO_ICMP: return is == FLOW_ICMP_NEW || is == FLOW_ICMP_REPLIED;
	case IPPROTO_SCTP: return is >= FLOW_SCTP_NEW && is <= FLOW_SCTP_SHUTDOWN;
	default: return is == FLOW_OTHER_NEW || is == FLOW_OTHER_REPLIED;
	}
}

/* Bytes of which much is small, so that lengths, types and flags are often likely ones. */
static void scribble(uint8_t *at, unsigned len)
{
	for (unsigned i = 0; i < len; i++) {
		const long r = random();

		at[i] = (uint8_t)(r & 0x300 ? r & 0x1f : r);
	}
	if (len > 13 && random() % 4) /* TCP: a header of possible length */
		at[12] = (uint8_t)((5 + random() % 11) << 4);
	if (len && random() % 4 == 0) /* ICMP: an echo */
		memcpy(at, "\10", len < 2 ? len : 2);
}

/* In memory of exactly their size, for a sanitizer to see what is read beyond. */
static void random_bytes_do_no_harm(void **unused)
{
	static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_SCTP, IPPROTO_ICMP, IPPROTO_UDP,
					     IPPROTO_GRE };
	static const uint8_t fixed[] = { 20, 12, 8, 8, 0 };
	unsigned opened[5] = { 0 };

	srandom(3);
	for (unsigned i = 0; i < 100000; i++) {
		const unsigned kind = (unsigned)random() % 5, n = 1 + (unsigned)random() % 6;
		struct track t = { .loose = random() & 1,
				   .flags = random() % 8 ? 0 : FLOW_ONE_WAY };

		for (unsigned k = 0; k < n; k++) {
			const unsigned len = fixed[kind] + (unsigned)random() % 60;
			const unsigned beyond = random() % 4 ? 0 : (unsigned)random() % 60;
			uint8_t *bytes = malloc(len ? len : 1);
			struct packet p = { .data = bytes,
					    .len = len + beyond,
					    .first_len = (uint16_t)len,
					    .flags = PKT_L4_COMPLETE,
					    .ip_len = (uint16_t)(len + beyond),
					    .ip_version = 4,
					    .protocol = protocols[kind] };

			scribble(bytes, len);
			if (random() % 8 == 0)
				p.flags |= PKT_FRAGMENT;
			track_give(&t, random() & 1, &p);
			free(bytes);
			assert_true(!t.open || state_fits(p.protocol, t.head.state));
		}
		opened[kind] += t.open;
	}
	for (unsigned i = 0; i < 5; i++)
		assert_in_range(opened[i], 200, 100000);
}

static void states_are_found_by_their_names(void **unused)
{
	assert_int_equal(flow_states_by_name("established"),
			 1u << FLOW_TCP_ESTABLISHED | 1u << FLOW_SCTP_ESTABLISHED);
	assert_int_equal(flow_states_by_name("new"), 1u << FLOW_UDP_NEW | 1u << FLOW_ICMP_NEW |
							     1u << FLOW_SCTP_NEW |
							     1u << FLOW_OTHER_NEW);
	assert_int_equal(flow_states_by_name("nonsense"), 0);
	assert_int_equal(flow_states_by_name(""), 0);
	assert_int_equal(flow_states_by_name("dead"), 0); /* nobody is shown those */
	for (unsigned i = FLOW_DEAD + 1; i < FLOW_STATES; i++)
		assert_true(flow_states_by_name(flow_state_name(i)) & 1u << i);
	assert_string_equal(flow_state_name(FLOW_STATES), "unknown");
}

static void the_half_open_go_before_the_established(void **unused)
{
	static const unsigned in_order[] = { FLOW_TCP_CLOSED, FLOW_TCP_SYN_SENT, FLOW_TCP_FIN_WAIT,
					     FLOW_TCP_ESTABLISHED };

	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(flow_state_rank(in_order[i], FLOW_ASSURED), i);
	assert_int_equal(flow_state_rank(FLOW_TCP_ESTABLISHED, 0), 2);
	assert_int_equal(flow_state_rank(FLOW_UDP_NEW, 0), 1);
	assert_int_equal(flow_state_rank(FLOW_UDP_REPLIED, 0), 2);
	assert_int_equal(flow_state_rank(FLOW_UDP_REPLIED, FLOW_ASSURED), 3);
	assert_int_equal(flow_state_rank(FLOW_ICMP_REPLIED, FLOW_ASSURED), 2);
	assert_int_equal(flow_state_rank(FLOW_TCP_TIME_WAIT, FLOW_ASSURED), 0);
	assert_int_equal(flow_state_rank(FLOW_STATES, FLOW_ASSURED), 0);
}

static struct flow_timeouts timeouts_of(const char *text)
{
	struct conf_errors *errors = conf_errors_new();
	struct flow_timeouts_config *config =
		conf_struct_parse(&flow_timeouts_schema, text, errors);
	struct flow_timeouts timeouts;

	assert_int_equal(conf_errors_count(errors), 0);
	assert_non_null(config);
	flow_timeouts_set(&timeouts, config);
	conf_struct_free(config);
	conf_errors_free(errors);
	return timeouts;
}

static uint64_t seconds(const struct flow_timeouts *timeouts, unsigned of)
{
	return timeouts->ticks[of] * FLOW_TICK_NS / SECOND_NS;
}

static void every_state_has_a_time_out_and_the_rfcs_are_kept(void **unused)
{
	const struct flow_timeouts t = timeouts_of("");

	assert_int_equal(t.ticks[FLOW_FREE], 0);
	assert_int_equal(t.ticks[FLOW_DEAD], 0);
	for (unsigned i = FLOW_DEAD + 1; i < FLOW_STATES; i++)
		assert_true(t.ticks[i] > 0);
	assert_true(seconds(&t, FLOW_TCP_ESTABLISHED) >= 7440); /* RFC 5382 REQ-5 */
	assert_true(seconds(&t, FLOW_TCP_FIN_WAIT) >= 240);
	assert_true(seconds(&t, FLOW_UDP_REPLIED) >= 120); /* RFC 4787 REQ-5 */
	assert_true(seconds(&t, FLOW_ICMP_REPLIED) >= 60); /* RFC 5508 REQ-2 */
}

/* Whenever within its tick the last packet came. */
static void nothing_ends_before_its_time(void **unused)
{
	static const uint64_t secs[] = { 1, 2, 30, 86400, 2592000 };
	char text[64];

	for (unsigned i = 0; i < 5; i++) {
		struct flow_timeouts t;

		snprintf(text, sizeof(text), "tcp_established = %u;", (unsigned)secs[i]);
		t = timeouts_of(text);
		for (uint64_t last = 0; last < 2 * FLOW_TICK_NS; last += FLOW_TICK_NS / 7) {
			const uint64_t now = last + secs[i] * SECOND_NS - 1;

			assert_true(flow_ticks(now) - flow_ticks(last) <
				    t.ticks[FLOW_TCP_ESTABLISHED]);
			assert_true(flow_ticks(now + 3 * FLOW_TICK_NS) - flow_ticks(last) >=
				    t.ticks[FLOW_TCP_ESTABLISHED]);
		}
	}
}

static void time_outs_are_set_by_name_and_within_their_range(void **unused)
{
	static const char *const bad[] = { "tcp_syn_sent = 0;", "udp_new = 2592001;",
					   "tcp_established = \"a day\";", "tcp_etsablished = 5;" };
	const struct flow_timeouts t = timeouts_of("udp_new = 5; sctp_shutdown = 7;");

	assert_int_equal(seconds(&t, FLOW_UDP_NEW), 5);
	assert_int_equal(seconds(&t, FLOW_SCTP_SHUTDOWN), 7);
	for (unsigned i = 0; i < 4; i++) {
		struct conf_errors *errors = conf_errors_new();

		assert_null(conf_struct_parse(&flow_timeouts_schema, bad[i], errors));
		assert_int_equal(conf_errors_count(errors), 1);
		conf_errors_free(errors);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(udp_is_new_until_the_other_side_answers),
		cmocka_unit_test(udp_with_several_packets_each_way_is_assured),
		cmocka_unit_test(an_echo_is_new_until_its_reply),
		cmocka_unit_test(an_echo_may_change_its_family),
		cmocka_unit_test(echoes_go_one_way_and_replies_the_other),
		cmocka_unit_test(only_an_echo_request_opens),
		cmocka_unit_test(other_protocols_are_new_until_the_other_side_answers),
		cmocka_unit_test(without_its_header_a_packet_is_of_no_flow),
		cmocka_unit_test(a_flow_that_has_ended_takes_no_packet),
		cmocka_unit_test(random_bytes_do_no_harm),
		cmocka_unit_test(states_are_found_by_their_names),
		cmocka_unit_test(the_half_open_go_before_the_established),
		cmocka_unit_test(every_state_has_a_time_out_and_the_rfcs_are_kept),
		cmocka_unit_test(nothing_ends_before_its_time),
		cmocka_unit_test(time_outs_are_set_by_name_and_within_their_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
