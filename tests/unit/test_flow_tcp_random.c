/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two simulated hosts talk TCP through the tracker, over links that lose, delay, reorder and repeat.
 * Whatever they do, as long as it is TCP, no packet is refused; and somebody who guesses numbers
 * neither ends the flow nor gets through.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the ones above */
#include <cmocka.h>

#include "src/bytes.h"
#include "support_track.h"

#define WIRE_MAX 8192
#define RTO 150u
#define TICKS_MAX 400000u

enum host_state { HOST_LISTEN, HOST_SYN_SENT, HOST_SYN_RECEIVED, HOST_OPEN, HOST_RESET };

struct wire_segment {
	uint32_t due;
	bool behind; /* the tracker */
	unsigned from;
	struct track_segment tcp;
	char flags[8];
};

struct host {
	unsigned number;
	enum host_state state;
	uint32_t iss, una, nxt, max; /* sent: unacknowledged, next, highest + 1 */
	uint32_t edge;		     /* right edge of the other's window */
	uint32_t irs, rcv, rcv_edge; /* received up to; announced */
	uint32_t read;		     /* by the application */
	uint32_t total;		     /* bytes to send, then a FIN */
	uint32_t buffer, most;	     /* receive buffer; largest segment */
	int shift, peer_shift;
	uint8_t *got; /* of each byte of the other's, and its FIN */
	uint32_t got_size, progress, syn_data;
	bool ack_soon, aborts;
};

struct world {
	struct track track;
	struct host host[2];
	unsigned client; /* who sent the first packet that the tracker saw */
	uint32_t number, now, seed;
	unsigned loss, copies, jitter; /* of 1000, of 1000, ticks */
	uint32_t blind;		       /* packets that the tracker is not shown at first */
	unsigned refused, attacks, attacks_passed;
	unsigned n;
	struct wire_segment wire[WIRE_MAX];
};

static uint32_t roll(struct world *w, uint32_t below)
{
	w->seed ^= w->seed << 13;
	w->seed ^= w->seed >> 17;
	w->seed ^= w->seed << 5;
	return below ? w->seed % below : 0;
}

static bool chance(struct world *w, unsigned per_mille)
{
	return roll(w, 1000) < per_mille;
}

