/* SPDX-License-Identifier: Apache-2.0 */
/* TCP tracking: walks through the state diagram, one packet a line (support_track.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above */
#include <cmocka.h>

#include "src/bytes.h"
#include "support_track.h"

#define LINES(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define WALK(...) walk((struct track){ 0 }, LINES(__VA_ARGS__))
#define WALK_LOOSE(...) walk((struct track){ .loose = true }, LINES(__VA_ARGS__))
#define WALK_ONE_WAY(...) walk((struct track){ .flags = FLOW_ONE_WAY }, LINES(__VA_ARGS__))

static void walk(struct track t, const char *const *lines)
{
	track_walk(&t, lines);
}

/* Client 1000, server 5000, windows of 65535 bytes and no scale. */
#define OPENED                                                                                \
	"> S 1000 -> ok syn-sent unassured", "< SA 5000 a=1001 -> ok syn-received unassured", \
		"> A 1001 a=5001 -> ok established assured"
/* The client's 500 bytes and the server's 1000 were acknowledged. */
#define TALKED                                                                                 \
	OPENED, "> AP 1001+500 a=5001 -> ok established", "< A 5001 a=1501 -> ok established", \
		"< AP 5001+1000 a=1501 -> ok established", "> A 1501 a=6001 -> ok established"
#define CLOSED_BY_BOTH                                                               \
	TALKED, "> AF 1501 a=6001 -> ok fin-wait", "< A 6001 a=1502 -> ok fin-wait", \
		"< AF 6001 a=1502 -> ok closing", "> A 1502 a=6002 -> ok time-wait"

/* Opening */

static void a_connection_opens_talks_and_closes(void **state)
{
	WALK(CLOSED_BY_BOTH);
}

static void every_packet_of_the_handshake_may_be_repeated(void **state)
{
	WALK("> S 1000 -> ok syn-sent", "> S 1000 -> ok syn-sent",
	     "< SA 5000 a=1001 -> ok syn-received", "> S 1000 -> ok syn-received",
	     "< SA 5000 a=1001 -> ok syn-received", "> A 1001 a=5001 -> ok established",
	     "< SA 5000 a=1001 -> ok established", /* the ACK was lost behind us */
	     "> A 1001 a=5001 -> ok established", "> S 1000 -> syn established");
}

static void the_handshake_may_end_with_data_or_with_a_fin(void **state)
{
	WALK("> S 1000 -> ok syn-sent", "< SA 5000 a=1001 -> ok syn-received",
	     "> AP 1001+300 a=5001 -> ok established", "< A 5001 a=1301 -> ok established");
	WALK("> S 1000 -> ok syn-sent", "< SA 5000 a=1001 -> ok syn-received",
	     "> AF 1001 a=5001 -> ok fin-wait assured", "< AF 5001 a=1002 -> ok closing",
	     "> A 1002 a=5002 -> ok time-wait");
}

static void only_who_saw_the_syn_can_answer_it(void **state)
{
	WALK("> S 1000 -> ok syn-sent", "< SA 5000 a=1000 -> invalid syn-sent",
	     "< SA 5000 a=1002 -> invalid syn-sent", "< SA 5000 a=0 -> invalid syn-sent",
	     "< SA 5000 a=0x80000000 -> invalid syn-sent", "< SA 5000 a=1001 -> ok syn-received");
}

static void nothing_but_a_handshake_opens(void **state)
{
	WALK("> SA 1000 a=77 -> invalid none");
	WALK("> A 1000 a=77 -> invalid none");
	WALK("> AF 1000 a=77 -> invalid none");
	WALK("> R 1000 -> invalid none");
	WALK("> S 1000 -> ok syn-sent", "> A 1001 a=5001 -> invalid syn-sent",
	     "< A 5001+10 a=1001 -> invalid syn-sent", "< AF 5001 a=1001 -> invalid syn-sent",
	     "< SA 5000 a=1001 -> ok syn-received", "< SA 5000 a=1001 -> ok syn-received");
	/* not the client's: it acknowledges what the server never sent, or ahead of the window */
	WALK("> S 1000 -> ok syn-sent", "< SA 5000 a=1001 -> ok syn-received",
	     "> A 1001 a=5002 -> invalid syn-received",
	     "> A 1001 a=2000000000 -> invalid syn-received",
	     "> A 1000001 a=5001 -> invalid syn-received", "> A 1001 a=5001 -> ok established");
}

static void a_client_that_begins_anew_is_followed(void **state)
{
	WALK("> S 1000 -> ok syn-sent", "> S 777000 -> ok syn-sent",
	     "< SA 5000 a=1001 -> invalid syn-sent", "< SA 5000 a=777001 -> ok syn-received",
	     "> A 777001 a=5001 -> ok established");
	/* while the server has answered the first one, that counts: it is the server's to say */
	WALK("> S 1000 -> ok syn-sent", "< SA 5000 a=1001 -> ok syn-received",
	     "> S 777000 -> ok syn-received", "< A 5001 a=1001 -> ok syn-received",
	     "> R 1001 -> ok closed", "> S 777000 -> reopen closed", "> S 777000 -> ok syn-sent");
}

