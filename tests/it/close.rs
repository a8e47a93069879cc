//! What close refuses, whom it wakes, and what goes on.

use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use taskshelf::{
    Attempt, BackpressureStrategy, QueueOptions, SubmitError, Submitted, Submitter, Task, TaskQueue,
};

use crate::support::{
    BOTH_WAITS, Count, HOUR, blocked, echo, full, gated, sorted_values, values, within_seconds,
};

#[test]
fn close_wakes_blocked_submitters() {
    type Submit = fn(&Submitter<u32>, Task<u32>) -> Result<Submitted<u32>, SubmitError<u32>>;
    let ways: [Submit; 4] = [
        |submitter, task| submitter.submit(task),
        |submitter, task| submitter.submit_timeout(task, HOUR),
        |submitter, task| submitter.submit_timeout(task, Duration::MAX),
        |submitter, task| submitter.submit_deadline(task, std::time::Instant::now() + HOUR),
    ];
    within_seconds(move || {
        let (queue, gate) = full(2, BackpressureStrategy::Block);
        let threads: Vec<_> = (0..8)
            .map(|n| {
                let submitter = queue.submitter();
                let task = Task::new(100 + n).with_priority(5).with_id("late");
                blocked(move || (ways[n as usize % 4](&submitter, task.clone()), task))
            })
            .collect();
        queue.close();
        // The worker is still at the gate: no room comes to their help.
        for thread in threads {
            let (refused, task) = thread.join().unwrap();
            assert_eq!(refused, Err(SubmitError::Closed(task)));
        }
        gate.open();
        assert_eq!(values(queue.drain()), [0, 1, 2]);
    });
}

#[test]
fn only_the_call_that_closed_the_queue_says_so() {
    within_seconds(|| {
        let queue = echo(4, 1);
        assert!(!queue.is_closed());
        assert!(queue.close());
        assert!(queue.is_closed());
        assert!(!queue.close());
        assert!(!queue.submitter().close());
        assert!(queue.submitter().is_closed());
        drop(queue);
    });
}

#[test]
fn one_of_many_closers_is_the_one() {
    within_seconds(|| {
        for _ in 0..50 {
            let queue = echo(4, 1);
            let start = Arc::new(Barrier::new(4));
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    let (submitter, start) = (queue.submitter(), Arc::clone(&start));
                    thread::spawn(move || {
                        start.wait();
                        submitter.close()
                    })
                })
                .collect();
            let closers = threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .filter(|&closed| closed);
            assert_eq!(closers.count(), 1);
            drop(queue);
        }
    });
}

#[test]
fn close_lets_what_was_accepted_finish() {
    within_seconds(|| {
        let (queue, gate) = gated(8, BackpressureStrategy::Block);
        queue.submit_all([1, 2, 3]).unwrap();
        queue.close();
        gate.open();
        queue.wait_idle();
        let results: Vec<_> = queue.results().iter().collect();
        assert_eq!(values(results), [0, 1, 2, 3]);
    });
}

#[test]
fn close_lets_retries_finish() {
    for waits in BOTH_WAITS {
        within_seconds(move || {
            let queue = TaskQueue::new(
                |attempt: &Attempt<'_, u32>| match attempt.number() {
                    3 => Ok(attempt.payload),
                    _ => Err(attempt.retry_after(Duration::from_millis(5), "not yet")),
                },
                QueueOptions::new(8, 2).retry_waits(waits),
            )
            .unwrap();
            queue.submit_all([1, 2, 3]).unwrap();
            queue.close();
            let results: Vec<_> = queue.results().iter().collect();
            assert_eq!(sorted_values(results), [1, 2, 3]);
        });
    }
}

#[test]
fn closed_never_becomes_open_again() {
    within_seconds(|| {
        let queue = echo(4, 1);
        queue.submit(1).unwrap();
        queue.close();
        queue.wait_idle();
        assert!(queue.is_closed());
        assert!(queue.submit(2).unwrap_err().is_closed());
        assert!(queue.try_submit(2).unwrap_err().is_closed());
        assert_eq!(values(queue.drain()), [1]);
    });
}

#[test]
fn close_returns_at_once() {
    within_seconds(|| {
        let (queue, gate) = full(2, BackpressureStrategy::Block);
        queue.close();
        assert_eq!(queue.stats().running, 1);
        gate.open();
        drop(queue);
    });
}

#[test]
fn close_sends_idle_workers_home() {
    within_seconds(|| {
        for _ in 0..200 {
            let queue = echo(4, 3);
            queue.close();
            assert_eq!(queue.results().iter().count(), 0);
        }
    });
}

/// Submits by one of four ways until the queue is closed; returns what got in.
fn submit_until_closed(submitter: &Submitter<u32>, way: u32, accepted: &Count) -> Vec<u32> {
    let mut got_in = Vec::new();
    for n in 0.. {
        let payload = way * 1_000_000 + n * 10;
        let outcome = match way {
            0 => submitter.submit(payload).map(|_| 1),
            1 => submitter.try_submit(payload).map(|_| 1),
            2 => submitter
                .submit_timeout(payload, Duration::from_micros(50))
                .map(|_| 1),
            _ => match submitter.submit_all(payload..payload + 7) {
                Ok(all) => Ok(all.accepted),
                Err(error) => {
                    let end = payload + u32::try_from(error.accepted).unwrap();
                    got_in.extend(payload..end);
                    assert_eq!(error.accepted + error.rest.len(), 7);
                    assert!(error.error.is_closed());
                    break;
                }
            },
        };
        match outcome {
            Ok(count) => {
                got_in.extend(payload..payload + u32::try_from(count).unwrap());
                accepted.add();
            }
            Err(error) if error.is_closed() => break,
            Err(_) => thread::yield_now(),
        }
    }
    got_in
}

#[test]
fn a_task_is_accepted_exactly_if_it_has_a_result_however_close_races() {
    within_seconds(|| {
        for round in 0..60 {
            let queue = echo(4, 2);
            let accepted = Count::new();
            let threads: Vec<_> = (0..4)
                .map(|way| {
                    let (submitter, accepted) = (queue.submitter(), accepted.clone());
                    thread::spawn(move || submit_until_closed(&submitter, way, &accepted))
                })
                .collect();
            accepted.at_least(round);
            queue.close();
            let results: Vec<_> = queue.results().iter().collect();
            let mut expected = Vec::new();
            for thread in threads {
                expected.extend(thread.join().unwrap());
            }
            expected.sort();
            assert_eq!(sorted_values(results), expected);
            assert_eq!(queue.drain().len(), 0);
        }
    });
}
