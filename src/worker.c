/* SPDX-License-Identifier: Apache-2.0 */
/* Worker threads: life, the loop, sleeping and waking. What a round does is in worker_burst.c. */
#include "worker.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include <urcu-qsbr.h>

#include "clock.h"
#include "flows.h"
#include "flow_policy.h"
#include "flow_route.h"
#include "neighbour_wait.h"
#include "privilege.h"
#include "reassembly.h"

#define HANDOVER_RING_MAX 4096 /* 256 KiB, for each pair of workers */
#define HANDOVER_RING_MIN 512
#define QUESTION_RING 512
#define EVENT_RING 1024
#define SLEEP_MAX_NS 1000000000ull
#define STALL_NS 1000000ull /* between two kicks of a queue that takes nothing */
#define POLL_FDS_MAX 257

/* --- the thread --- */

static void worker_adopt_set(struct worker *worker)
{
	const struct worker_set *set = __atomic_load_n(&worker->set, __ATOMIC_ACQUIRE);

	if (set == worker->set_in_use)
		return;
	worker->set_in_use = set;
	worker->dp.icmp_rate = set->icmp_rate;
	__atomic_store_n(&worker->seen, set->generation, __ATOMIC_RELEASE);
}

/* What packets are judged by, read before any of it is. */
static void worker_refresh(struct worker *worker)
{
	struct datapath *dp = &worker->dp;

	dp->flows = __atomic_load_n(&worker->all->flows, __ATOMIC_ACQUIRE);
	dp->reassembly = dp->flows ? flow_worker(dp)->reassembly : NULL;
	dp->policy = flow_policy_generation();
	dp->route = flow_route_generation(__atomic_load_n(&dp->fib->generation, __ATOMIC_ACQUIRE));
	if (dp->flows)
		flow_wake(dp);
}

static unsigned worker_flow_round(struct worker *worker)
{
	reassembly_poll(&worker->dp);
	return flow_round(&worker->dp);
}

static unsigned worker_round(struct worker *worker, const struct worker_set *set)
{
	unsigned work = 0;

	for (unsigned i = 0; i < set->n_queues; i++) {
		struct queue *queue = set->queues[i];

		queue_complete(queue, worker->dp.frames);
		work += worker_receive(worker, queue);
		queue_refill(queue, worker->dp.frames);
	}
	work += worker_take_over(worker);
	neighbour_wait_poll(&worker->dp);
	if (worker->dp.flows)
		work += worker_flow_round(worker);
	worker_flush(worker);
	return work;
}

/* Is there anything that forbids sleeping? Called after `sleeping` was announced. */
static bool worker_has_work(struct worker *worker, const struct worker_set *set)
{
	if (__atomic_load_n(&worker->set, __ATOMIC_ACQUIRE) != set ||
	    __atomic_load_n(&worker->all->stop, __ATOMIC_ACQUIRE))
		return true;
	for (unsigned i = 0; i < set->n_queues; i++) {
		struct queue *queue = set->queues[i];

		if (queue_has_rx(queue) || (queue->tx_unkicked && !queue->tx_stalled))
			return true;
	}
	for (unsigned i = 0; i < worker->all->n; i++) {
		struct spsc *ring = worker->all->worker[i]->to[worker->dp.index];

		if (ring && spsc_available(ring, 1))
			return true;
	}
	return false;
}

/* Until when it may sleep. */
static uint64_t worker_sleep_max(const struct worker_set *set)
{
	for (unsigned i = 0; i < set->n_queues; i++)
		if (set->queues[i]->tx_stalled)
			return STALL_NS;
	return SLEEP_MAX_NS;
}

