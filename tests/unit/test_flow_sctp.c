/* SPDX-License-Identifier: Apache-2.0 */
/* SCTP tracking: associations by their chunks, and who may say so by the tags. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above */
#include <cmocka.h>

#include "src/bytes.h"
#include "support_track.h"

enum {
	DATA = 0,
	INIT = 1,
	INIT_ACK = 2,
	SACK = 3,
	HEARTBEAT = 4,
	HEARTBEAT_ACK = 5,
	ABORT = 6,
	SHUTDOWN = 7,
	SHUTDOWN_ACK = 8,
	COOKIE_ECHO = 10,
	COOKIE_ACK = 11,
	COMPLETE = 14,
	T = 0x100, /* with the T bit */
	NONE = -1,
};

/* The tags that the two sides have chosen: the client's is in the server's packets. */
#define CLIENT 0xc11e47u
#define SERVER 0x5e47e4u

static unsigned chunk_put(uint8_t *at, int chunk, uint32_t own)
{
	const unsigned len = (chunk & 0xff) <= INIT_ACK && (chunk & 0xff) >= INIT ? 20 : 6;

	memset(at, 0, 20);
	at[0] = (uint8_t)chunk;
	at[1] = chunk & T ? 1 : 0;
	bytes_put16(at + 2, (uint16_t)len);
	if (len == 20)
		bytes_put32(at + 4, own);
	return (len + 3) & ~3u;
}

/* `own`: the initiate tag of INIT and INIT ACK. */
static enum flow_track_result give2(struct track *t, enum flow_direction d, uint32_t tag, int first,
				    int second, uint32_t own)
{
	uint8_t l4[64] = { 0 };
	unsigned len = 12;

	bytes_put32(l4 + 4, tag);
	len += chunk_put(l4 + len, first, own);
	if (second != NONE)
		len += chunk_put(l4 + len, second, own);
	return track_give(t, d, track_packet(t, 6, IPPROTO_SCTP, l4, len, 0));
}

static enum flow_track_result give(struct track *t, enum flow_direction d, uint32_t tag, int chunk)
{
	return give2(t, d, tag, chunk, NONE, d == FLOW_ORIGINAL ? CLIENT : SERVER);
}

#define OK(...) assert_int_equal(give(__VA_ARGS__), FLOW_TRACK_OK)
#define INVALID(...) assert_int_equal(give(__VA_ARGS__), FLOW_TRACK_INVALID)

static struct track associated(void)
{
	struct track t = { 0 };

	OK(&t, FLOW_ORIGINAL, 0, INIT);
	OK(&t, FLOW_REPLY, CLIENT, INIT_ACK);
	OK(&t, FLOW_ORIGINAL, SERVER, COOKIE_ECHO);
	assert_int_equal(t.head.state, FLOW_SCTP_NEW);
	assert_int_equal(t.head.flags, 0);
	OK(&t, FLOW_REPLY, CLIENT, COOKIE_ACK);
	assert_int_equal(t.head.state, FLOW_SCTP_ESTABLISHED);
	assert_int_equal(t.head.flags, FLOW_ASSURED);
	return t;
}

static void an_association_opens_and_shuts_down(void **state)
{
	struct track t = associated();

	OK(&t, FLOW_ORIGINAL, SERVER, DATA);
	OK(&t, FLOW_REPLY, CLIENT, SACK);
	OK(&t, FLOW_REPLY, CLIENT, HEARTBEAT);
	OK(&t, FLOW_ORIGINAL, SERVER, HEARTBEAT_ACK);
	assert_int_equal(t.head.state, FLOW_SCTP_ESTABLISHED);
	OK(&t, FLOW_ORIGINAL, SERVER, SHUTDOWN);
	assert_int_equal(t.head.state, FLOW_SCTP_SHUTDOWN);
	OK(&t, FLOW_REPLY, CLIENT, SHUTDOWN_ACK);
	OK(&t, FLOW_ORIGINAL, SERVER, COMPLETE);
	assert_int_equal(t.head.state, FLOW_SCTP_SHUTDOWN);
	assert_int_equal(give(&t, FLOW_ORIGINAL, 0, INIT), FLOW_TRACK_REOPEN);
}

