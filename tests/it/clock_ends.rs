//! Both ends of the clock: timeouts and delays of nothing and of everything,
//! and the earliest and the latest instant there is.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::{Duration, Instant};

use taskshelf::{
    Attempt, Backoff, BackpressureStrategy, Lease, PopTimeoutError, PriorityQueue, QueueOptions,
    RetryWaits, TaskError, TaskQueue,
};

use crate::support::{
    BOTH_WAITS, Count, HOUR, asleep, full, only_error, sorted_values, until, values, within_seconds,
};

/// As far as one gets from now in ever smaller steps.
fn end_of_time(step: impl Fn(Instant, Duration) -> Option<Instant>) -> Instant {
    let mut end = Instant::now();
    let mut by = Duration::MAX;
    while !by.is_zero() {
        match step(end, by) {
            Some(further) => end = further,
            None => by /= 2,
        }
    }
    end
}

fn earliest() -> Instant {
    end_of_time(|instant, by| instant.checked_sub(by))
}

fn latest() -> Instant {
    end_of_time(|instant, by| instant.checked_add(by))
}

/// Hardly more than nothing, and nothing.
const SHORTEST: [Duration; 2] = [Duration::ZERO, Duration::from_nanos(1)];

/// Some fit into an `Instant`, some do not.
pub(crate) fn longest() -> [Duration; 4] {
    let largest = latest().saturating_duration_since(Instant::now());
    [
        largest / 2,
        largest,
        Duration::from_secs(u64::MAX),
        Duration::MAX,
    ]
}

#[test]
fn nothing_waits_for_a_time_that_has_been() {
    within_seconds(|| {
        let past = earliest();
        assert!(past < Instant::now());
        let queue = PriorityQueue::new(1);
        assert_eq!(queue.pop_deadline(past), Err(PopTimeoutError::Timeout));
        assert!(queue.lease_deadline(past).is_err());
        assert_eq!(queue.push_deadline(0, 1, past), Ok(()));
        assert!(
            queue
                .push_deadline(0, 2, past)
                .is_err_and(|e| e.is_timeout())
        );
        for timeout in SHORTEST {
            assert!(
                queue
                    .push_timeout(0, 2, timeout)
                    .is_err_and(|e| e.is_timeout())
            );
            assert!(!queue.join_timeout(timeout));
        }
        assert_eq!(queue.pop_deadline(past), Ok(1));
        for timeout in SHORTEST {
            assert_eq!(queue.pop_timeout(timeout), Err(PopTimeoutError::Timeout));
            assert!(queue.lease_timeout(timeout).is_err());
            assert!(queue.join_timeout(timeout));
        }

        let (queue, gate) = full(1, BackpressureStrategy::Block);
        assert!(
            queue
                .submit_deadline(9, past)
                .is_err_and(|e| e.is_timeout())
        );
        for timeout in SHORTEST {
            assert!(
                queue
                    .submit_timeout(9, timeout)
                    .is_err_and(|e| e.is_timeout())
            );
            assert!(!queue.wait_idle_timeout(timeout));
        }
        let queue = queue.drain_timeout(Duration::ZERO).unwrap_err();
        gate.open();
        assert_eq!(values(queue.drain()), [0, 1]);
    });
}

#[test]
fn a_wait_until_the_end_of_time_ends_when_it_can() {
    within_seconds(|| {
        let (empty, full) = (PriorityQueue::new(1), PriorityQueue::new(1));
        assert_eq!(full.push(0, 0), Ok(()));
        thread::scope(|scope| {
            let _close = (empty.close_on_drop(), full.close_on_drop());
            let mut threads = Vec::new();
            let (empty, full) = (&empty, &full);
            for timeout in longest() {
                threads.push(asleep(scope, move || empty.pop_timeout(timeout).is_ok()));
                threads.push(asleep(scope, move || empty.lease_timeout(timeout).is_ok()));
                threads.push(asleep(scope, move || {
                    full.push_timeout(0, 1, timeout).is_ok()
                }));
            }
            threads.push(asleep(scope, || empty.pop_deadline(latest()).is_ok()));
            threads.push(asleep(scope, || empty.lease_deadline(latest()).is_ok()));
            threads.push(asleep(scope, || full.push_deadline(0, 1, latest()).is_ok()));
            assert!(threads.iter().all(|thread| !thread.is_finished()));
            for _ in 0..threads.len() / 3 {
                assert!(full.pop().is_some());
                for _ in 0..2 {
                    assert_eq!(empty.push(0, 0), Ok(()));
                }
            }
            for thread in threads {
                assert!(thread.join().unwrap());
            }
            assert_eq!(full.pop(), Some(1));
            for timeout in longest() {
                assert!(full.join_timeout(timeout));
            }
        });
    });
}