static void a_server_that_answers_otherwise_is_followed_until_it_is_confirmed(void **state)
{
	WALK("> S 1000 -> ok syn-sent", "< SA 5000 a=1001 -> ok syn-received",
	     "< SA 9000000 a=1001 -> ok syn-received", /* another SYN cookie */
	     "> A 1001 a=5001 -> invalid syn-received", "> A 1001 a=9000001 -> ok established",
	     "< SA 70000000 a=1001 -> invalid established");
}

static void a_half_open_connection_of_before_is_found_out(void **state)
{
	/* the server's challenge ACK reaches the client, whose reset reaches the server */
	WALK("> S 1000 -> ok syn-sent", "< A 80000 a=90000 -> ok syn-sent",
	     "> R 90000 -> ok syn-sent", "> S 1000 -> ok syn-sent",
	     "< SA 5000 a=1001 -> ok syn-received", "> A 1001 a=5001 -> ok established");
}

static void a_refused_connection_is_closed_and_may_be_tried_again(void **state)
{
	WALK("> S 1000 -> ok syn-sent", "< R 0 -> invalid syn-sent",
	     "< RA 0 a=1000 -> invalid syn-sent", "< RA 0 a=1002 -> invalid syn-sent",
	     "< RA 0 a=1001 -> ok closed unassured", "< RA 0 a=1001 -> ok closed",
	     "> S 1000 -> reopen closed", "> S 1000 -> ok syn-sent", "< RA 0 a=1001 -> ok closed",
	     "> S 1005 -> reopen closed");
	WALK("> S 1000 -> ok syn-sent", "< SA 5000 a=1001 -> ok syn-received",
	     "< RA 0 a=1001 -> ok closed unassured");
}

static void a_client_that_gives_up_closes(void **state)
{
	WALK("> S 1000 -> ok syn-sent", "> R 1001 -> ok closed");
	WALK("> S 1000 -> ok syn-sent", "< SA 5000 a=1001 -> ok syn-received",
	     "> R 1001 -> ok closed");
	WALK("> S 1000 -> ok syn-sent", "< SA 5000 a=1001 -> ok syn-received",
	     "> R 66537 -> invalid syn-received", "> R 1000 -> invalid syn-received",
	     "> R 2000 -> ok syn-received");
}

static void both_sides_may_open_at_once(void **state)
{
	WALK("> S 1000 s=7 -> ok syn-sent", "< S 5000 s=3 -> ok syn-sent",
	     "> SA 1000 a=5001 s=7 -> ok syn-received",
	     "< SA 5000 a=1001 s=3 -> ok established assured",
	     "> A 1001+100 a=5001 -> ok established", "< A 5001 a=1101 -> ok established");
	/* the SYN-ACKs in the other order, the SYNs repeated */
	WALK("> S 1000 -> ok syn-sent", "< S 5000 -> ok syn-sent", "< S 5000 -> ok syn-sent",
	     "> S 1000 -> ok syn-sent", "< SA 5000 a=1001 -> ok syn-received",
	     "> SA 1000 a=5001 -> ok established", "< A 5001 a=1001 -> ok established");
	WALK("> S 1000 -> ok syn-sent", "> SA 1000 a=5001 -> invalid syn-sent",
	     "< S 5000 -> ok syn-sent", "> SA 1000 a=5002 -> invalid syn-sent",
	     "> SA 1001 a=5001 -> invalid syn-sent", "> SA 1000 a=5001 -> ok syn-received");
}

static void a_split_handshake_keeps_the_direction(void **state)
{
	WALK("> S 1000 -> ok syn-sent", "< A 4999 a=1001 -> ok syn-sent", "< S 5000 -> ok syn-sent",
	     "> SA 1000 a=5001 -> ok syn-received", "< A 5001 a=1001 -> ok established",
	     "> A 1001+10 a=5001 -> ok established");
}

static void a_forged_syn_against_the_stream_does_no_harm(void **state)
{
	WALK("> S 1000 s=2 -> ok syn-sent", "< S 123456789 -> ok syn-sent",
	     "< R 123456790 -> invalid syn-sent", /* not even with a reset that fits it */
	     "< SA 5000 a=1001 s=2 -> ok syn-received", "> A 1001 a=5001 -> ok established",
	     "< A 5001 a=1001 -> ok established", /* windows are scaled all the same */
	     "> A 201001+100 a=5001 -> ok established");
}