static void every_chunk_of_the_opening_may_be_repeated(void **state)
{
	struct track t = { 0 };

	OK(&t, FLOW_ORIGINAL, 0, INIT);
	OK(&t, FLOW_ORIGINAL, 0, INIT);
	OK(&t, FLOW_REPLY, CLIENT, INIT_ACK);
	OK(&t, FLOW_REPLY, CLIENT, INIT_ACK);
	assert_int_equal(give2(&t, FLOW_ORIGINAL, SERVER, COOKIE_ECHO, DATA, 0), FLOW_TRACK_OK);
	assert_int_equal(give2(&t, FLOW_REPLY, CLIENT, COOKIE_ACK, SACK, 0), FLOW_TRACK_OK);
	assert_int_equal(t.head.state, FLOW_SCTP_ESTABLISHED);
	OK(&t, FLOW_ORIGINAL, SERVER, COOKIE_ECHO);
	OK(&t, FLOW_REPLY, CLIENT, COOKIE_ACK);
}

static void the_wrong_tag_is_refused_and_ends_nothing(void **state)
{
	static const int chunks[] = { DATA,	SACK,	   ABORT,	 SHUTDOWN,   SHUTDOWN_ACK,
				      COMPLETE, ABORT | T, COMPLETE | T, COOKIE_ACK, INIT_ACK };
	static const uint32_t tags[] = { 0, 1, CLIENT + 1, SERVER - 1 };
	struct track t = associated();

	for (unsigned i = 0; i < sizeof(chunks) / sizeof(chunks[0]); i++)
		for (unsigned k = 0; k < 4; k++) {
			INVALID(&t, FLOW_ORIGINAL, tags[k], chunks[i]);
			INVALID(&t, FLOW_REPLY, tags[k], chunks[i]);
			/* that of the other direction is as wrong, but for the T bit */
			if (!(chunks[i] & T))
				INVALID(&t, FLOW_REPLY, SERVER, chunks[i]);
		}
	assert_int_equal(t.head.state, FLOW_SCTP_ESTABLISHED);
}

static void an_abort_ends_the_association(void **state)
{
	struct track t = associated();

	OK(&t, FLOW_REPLY, CLIENT, ABORT);
	assert_int_equal(t.head.state, FLOW_SCTP_SHUTDOWN);
	assert_int_equal(give(&t, FLOW_ORIGINAL, 0, INIT), FLOW_TRACK_REOPEN);
	/* of a host that knows nothing of it: the tag comes back */
	t = associated();
	INVALID(&t, FLOW_REPLY, CLIENT, ABORT | T);
	OK(&t, FLOW_REPLY, SERVER, ABORT | T);
	assert_int_equal(t.head.state, FLOW_SCTP_SHUTDOWN);
	/* refused */
	t = (struct track){ 0 };
	OK(&t, FLOW_ORIGINAL, 0, INIT);
	INVALID(&t, FLOW_REPLY, 7, ABORT);
	OK(&t, FLOW_REPLY, CLIENT, ABORT);
	assert_int_equal(give(&t, FLOW_ORIGINAL, 0, INIT), FLOW_TRACK_REOPEN);
}

static void before_the_answer_only_the_init_passes(void **state)
{
	struct track t = { 0 };

	OK(&t, FLOW_ORIGINAL, 0, INIT);
	INVALID(&t, FLOW_ORIGINAL, SERVER, COOKIE_ECHO);
	INVALID(&t, FLOW_REPLY, SERVER, INIT_ACK);
	/* the client begins anew, with another tag */
	assert_int_equal(give2(&t, FLOW_ORIGINAL, 0, INIT, NONE, 0xaaaa), FLOW_TRACK_OK);
	INVALID(&t, FLOW_REPLY, CLIENT, INIT_ACK);
	OK(&t, FLOW_REPLY, 0xaaaa, INIT_ACK);
	OK(&t, FLOW_ORIGINAL, SERVER, COOKIE_ECHO);
}

