//! The books of a queue: exact, in every snapshot.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use taskshelf::{
    Attempt, Backoff, BackpressureStrategy, QueueOptions, RetryWaits, Stats, TaskQueue,
};

use crate::support::{BOTH_WAITS, assert_books, full, gated, until, within_seconds};

type Mixed = TaskQueue<u32, (), &'static str>;

const CAPACITY: usize = 8;
const WORKERS: usize = 2;

/// Checks snapshots until it is stopped.
struct Sampler {
    stop: Arc<AtomicBool>,
    thread: thread::JoinHandle<()>,
}

impl Sampler {
    /// Nobody may take results as long as it runs.
    fn start(queue: &Mixed) -> Self {
        let (submitter, results) = (queue.submitter(), queue.results());
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut last = Stats::default();
            loop {
                let before = results.len() as u64;
                let stats = submitter.stats();
                let after = results.len() as u64;
                // What has a result is settled or about to be.
                assert!(before <= stats.settled + stats.running, "{stats:?}");
                assert!(stats.settled <= after, "{stats:?}");
                // What is leased may come back beyond the capacity.
                let held = stats.ready + stats.waiting + stats.running;
                assert!(held <= (CAPACITY + WORKERS) as u64, "{stats:?}");
                // A snapshot that is put together from two looks does not add up.
                assert_eq!(stats.accepted, held + stats.settled, "{stats:?}");
                let failed = stats.failed + stats.panicked + stats.aborted;
                assert_eq!(stats.settled, stats.succeeded + failed, "{stats:?}");
                assert!(stats.accepted >= last.accepted);
                assert!(stats.settled >= last.settled);
                assert!(stats.retries >= last.retries);
                last = stats;
                if stopped.load(Ordering::SeqCst) {
                    break;
                }
            }
        });
        Self { stop, thread }
    }

    fn stop(self) {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().unwrap();
    }
}

/// Panics, fails, fails once, or succeeds, as the payload says.
fn mixed(waits: RetryWaits) -> Mixed {
    TaskQueue::new(
        |attempt: &Attempt<'_, u32>| match (attempt.payload % 5, attempt.number()) {
            (0, _) => panic!("ouch"),
            (1, _) => Err("no"),
            (2, 1) => Err(attempt.retry_after(Duration::from_micros(100), "later")),
            _ => Ok(()),
        },
        QueueOptions::new(CAPACITY, WORKERS)
            .max_retries(1)
            .retry_waits(waits)
            .backoff(Backoff::none()),
    )
    .unwrap()
}

#[test]
fn every_snapshot_of_a_busy_queue_balances() {
    for waits in BOTH_WAITS {
        within_seconds(move || {
            let queue = mixed(waits);
            let sampler = Sampler::start(&queue);
            let threads: Vec<_> = (0..2)
                .map(|_| {
                    let submitter = queue.submitter();
                    thread::spawn(move || {
                        for payload in 0..250 {
                            submitter.submit(payload).unwrap();
                        }
                    })
                })
                .collect();
            for thread in threads {
                thread.join().unwrap();
            }
            queue.wait_idle();
            sampler.stop();
            let stats = queue.stats();
            assert_books(&stats, &queue.drain());
            assert_eq!((stats.accepted, stats.succeeded), (500, 300));
            assert_eq!((stats.failed, stats.panicked), (100, 100));
            assert_eq!((stats.dropped, stats.refused), (0, 0));
        });
    }
}

#[test]
fn every_snapshot_of_a_cancelled_queue_balances() {
    for waits in BOTH_WAITS {
        within_seconds(move || {
            for _ in 0..20 {
                let queue = mixed(waits);
                let sampler = Sampler::start(&queue);
                let submitter = queue.submitter();
                let thread = thread::spawn(move || submitter.submit_all(0..).unwrap_err());
                until(|| queue.stats().settled > 5);
                queue.cancel();
                let refused = thread.join().unwrap();
                queue.wait_idle();
                sampler.stop();
                let stats = queue.stats();
                assert_books(&stats, &queue.drain());
                assert_eq!(stats.accepted, refused.accepted as u64);
                assert_eq!(stats.refused, refused.rest.len() as u64);
            }
        });
    }
}