static void data_may_come_with_the_syn(void **state)
{
	WALK("> S 1000+400 -> ok syn-sent", "< SA 5000 a=1401 -> ok syn-received",
	     "> A 1401 a=5001 -> ok established");
	WALK("> S 1000+400 -> ok syn-sent", "< SA 5000 a=1001 -> ok syn-received", /* not taken */
	     "> A 1001+400 a=5001 -> ok established", "< A 5001 a=1401 -> ok established");
	/* the server answers before the handshake has ended (RFC 7413) */
	WALK("> S 1000+400 -> ok syn-sent", "< SA 5000 a=1401 -> ok syn-received",
	     "< A 5001+1400 a=1401 -> ok syn-received", "< AF 6401 a=1401 -> ok syn-received",
	     "< A 205001+1400 a=1401 -> invalid syn-received",
	     "> A 1401 a=6402 -> ok fin-wait assured");
	WALK("> S 1000+400 -> ok syn-sent", "< RA 0 a=1401 -> ok closed");
	WALK("> S 1000+400 -> ok syn-sent", "< RA 0 a=1402 -> invalid syn-sent");
	WALK("> S 1000+400 -> ok syn-sent", "> R 1001 -> ok closed");
}

/* Windows */

static void what_is_far_from_the_window_is_refused(void **state)
{
	/* right edge of the server's window: 1501 + 65535; 2 * 65535 + 65536 back from 1501 */
	WALK(TALKED, "> A 67036+1 a=6001 -> ok established",
	     "> A 67037+1 a=6001 -> invalid established",
	     "> A 4294772191+1 a=6001 -> ok established",
	     "> A 4294772190+1 a=6001 -> invalid established",
	     "> A 2147483648+1 a=6001 -> invalid established",
	     "< A 71536+1 a=1501 -> ok established", "< A 71537+1 a=1501 -> invalid established");
}

static void what_acknowledges_the_unsent_or_the_long_past_is_refused(void **state)
{
	WALK(TALKED, "> A 1501 a=6002 -> invalid established", "> A 1501 a=6001 -> ok established",
	     "< A 6001 a=1502 -> invalid established",
	     "> A 1501 a=4294842226 -> ok established", /* 6001 - 65535 - 65536 */
	     "> A 1501 a=4294842225 -> invalid established",
	     "> A 1501 a=2147483648 -> invalid established");
	/* a refused packet leaves no trace */
	WALK(TALKED, "> A 1501+100 a=6500 -> invalid established",
	     "< A 6001 a=1601 -> invalid established");
}

static void windows_are_scaled_where_both_sides_said_so(void **state)
{
	/* 1000 << 10 = 1024000 */
	WALK("> S 1000 s=2 w=60000 -> ok syn-sent", "< SA 5000 a=1001 s=10 -> ok syn-received",
	     "> A 1001 a=5001 w=1000 -> ok established", "< A 5001 a=1001 w=1000 -> ok established",
	     "> A 1025001+1 a=5001 w=1 -> ok established",
	     "> A 1025002+1 a=5001 w=1 -> invalid established",
	     /* the client's: 60000 of its SYN, which no shift is for, more than 1000 << 2 */
	     "< A 65001+1 a=1001 -> ok established", "< A 65002+1 a=1001 -> invalid established");
	WALK("> S 1000 s=2 -> ok syn-sent", "< SA 5000 a=1001 -> ok syn-received",
	     "> A 1001 a=5001 -> ok established", "> A 66536+1 a=5001 -> ok established",
	     "> A 66537+1 a=5001 -> invalid established");
	WALK("> S 1000 -> ok syn-sent", "< SA 5000 a=1001 s=10 -> ok syn-received",
	     "> A 1001 a=5001 -> ok established", "> A 66537+1 a=5001 -> invalid established");
}

static void a_shift_of_more_than_14_is_14(void **state)
{
	WALK("> S 1000 s=200 -> ok syn-sent", "< SA 5000 a=1001 s=15 w=100 -> ok syn-received",
	     "> A 1001 a=5001 w=10 -> ok established", "< A 5001 a=1001 w=10 -> ok established",
	     "> A 164841+1 a=5001 -> ok established", /* 10 << 14 */
	     "> A 164842+1 a=5001 -> invalid established");
}

static void the_window_of_a_syn_ack_is_not_scaled(void **state)
{
	WALK("> S 1000 s=0 -> ok syn-sent", "< SA 5000 a=1001 s=14 w=30000 -> ok syn-received",
	     "> A 33769+1 a=5001 -> ok established", /* 30000 in units of 1 << 14: 32768 */
	     "> A 33770+1 a=5001 -> invalid established");
	/* repeated without the option, which counts once */
	WALK("> S 1000 s=0 -> ok syn-sent", "< SA 5000 a=1001 s=14 w=30000 -> ok syn-received",
	     "< SA 5000 a=1001 w=30000 -> ok syn-received", "> A 1001 a=5001 -> ok established",
	     "> A 33769+1 a=5001 -> ok established", "> A 33770+1 a=5001 -> invalid established");
	/* of two SYN-ACKs that cross */
	WALK("> S 1000 s=14 w=100 -> ok syn-sent", "< S 5000 s=14 w=100 -> ok syn-sent",
	     "> SA 1000 a=5001 s=14 w=16385 -> ok syn-received",
	     "< SA 5000 a=1001 s=14 w=16385 -> ok established",
	     "> A 33769+1 a=5001 w=0 -> ok established",
	     "> A 33770+1 a=5001 w=0 -> invalid established",
	     "< A 37769+1 a=1001 w=0 -> ok established",
	     "< A 37770+1 a=1001 w=0 -> invalid established");
}

