/* SPDX-License-Identifier: Apache-2.0 */
/* Labels: stable names, counters of each worker, and numbers that come back. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
/* cmocka wants the four above */
#include <cmocka.h>

#include "src/flow_label.h"

#define LABELS (FLOW_LABELS_MAX - 1)

static int start(void **state)
{
	return flow_labels_start(2);
}

static int stop(void **state)
{
	flow_labels_stop();
	return 0;
}

static uint32_t named(unsigned i)
{
	char name[32];
	int label;

	snprintf(name, sizeof(name), "rule%u", i);
	label = flow_label_register("firewall:edge", name);
	assert_true(label > 0 && label < (int)FLOW_LABELS_MAX);
	return (uint32_t)label;
}

static void owner_and_name_are_one_label_for_ever(void **state)
{
	const int web = flow_label_register("firewall:edge", "web");
	const int other = flow_label_register("firewall:core", "web");

	assert_true(web > 0 && other > 0 && web != other);
	assert_int_equal(flow_label_register("firewall:edge", "web"), web);
	assert_string_equal(flow_label_name((uint32_t)web), "firewall:edge/web");
	assert_string_equal(flow_label_name((uint32_t)other), "firewall:core/web");
	assert_string_equal(flow_label_name(0), "");
	assert_string_equal(flow_label_name(LABELS), "");
	assert_string_equal(flow_label_name(UINT32_MAX), "");
	assert_int_equal(flow_labels_count(), 2);
	assert_int_equal(flow_label_register("firewall:edg", "e/web"), 3); /* another split */
	assert_int_equal(flow_label_register("firewall:edge", ""), 4);
}

static void a_reload_keeps_the_label_and_its_counters(void **state)
{
	const uint32_t web = named(1);
	struct flow_label_counters sum;

	flow_label_opened(flow_label_of(0, web));
	flow_label_hit(flow_label_of(0, web), 500);
	assert_int_equal(named(1), web); /* the new instance */
	flow_label_release(web);	 /* the old one's end */
	assert_string_equal(flow_label_name(web), "firewall:edge/rule1");
	flow_label_read(web, &sum);
	assert_int_equal(sum.opened, 1);
	assert_int_equal(sum.last_ns, 500);
}

static void counters_are_summed_over_the_workers(void **state)
{
	const uint32_t web = named(1), next = named(2);
	struct flow_label_counters sum;

	for (unsigned worker = 0; worker < 2; worker++) {
		struct flow_label_counters *mine = flow_label_of(worker, web);

		for (unsigned i = 0; i < 3 + worker; i++)
			flow_label_opened(mine);
		flow_label_closed(mine, 10, 1000);
		flow_label_hit(mine, 900 - worker);
		flow_label_add(&mine->packets, 1); /* one that got no flow */
	}
	flow_label_read(web, &sum);
	assert_int_equal(sum.opened, 7);
	assert_int_equal(sum.closed, 2);
	assert_int_equal(sum.packets, 22);
	assert_int_equal(sum.bytes, 2000);
	assert_int_equal(sum.last_ns, 900);
	assert_int_equal(flow_label_alive(web), 5);
	flow_label_read(next, &sum);
	assert_int_equal(sum.opened + sum.closed + sum.packets + sum.last_ns, 0);
	assert_int_equal(flow_label_alive(next), 0);
	flow_label_closed(flow_label_of(1, next), 0, 0); /* before the other has counted it */
	assert_int_equal(flow_label_alive(next), 0);
	flow_label_opened(flow_label_of(0, next));
	assert_int_equal(flow_label_alive(next), 0);
}

static void a_label_lives_as_long_as_a_reference(void **state)
{
	const uint32_t web = named(1);

	assert_int_equal(named(1), web);
	flow_label_release(web);
	assert_string_equal(flow_label_name(web), "firewall:edge/rule1");
	flow_label_release(web);
	assert_string_equal(flow_label_name(web), "");
	assert_int_equal(flow_labels_count(), 0);
	flow_label_release(0);
}

static void a_label_lives_as_long_as_a_flow(void **state)
{
	const uint32_t old = named(1);

	flow_label_opened(flow_label_of(0, old));
	flow_label_release(old);
	for (unsigned i = 100; i < 200; i++)
		assert_int_not_equal(named(i), old);
	assert_string_equal(flow_label_name(old), "firewall:edge/rule1");
	flow_label_closed(flow_label_of(1, old), 1, 60); /* another worker than opened it */
	assert_int_equal(named(200), old);		 /* looked at, found free, given out */
	assert_string_equal(flow_label_name(old), "firewall:edge/rule200");
}