#[test]
fn a_submit_until_the_end_of_time_gets_in() {
    within_seconds(|| {
        let (queue, gate) = full(1, BackpressureStrategy::Block);
        thread::scope(|scope| {
            let queue = &queue;
            let mut threads = Vec::new();
            for timeout in longest() {
                threads.push(asleep(scope, move || queue.submit_timeout(2, timeout)));
            }
            threads.push(asleep(scope, || queue.submit_deadline(2, latest())));
            assert!(threads.iter().all(|thread| !thread.is_finished()));
            gate.open();
            for thread in threads {
                assert!(thread.join().unwrap().unwrap().is_accepted());
            }
        });
        for timeout in longest() {
            assert!(queue.wait_idle_timeout(timeout));
        }
        let results = queue.drain_timeout(longest()[1]).unwrap();
        assert_eq!(values(results), [0, 1, 2, 2, 2, 2, 2]);
    });
}

#[test]
fn a_delay_to_the_end_of_time_holds_up_nobody_and_can_be_cancelled() {
    // Delays need no worker, or one each.
    for (waits, workers) in [(RetryWaits::FreeWorker, 1), (RetryWaits::HoldWorker, 3)] {
        for delay in longest() {
            within_seconds(move || {
                let queue = TaskQueue::new(
                    move |attempt: &Attempt<'_, u32>| match attempt.payload {
                        0 => Err("never again"),
                        1 => Err(attempt.retry_after(delay, "nor this")),
                        payload => Ok(payload),
                    },
                    QueueOptions::new(8, workers)
                        .retry_waits(waits)
                        .backoff(Backoff::constant(delay)),
                )
                .unwrap();
                queue.submit_all([0, 1]).unwrap();
                until(|| queue.stats().waiting == 2);
                queue.submit_all([2, 3]).unwrap();
                until(|| queue.stats().succeeded == 2);
                let queue = queue.drain_timeout(Duration::ZERO).unwrap_err();
                let (aborted, done): (Vec<_>, Vec<_>) =
                    queue.abort().into_iter().partition(|r| r.outcome.is_err());
                assert_eq!(aborted.len(), 2);
                for result in aborted {
                    assert_eq!(only_error(vec![result]), (TaskError::Aborted, 1));
                }
                assert_eq!(sorted_values(done), [2, 3]);
            });
        }
    }
}

#[test]
fn a_delay_of_nothing_is_over_at_once() {
    for waits in BOTH_WAITS {
        for delay in SHORTEST {
            within_seconds(move || {
                let calls = Count::new();
                let counted = calls.clone();
                let queue = TaskQueue::new(
                    move |_: &Attempt<'_, u32>| {
                        counted.add();
                        Err::<(), _>("no")
                    },
                    QueueOptions::new(1, 1)
                        .retry_waits(waits)
                        .max_retries(99)
                        .backoff(Backoff::constant(delay)),
                )
                .unwrap();
                queue.submit(1).unwrap();
                assert_eq!(only_error(queue.drain()).1, 100);
                assert_eq!(calls.get(), 100);
            });
        }
    }
}

#[test]
fn an_item_put_back_until_the_end_of_time_stays_there_until_the_abort() {
    within_seconds(|| {
        for delay in longest() {
            let queue = PriorityQueue::new(4);
            assert_eq!(queue.push_all([(1, 'a'), (0, 'b')]), Ok(2));
            let lease = queue.lease().unwrap();
            assert_eq!(Lease::retry_after(lease, delay), Ok(()));
            assert_eq!(queue.pop_timeout(delay), Ok('b'));
            assert!(queue.try_pop().is_err_and(|e| e.is_empty()));
            assert!(queue.pop_timeout(Duration::from_millis(1)).is_err());
            assert_eq!(queue.abort(), ['a']);
        }
    });
}

// ----- the owner gives up -------------------------------------------------------

#[test]
fn an_owner_that_unwinds_does_not_wait_for_delays() {
    for waits in BOTH_WAITS {
        for delay in [HOUR, Duration::MAX] {
            within_seconds(move || {
                let queue = TaskQueue::new(
                    move |attempt: &Attempt<'_, u32>| {
                        Err::<(), _>(attempt.retry_after(delay, "later"))
                    },
                    QueueOptions::new(4, 2).retry_waits(waits),
                )
                .unwrap();
                let submitter = queue.submitter();
                queue.submit_all([1, 2]).unwrap();
                until(|| queue.stats().waiting == 2);
                let unwinding = catch_unwind(AssertUnwindSafe(move || {
                    let _queue = queue;
                    panic!("the owner gives up");
                }));
                assert!(unwinding.is_err());
                assert_eq!(submitter.stats().aborted, 2);
            });
        }
    }
}