#[test]
fn a_new_queue_has_counted_nothing() {
    within_seconds(|| {
        let queue = mixed(RetryWaits::FreeWorker);
        assert_eq!(queue.stats(), Stats::default());
        drop(queue);
    });
}

#[test]
fn stats_tell_where_the_tasks_are() {
    within_seconds(|| {
        let (queue, gate) = full(3, BackpressureStrategy::Block);
        let stats = queue.stats();
        assert_eq!((stats.accepted, stats.running, stats.ready), (4, 1, 3));
        assert_eq!((stats.waiting, stats.settled), (0, 0));
        gate.open();
        queue.wait_idle();
        let stats = queue.stats();
        assert_eq!((stats.accepted, stats.settled, stats.succeeded), (4, 4, 4));
        drop(queue);
    });
}

#[test]
fn a_retry_is_counted_when_it_starts() {
    for waits in BOTH_WAITS {
        within_seconds(move || {
            let gate = crate::support::Gate::new();
            let handler = {
                let gate = gate.clone();
                move |attempt: &Attempt<'_, u32>| match attempt.number() {
                    1 => Err("not yet"),
                    _ => {
                        gate.pass();
                        Ok(())
                    }
                }
            };
            let options = QueueOptions::new(8, 1)
                .retry_waits(waits)
                .backoff(Backoff::none());
            let queue = TaskQueue::new(handler, options).unwrap();
            queue.submit(1).unwrap();
            gate.arrived(1);
            let stats = queue.stats();
            assert_eq!((stats.retries, stats.running, stats.settled), (1, 1, 0));
            gate.open();
            drop(queue);
        });
    }
}

#[test]
fn every_refused_task_is_counted_once() {
    within_seconds(|| {
        let (queue, gate) = full(2, BackpressureStrategy::Error);
        let refused = || queue.stats().refused;
        assert!(queue.submit(9).is_err());
        assert_eq!(refused(), 1);
        assert!(queue.try_submit(9).is_err());
        assert_eq!(refused(), 2);
        assert!(queue.submit_timeout(9, Duration::ZERO).is_err());
        assert_eq!(refused(), 3);
        let error = queue.submit_all([9, 9, 9]).unwrap_err();
        assert_eq!(error.rest.len(), 3);
        assert_eq!(refused(), 6);
        queue.close();
        assert!(queue.submit(9).is_err());
        assert_eq!(refused(), 7);
        let stats = queue.stats();
        assert_eq!((stats.accepted, stats.dropped), (3, 0));
        gate.open();
        drop(queue);
    });
}

#[test]
fn every_dropped_task_is_counted_once() {
    within_seconds(|| {
        let (queue, gate) = gated(2, BackpressureStrategy::Drop);
        queue.submit_all(1..=5).unwrap();
        assert_eq!(queue.stats().dropped, 3);
        queue.submit(9).unwrap();
        assert_eq!(queue.stats().dropped, 4);
        // A way to submit that the strategy does not govern refuses.
        assert!(queue.try_submit(9).is_err());
        let stats = queue.stats();
        assert_eq!((stats.accepted, stats.dropped, stats.refused), (3, 4, 1));
        gate.open();
        drop(queue);
    });
}

#[test]
fn a_submitter_sees_the_same_books() {
    within_seconds(|| {
        let (queue, gate) = full(2, BackpressureStrategy::Block);
        let submitter = queue.submitter();
        assert_eq!(submitter.stats(), queue.stats());
        gate.open();
        assert_eq!(queue.drain().len(), 3);
        assert_eq!(submitter.stats().succeeded, 3);
    });
}
