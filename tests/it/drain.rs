//! What drain waits for and hands back.

use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use taskshelf::{Attempt, Backoff, BackpressureStrategy, QueueOptions, Submitter, TaskQueue};

use crate::support::{
    BOTH_WAITS, Gate, HOUR, blocked, echo, full, gated, number, sorted_values, until, values,
    within_seconds,
};

#[test]
fn drain_returns_one_result_for_every_accepted_task() {
    within_seconds(|| {
        let queue = TaskQueue::new(
            |attempt: &Attempt<'_, u32>| match attempt.payload % 3 {
                0 => Ok(attempt.payload),
                1 => Err("no"),
                _ => panic!("ouch"),
            },
            QueueOptions::new(16, 4)
                .max_retries(1)
                .backoff(Backoff::none()),
        )
        .unwrap();
        queue.submit_all(0..1000).unwrap();
        let mut ids: Vec<_> = queue.drain().into_iter().map(|r| r.task_id).collect();
        ids.sort();
        assert_eq!(ids, (1..=1000).map(number).collect::<Vec<_>>());
    });
}

#[test]
fn drain_of_an_unused_queue_returns_nothing() {
    within_seconds(|| {
        for workers in [1, 2, 4] {
            for _ in 0..100 {
                assert_eq!(echo(4, workers).drain(), []);
            }
        }
    });
}

#[test]
fn drain_waits_for_running_attempts() {
    within_seconds(|| {
        let (queue, gate) = gated(4, BackpressureStrategy::Block);
        let thread = blocked(move || queue.drain());
        assert!(!thread.is_finished());
        gate.open();
        assert_eq!(values(thread.join().unwrap()), [0]);
    });
}

#[test]
fn drain_waits_for_pending_retries() {
    for waits in BOTH_WAITS {
        within_seconds(move || {
            let queue = TaskQueue::new(
                |attempt: &Attempt<'_, u32>| match attempt.number() {
                    1 => Err("not yet"),
                    _ => Ok(attempt.payload),
                },
                QueueOptions::new(8, 2)
                    .retry_waits(waits)
                    .backoff(Backoff::constant(Duration::from_millis(30))),
            )
            .unwrap();
            let start = Instant::now();
            queue.submit_all([1, 2, 3, 4]).unwrap();
            let results = queue.drain();
            assert!(start.elapsed() >= Duration::from_millis(30));
            assert!(results.iter().all(|result| result.attempts == 2));
            assert_eq!(sorted_values(results), [1, 2, 3, 4]);
        });
    }
}

#[test]
fn drain_refuses_blocked_submitters() {
    within_seconds(|| {
        let (queue, gate) = full(1, BackpressureStrategy::Block);
        let submitter = queue.submitter();
        let late = blocked(move || submitter.submit(9));
        let draining = thread::spawn(move || queue.drain());
        assert!(late.join().unwrap().unwrap_err().is_closed());
        gate.open();
        assert_eq!(values(draining.join().unwrap()), [0, 1]);
    });
}

#[test]
fn drain_returns_results_in_the_order_of_publication() {
    within_seconds(|| {
        let (queue, gate) = gated(8, BackpressureStrategy::Block);
        queue.submit_all([3, 1, 2]).unwrap();
        gate.open();
        assert_eq!(values(queue.drain()), [0, 3, 1, 2]);
    });
}

#[test]
fn drain_is_not_held_up_by_submitters_that_never_tire() {
    within_seconds(|| {
        let queue = echo(1, 1);
        let threads: Vec<_> = (0..3)
            .map(|_| {
                let submitter: Submitter<u32> = queue.submitter();
                thread::spawn(move || {
                    let mut accepted = 0;
                    loop {
                        match submitter.try_submit(1) {
                            Ok(_) => accepted += 1,
                            Err(error) if error.is_closed() => return accepted,
                            Err(_) => (),
                        }
                    }
                })
            })
            .collect();
        until(|| queue.stats().settled > 10);
        let results = queue.drain();
        let accepted: usize = threads.into_iter().map(|t| t.join().unwrap()).sum();
        assert_eq!(results.len(), accepted);
    });
}

