//! The books of a queue: exact, in every snapshot.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use taskshelf::{
    Attempt, Backoff, BackpressureStrategy, QueueOptions, RetryWaits, Stats, Submitter, TaskQueue,
};

use crate::support::{BOTH_WAITS, assert_balanced, full, gated, until, within_seconds};

/// Checks snapshots until it is stopped.
struct Sampler {
    stop: Arc<AtomicBool>,
    thread: thread::JoinHandle<()>,
}

impl Sampler {
    fn start<P: Send + 'static>(submitter: Submitter<P>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut last = Stats::default();
            loop {
                let stats = submitter.stats();
                assert_balanced(&stats);
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
fn mixed(waits: RetryWaits) -> TaskQueue<u32, (), &'static str> {
    TaskQueue::new(
        |attempt: &Attempt<'_, u32>| match (attempt.payload % 5, attempt.number()) {
            (0, _) => panic!("ouch"),
            (1, _) => Err("no"),
            (2, 1) => Err(attempt.retry_after(Duration::from_micros(100), "later")),
            _ => Ok(()),
        },
        QueueOptions::new(8, 2)
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
            let sampler = Sampler::start(queue.submitter());
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
            assert_balanced(&stats);
            assert_eq!(stats.accepted, 500);
            assert_eq!(stats.settled, 500);
            assert_eq!(stats.panicked, 100);
            assert_eq!(stats.failed, 100);
            assert_eq!(stats.succeeded, 300);
            assert_eq!(stats.retries, 300);
            assert_eq!((stats.dropped, stats.refused, stats.aborted), (0, 0, 0));
            assert_eq!(queue.drain().len(), 500);
        });
    }
}

#[test]
fn every_snapshot_of_a_cancelled_queue_balances() {
    for waits in BOTH_WAITS {
        within_seconds(move || {
            for _ in 0..20 {
                let queue = mixed(waits);
                let sampler = Sampler::start(queue.submitter());
                let submitter = queue.submitter();
                let thread = thread::spawn(move || submitter.submit_all(0..).is_err());
                until(|| queue.stats().settled > 5);
                queue.cancel();
                assert!(thread.join().unwrap());
                let submitter = queue.submitter();
                let results = queue.drain();
                sampler.stop();
                let stats = submitter.stats();
                assert_balanced(&stats);
                assert_eq!(stats.settled, stats.accepted);
                assert_eq!(u64::try_from(results.len()).unwrap(), stats.settled);
                let succeeded = results.iter().filter(|result| result.outcome.is_ok());
                assert_eq!(u64::try_from(succeeded.count()).unwrap(), stats.succeeded);
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