static void worker_sleep(struct worker *worker, const struct worker_set *set)
{
	struct pollfd fds[POLL_FDS_MAX];
	uint64_t due, now, wait, drained, most = worker_sleep_max(set);
	nfds_t n = 0;
	int ready = 0;

	if (set->n_queues >= POLL_FDS_MAX)
		return; /* never asleep rather than deaf to some */
	fds[n++] = (struct pollfd){ .fd = worker->event, .events = POLLIN };
	for (unsigned i = 0; i < set->n_queues; i++)
		fds[n++] = (struct pollfd){ .fd = set->queues[i]->fd, .events = POLLIN };
	__atomic_store_n(&worker->sleeping, 1, __ATOMIC_SEQ_CST);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	/* after the announcement: a change of the FIB is seen here, or its kick finds us asleep */
	due = neighbour_wait_next_ns(&worker->dp);
	if (worker->dp.reassembly && reassembly_next_ns(&worker->dp) < due)
		due = reassembly_next_ns(&worker->dp);
	now = clock_now_ns();
	wait = due > now ? due - now : 0;
	wait = wait < most ? wait : most;
	if (!worker_has_work(worker, set)) {
		struct timespec timeout = { .tv_sec = (time_t)(wait / 1000000000),
					    .tv_nsec = (long)(wait % 1000000000) };

		datapath_count(&worker->stats.sleeps, 1);
		if (worker->dp.flows)
			flow_sleep(&worker->dp);
		urcu_qsbr_thread_offline();
		ready = ppoll(fds, n, &timeout, NULL);
		urcu_qsbr_thread_online();
		if (ready > 0)
			datapath_count(&worker->stats.wakeups, 1);
	}
	__atomic_store_n(&worker->sleeping, 0, __ATOMIC_RELAXED);
	if (ready > 0 && fds[0].revents && read(worker->event, &drained, sizeof(drained)) < 0)
		return; /* somebody else's wake-up was drained with ours: nothing is lost */
}

static void worker_name(const struct worker *worker)
{
	char name[16];

	snprintf(name, sizeof(name), "visor-w%u", worker->dp.index);
	pthread_setname_np(pthread_self(), name);
}

static void *worker_main(void *arg)
{
	struct worker *worker = arg;
	uint64_t idle_since = clock_now_ns();
	int begun;

	worker_name(worker);
	begun = privilege_confine_worker();
	__atomic_store_n(&worker->begun, begun ? begun : 1, __ATOMIC_RELEASE);
	if (begun)
		return NULL;
	urcu_qsbr_register_thread();
	while (!__atomic_load_n(&worker->all->stop, __ATOMIC_ACQUIRE)) {
		uint64_t start = clock_now_ns();
		const struct worker_set *set;

		worker_adopt_set(worker);
		set = worker->set_in_use;
		worker->dp.now_ns = start;
		worker_refresh(worker);
		datapath_count(&worker->stats.rounds, 1);
		if (worker_round(worker, set)) {
			idle_since = clock_now_ns();
			datapath_count(&worker->stats.busy_ns, idle_since - start);
		} else if (set->poll != POLL_BUSY && start - idle_since >= set->spin_ns) {
			urcu_qsbr_quiescent_state();
			worker_sleep(worker, set);
			idle_since = clock_now_ns();
			continue;
		}
		urcu_qsbr_quiescent_state();
	}
	urcu_qsbr_unregister_thread();
	return NULL;
}

/* --- the control thread's side --- */

/* Packets between two workers: smaller rings where there are many pairs. */
static uint32_t handover_ring(unsigned workers)
{
	uint32_t size = HANDOVER_RING_MAX;

	while (size > HANDOVER_RING_MIN && size * workers > 4 * HANDOVER_RING_MAX)
		size /= 2;
	return size;
}

static int worker_new(struct workers *workers, unsigned index, uint16_t cpu, struct umem *umem,
		      const struct fib *fib)
{
	size_t bytes = (sizeof(struct worker) + 63) / 64 * 64;
	size_t counter_bytes = (sizeof(struct datapath_counters) + 63) / 64 * 64;
	struct worker *worker = aligned_alloc(64, bytes);
	int err;

	if (!worker)
		return -ENOMEM;
	memset(worker, 0, bytes);
	workers->worker[index] = worker;
	worker->all = workers;
	worker->umem = umem;
	worker->cpu = cpu;
	worker->dp.index = (uint16_t)index;
	worker->dp.workers = (uint16_t)workers->n;
	worker->dp.worker = worker;
	worker->dp.fib = fib;
	worker->dp.random = 0x9e3779b9u * (index + 1);
	worker->dp.umem = umem->area;
	worker->dp.frame_size = umem->frame_size;
	worker->event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (worker->event < 0)
		return -errno;
	worker->dp.counters = aligned_alloc(64, counter_bytes);
	if (!worker->dp.counters)
		return -ENOMEM;
	memset(worker->dp.counters, 0, counter_bytes);
	worker->questions = spsc_new(QUESTION_RING, sizeof(struct worker_question));
	if (!worker->questions)
		return -ENOMEM;
	worker->events = spsc_new(EVENT_RING, sizeof(struct datapath_event));
	if (!worker->events)
		return -ENOMEM;
	for (unsigned i = 0; i < workers->n; i++)
		if (i != index &&
		    !(worker->to[i] = spsc_new(handover_ring(workers->n), sizeof(struct packet))))
			return -ENOMEM;
	err = frame_cache_new(&worker->dp.frames, umem);
	if (!err && !(worker->dp.wait = neighbour_wait_new()))
		err = -ENOMEM;
	if (!err && !(worker->set = calloc(1, sizeof(*worker->set))))
		err = -ENOMEM;
	return err;
}