static void a_host_that_came_up_again_associates_again(void **state)
{
	struct track t = associated();

	assert_int_equal(give2(&t, FLOW_ORIGINAL, 0, INIT, NONE, 0xaaaa), FLOW_TRACK_OK);
	assert_int_equal(give2(&t, FLOW_REPLY, 0xaaaa, INIT_ACK, NONE, 0xbbbb), FLOW_TRACK_OK);
	OK(&t, FLOW_ORIGINAL, 0xbbbb, COOKIE_ECHO);
	OK(&t, FLOW_REPLY, 0xaaaa, COOKIE_ACK);
	OK(&t, FLOW_ORIGINAL, 0xbbbb, DATA);
	OK(&t, FLOW_REPLY, 0xaaaa, SACK);
	assert_int_equal(t.head.state, FLOW_SCTP_ESTABLISHED);
	/* while it was shutting down */
	t = associated();
	OK(&t, FLOW_REPLY, CLIENT, SHUTDOWN);
	assert_int_equal(give2(&t, FLOW_REPLY, 0, INIT, NONE, 0xbbbb), FLOW_TRACK_OK);
	assert_int_equal(give2(&t, FLOW_ORIGINAL, 0xbbbb, INIT_ACK, NONE, 0xaaaa), FLOW_TRACK_OK);
	OK(&t, FLOW_REPLY, 0xaaaa, COOKIE_ECHO);
	OK(&t, FLOW_ORIGINAL, 0xbbbb, COOKIE_ACK);
	assert_int_equal(t.head.state, FLOW_SCTP_ESTABLISHED);
}

static void a_forged_init_changes_nothing(void **state)
{
	struct track t = associated();

	assert_int_equal(give2(&t, FLOW_ORIGINAL, 0, INIT, NONE, 0x666), FLOW_TRACK_OK);
	OK(&t, FLOW_REPLY, 0x666, ABORT);
	OK(&t, FLOW_REPLY, 0x666, SHUTDOWN);
	assert_int_equal(t.head.state, FLOW_SCTP_ESTABLISHED);
	OK(&t, FLOW_REPLY, CLIENT, DATA);
	OK(&t, FLOW_ORIGINAL, SERVER, SACK);
	assert_int_equal(t.head.state, FLOW_SCTP_ESTABLISHED);
	/* nor between the answer and the end of the opening */
	t = (struct track){ 0 };
	OK(&t, FLOW_ORIGINAL, 0, INIT);
	OK(&t, FLOW_REPLY, CLIENT, INIT_ACK);
	assert_int_equal(give2(&t, FLOW_ORIGINAL, 0, INIT, NONE, 0x666), FLOW_TRACK_OK);
	OK(&t, FLOW_REPLY, 0x666, ABORT);
	OK(&t, FLOW_ORIGINAL, SERVER, COOKIE_ECHO);
	OK(&t, FLOW_REPLY, CLIENT, COOKIE_ACK);
	assert_int_equal(t.head.state, FLOW_SCTP_ESTABLISHED);
}

static void both_sides_may_associate_at_once(void **state)
{
	struct track t = { 0 };

	OK(&t, FLOW_ORIGINAL, 0, INIT);
	OK(&t, FLOW_REPLY, 0, INIT);
	OK(&t, FLOW_REPLY, CLIENT, INIT_ACK);
	OK(&t, FLOW_ORIGINAL, SERVER, INIT_ACK);
	OK(&t, FLOW_ORIGINAL, SERVER, COOKIE_ECHO);
	OK(&t, FLOW_REPLY, CLIENT, COOKIE_ECHO);
	OK(&t, FLOW_ORIGINAL, SERVER, COOKIE_ACK);
	OK(&t, FLOW_REPLY, CLIENT, COOKIE_ACK);
	assert_int_equal(t.head.state, FLOW_SCTP_ESTABLISHED);
}

static void another_path_is_opened_by_its_heartbeat(void **state)
{
	struct track t = { 0 };

	OK(&t, FLOW_ORIGINAL, SERVER, HEARTBEAT);
	assert_int_equal(t.head.state, FLOW_SCTP_NEW);
	INVALID(&t, FLOW_ORIGINAL, SERVER + 1, DATA);
	OK(&t, FLOW_REPLY, CLIENT, HEARTBEAT_ACK);
	assert_int_equal(t.head.state, FLOW_SCTP_ESTABLISHED);
	INVALID(&t, FLOW_REPLY, CLIENT + 1, ABORT);
	OK(&t, FLOW_REPLY, CLIENT, DATA);
}

static void mid_stream_chunks_open_where_that_is_allowed(void **state)
{
	static const int never[] = { INIT_ACK, ABORT, COMPLETE, ABORT | T };
	struct track t = { 0 };

	INVALID(&t, FLOW_ORIGINAL, SERVER, DATA);
	INVALID(&t, FLOW_ORIGINAL, SERVER, COOKIE_ECHO);
	for (unsigned i = 0; i < 4; i++) {
		INVALID(&t, FLOW_ORIGINAL, SERVER, never[i]);
		t.loose = true;
		INVALID(&t, FLOW_ORIGINAL, SERVER, never[i]);
		t.loose = false;
	}
	t.loose = true;
	OK(&t, FLOW_ORIGINAL, SERVER, DATA);
	assert_true(t.head.flags & FLOW_LOOSE);
	OK(&t, FLOW_REPLY, CLIENT, SACK);
	assert_int_equal(t.head.state, FLOW_SCTP_ESTABLISHED);
}

