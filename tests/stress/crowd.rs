//! Very many threads and one queue.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use taskshelf::{
    Attempt, Backoff, QueueOptions, RetryWaits, SubmitError, Submitter, Task, TaskQueue,
};

use crate::random::Random;
use crate::support::{for_a_while, no_thread_is_left, on_request, panic_as_planned};

const CROWD: u64 = 64;

/// Submits until told that the queue is closed. Returns what got in.
fn submit_until_closed(submitter: &Submitter<u64>, producer: u64) -> Vec<u64> {
    let mut accepted = Vec::new();
    for payload in producer << 32.. {
        match submitter.submit(payload) {
            Ok(_) => accepted.push(payload),
            Err(SubmitError::Closed(task)) => {
                assert_eq!(task.payload, payload);
                break;
            }
            Err(error) => panic!("{error}"),
        }
    }
    accepted
}

/// Sixty-four threads submit until they are told that the queue is closed.
fn drain_against_many(mut random: Random) {
    static ROUNDS: AtomicU64 = AtomicU64::new(0);
    let prefix = format!("dr{}x", ROUNDS.fetch_add(1, Ordering::Relaxed));
    let queue = TaskQueue::new(
        |attempt: &Attempt<'_, u64>| Ok::<_, ()>(attempt.payload),
        QueueOptions::new(random.pick(&[1, 4, 100, 1000]), 2).thread_name(prefix.clone()),
    )
    .unwrap();
    let submitter = queue.submitter();
    // With one, most of the threads have not begun when the queue is closed.
    let wanted = random.pick(&[1, CROWD, 1000]);
    let (accepted, results) = thread::scope(|scope| {
        let producers: Vec<_> = (0..CROWD)
            .map(|producer| {
                let submitter = queue.submitter();
                scope.spawn(move || submit_until_closed(&submitter, producer))
            })
            .collect();
        while queue.stats().accepted < wanted {
            thread::yield_now();
        }
        for _ in 0..random.below(300) {
            thread::yield_now();
        }
        let results = queue.drain();
        let accepted: Vec<_> = producers
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect();
        (accepted.concat(), results)
    });
    no_thread_is_left(&prefix);
    let mut payloads: Vec<_> = results
        .into_iter()
        .map(|result| result.outcome.unwrap())
        .collect();
    payloads.sort();
    // The producers are in order, and so is each of them.
    assert_eq!(payloads, accepted);
    let stats = submitter.stats();
    assert!(stats.accepted >= wanted);
    assert_eq!(stats.accepted, accepted.len() as u64);
    assert_eq!(stats.succeeded, stats.accepted);
    // Each of them once, with the last that it tried.
    assert_eq!(stats.refused, CROWD);
}

#[test]
fn a_drain_has_the_results_of_exactly_those_that_got_in() {
    for_a_while(on_request(2000), drain_against_many);
}

const PRODUCERS: u64 = 4;
const TASKS_OF_EACH: u64 = 100;

/// Sixty-four workers, far more than there are cores, and tasks that fail,
/// panic, wait, and have a child.
fn far_too_many_workers(mut random: Random) {
    static ROUNDS: AtomicU64 = AtomicU64::new(0);
    let prefix = format!("cr{}x", ROUNDS.fetch_add(1, Ordering::Relaxed));
    let options = QueueOptions::new(random.pick(&[1, 16, 1000]), 64)
        .retry_waits(random.pick(&[RetryWaits::FreeWorker, RetryWaits::HoldWorker]))
        .backoff(Backoff::constant(random.micros(300)))
        .max_retries(2)
        .thread_name(prefix.clone());
    let handler = |attempt: &Attempt<'_, u64>| {
        match (attempt.payload % 5, attempt.number()) {
            (0, 1) => return Err("once more"),
            (1, 2) => return Err("yet once more"),
            (1, 1) => panic_as_planned(),
            (2, _) => thread::yield_now(),
            (3, _) if attempt.payload >> 32 < PRODUCERS => {
                attempt
                    .submit(attempt.payload | (PRODUCERS << 32))
                    .map_err(|_| "too late")?;
            }
            _ => (),
        }
        Ok(attempt.payload)
    };
    let queue = TaskQueue::new(handler, options).unwrap();
    thread::scope(|scope| {
        for producer in 0..PRODUCERS {
            let (submitter, mut random) = (queue.submitter(), random.split());
            scope.spawn(move || {
                for number in 0..TASKS_OF_EACH {
                    let payload = (producer << 32) | number;
                    let task = Task::new(payload).with_priority(random.priority());
                    submitter.submit(task).unwrap();
                }
            });
        }
    });
    let submitter = queue.submitter();
    let results = queue.drain();
    let stats = submitter.stats();
    let children = PRODUCERS * TASKS_OF_EACH / 5;
    assert_eq!(stats.accepted, PRODUCERS * TASKS_OF_EACH + children);
    assert_eq!(stats.succeeded, stats.accepted);
    let mut attempts = BTreeMap::new();
    for result in results {
        let payload = result.outcome.unwrap();
        let twice = attempts.insert(payload, result.attempts);
        assert_eq!(twice, None, "two results for {payload}");
    }
    assert_eq!(attempts.len() as u64, stats.accepted);
    let retries: u64 = attempts.values().map(|n| u64::from(n - 1)).sum();
    assert_eq!(stats.retries, retries);
    for (payload, attempts) in attempts {
        let expected = match payload % 5 {
            0 => 2,
            1 => 3,
            _ => 1,
        };
        assert_eq!(attempts, expected, "of {payload}");
    }
    no_thread_is_left(&prefix);
}

#[test]
fn far_more_workers_than_cores_lose_nothing() {
    for_a_while(0, far_too_many_workers);
}