static void a_label_that_is_given_out_again_counts_from_zero(void **state)
{
	const uint32_t old = named(1);
	struct flow_label_counters sum;

	flow_label_opened(flow_label_of(1, old));
	flow_label_closed(flow_label_of(1, old), 7, 700);
	flow_label_hit(flow_label_of(1, old), 5);
	flow_label_release(old);
	assert_int_equal(named(2), old);
	flow_label_read(old, &sum);
	assert_int_equal(sum.opened + sum.closed + sum.packets + sum.bytes + sum.last_ns, 0);
}

static void a_name_that_comes_back_in_time_finds_its_flows(void **state)
{
	const uint32_t old = named(1);

	flow_label_opened(flow_label_of(0, old));
	flow_label_release(old);
	assert_int_equal(named(1), old);
	flow_label_release(old); /* again, while it still stands in the queue */
	assert_int_equal(named(1), old);
	flow_label_closed(flow_label_of(0, old), 1, 1);
	for (unsigned i = 2; i < 10; i++)
		assert_int_not_equal(named(i), old); /* referred to: not given away */
	flow_label_release(old);
	assert_string_equal(flow_label_name(old), "");
}

static void a_label_waits_once_however_often_it_is_released(void **state)
{
	const uint32_t old = named(1);
	uint32_t next;

	flow_label_opened(flow_label_of(0, old));
	for (unsigned i = 0; i < 5; i++) {
		flow_label_release(old);
		assert_int_equal(named(1), old);
	}
	flow_label_release(old);
	flow_label_closed(flow_label_of(0, old), 1, 1);
	next = named(2);
	for (unsigned i = 3; i < 20; i++)
		assert_int_not_equal(named(i), next);
	assert_int_equal(flow_labels_count(), 18);
}

static void changes_without_end_need_no_more_labels_than_there_are(void **state)
{
	uint32_t highest = 0;

	/* rules come and go, and each leaves a flow that ends a thousand changes later */
	for (unsigned i = 0; i < 400000; i++) {
		static uint32_t living[1000];
		const uint32_t label = named(i);

		highest = label > highest ? label : highest;
		if (i >= 1000)
			flow_label_closed(flow_label_of(0, living[i % 1000]), 1, 1);
		flow_label_opened(flow_label_of(0, label));
		living[i % 1000] = label;
		flow_label_release(label);
	}
	assert_in_range(highest, 1000, 4000);
}

static void when_all_are_taken_it_says_so(void **state)
{
	uint32_t first = named(0);

	for (unsigned i = 1; i < LABELS; i++)
		named(i);
	assert_int_equal(flow_labels_count(), LABELS);
	assert_int_equal(flow_label_register("nat:out", "more"), -ENOSPC);
	assert_int_equal(named(5), first + 5); /* known names still do */
	flow_label_opened(flow_label_of(0, first));
	for (unsigned i = 0; i < 10; i++) { /* these wait in front of the one that is free */
		flow_label_opened(flow_label_of(0, first + 10 + i));
		flow_label_release(first + 10 + i);
	}
	assert_int_equal(flow_label_register("nat:out", "more"), -ENOSPC);
	flow_label_closed(flow_label_of(0, first + 19), 0, 0);
	assert_int_equal(flow_label_register("nat:out", "more"), first + 19);
}

static void it_starts_once_and_again_after_a_stop(void **state)
{
	assert_int_equal(flow_labels_start(0), -EINVAL);
	assert_int_equal(flow_labels_start(65), -EINVAL);
	assert_int_equal(flow_labels_start(64), 0);
	assert_int_equal(flow_labels_start(1), -EALREADY);
	named(1);
	flow_labels_stop();
	assert_string_equal(flow_label_name(1), "");
	assert_int_equal(flow_labels_start(1), 0);
	assert_int_equal(flow_labels_count(), 0);
	flow_labels_stop();
	flow_labels_stop();
}

#define LABEL_TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LABEL_TEST(owner_and_name_are_one_label_for_ever),
		LABEL_TEST(a_reload_keeps_the_label_and_its_counters),
		LABEL_TEST(counters_are_summed_over_the_workers),
		LABEL_TEST(a_label_lives_as_long_as_a_reference),
		LABEL_TEST(a_label_lives_as_long_as_a_flow),
		LABEL_TEST(a_label_that_is_given_out_again_counts_from_zero),
		LABEL_TEST(a_name_that_comes_back_in_time_finds_its_flows),
		LABEL_TEST(a_label_waits_once_however_often_it_is_released),
		LABEL_TEST(changes_without_end_need_no_more_labels_than_there_are),
		LABEL_TEST(when_all_are_taken_it_says_so),
		cmocka_unit_test(it_starts_once_and_again_after_a_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
