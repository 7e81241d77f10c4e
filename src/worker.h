/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Worker threads: pinned, each the only user of its queues.
 *
 * What a worker serves (its queues, where to transmit for each port, its settings) is a struct
 * worker_set, immutable, replaced by the control thread. A worker picks a new set up between two
 * rounds of its loop, announces that it has (`seen`), and from then on never touches what only the
 * old one held; workers_publish() waits for all of them, so that queues can be closed after it.
 *
 * RCU (QSBR): one quiescent state a round, offline while asleep.
 */
#ifndef VISOR_WORKER_H
#define VISOR_WORKER_H

#include <jansson.h>
#include <pthread.h>

#include "config.h"
#include "datapath.h"
#include "queue.h"
#include "spsc.h"

#define WORKERS_MAX 64
#define WORKER_NONE 0xffff

/* Where a worker sends a port's packets. */
struct worker_tx {
	struct queue *queue; /* its own queue, or */
	uint16_t worker;     /* the worker to hand them to; WORKER_NONE: the port is not there */
};

struct worker_set {
	uint64_t generation;
	int poll; /* enum poll_mode */
	unsigned burst;
	uint64_t spin_ns;
	uint32_t icmp_rate; /* this worker's part */
	struct worker_tx tx[PORT_MAX];
	unsigned n_queues;
	struct queue *queues[];
};

/* Written by the worker, read (relaxed) by the control thread. */
struct worker_stats {
	uint64_t rounds, bursts,
		packets;	  /* rounds of the loop, non-empty bursts, packets in them */
	uint64_t sleeps, wakeups; /* wakeups: sleeps ended by traffic or a kick */
	uint64_t busy_ns;	  /* time in rounds that did something */
	uint64_t handed_over, taken_over; /* packets to and from other workers */
	uint64_t events_lost;
};

struct workers;

struct worker {
	struct datapath dp;
	struct workers *all;
	const struct worker_set *set;	     /* published by the control thread */
	const struct worker_set *set_in_use; /* the worker's own: that of this round */
	struct umem *umem;
	struct spsc *to[WORKERS_MAX]; /* packets for other workers; [index] is NULL */
	struct spsc *questions;	      /* struct worker_question, to the control thread */
	struct spsc *events;	      /* struct datapath_event, to the control thread */
	int event;		      /* eventfd: wake up */
	uint16_t cpu;
	struct worker_stats stats;
	struct packet packets[BURST_MAX];
	pthread_t thread;
	bool started;
	int begun; /* 1: it runs; -errno: it could not be confined */
	/* a line of its own: other workers read it at each hand-over */
	uint32_t sleeping __attribute__((aligned(64)));
	uint64_t seen __attribute__((aligned(64))); /* generation of the set in use */
};

/* An unresolved neighbour. */
struct worker_question {
	uint16_t slot;
	struct ip_addr addr;
};

struct workers {
	struct flows *flows; /* set once, by the first configuration with a stateful chain */
	unsigned n;
	struct worker *worker[WORKERS_MAX];
	uint64_t generation;
	int question_event; /* eventfd: a worker asks or tells something */
	bool stop;
};

/* --- control thread --- */

/* Make the workers' structures; cpus[i] is worker i's CPU. Nothing runs yet. */
int workers_new(struct workers **workers, unsigned n, const uint16_t *cpus, struct umem *umem,
		const struct fib *fib);
int workers_start(struct workers *workers, char *why);
void workers_stop(struct workers *workers); /* stops and joins; counters stay readable */
void workers_free(struct workers *workers);

/* Replace every worker's set (sets[i] for worker i, malloc'ed, taken over) and wait until all use
 * it; the old ones are freed. -ETIMEDOUT where a worker does not answer in ten seconds. */
int workers_publish(struct workers *workers, struct worker_set **sets);

/* Neighbours that workers asked for since the last call. */
void workers_questions(struct workers *workers,
		       void (*ask)(void *arg, const struct worker_question *question), void *arg);

/* From now on there is a flow table. */
void workers_set_flows(struct workers *workers, struct flows *flows);

/* Print what workers told since the last call; when called for, and once a second. */
void workers_events(struct workers *workers);

/* Wake sleeping workers: something that they wait for has changed. */
void workers_kick(struct workers *workers);

/* Sum of one counter over the workers, e.g. offsetof(struct datapath_counters, rx_packets). */
uint64_t workers_sum(const struct workers *workers, size_t counter_offset);

/* --- between worker.c and worker_burst.c; worker thread --- */

/* Receive a burst from a queue and take it through the chain; the number of packets. */
unsigned worker_receive(struct worker *worker, struct queue *queue);
/* Packets that other workers handed over. */
unsigned worker_take_over(struct worker *worker);
/* Publish and kick everything that was transmitted or handed over. */
void worker_flush(struct worker *worker);
void worker_wake(struct worker *worker);

#endif