static void options_that_make_no_sense_are_no_options(void **state)
{
	struct track t = { 0 };
	struct track_segment syn = { .flags = "S", .seq = 1000, .window = 65535, .shift = 3 };
	static const uint8_t bad[][4] = {
		{ 1, 3, 2, 9 }, { 1, 3, 4, 9 }, { 2, 0, 3, 3 }, { 0, 3, 3, 9 }, { 1, 1, 1, 3 },
	};

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		t.open = false;
		track_tcp(&t, &syn);
		memcpy(packet_l4(&t.packet) + 20, bad[i], 4);
		assert_int_equal(track_give(&t, FLOW_ORIGINAL, &t.packet), FLOW_TRACK_OK);
		assert_int_equal(t.head.tcp_scale & 15, 15);
	}
	t.open = false;
	track_give(&t, FLOW_ORIGINAL, track_tcp(&t, &syn));
	assert_int_equal(t.head.tcp_scale & 15, 3);
}

static void retransmissions_and_disorder_within_the_window_pass(void **state)
{
	WALK(OPENED, "> A 11001+1000 a=5001 -> ok established",
	     "> A 1001+1000 a=5001 -> ok established", "< A 5001 a=2001 -> ok established",
	     "> A 6001+1000 a=5001 -> ok established", "> A 1001+1000 a=5001 -> ok established",
	     "< A 5001 a=12001 -> ok established", "< A 5001 a=2001 -> ok established",
	     "> A 66001+535 a=5001 -> ok established", "< A 5001 a=66536 -> ok established",
	     "> A 1001+1000 a=5001 -> ok established");
}

static void keep_alives_pass(void **state)
{
	WALK(TALKED, "> A 1500 a=6001 -> ok established", "< A 6001 a=1501 -> ok established",
	     "> A 1500+1 a=6001 -> ok established", "< A 6000 a=1501 -> ok established",
	     "> A 1501 a=6001 -> ok established", "< A 6000+1 a=1501 -> ok established");
}

static void a_closed_window_can_be_probed(void **state)
{
	WALK("> S 1000 -> ok syn-sent", "< SA 5000 a=1001 w=0 -> ok syn-received",
	     "> A 1001 a=5001 -> ok established", "> A 1001+1 a=5001 -> ok established",
	     "< A 5001 a=1001 w=0 -> ok established", "> A 1000 a=5001 -> ok established",
	     "< A 5001 a=1002 w=500 -> ok established", "> A 1002+500 a=5001 -> ok established",
	     "< A 5001 a=1502 w=0 -> ok established", "> A 1502+1 a=5001 -> ok established",
	     "> A 1501 a=5001 -> ok established", "< A 5001 a=1502 w=0 -> ok established");
}

static void sequence_numbers_wrap(void **state)
{
	WALK("> S 4294967295 -> ok syn-sent", "< SA 4294967290 a=0 -> ok syn-received",
	     "> A 0 a=4294967291 -> ok established", "> A 0+1000 a=4294967291 -> ok established",
	     "< A 4294967291+10 a=1000 -> ok established", "> A 1000 a=5 -> ok established",
	     "> A 0+1000 a=5 -> ok established", "< A 4294967291+10 a=1000 -> ok established",
	     "< R 4294967291 -> invalid established", "> AF 1000 a=5 -> ok fin-wait",
	     "< AF 5 a=1001 -> ok closing", "> A 1001 a=6 -> ok time-wait");
	WALK("> S 4294900000 -> ok syn-sent", "< SA 0 a=4294900001 -> ok syn-received",
	     "> A 4294900001 a=1 -> ok established",
	     "> A 4294965000+1460 a=1 -> ok established", /* the window spans the wrap */
	     "< A 1 a=4294966460 -> ok established", "> A 4294966460+1460 a=1 -> ok established",
	     "< A 1 a=624 -> ok established", "> R 4294966460 -> invalid established",
	     "> R 700 -> ok established", "> R 624 -> ok closed");
}

static void flags_that_cannot_be_are_refused(void **state)
{
	WALK("> SF 1000 -> invalid none");
	WALK("> SR 1000 -> invalid none");
	WALK("> SEW 1000 -> ok syn-sent", "< SAE 5000 a=1001 -> ok syn-received",
	     "> AEP 1001+5 a=5001 -> ok established");
	WALK(TALKED, "> . 1501 a=6001 -> invalid established",
	     "> F 1501 a=6001 -> invalid established", "> P 1501 a=6001 -> invalid established",
	     "> U 1501 a=6001 -> invalid established", "> SF 1501 a=6001 -> invalid established",
	     "> SFA 1501 a=6001 -> invalid established", "> SR 1501 a=6001 -> invalid established",
	     "> RF 1501 a=6001 -> invalid established", "> FPU 1501 a=6001 -> invalid established",
	     "> FSRPAU 1501 a=6001 -> invalid established",
	     "> AUP 1501+3 a=6001 -> ok established");
}

