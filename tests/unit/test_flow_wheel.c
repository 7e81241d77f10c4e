/* SPDX-License-Identifier: Apache-2.0 */
/* The timing wheel: every flow is visited at its tick, whatever the clock and the budget do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above */
#include <cmocka.h>

#include "src/flow_wheel.h"

#define FLOWS 500 /* of each width */

struct fixture {
	struct flow_table table; /* the arrays alone */
	struct flow_wheel *wheel;
	uint32_t now;
	/* the model: when each flow is due; in no wheel: 0 */
	uint32_t due[2 * FLOWS];
	bool in[2 * FLOWS];
	uint32_t again; /* what visits answer */
	uint32_t visits, order[4 * FLOWS];
	uint32_t remove; /* handle that a visit removes besides */
};

static uint32_t handle_of(unsigned i)
{
	return i < FLOWS ? i + 1 : (i - FLOWS + 1) | FLOW_WIDE;
}

static unsigned number_of(uint32_t handle)
{
	return handle & FLOW_WIDE ? (handle & FLOW_INDEX) - 1 + FLOWS : handle - 1;
}

static struct fixture *fixture_new(uint32_t now)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->table.narrow = f->table.wide = FLOWS;
	f->table.hot4 = aligned_alloc(64, (FLOWS + 1) * sizeof(struct flow4));
	f->table.hot6 = aligned_alloc(64, (FLOWS + 1) * sizeof(struct flow6));
	f->table.cold4 = calloc(FLOWS + 1, sizeof(struct flow_cold));
	f->table.cold6 = calloc(FLOWS + 1, sizeof(struct flow_cold));
	f->now = now;
	f->wheel = flow_wheel_new(&f->table, now);
	assert_non_null(f->wheel);
	return f;
}

static void fixture_free(struct fixture *f)
{
	flow_wheel_free(f->wheel);
	free(f->table.hot4);
	free(f->table.hot6);
	free(f->table.cold4);
	free(f->table.cold6);
	free(f);
}

static uint32_t visit(void *arg, uint32_t handle, uint32_t now)
{
	struct fixture *f = arg;
	const unsigned i = number_of(handle);

	assert_true(f->in[i]);
	assert_true((int32_t)(now - f->due[i]) >= 0);
	assert_int_equal(flow_cold(&f->table, handle)->next, 0);
	assert_int_equal(flow_cold(&f->table, handle)->prev, 0);
	f->order[f->visits++] = i;
	f->in[i] = f->again != 0;
	f->due[i] = now + f->again;
	if (f->remove) {
		flow_wheel_remove(f->wheel, f->remove);
		f->in[number_of(f->remove)] = false;
		f->remove = 0;
	}
	return f->again;
}

static unsigned advance(struct fixture *f, uint32_t now, unsigned budget)
{
	const struct flow_wheel_visitor visitor = { visit, f };

	f->now = now;
	f->visits = 0;
	return flow_wheel_advance(f->wheel, now, budget, &visitor);
}

static void add(struct fixture *f, unsigned i, uint32_t ticks)
{
	flow_wheel_add(f->wheel, handle_of(i), ticks);
	f->in[i] = true;
	f->due[i] = f->now + (!ticks ? 1 : ticks > FLOW_VISIT_TICKS ? FLOW_VISIT_TICKS : ticks);
}

static unsigned due_in_model(const struct fixture *f, uint32_t now)
{
	unsigned n = 0;

	for (unsigned i = 0; i < 2 * FLOWS; i++)
		n += f->in[i] && (int32_t)(now - f->due[i]) >= 0;
	return n;
}

static void a_flow_is_visited_at_its_tick_and_not_before(void **state)
{
	for (uint32_t ticks = 0; ticks < 200; ticks++) {
		struct fixture *f = fixture_new(0xfffffff0u + ticks); /* the clock wraps */
		const uint32_t start = f->now;
		uint32_t want = ticks ? ticks : 1;

		want = want > FLOW_VISIT_TICKS ? FLOW_VISIT_TICKS : want;
		add(f, 0, ticks);
		for (uint32_t t = 1; t < want; t++) {
			assert_false(flow_wheel_due(f->wheel, start + t));
			assert_int_equal(advance(f, start + t, 10), 0);
		}
		assert_int_equal(flow_wheel_count(f->wheel), 1);
		assert_true(flow_wheel_due(f->wheel, start + want));
		assert_int_equal(advance(f, start + want, 10), 1);
		assert_int_equal(flow_wheel_count(f->wheel), 0);
		assert_false(flow_wheel_due(f->wheel, start + want + 1000));
		fixture_free(f);
	}
}

static void the_budget_bounds_the_visits_and_nothing_is_forgotten(void **state)
{
	struct fixture *f = fixture_new(7);
	unsigned seen = 0;

	for (unsigned i = 0; i < 100; i++)
		add(f, i, 1 + i % 3); /* due at 8, 9, 10 */
	assert_int_equal(advance(f, 10, 0), 0);
	for (unsigned round = 0; round < 15; round++) {
		const unsigned want = round < 14 ? 7 : 2;

		assert_true(flow_wheel_due(f->wheel, 10));
		assert_int_equal(advance(f, 10, 7), want);
		assert_int_equal(f->visits, want);
		for (unsigned k = 0; k < want; k++, seen++) /* the earliest first */
			assert_int_equal(f->order[k] % 3, seen < 34 ? 0 : seen < 67 ? 1 : 2);
	}
	assert_false(flow_wheel_due(f->wheel, 10));
	assert_int_equal(advance(f, 10, 7), 0);
	fixture_free(f);
}