#[test]
fn drain_timeout_gives_the_queue_back_when_time_runs_out() {
    within_seconds(|| {
        let (queue, gate) = full(2, BackpressureStrategy::Block);
        let timeout = Duration::from_millis(5);
        let start = Instant::now();
        let queue = queue.drain_timeout(timeout).unwrap_err();
        assert!(start.elapsed() >= timeout);
        assert!(queue.is_closed());
        assert!(queue.submit(9).unwrap_err().is_closed());
        let queue = queue.drain_timeout(Duration::ZERO).unwrap_err();
        gate.open();
        assert_eq!(values(queue.drain()), [0, 1, 2]);
    });
}

#[test]
fn a_queue_that_drain_timeout_gives_back_has_the_results_so_far() {
    for listens in [false, true] {
        within_seconds(move || {
            let gate = Gate::new();
            let handler = {
                let gate = gate.clone();
                move |attempt: &Attempt<'_, u32>| {
                    if attempt.payload == 3 {
                        gate.pass();
                    }
                    Ok::<_, &str>(attempt.payload)
                }
            };
            let queue = TaskQueue::new(handler, QueueOptions::new(8, 1)).unwrap();
            let early = listens.then(|| queue.results());
            queue.submit_all(1..=4).unwrap();
            gate.arrived(1);
            let queue = queue.drain_timeout(Duration::from_millis(5)).unwrap_err();
            let results = early.unwrap_or_else(|| queue.results());
            assert_eq!(values(results.try_iter().collect()), [1, 2]);
            gate.open();
            assert_eq!(values(queue.drain()), [3, 4]);
        });
    }
}

#[test]
fn drain_timeout_returns_the_results_in_time() {
    within_seconds(|| {
        for timeout in [HOUR, Duration::MAX] {
            let queue = echo(4, 2);
            queue.submit_all([1, 2, 3]).unwrap();
            let results = queue.drain_timeout(timeout).unwrap();
            assert_eq!(sorted_values(results), [1, 2, 3]);
        }
    });
}

#[test]
fn drain_timeout_can_be_followed_by_a_cancel() {
    for waits in BOTH_WAITS {
        within_seconds(move || {
            let queue = TaskQueue::new(
                |_: &Attempt<'_, u32>| Err::<(), _>("no"),
                QueueOptions::new(4, 1)
                    .retry_waits(waits)
                    .backoff(Backoff::constant(HOUR)),
            )
            .unwrap();
            queue.submit_all([1, 2]).unwrap();
            let queue = queue.drain_timeout(Duration::from_millis(5)).unwrap_err();
            queue.cancel();
            assert_eq!(queue.drain_timeout(HOUR).unwrap().len(), 2);
        });
    }
}

#[test]
fn drain_timeout_wakes_when_the_last_task_is_done() {
    within_seconds(|| {
        let (queue, gate) = full(2, BackpressureStrategy::Block);
        let thread = blocked(move || queue.drain_timeout(HOUR).map(values));
        gate.open();
        assert_eq!(thread.join().unwrap().unwrap(), [0, 1, 2]);
    });
}

#[test]
fn drain_lets_go_of_the_handler() {
    within_seconds(|| {
        let held = Arc::new(());
        let weak: Weak<()> = Arc::downgrade(&held);
        let handler = move |attempt: &Attempt<'_, u32>| {
            let _held = &held;
            Ok::<_, &str>(attempt.payload)
        };
        let queue = TaskQueue::new(handler, QueueOptions::new(4, 2)).unwrap();
        let (submitter, results) = (queue.submitter(), queue.results());
        assert_eq!(queue.drain().len(), 0);
        assert!(weak.upgrade().is_none());
        drop((submitter, results));
    });
}