static void one_direction_is_enough_where_replies_go_another_way(void **state)
{
	struct track t = { .flags = FLOW_ONE_WAY };

	OK(&t, FLOW_ORIGINAL, 0, INIT);
	assert_int_equal(t.head.state, FLOW_SCTP_NEW);
	OK(&t, FLOW_ORIGINAL, SERVER, COOKIE_ECHO);
	assert_int_equal(t.head.state, FLOW_SCTP_ESTABLISHED);
	OK(&t, FLOW_ORIGINAL, 666, ABORT);
	assert_int_equal(t.head.state, FLOW_SCTP_ESTABLISHED);
	OK(&t, FLOW_ORIGINAL, SERVER, SHUTDOWN);
	assert_int_equal(t.head.state, FLOW_SCTP_SHUTDOWN);
}

static void chunks_that_make_no_sense_are_refused(void **state)
{
	static const struct {
		const char *what, *l4;
		unsigned len, payload;
		bool good;
	} cases[] = {
		{ "no chunk", "\0\1\0\2\0\0\0\7\0\0\0\0", 12, 0, false },
		{ "half a chunk header", "\0\1\0\2\0\0\0\7\0\0\0\0\4\0", 14, 0, false },
		{ "length below its header", "\0\1\0\2\0\0\0\7\0\0\0\0\4\0\0\3", 16, 0, false },
		{ "length beyond the datagram", "\0\1\0\2\0\0\0\7\0\0\0\0\4\0\0\5", 16, 0, false },
		{ "the rest in another frame", "\0\1\0\2\0\0\0\7\0\0\0\0\4\0\0\5", 16, 1, true },
		{ "a heartbeat", "\0\1\0\2\0\0\0\7\0\0\0\0\4\0\0\4", 16, 0, true },
		{ "tag 0", "\0\1\0\2\0\0\0\0\0\0\0\0\4\0\0\4", 16, 0, false },
		{ "INIT with a tag", "\0\1\0\2\0\0\0\7\0\0\0\0\1\0\0\x14\0\0\0\1", 20, 12, false },
		{ "INIT", "\0\1\0\2\0\0\0\0\0\0\0\0\1\0\0\x14\0\0\0\1", 20, 12, true },
		{ "INIT of tag 0", "\0\1\0\2\0\0\0\0\0\0\0\0\1\0\0\x14\0\0\0\0", 20, 12, false },
		{ "INIT without its tag", "\0\1\0\2\0\0\0\0\0\0\0\0\1\0\0\4", 16, 0, false },
		{ "INIT with company", "\0\1\0\2\0\0\0\0\0\0\0\0\1\0\0\x8\0\0\0\1\4\0\0\4", 24, 0,
		  false },
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct track t = { 0 };
		enum flow_track_result got =
			track_give(&t, FLOW_ORIGINAL,
				   track_packet(&t, 4, IPPROTO_SCTP, cases[i].l4, cases[i].len,
						cases[i].payload));

		if ((got == FLOW_TRACK_OK) != cases[i].good)
			fail_msg("%s: %d", cases[i].what, got);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_association_opens_and_shuts_down),
		cmocka_unit_test(every_chunk_of_the_opening_may_be_repeated),
		cmocka_unit_test(the_wrong_tag_is_refused_and_ends_nothing),
		cmocka_unit_test(an_abort_ends_the_association),
		cmocka_unit_test(before_the_answer_only_the_init_passes),
		cmocka_unit_test(a_host_that_came_up_again_associates_again),
		cmocka_unit_test(a_forged_init_changes_nothing),
		cmocka_unit_test(both_sides_may_associate_at_once),
		cmocka_unit_test(another_path_is_opened_by_its_heartbeat),
		cmocka_unit_test(mid_stream_chunks_open_where_that_is_allowed),
		cmocka_unit_test(one_direction_is_enough_where_replies_go_another_way),
		cmocka_unit_test(chunks_that_make_no_sense_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