static void a_header_that_does_not_fit_is_refused(void **state)
{
	struct track t = { 0 };
	const struct track_segment syn = { .flags = "S", .seq = 1000, .shift = -1 };

	track_tcp(&t, &syn);
	packet_l4(&t.packet)[12] = 4 << 4;
	assert_int_equal(track_give(&t, FLOW_ORIGINAL, &t.packet), FLOW_TRACK_INVALID);
	packet_l4(&t.packet)[12] = 6 << 4; /* options beyond the datagram */
	assert_int_equal(track_give(&t, FLOW_ORIGINAL, &t.packet), FLOW_TRACK_INVALID);
	t.packet.ip_len += 4; /* now they are in another frame */
	assert_int_equal(track_give(&t, FLOW_ORIGINAL, &t.packet), FLOW_TRACK_OK);
	assert_int_equal(t.head.tcp.end[0], 1001);
	packet_l4(&t.packet)[12] = 5 << 4;
	t.packet.flags = 0;
	assert_int_equal(track_give(&t, FLOW_ORIGINAL, &t.packet), FLOW_TRACK_INVALID);
}

/* The end */

static void every_order_of_closing_ends_in_time_wait(void **state)
{
	/* three packets; at once; the FIN with data; the server first */
	WALK(TALKED, "> AF 1501 a=6001 -> ok fin-wait", "< AF 6001 a=1502 -> ok closing",
	     "> A 1502 a=6002 -> ok time-wait");
	WALK(TALKED, "> AF 1501 a=6001 -> ok fin-wait", "< AF 6001 a=1501 -> ok closing",
	     "> A 1502 a=6002 -> ok closing", "< A 6002 a=1502 -> ok time-wait");
	WALK(TALKED, "> AFP 1501+100 a=6001 -> ok fin-wait", "< A 6001 a=1601 -> ok fin-wait",
	     "< AFP 6001+100 a=1602 -> ok closing", "> A 1602 a=6102 -> ok time-wait");
	WALK(TALKED, "< AF 6001 a=1501 -> ok fin-wait", "> A 1501 a=6002 -> ok fin-wait",
	     "> AF 1501 a=6002 -> ok closing", "< A 6002 a=1502 -> ok time-wait");
}

static void fins_may_be_repeated_and_out_of_order(void **state)
{
	WALK(TALKED, "> AF 1501 a=6001 -> ok fin-wait", "> AF 1501 a=6001 -> ok fin-wait",
	     "< A 6001 a=1502 -> ok fin-wait", "< AF 6001 a=1502 -> ok closing",
	     "< AF 6001 a=1502 -> ok closing", "> A 1502 a=6002 -> ok time-wait",
	     "< AF 6001 a=1502 -> ok time-wait", "> A 1502 a=6002 -> ok time-wait");
	/* the FIN overtakes the data before it */
	WALK(TALKED, "> AF 2501 a=6001 -> ok fin-wait", "> A 1501+1000 a=6001 -> ok fin-wait",
	     "< A 6001 a=1501 -> ok fin-wait", "< AF 6001 a=2502 -> ok closing",
	     "> A 2502 a=6002 -> ok time-wait");
}

static void half_a_connection_may_go_on(void **state)
{
	WALK(TALKED, "> AF 1501 a=6001 -> ok fin-wait", "< A 6001+30000 a=1502 -> ok fin-wait",
	     "> A 1502 a=36001 -> ok fin-wait", "< A 36001+60000 a=1502 -> ok fin-wait",
	     "> A 1502 a=96001 -> ok fin-wait", "< A 96001+60000 a=1502 -> ok fin-wait",
	     "> A 1502 a=156001 -> ok fin-wait assured", "< AF 156001 a=1502 -> ok closing",
	     "> A 1502 a=156002 -> ok time-wait");
}

static void a_fin_out_of_the_window_is_refused(void **state)
{
	WALK(TALKED, "> AF 67037 a=6001 -> invalid established",
	     "> AF 1501 a=6002 -> invalid established", "< AF 71537 a=1501 -> invalid established");
}

