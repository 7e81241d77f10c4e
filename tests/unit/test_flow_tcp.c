/* SPDX-License-Identifier: Apache-2.0 */
/* TCP tracking: walks through the state diagram, one packet a line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above */
#include <cmocka.h>

#include "support_track.h"

#define WALK(...) walk(&(struct track){ 0 }, (const char *const[]){ __VA_ARGS__, NULL })
#define WALK_LOOSE(...) \
	walk(&(struct track){ .loose = true }, (const char *const[]){ __VA_ARGS__, NULL })

static void walk(struct track *t, const char *const *lines)
{
	track_walk(t, lines);
}

/* Client 1000, server 5000, windows of 65535 bytes. */
#define OPEN                                                                                  \
	"> S 1000 -> ok syn-sent unassured", "< SA 5000 a=1001 -> ok syn-received unassured", \
		"> A 1001 a=5001 -> ok established assured"

static void a_connection_opens_transfers_and_closes(void **state)
{
	WALK(OPEN, "> AP 1001+500 a=5001 -> ok established", "< A 5001 a=1501 -> ok established",
	     "< AP 5001+1000 a=1501 -> ok established", "> A 1501 a=6001 -> ok established",
	     "> AF 1501 a=6001 -> ok fin-wait", "< A 6001 a=1502 -> ok fin-wait",
	     "< AF 6001 a=1502 -> ok closing", "> A 1502 a=6002 -> ok time-wait");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_connection_opens_transfers_and_closes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