/* While some of a slot waits for the budget, the clock goes on by more than a turn. */
static void what_waits_for_the_budget_goes_before_what_became_due_later(void **state)
{
	struct fixture *f = fixture_new(0);

	for (unsigned i = 0; i < 20; i++)
		add(f, i, 5);
	assert_int_equal(advance(f, 5, 8), 8);
	for (unsigned i = 20; i < 40; i++)
		add(f, i, 64);
	assert_int_equal(advance(f, 5 + 64, 12), 12);
	for (unsigned k = 0; k < 12; k++)
		assert_in_range(f->order[k], 8, 19);
	assert_int_equal(advance(f, 5 + 64, 100), 20);
	assert_int_equal(f->order[0], 20);
	fixture_free(f);
}

static void a_clock_that_jumps_makes_all_due_once(void **state)
{
	static const uint32_t jumps[] = { 64, 65, 127, 128, 1000, 1000000, 0x7fffffff };

	for (unsigned j = 0; j < sizeof(jumps) / sizeof(jumps[0]); j++) {
		struct fixture *f = fixture_new(0xfffff000u);
		const uint32_t then = f->now + jumps[j];

		for (unsigned i = 0; i < 2 * FLOWS; i++)
			add(f, i, i % 64 + 1);
		f->again = 64;
		assert_int_equal(advance(f, then, 5000), 2 * FLOWS);
		for (unsigned k = 1; k < f->visits; k++) /* in order of their deadlines */
			assert_true(f->order[k - 1] % 64 <= f->order[k] % 64 ||
				    f->order[k] >= FLOWS);
		assert_int_equal(advance(f, then + 63, 5000), 0);
		assert_int_equal(advance(f, then + 64, 5000), 2 * FLOWS);
		fixture_free(f);
	}
}

static void a_clock_that_steps_back_is_waited_for(void **state)
{
	struct fixture *f = fixture_new(1000);

	add(f, 0, 2);
	assert_int_equal(advance(f, 900, 10), 0);
	f->now = 1000;
	add(f, 1, 3);
	assert_int_equal(advance(f, 1002, 10), 1);
	assert_int_equal(advance(f, 1003, 10), 1);
	fixture_free(f);
}

static void what_is_removed_is_not_visited(void **state)
{
	struct fixture *f = fixture_new(0);

	for (unsigned i = 0; i < 9; i++)
		add(f, i, 4);
	flow_wheel_remove(f->wheel, handle_of(0)); /* first, middle, last */
	flow_wheel_remove(f->wheel, handle_of(4));
	flow_wheel_remove(f->wheel, handle_of(8));
	flow_wheel_remove(f->wheel, handle_of(8)); /* twice: nothing */
	flow_wheel_remove(f->wheel, handle_of(9)); /* never added */
	assert_int_equal(flow_wheel_count(f->wheel), 6);
	assert_int_equal(advance(f, 4, 2), 2);
	flow_wheel_remove(f->wheel, handle_of(3)); /* due already */
	assert_int_equal(advance(f, 4, 10), 3);
	assert_int_equal(f->order[0], 5);
	assert_int_equal(f->order[2], 7);
	fixture_free(f);
}

static void a_visit_may_remove_the_flow_that_is_next(void **state)
{
	struct fixture *f = fixture_new(0);

	for (unsigned i = 0; i < 4; i++)
		add(f, i, 1);
	f->remove = handle_of(1);
	assert_int_equal(advance(f, 1, 10), 3);
	assert_int_equal(f->order[1], 2);
	assert_int_equal(flow_wheel_count(f->wheel), 0);
	fixture_free(f);
}

/* Random adds, removals, steps of the clock and budgets against a list of deadlines. */
static void it_agrees_with_a_sorted_list_on_random_work(void **state)
{
	struct fixture *f = fixture_new(0xffffff00u);

	srandom(42);
	for (unsigned step = 0; step < 20000; step++) {
		const unsigned i = (unsigned)random() % (2 * FLOWS);
		unsigned count = 0;

		if (!f->in[i]) {
			add(f, i, (uint32_t)random() % 80);
		} else if (random() % 4 == 0) {
			flow_wheel_remove(f->wheel, handle_of(i));
			f->in[i] = false;
		}
		if (random() % 3 == 0) {
			const uint32_t now =
				f->now + (uint32_t)random() % (random() % 50 ? 4 : 300);
			const unsigned budget = (unsigned)random() % 100;
			const unsigned due = due_in_model(f, now);

			f->again = random() % 3 ? (uint32_t)random() % 64 + 1 : 0;
			assert_int_equal(flow_wheel_due(f->wheel, now), due != 0);
			assert_int_equal(advance(f, now, budget), due < budget ? due : budget);
		}
		for (unsigned k = 0; k < 2 * FLOWS && step % 64 == 0; k++)
			count += f->in[k];
		if (step % 64 == 0)
			assert_int_equal(flow_wheel_count(f->wheel), count);
	}
	fixture_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_flow_is_visited_at_its_tick_and_not_before),
		cmocka_unit_test(the_budget_bounds_the_visits_and_nothing_is_forgotten),
		cmocka_unit_test(what_waits_for_the_budget_goes_before_what_became_due_later),
		cmocka_unit_test(a_clock_that_jumps_makes_all_due_once),
		cmocka_unit_test(a_clock_that_steps_back_is_waited_for),
		cmocka_unit_test(what_is_removed_is_not_visited),
		cmocka_unit_test(a_visit_may_remove_the_flow_that_is_next),
		cmocka_unit_test(it_agrees_with_a_sorted_list_on_random_work),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