static void a_reset_ends_the_flow_where_it_is_exact(void **state)
{
	WALK(TALKED, "> R 1501 -> ok closed", "< R 6001 -> ok closed");
	WALK(TALKED, "< RA 6001 a=1501 -> ok closed", "< A 6001 a=1501 -> ok closed");
	/* with data on its way: after it, or where the receiver is */
	WALK(TALKED, "> A 1501+1000 a=6001 -> ok established", "> RA 2501 a=6001 -> ok closed");
	WALK(TALKED, "> A 1501+1000 a=6001 -> ok established", "> R 1501 -> ok closed");
	WALK(TALKED, "> AF 1501 a=6001 -> ok fin-wait", "> R 1502 -> ok closed");
	WALK(TALKED, "> AF 1501 a=6001 -> ok fin-wait", "< R 6001 -> ok closed");
	WALK(CLOSED_BY_BOTH, "< R 6002 -> ok closed");
}

static void a_reset_elsewhere_in_the_window_passes_and_ends_nothing(void **state)
{
	WALK(TALKED, "> R 1502 -> ok established", "> R 67036 -> ok established",
	     "> RA 5000 a=6001 -> ok established", "< R 71536 -> ok established",
	     /* the challenge ACK, and what an endpoint makes of it */
	     "< A 6001 a=1501 -> ok established", "> R 1501 -> ok closed");
}

static void a_reset_out_of_the_window_is_refused(void **state)
{
	WALK(TALKED, "> R 1500 -> invalid established", "> R 67037 -> invalid established",
	     "> R 0 -> invalid established", "> R 2147485149 -> invalid established",
	     "< R 6000 -> invalid established", "< R 71537 -> invalid established",
	     "< RA 0 a=1501 -> invalid established");
}

static void a_host_that_came_up_again_can_reset_the_old_connection(void **state)
{
	WALK(TALKED, "> S 3000000000 -> syn established", "< A 6001 a=1501 -> ok established",
	     "> R 1501 -> ok closed", "> S 3000000000 -> reopen closed",
	     "> S 3000000000 -> ok syn-sent", "< SA 9000 a=3000000001 -> ok syn-received",
	     "> A 3000000001 a=9001 -> ok established");
	/* what it sent last was lost with it */
	WALK(TALKED, "> A 1501+100 a=6001 -> ok established", "> S 3000000000 -> syn established",
	     "< A 6001 a=1501 -> ok established", "> R 1501 -> ok closed");
}

static void a_syn_inside_changes_nothing(void **state)
{
	WALK(TALKED, "> S 1000 -> syn established", "> S 1501 -> syn established",
	     "> S 3000000000+10 -> syn established", "< A 6001 a=1501 -> ok established",
	     /* against the policy's direction only in the window */
	     "< S 6001 -> ok established", "< S 71536 -> ok established",
	     "< S 71537 -> invalid established", "< S 5999 -> invalid established",
	     "< SA 3000000 a=1001 -> invalid established", "> A 1501+9 a=6001 -> ok established",
	     "< A 6001 a=1510 -> ok established");
	WALK(TALKED, "> AF 1501 a=6001 -> ok fin-wait", "> S 3000000000 -> syn fin-wait",
	     "< S 3000000000 -> invalid fin-wait");
}

static void a_new_connection_takes_the_place_of_one_that_is_over(void **state)
{
	WALK(CLOSED_BY_BOTH, "> S 1503 -> reopen time-wait", "> S 1503 -> ok syn-sent");
	WALK(CLOSED_BY_BOTH, "> S 4000000000 -> reopen time-wait");
	WALK(CLOSED_BY_BOTH, "< S 6003 -> reopen time-wait"); /* the other way round */
	WALK(TALKED, "> R 1501 -> ok closed", "> S 1502 -> reopen closed");
	WALK(TALKED, "< R 6001 -> ok closed", "> S 2000000 -> reopen closed");
}

static void what_is_not_acknowledged_to_the_end_is_not_over(void **state)
{
	/* a forged SYN: the rest still comes through */
	WALK(TALKED, "< AF 7001 a=1501 -> ok fin-wait", "> AF 1501 a=6001 -> ok closing",
	     "> S 777777 -> syn closing", "< S 777777 -> invalid closing",
	     "< A 6001+1000 a=1502 -> ok closing", "> A 1502 a=7002 -> ok time-wait");
	/* a real one: the server waits for its last acknowledgement, which never comes */
	WALK(TALKED, "> AF 1501 a=6001 -> ok fin-wait", "< AF 6001 a=1502 -> ok closing",
	     "> S 777777 -> syn closing", "< A 6002 a=1502 -> ok closing", "> R 1502 -> ok closed",
	     "> S 777777 -> reopen closed");
}

static void a_late_syn_of_the_connection_that_is_over_does_not(void **state)
{
	WALK(CLOSED_BY_BOTH, "> S 1000 -> syn time-wait", "> S 1502 -> syn time-wait",
	     "< SA 5000 a=1001 -> ok time-wait", "> A 1502 a=6002 -> ok time-wait");
}

/* Special flows */