static bool before(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

/* The wire */

static void wire_put(struct world *w, struct wire_segment s)
{
	const unsigned copies = chance(w, w->loss) ? 0 : 1 + chance(w, w->copies);

	for (unsigned i = 0; i < copies && w->n < WIRE_MAX; i++) {
		s.due = w->now + 5 + roll(w, w->jitter);
		w->wire[w->n] = s;
		w->wire[w->n].tcp.flags = NULL;
		w->n++;
	}
}

static void send_segment(struct world *w, struct host *h, const char *flags, uint32_t seq,
			 uint32_t len)
{
	struct wire_segment s = { .from = h->number };
	const bool syn = strchr(flags, 'S');
	const unsigned shift = !syn && h->shift >= 0 && h->peer_shift >= 0 ? (unsigned)h->shift : 0;
	const uint32_t room = h->buffer - (h->rcv - h->read);
	uint32_t window = (room + (1u << shift) - 1) >> shift;

	window = window > UINT16_MAX ? UINT16_MAX : window;
	snprintf(s.flags, sizeof(s.flags), "%s", flags);
	s.tcp = (struct track_segment){
		.seq = seq, .length = len, .window = (uint16_t)window, .shift = syn ? h->shift : -1
	};
	if (strchr(flags, 'A'))
		s.tcp.ack = h->rcv;
	if (before(h->rcv_edge, h->rcv + (window << shift)))
		h->rcv_edge = h->rcv + (window << shift);
	seq += len + syn + !!strchr(flags, 'F');
	if (before(h->max, seq))
		h->max = seq;
	h->ack_soon = false;
	wire_put(w, s);
}

/* A host */

static uint32_t fin_of(const struct host *h)
{
	return h->iss + 1 + h->total;
}

static void syn_send(struct world *w, struct host *h)
{
	const bool answers = h->state == HOST_SYN_RECEIVED;

	send_segment(w, h, answers ? "SA" : "S", h->iss, answers ? 0 : h->syn_data);
	h->progress = w->now;
}

/* From `seq` on as much as the window lets, with the FIN where it comes. Returns what was sent. */
static uint32_t data_send(struct world *w, struct host *h, uint32_t seq, uint32_t end)
{
	const uint32_t fin = fin_of(h);
	uint32_t len = 1 + roll(w, h->most);
	bool last;

	if (before(end, seq + len))
		len = end - seq;
	if (before(fin, seq + len))
		len = fin - seq;
	last = seq + len == fin && (len == 0 || before(seq + len, end));
	if (len || last)
		send_segment(w, h, last ? "AF" : chance(w, 300) ? "AP" : "A", seq, len);
	return len + last;
}

static bool all_acknowledged(const struct host *h)
{
	return h->una == fin_of(h) + 1;
}

static void probe_send(struct world *w, struct host *h)
{
	const bool more = before(h->nxt, fin_of(h));

	h->progress = w->now;
	if (h->una == h->nxt && more && chance(w, 500))
		send_segment(w, h, "A", h->nxt, 1); /* beyond the window, which is shut */
	else
		send_segment(w, h, "A", h->una - 1, 0);
}

static void host_sends(struct world *w, struct host *h)
{
	const uint32_t fin_end = fin_of(h) + 1;

	for (unsigned i = 0; i < 4 && before(h->nxt, h->edge) && before(h->nxt, fin_end); i++) {
		h->nxt += data_send(w, h, h->nxt, h->edge);
		if (chance(w, 500))
			break;
	}
	if (h->una != h->max && w->now - h->progress > RTO) { /* from the first hole again */
		h->progress = w->now;
		h->nxt = before(h->una, h->edge) ? h->una + data_send(w, h, h->una, h->edge) :
						   h->una;
		if (h->una == h->nxt)
			probe_send(w, h);
	} else if (before(h->una, h->max) && before(h->una, h->edge) && chance(w, 10)) {
		data_send(w, h, h->una + roll(w, (h->max - h->una)), h->edge); /* needlessly */
	} else if (w->now - h->progress > RTO && !all_acknowledged(h)) {
		probe_send(w, h);
	} else if (h->una == h->max && chance(w, 3)) { /* keep-alive */
		send_segment(w, h, "A", h->nxt - 1, roll(w, 2));
	}
}

static void host_acts(struct world *w, struct host *h)
{
	switch (h->state) {
	case HOST_LISTEN:
	case HOST_RESET: return;
	case HOST_SYN_SENT:
	case HOST_SYN_RECEIVED:
		if (w->now - h->progress > RTO)
			syn_send(w, h);
		return;
	case HOST_OPEN: break;
	}
	if (h->aborts && chance(w, 2)) {
		send_segment(w, h, "RA", h->max, 0);
		h->state = HOST_RESET;
		return;
	}
	if (chance(w, 200)) {
		const bool shut = h->rcv_edge - h->rcv < h->buffer / 2;

		h->read += roll(w, h->rcv - h->read + 1);
		h->ack_soon |= shut;
	}
	host_sends(w, h);
	if (h->ack_soon && chance(w, 300))
		send_segment(w, h, "A", h->nxt, 0);
}

static void host_hears_syn(struct world *w, struct host *h, const struct wire_segment *s)
{
	const bool answer = strchr(s->flags, 'A') != NULL;

	if (h->state == HOST_SYN_SENT && answer) {
		if (s->tcp.ack == h->iss || before(h->max, s->tcp.ack))
			return;
		h->una = h->nxt = s->tcp.ack;
	}
	h->irs = s->tcp.seq;
	h->rcv = h->read = h->rcv_edge = s->tcp.seq + 1;
	h->peer_shift = s->tcp.shift;
	h->edge = h->una + (answer ? s->tcp.window : 0);
	if (h->state == HOST_SYN_SENT && answer) {
		h->state = HOST_OPEN;
		send_segment(w, h, "A", h->nxt, 0);
		return;
	}
	if (s->tcp.length && chance(w, 500)) { /* data of the SYN is taken, or not */
		memset(h->got, 1, s->tcp.length);
		h->rcv += s->tcp.length;
	}
	h->state = HOST_SYN_RECEIVED;
	syn_send(w, h);
}

static void host_hears_ack(struct world *w, struct host *h, const struct wire_segment *s)
{
	const unsigned shift = h->shift >= 0 && h->peer_shift >= 0 ? (unsigned)h->peer_shift : 0;
	const uint32_t edge =
		s->tcp.ack + ((uint32_t)s->tcp.window << (strchr(s->flags, 'S') ? 0 : shift));

	if (before(h->max, s->tcp.ack))
		return;
	if (before(h->una, s->tcp.ack)) {
		h->una = s->tcp.ack;
		h->progress = w->now;
		if (before(h->nxt, h->una))
			h->nxt = h->una;
	}
	if (before(h->edge, edge))
		h->edge = edge;
}

static void host_hears_data(struct world *w, struct host *h, const struct wire_segment *s)
{
	const uint32_t len = s->tcp.length + !!strchr(s->flags, 'F'), end = s->tcp.seq + len;
	const uint32_t from = before(s->tcp.seq, h->rcv) ? h->rcv : s->tcp.seq;
	const uint32_t to = before(h->rcv_edge, end) ? h->rcv_edge : end;

	if (before(from, to)) {
		assert_true(to - h->irs - 1 <= h->got_size);
		memset(h->got + (from - h->irs - 1), 1, to - from);
		while (h->rcv - h->irs - 1 < h->got_size && h->got[h->rcv - h->irs - 1])
			h->rcv++;
	}
	h->ack_soon |= len || s->tcp.seq != h->rcv;
	if (h->ack_soon && chance(w, 700))
		send_segment(w, h, "A", h->nxt, 0);
}

static void host_hears_reset(struct world *w, struct host *h, const struct wire_segment *s)
{
	if (s->tcp.seq == h->rcv)
		h->state = HOST_RESET;
	else if (s->tcp.seq - h->rcv < h->rcv_edge - h->rcv)
		send_segment(w, h, "A", h->nxt, 0); /* challenge */
}

static void host_hears(struct world *w, struct host *h, const struct wire_segment *s)
{
	if (h->state == HOST_RESET) {
		if (!strchr(s->flags, 'R') && strchr(s->flags, 'A'))
			send_segment(w, h, "R", s->tcp.ack, 0);
		return;
	}
	if (strchr(s->flags, 'R')) {
		if (h->state != HOST_LISTEN)
			host_hears_reset(w, h, s);
		return;
	}
	if (h->state == HOST_LISTEN || h->state == HOST_SYN_SENT) {
		if (strchr(s->flags, 'S'))
			host_hears_syn(w, h, s);
		return;
	}
	if (strchr(s->flags, 'S') && !strchr(s->flags, 'A')) {
		h->ack_soon = h->state == HOST_OPEN; /* challenge, or our SYN-ACK again */
		return;
	}
	host_hears_ack(w, h, s);
	if (h->state == HOST_SYN_RECEIVED && before(h->iss, h->una)) {
		h->state = HOST_OPEN;
		h->progress = w->now;
	}
	if (strchr(s->flags, 'S'))
		h->ack_soon = true;
	else
		host_hears_data(w, h, s);
}

/* The tracker */

/* A reset that answers an older packet than the tracker has seen is of no use to anybody. */
static bool may_be_refused(const struct world *w, enum flow_direction d,
			   const struct wire_segment *s)
{
	return strchr(s->flags, 'R') && before(s->tcp.seq, w->track.head.tcp.acked[!d]);
}

static void tracker_passes(struct world *w, struct wire_segment *s)
{
	enum flow_track_result result;
	enum flow_direction d;

	s->tcp.flags = s->flags;
	if (w->blind && !(w->host[0].state == HOST_OPEN && w->host[1].state == HOST_OPEN &&
			  !strpbrk(s->flags, "SR")))
		goto pass;
	if (w->blind && --w->blind)
		goto pass;
	if (!w->track.open)
		w->client = s->from;
	d = s->from == w->client ? FLOW_ORIGINAL : FLOW_REPLY;
	result = track_give(&w->track, d, track_tcp(&w->track, &s->tcp));
	if (result == FLOW_TRACK_INVALID && may_be_refused(w, d, s)) {
		w->refused++;
		return;
	}
	if (result != FLOW_TRACK_OK && result != FLOW_TRACK_SYN) {
		const struct flow_head *head = &w->track.head;

		fail_msg(
			"seed %u tick %u: %c %s %u+%u a=%u w=%u refused (%d) in %s; end %u %u acked "
			"%u %u window %u %u scale %x",
			w->seed, w->now, d ? '<' : '>', s->flags, s->tcp.seq, s->tcp.length,
			s->tcp.ack, s->tcp.window, result, flow_state_name(head->state),
			head->tcp.end[0], head->tcp.end[1], head->tcp.acked[0], head->tcp.acked[1],
			head->tcp.max_window[0], head->tcp.max_window[1], head->tcp_scale);
	}
pass:
	s->behind = true;
	wire_put(w, *s);
}

static void wire_moves(struct world *w)
{
	for (unsigned i = 0; i < w->n;) {
		struct wire_segment s = w->wire[i];

		if (s.due > w->now) {
			i++;
			continue;
		}
		w->wire[i] = w->wire[--w->n];
		if (s.behind)
			host_hears(w, &w->host[!s.from], &s);
		else
			tracker_passes(w, &s);
	}
}

/* Worlds */

static void host_set_up(struct world *w, unsigned number, bool scaling)
{
	struct host *h = &w->host[number];

	h->number = number;
	h->iss = chance(w, 500) ? 0u - roll(w, 200000) : roll(w, UINT32_MAX);
	h->una = h->nxt = h->max = h->edge = h->iss;
	h->shift = scaling && !chance(w, 150) ? (int)roll(w, 15) : -1;
	h->peer_shift = -1;
	h->buffer = 500 + roll(w, h->shift > 0 && chance(w, 500) ? 2000000 : 65000);
	h->most = chance(w, 200) ? 60000 : 1 + roll(w, 1460);
	h->una++;
	h->nxt++;
}

static struct world *world_new(uint32_t seed, bool loose)
{
	struct world *w = calloc(1, sizeof(*w));
	const bool scaling = seed % 4 != 0;

	w->number = seed;
	w->seed = seed * 2654435761u + 1;
	w->now = 1000;
	w->loss = chance(w, 300) ? 0 : roll(w, 80);
	w->copies = chance(w, 300) ? 0 : roll(w, 50);
	w->jitter = 1 + roll(w, 12);
	for (unsigned i = 0; i < 2; i++)
		host_set_up(w, i, scaling);
	for (unsigned i = 0; i < 2; i++) {
		const uint32_t a = w->host[i].most * 60, b = w->host[!i].buffer * 6;

		w->host[i].total = chance(w, 100) ? 0 : roll(w, a < b ? a : b);
	}
	for (unsigned i = 0; i < 2; i++) {
		w->host[i].got_size = w->host[!i].total + 1;
		w->host[i].got = calloc(1, w->host[i].got_size);
	}
	if (chance(w, 150)) /* data in the SYN */
		w->host[0].syn_data =
			roll(w, (w->host[0].total < 1400 ? w->host[0].total : 1400) + 1);
	if (loose) {
		w->track.loose = true;
		w->blind = 1 + roll(w, 100);
	}
	return w;
}

static void world_free(struct world *w)
{
	free(w->host[0].got);
	free(w->host[1].got);
	free(w);
}

static bool world_is_done(const struct world *w)
{
	const struct host *h = w->host;

	if (h[0].state == HOST_RESET || h[1].state == HOST_RESET)
		return h[0].state == h[1].state;
	return h[0].state == HOST_OPEN && h[1].state == HOST_OPEN && all_acknowledged(&h[0]) &&
	       all_acknowledged(&h[1]);
}

static void begin(struct world *w, unsigned number)
{
	w->host[number].state = HOST_SYN_SENT;
	syn_send(w, &w->host[number]);
}

/* Until both have heard all, or are reset. */
static void world_runs(struct world *w, void (*meanwhile)(struct world *))
{
	for (; !world_is_done(w); w->now++) {
		if (w->now > TICKS_MAX)
			fail_msg("world %u never ends: una %u of %u, %u of %u", w->number,
				 w->host[0].una, fin_of(&w->host[0]), w->host[1].una,
				 fin_of(&w->host[1]));
		host_acts(w, &w->host[0]);
		host_acts(w, &w->host[1]);
		wire_moves(w);
		if (meanwhile)
			meanwhile(w);
	}
}

static void honest_packets_are_never_refused(void **state)
{
	for (uint32_t seed = 1; seed <= 3000; seed++) {
		struct world *w = world_new(seed, false);

		begin(w, 0);
		world_runs(w, NULL);
		assert_int_equal(w->track.head.state, FLOW_TCP_TIME_WAIT);
		assert_true(w->track.head.flags & FLOW_ASSURED);
		assert_int_equal(w->refused, 0);
		world_free(w);
	}
}

static void nor_where_both_sides_open_at_once(void **state)
{
	for (uint32_t seed = 1; seed <= 500; seed++) {
		struct world *w = world_new(seed, false);

		w->host[0].syn_data = 0;
		begin(w, 0);
		begin(w, 1);
		world_runs(w, NULL);
		assert_int_equal(w->track.head.state, FLOW_TCP_TIME_WAIT);
		world_free(w);
	}
}

static void nor_where_the_flow_was_picked_up_in_mid_stream(void **state)
{
	unsigned picked_up = 0;

	for (uint32_t seed = 1; seed <= 1000; seed++) {
		struct world *w = world_new(seed, true);

		begin(w, 0);
		world_runs(w, NULL);
		picked_up += w->track.open && w->track.head.state == FLOW_TCP_TIME_WAIT;
		world_free(w);
	}
	assert_in_range(picked_up, 500, 1000);
}

static void a_side_that_aborts_ends_the_flow_for_the_tracker_too(void **state)
{
	unsigned reset = 0;

	for (uint32_t seed = 1; seed <= 1000; seed++) {
		struct world *w = world_new(seed, false);

		w->host[seed & 1].aborts = true;
		w->jitter = 1; /* or it could overtake what it has to be next to */
		begin(w, 0);
		world_runs(w, NULL);
		if (w->host[0].state == HOST_RESET) {
			assert_int_equal(w->track.head.state, FLOW_TCP_CLOSED);
			reset++;
		}
		world_free(w);
	}
	assert_in_range(reset, 250, 1000);
}

/* An off-path attacker: any flags, any numbers, either direction. */
static void attack(struct world *w)
{
	static const char *const flags[] = { "A", "AP", "R", "RA", "AF", "SA", "R", "AF" };

	if (!w->track.open || w->track.head.state < FLOW_TCP_ESTABLISHED)
		return;
	for (unsigned i = 0; i < 40; i++) {
		const struct track_segment s = {
			.flags = flags[roll(w, 8)],
			.seq = (uint32_t)random() << 16 ^ (uint32_t)random(),
			.ack = (uint32_t)random() << 16 ^ (uint32_t)random(),
			.length = roll(w, 1400),
			.window = (uint16_t)roll(w, 65536),
			.shift = -1
		};
		const uint8_t before_it = w->track.head.state;

		w->attacks++;
		w->attacks_passed += track_give(&w->track, roll(w, 2), track_tcp(&w->track, &s)) ==
				     FLOW_TRACK_OK;
		assert_int_equal(w->track.head.state, before_it);
	}
}

static void who_guesses_numbers_neither_ends_the_flow_nor_gets_through(void **state)
{
	unsigned attacks = 0, passed = 0;

	srandom(7);
	for (uint32_t seed = 4; seed <= 400; seed += 4) { /* without window scale */
		struct world *w = world_new(seed, false);

		begin(w, 0);
		world_runs(w, attack);
		assert_int_equal(w->track.head.state, FLOW_TCP_TIME_WAIT);
		attacks += w->attacks;
		passed += w->attacks_passed;
		world_free(w);
	}
	assert_true(attacks > 1000000);
	/* 2^18 of 2^32 sequence numbers are near the window, and most need such an acknowledgement
	 * as well */
	assert_true(passed <= attacks >> 14);
}

/* Two workers: this thread has direction 0, another one direction 1, step by step together. */

#define SPINS 5000

struct together {
	struct track track[2]; /* one flow: the first one's; each its own packet */
	unsigned ready, step, done;
	bool end;
};

static void wait_for(unsigned *what, unsigned value)
{
	for (unsigned n = 0; __atomic_load_n(what, __ATOMIC_ACQUIRE) != value; n++)
		if (n > SPINS)
			sched_yield();
}

static void *other_worker(void *arg)
{
	struct together *t = arg;

	for (unsigned step = 1;; step++) {
		__atomic_store_n(&t->ready, step, __ATOMIC_RELEASE);
		wait_for(&t->step, step);
		if (t->end)
			return NULL;
		flow_track(&t->track[0].head, FLOW_REPLY, &t->track[1].packet, 0);
		__atomic_store_n(&t->done, step, __ATOMIC_RELEASE);
	}
}

static void at_once(struct together *t, const char *flags, uint32_t seq, uint32_t ack)
{
	const unsigned step = t->step + 1;

	for (unsigned d = 0; d < 2; d++) {
		const struct track_segment s = { .flags = flags,
						 .seq = d ? ack : seq,
						 .ack = d ? seq : ack,
						 .window = 100,
						 .shift = -1 };

		track_tcp(&t->track[d], &s);
	}
	wait_for(&t->ready, step);
	__atomic_store_n(&t->step, step, __ATOMIC_RELEASE);
	for (volatile unsigned skew = step % 64; skew; skew--)
		;
	flow_track(&t->track[0].head, FLOW_ORIGINAL, &t->track[0].packet, 0);
	wait_for(&t->done, step);
}

static void two_workers_at_once_lose_nothing(void **state)
{
	static const char *const open[] = { "> S 1000 -> ok syn-sent",
					    "< SA 5000 a=1001 -> ok syn-received",
					    "> A 1001 a=5001 -> ok established", NULL };
	struct together *t = calloc(1, sizeof(*t));
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, other_worker, t), 0);
	for (unsigned i = 0; i < 20000; i++) {
		t->track[0].open = false;
		track_walk(&t->track[0], open);
		at_once(t, "AF", 1001, 5001);
		assert_int_equal(t->track[0].head.state, FLOW_TCP_CLOSING);
		at_once(t, "A", 1002, 5002);
		assert_int_equal(t->track[0].head.state, FLOW_TCP_TIME_WAIT);
	}
	t->end = true;
	__atomic_store_n(&t->step, t->step + 1, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(honest_packets_are_never_refused),
		cmocka_unit_test(nor_where_both_sides_open_at_once),
		cmocka_unit_test(nor_where_the_flow_was_picked_up_in_mid_stream),
		cmocka_unit_test(a_side_that_aborts_ends_the_flow_for_the_tracker_too),
		cmocka_unit_test(who_guesses_numbers_neither_ends_the_flow_nor_gets_through),
		cmocka_unit_test(two_workers_at_once_lose_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