int workers_new(struct workers **result, unsigned n, const uint16_t *cpus, struct umem *umem,
		const struct fib *fib)
{
	struct workers *workers = calloc(1, sizeof(*workers));
	int err = 0;

	if (!workers)
		return -ENOMEM;
	workers->n = n;
	workers->question_event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (workers->question_event < 0)
		err = -errno;
	for (unsigned i = 0; i < n && !err; i++)
		err = worker_new(workers, i, cpus[i], umem, fib);
	if (err) {
		workers_free(workers);
		return err;
	}
	for (unsigned i = 0; i < n; i++)
		for (unsigned port = 0; port < PORT_MAX; port++)
			((struct worker_set *)workers->worker[i]->set)->tx[port].worker =
				WORKER_NONE;
	*result = workers;
	return 0;
}

static int worker_start(struct worker *worker, char *why)
{
	pthread_attr_t attr;
	cpu_set_t cpus;
	int err;

	CPU_ZERO(&cpus);
	CPU_SET(worker->cpu, &cpus);
	pthread_attr_init(&attr);
	err = pthread_attr_setaffinity_np(&attr, sizeof(cpus), &cpus);
	if (!err)
		err = pthread_create(&worker->thread, &attr, worker_main, worker);
	pthread_attr_destroy(&attr);
	if (err) {
		snprintf(why, 256, "worker %u: cannot run on CPU %u: %s", worker->dp.index,
			 worker->cpu, strerror(err));
		return -err;
	}
	worker->started = true;
	return 0;
}

/* Nothing is given to a worker that could not give up its privileges. */
static int worker_wait_begun(const struct worker *worker, char *why)
{
	const struct timespec pause = { .tv_nsec = 100000 };
	int begun;

	while (!(begun = __atomic_load_n(&worker->begun, __ATOMIC_ACQUIRE)))
		nanosleep(&pause, NULL);
	if (begun > 0)
		return 0;
	snprintf(why, 256, "worker %u: cannot give up its privileges: %s", worker->dp.index,
		 strerror(-begun));
	return begun;
}

int workers_start(struct workers *workers, char *why)
{
	sigset_t all, old;
	int err = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old); /* signals are the control thread's */
	for (unsigned i = 0; i < workers->n && !err; i++)
		err = worker_start(workers->worker[i], why);
	for (unsigned i = 0; i < workers->n && !err; i++)
		err = worker_wait_begun(workers->worker[i], why);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (err)
		workers_stop(workers);
	return err;
}

void workers_stop(struct workers *workers)
{
	__atomic_store_n(&workers->stop, true, __ATOMIC_RELEASE);
	for (unsigned i = 0; i < workers->n; i++)
		if (workers->worker[i] && workers->worker[i]->started)
			worker_wake(workers->worker[i]);
	for (unsigned i = 0; i < workers->n; i++) {
		struct worker *worker = workers->worker[i];

		if (worker && worker->started)
			pthread_join(worker->thread, NULL);
		if (worker)
			worker->started = false;
	}
}

/* The workers are joined: what lies between two of them goes nowhere any more. */
static void drain_handover(struct worker *worker)
{
	for (unsigned i = 0; i < worker->all->n; i++) {
		struct spsc *ring = worker->to[i];
		struct packet packet, *p = &packet;

		for (; ring && spsc_available(ring, 1); spsc_release(ring, 1)) {
			packet = *(const struct packet *)spsc_peek(ring, 0);
			packet_drop(p, DROP_PORT_GONE);
			datapath_finish(&worker->dp, &p, 1);
		}
	}
}