static void a_flow_may_be_picked_up_in_mid_stream(void **state)
{
	WALK_LOOSE("> A 700000+100 a=90000 -> ok loose unassured",
		   "> A 700100+100 a=90000 -> ok loose unassured",
		   "< A 90000+1000 a=700200 -> ok established assured",
		   "> AF 700200 a=91000 -> ok fin-wait", "< AF 91000 a=700201 -> ok closing",
		   "> A 700201 a=91001 -> ok time-wait");
	WALK_LOOSE("> SA 5000 a=1001 -> ok loose", "< A 1001 a=5001 -> ok established");
	WALK_LOOSE("> AF 5000 a=1001 -> ok loose", "< AF 1001 a=5001 -> ok closing",
		   "> A 5001 a=1002 -> ok time-wait");
	WALK_LOOSE("> R 5000 -> invalid none");
	WALK_LOOSE("> RA 5000 a=1 -> invalid none");
}

static void mid_stream_windows_are_wide_but_not_open(void **state)
{
	/* acknowledged further than what was seen: others overtook the first packet seen */
	WALK_LOOSE("> A 700000+100 a=90000 -> ok loose", "< A 90000 a=100700000 -> invalid loose",
		   "< A 900090000 a=700100 -> invalid loose",
		   "< A 1090000 a=7700100 -> ok established",
		   "> A 7700100+10 a=90000 w=1 -> ok established",
		   "< A 3090000+10 a=7700110 w=1 -> ok established",
		   "> A 107700100+10 a=90000 -> invalid established",
		   "> A 7700110+10 a=900000000 -> invalid established");
}

static void a_mid_stream_flow_yields_to_a_real_opening(void **state)
{
	WALK_LOOSE("> A 5000 a=1001 -> ok loose", "< S 1000 -> reopen loose",
		   "> S 1000 -> ok syn-sent", "< SA 5000 a=1001 -> ok syn-received");
}

static void a_mid_stream_flow_is_reset_by_exact_numbers_only(void **state)
{
	WALK_LOOSE("> A 5000+10 a=1001 -> ok loose", "< R 1000 -> invalid loose",
		   "< R 1002 -> invalid loose", "< RA 0 a=5010 -> invalid loose",
		   "< R 1001 -> ok closed");
	WALK_LOOSE("> A 5000+10 a=1001 -> ok loose", "> R 5010 -> ok closed");
	WALK_LOOSE("> A 5000+10 a=1001 -> ok loose", "< A 1001 a=5010 -> ok established",
		   "< R 20000 -> ok established", "< R 1001 -> ok closed");
}

static void fragments_let_acknowledgements_be_ahead(void **state)
{
	WALK(TALKED, "> A 1501+1000 a=6001 frag -> ok established",
	     "< A 6001 a=5501 -> ok established", /* the rest of the datagram */
	     "< A 6001 a=68038 -> invalid established", "> A 5501 a=6001 -> ok established");
	WALK(TALKED, "> A 1501+1000 a=7000 frag -> invalid established",
	     "< A 6001 a=5501 -> invalid established");
	WALK("> S 1000 frag -> ok syn-sent");
}

static void where_replies_go_another_way_one_direction_is_enough(void **state)
{
	WALK_ONE_WAY("> S 1000 -> ok syn-sent", "> S 1000 -> ok syn-sent",
		     "> A 1001 a=5001 -> ok established unassured",
		     "> A 1001+1000 a=90005001 -> ok established", "> R 1500 -> ok established",
		     "> AF 2001 a=7 -> ok fin-wait", "> S 1000 -> ok fin-wait",
		     "> S 70000 -> reopen fin-wait", "> S 70000 -> ok syn-sent",
		     "> R 70001 -> ok closed");
	WALK_ONE_WAY("> S 1000 -> ok syn-sent", "> A 1001 a=5001 -> ok established",
		     "> A 2000000000+10 a=5001 -> ok established", /* somebody else's */
		     "> R 2000000010 -> ok established", "> R 1001 -> ok closed");
}

static void a_proxied_flow_is_tracked_in_the_clients_numbers(void **state)
{
	/* the client knows the server's 9000000 as 5000 */
	walk((struct track){ .offset = 9000000 - 5000 },
	     LINES("> S 1000 -> ok syn-sent", "< SA 9000000 a=1001 -> ok syn-received",
		   "> A 1001 a=5001 -> ok established", "< A 9000001+100 a=1001 -> ok established",
		   "> A 1001 a=5101 -> ok established", "> A 1001 a=9000101 -> invalid established",
		   "< R 5101 -> invalid established", "< R 9000101 -> ok closed"));
}

/* The proxy has opened to both: the client at 1001, the server at what the client calls 5001. */
static struct track proxied(uint8_t client_scale, uint8_t server_scale)
{
	const struct flow_handshake handshake = { .next = { 1001, 5001 },
						  .window = { 1000, 50000 },
						  .scale = { client_scale, server_scale } };
	struct track t = { .open = true, .offset = 9000000 - 5000 };

	t.head = (struct flow_head){ .state = FLOW_TCP_PROXY, .protocol = IPPROTO_TCP };
	flow_track_proxied(&t.head, &handshake);
	assert_true(flow_state_change(&t.head, FLOW_TCP_PROXY, FLOW_TCP_ESTABLISHED));
	return t;
}

static void a_flow_that_a_proxy_has_opened_is_like_others(void **state)
{
	walk(proxied(2, 10),
	     LINES("> A 1001+100 a=5001 w=1 -> ok established assured",
		   "< A 9000001+100 a=1101 w=1 -> ok established",
		   "> A 51277+1 a=5101 w=1 -> ok established", /* 1101 + 49 << 10 */
		   "> A 51278+1 a=5101 w=1 -> invalid established",
		   "< A 9004101 a=1101 w=1 -> ok established", /* 5101 + 1000 << 2 */
		   "< A 9004102 a=1101 w=1 -> invalid established",
		   "> R 1100 -> invalid established", "> AF 1101 a=5101 -> ok fin-wait",
		   "< AF 9000101 a=51279 -> invalid fin-wait", "< AF 9000101 a=1102 -> ok closing",
		   "> R 51278 -> ok closed"));
	walk(proxied(2, 15), LINES("> A 51001+1 a=5001 w=1 -> ok established",
				   "> A 51002+1 a=5001 w=1 -> invalid established",
				   "< A 9001001 a=1001 -> ok established",
				   "< A 9001002 a=1001 -> invalid established"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_connection_opens_talks_and_closes),
		cmocka_unit_test(every_packet_of_the_handshake_may_be_repeated),
		cmocka_unit_test(the_handshake_may_end_with_data_or_with_a_fin),
		cmocka_unit_test(only_who_saw_the_syn_can_answer_it),
		cmocka_unit_test(nothing_but_a_handshake_opens),
		cmocka_unit_test(a_client_that_begins_anew_is_followed),
		cmocka_unit_test(a_server_that_answers_otherwise_is_followed_until_it_is_confirmed),
		cmocka_unit_test(a_half_open_connection_of_before_is_found_out),
		cmocka_unit_test(a_refused_connection_is_closed_and_may_be_tried_again),
		cmocka_unit_test(a_client_that_gives_up_closes),
		cmocka_unit_test(both_sides_may_open_at_once),
		cmocka_unit_test(a_split_handshake_keeps_the_direction),
		cmocka_unit_test(a_forged_syn_against_the_stream_does_no_harm),
		cmocka_unit_test(data_may_come_with_the_syn),
		cmocka_unit_test(what_is_far_from_the_window_is_refused),
		cmocka_unit_test(what_acknowledges_the_unsent_or_the_long_past_is_refused),
		cmocka_unit_test(windows_are_scaled_where_both_sides_said_so),
		cmocka_unit_test(a_shift_of_more_than_14_is_14),
		cmocka_unit_test(the_window_of_a_syn_ack_is_not_scaled),
		cmocka_unit_test(options_that_make_no_sense_are_no_options),
		cmocka_unit_test(retransmissions_and_disorder_within_the_window_pass),
		cmocka_unit_test(keep_alives_pass),
		cmocka_unit_test(a_closed_window_can_be_probed),
		cmocka_unit_test(sequence_numbers_wrap),
		cmocka_unit_test(flags_that_cannot_be_are_refused),
		cmocka_unit_test(a_header_that_does_not_fit_is_refused),
		cmocka_unit_test(every_order_of_closing_ends_in_time_wait),
		cmocka_unit_test(fins_may_be_repeated_and_out_of_order),
		cmocka_unit_test(half_a_connection_may_go_on),
		cmocka_unit_test(a_fin_out_of_the_window_is_refused),
		cmocka_unit_test(a_reset_ends_the_flow_where_it_is_exact),
		cmocka_unit_test(a_reset_elsewhere_in_the_window_passes_and_ends_nothing),
		cmocka_unit_test(a_reset_out_of_the_window_is_refused),
		cmocka_unit_test(a_host_that_came_up_again_can_reset_the_old_connection),
		cmocka_unit_test(a_syn_inside_changes_nothing),
		cmocka_unit_test(a_new_connection_takes_the_place_of_one_that_is_over),
		cmocka_unit_test(what_is_not_acknowledged_to_the_end_is_not_over),
		cmocka_unit_test(a_late_syn_of_the_connection_that_is_over_does_not),
		cmocka_unit_test(a_flow_may_be_picked_up_in_mid_stream),
		cmocka_unit_test(mid_stream_windows_are_wide_but_not_open),
		cmocka_unit_test(a_mid_stream_flow_yields_to_a_real_opening),
		cmocka_unit_test(a_mid_stream_flow_is_reset_by_exact_numbers_only),
		cmocka_unit_test(fragments_let_acknowledgements_be_ahead),
		cmocka_unit_test(where_replies_go_another_way_one_direction_is_enough),
		cmocka_unit_test(a_proxied_flow_is_tracked_in_the_clients_numbers),
		cmocka_unit_test(a_flow_that_a_proxy_has_opened_is_like_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