static void worker_free(struct worker *worker)
{
	if (worker->dp.frames)
		drain_handover(worker);
	if (worker->dp.reassembly)
		reassembly_drop_all(&worker->dp);
	if (worker->dp.wait)
		neighbour_wait_drop_all(&worker->dp);
	neighbour_wait_free(worker->dp.wait);
	frame_cache_free(worker->dp.frames);
	for (unsigned i = 0; i < WORKERS_MAX; i++)
		spsc_free(worker->to[i]);
	spsc_free(worker->questions);
	spsc_free(worker->events);
	free(worker->dp.counters);
	free((void *)worker->set);
	if (worker->event >= 0)
		close(worker->event);
	free(worker);
}

void workers_free(struct workers *workers)
{
	if (!workers)
		return;
	for (unsigned i = 0; i < workers->n; i++)
		if (workers->worker[i])
			worker_free(workers->worker[i]);
	if (workers->question_event >= 0)
		close(workers->question_event);
	free(workers);
}

static int wait_seen(struct workers *workers, uint64_t generation)
{
	struct timespec pause = { .tv_nsec = 20000 };

	for (unsigned i = 0; i < workers->n; i++) {
		struct worker *worker = workers->worker[i];
		uint64_t deadline = clock_now_ns() + 10 * SLEEP_MAX_NS;

		if (!worker->started)
			continue;
		worker_wake(worker);
		while (__atomic_load_n(&worker->seen, __ATOMIC_ACQUIRE) < generation) {
			if (clock_now_ns() > deadline)
				return -ETIMEDOUT;
			nanosleep(&pause, NULL);
		}
	}
	return 0;
}

int workers_publish(struct workers *workers, struct worker_set **sets)
{
	const struct worker_set *old[WORKERS_MAX];
	uint64_t generation = ++workers->generation;
	int err;

	for (unsigned i = 0; i < workers->n; i++) {
		old[i] = workers->worker[i]->set;
		sets[i]->generation = generation;
		__atomic_store_n(&workers->worker[i]->set, sets[i], __ATOMIC_RELEASE);
	}
	err = wait_seen(workers, generation);
	if (err)
		return err; /* the old sets leak rather than be used after free */
	for (unsigned i = 0; i < workers->n; i++)
		free((void *)old[i]);
	return 0;
}

void workers_questions(struct workers *workers,
		       void (*ask)(void *arg, const struct worker_question *question), void *arg)
{
	uint64_t drained;

	if (read(workers->question_event, &drained, sizeof(drained)) < 0 && errno != EAGAIN)
		return;
	for (unsigned i = 0; i < workers->n; i++) {
		struct spsc *ring = workers->worker[i]->questions;
		uint32_t n = spsc_available(ring, QUESTION_RING);

		for (uint32_t k = 0; k < n; k++)
			ask(arg, spsc_peek(ring, k));
		spsc_release(ring, n);
	}
}

void workers_set_flows(struct workers *workers, struct flows *flows)
{
	__atomic_store_n(&workers->flows, flows, __ATOMIC_RELEASE);
}

void workers_events(struct workers *workers)
{
	for (unsigned i = 0; i < workers->n; i++) {
		struct spsc *ring = workers->worker[i]->events;
		uint32_t n;

		/* until it is empty: only then does the next event call us again. A flood is cut off
		 * here, and what it left is for the next second. */
		for (unsigned rounds = 0; rounds < 4; rounds++) {
			n = spsc_available(ring, EVENT_RING);
			for (uint32_t k = 0; k < n; k++) {
				const struct datapath_event *event = spsc_peek(ring, k);

				event->print(event);
			}
			spsc_release(ring, n);
			__atomic_thread_fence(__ATOMIC_SEQ_CST);
			if (!n)
				break;
		}
	}
}

void workers_kick(struct workers *workers)
{
	for (unsigned i = 0; i < workers->n; i++)
		if (__atomic_load_n(&workers->worker[i]->sleeping, __ATOMIC_SEQ_CST))
			worker_wake(workers->worker[i]);
}

uint64_t workers_sum(const struct workers *workers, size_t counter_offset)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < workers->n; i++) {
		const char *counters = (const char *)workers->worker[i]->dp.counters;

		sum += __atomic_load_n((const uint64_t *)(counters + counter_offset),
				       __ATOMIC_RELAXED);
	}
	return sum;
}
