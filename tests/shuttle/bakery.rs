//! `TaskQueue` among many threads.

use std::panic::resume_unwind;
use std::sync::Arc;

use shuttle::thread;
use taskshelf::model::advance;
use taskshelf::{
    Attempt, Backoff, QueueOptions, RetryWaits, Stats, SubmitError, Submitted, Submitter, Task,
    TaskId, TaskQueue, WorkerResult,
};

use crate::support::*;

type Outcome = WorkerResult<u32, (), &'static str>;

type Handler = fn(&Attempt<'_, u32>) -> Result<(), &'static str>;

/// The name by which an accepted task is known, whatever was accepted before.
fn named(payload: u32) -> Task<u32> {
    Task::new(payload).with_id(u64::from(payload))
}

fn ids(results: &[Outcome]) -> Vec<u32> {
    let id = |result: &Outcome| match result.task_id {
        TaskId::Number(number) => number as u32,
        TaskId::Name(_) => unreachable!("all are numbers"),
    };
    sorted(results.iter().map(id).collect())
}

fn is_panicked(result: &Outcome) -> bool {
    let outcome = result.outcome.as_ref();
    outcome.is_err_and(|failure| failure.error.is_panicked())
}

fn is_aborted(result: &Outcome) -> bool {
    let outcome = result.outcome.as_ref();
    outcome.is_err_and(|failure| failure.error.is_aborted())
}

/// The books of a queue that has ended say what its results say.
fn assert_books(stats: Stats, results: &[Outcome]) {
    let succeeded = |r: &Outcome| r.outcome.is_ok();
    let count = results.len() as u64;
    assert_eq!((stats.accepted, stats.settled), (count, count));
    assert_eq!((stats.ready, stats.waiting, stats.running), (0, 0, 0));
    let kinds = [succeeded, is_panicked, is_aborted];
    let counts = kinds.map(|is| results.iter().filter(|r| is(r)).count() as u64);
    assert_eq!([stats.succeeded, stats.panicked, stats.aborted], counts);
    assert_eq!(stats.failed, count - counts.iter().sum::<u64>());
    let attempts: u64 = results.iter().map(|r| u64::from(r.attempts)).sum();
    let started = results.iter().filter(|r| r.attempts > 0).count() as u64;
    assert_eq!(stats.retries, attempts - started);
}

/// Fails as many times as the payload leaves over when divided by three.
fn flaky(attempt: &Attempt<'_, u32>) -> Result<(), &'static str> {
    if attempt.number() > attempt.payload % 3 {
        Ok(())
    } else {
        Err("again")
    }
}

fn four_workers(waits: RetryWaits) -> QueueOptions {
    QueueOptions::new(2, 4)
        .backoff(Backoff::constant(SECOND))
        .max_retries(2)
        .retry_waits(waits)
}

/// Those of three tasks that a submitter was told are accepted.
fn submit_three(submitter: &Submitter<u32>, n: u32) -> Vec<u32> {
    (10 * n..10 * n + 3)
        .filter(|&payload| match submitter.submit(named(payload)) {
            Ok(Submitted::Accepted(_)) => true,
            Err(SubmitError::Closed(task)) => {
                assert_eq!(task.payload, payload);
                false
            }
            other => panic!("{other:?}"),
        })
        .collect()
}

// A missing result here, or one too many, would mean that a task was
// settled twice, or by nobody; a wrong number of attempts, that a retry was
// lost or made twice.
fn retries_of_many(waits: RetryWaits) {
    model(move || {
        let options = four_workers(waits);
        let queue = TaskQueue::new(flaky, options).unwrap();
        let submitter = queue.submitter();
        let submitters = {
            let submitter = submitter.clone();
            crowd(3, move |n| submit_three(&submitter, n))
        };
        let clock = clock(3);
        let accepted = join_all(submitters);
        let results = queue.drain();
        clock.join().unwrap();
        assert_eq!(ids(&results), sorted(accepted));
        assert_eq!(results.len(), 9);
        assert_books(submitter.stats(), &results);
        for result in &results {
            assert!(result.outcome.is_ok());
            let TaskId::Number(number) = result.task_id else {
                unreachable!("all are numbers")
            };
            assert_eq!(result.attempts, 1 + number as u32 % 3);
        }
    });
}

#[test]
fn four_workers_retry_what_three_submitters_bring() {
    retries_of_many(RetryWaits::FreeWorker);
}

#[test]
fn four_workers_hold_what_three_submitters_bring() {
    retries_of_many(RetryWaits::HoldWorker);
}

// A hang here would mean that a drain waited for what a cancel had ended; a
// missing result, that it collected before the canceller had published; one
// too many, that a worker and a canceller both had the task.
fn cancel_races_drain(handler: Handler, waits: RetryWaits) {
    outcomes([(false, true), (true, false), (true, true)], move || {
        let options = four_workers(waits);
        let queue = TaskQueue::new(handler, options).unwrap();
        let submitter = queue.submitter();
        queue.submit(named(90)).unwrap();
        let submitters = {
            let submitter = submitter.clone();
            crowd(3, move |n| submit_three(&submitter, n))
        };
        let cancellers = {
            let submitter = submitter.clone();
            crowd(2, move |_| submitter.cancel())
        };
        let clock = thread::spawn(|| advance(SECOND));
        let results = queue.drain();
        join(cancellers);
        clock.join().unwrap();
        let mut accepted = join_all(submitters);
        accepted.push(90);
        assert_eq!(ids(&results), sorted(accepted));
        assert_books(submitter.stats(), &results);
        let aborted = results.iter().filter(|r| is_aborted(r)).count();
        (aborted > 0, aborted < results.len())
    });
}

#[test]
fn cancel_races_a_drain_that_waits_for_retries() {
    cancel_races_drain(flaky, RetryWaits::FreeWorker);
}

#[test]
fn cancel_races_a_drain_whose_workers_hold_retries() {
    cancel_races_drain(flaky, RetryWaits::HoldWorker);
}

#[test]
fn cancel_races_a_drain_among_panics() {
    cancel_races_drain(stormy, RetryWaits::FreeWorker);
}

#[test]
fn cancel_races_a_drain_among_panics_of_workers_that_hold_retries() {
    cancel_races_drain(stormy, RetryWaits::HoldWorker);
}

/// Panics as the payload says. Without the hook, which belongs to the checker:
/// to it a panic is the end of the model.
fn stormy(attempt: &Attempt<'_, u32>) -> Result<(), &'static str> {
    match (attempt.payload % 4, attempt.number()) {
        (1, _) | (2, 1) => resume_unwind(Box::new("a storm")),
        (3, 1) => Err("again"),
        (3, _) => resume_unwind(Box::new("a storm, later")),
        _ => Ok(()),
    }
}

/// The attempts that [`stormy`] makes of a task with two retries, and whether
/// it panics in the end.
fn storm(payload: u32) -> (u32, bool) {
    match payload % 4 {
        0 => (1, false),
        2 => (2, false),
        _ => (3, true),
    }
}

// A missing result here, or one too many, would mean that a panic took a task
// with it, or its settling; a hang, that it took the worker: in the end all
// four meet.
fn panics_of_many(waits: RetryWaits) {
    model(move || {
        let all_here = Arc::new(Meeting::default());
        let handler = move |attempt: &Attempt<'_, u32>| match attempt.payload {
            1000.. => {
                all_here.meet(4);
                Ok(())
            }
            _ => stormy(attempt),
        };
        let options = four_workers(waits);
        let queue = TaskQueue::new(handler, options).unwrap();
        let submitter = queue.submitter();
        let submitters = {
            let submitter = submitter.clone();
            crowd(4, move |n| submit_three(&submitter, n))
        };
        let clock = clock(3);
        let mut accepted = join_all(submitters);
        assert_eq!(accepted.len(), 12);
        clock.join().unwrap();
        queue.wait_idle();
        queue.submit_all((1000..1004).map(named)).unwrap();
        let results = queue.drain();
        for result in &results {
            let TaskId::Number(number) = result.task_id else {
                unreachable!("all are numbers")
            };
            let expected = if number < 1000 {
                storm(number as u32)
            } else {
                (1, false)
            };
            assert_eq!((result.attempts, is_panicked(result)), expected);
            assert_eq!(result.outcome.is_ok(), !expected.1);
        }
        accepted.extend(1000..1004);
        assert_eq!(ids(&results), sorted(accepted));
        assert_books(submitter.stats(), &results);
    });
}

#[test]
fn four_workers_survive_the_panics_of_what_four_submitters_bring() {
    panics_of_many(RetryWaits::FreeWorker);
}

#[test]
fn four_workers_that_hold_their_tasks_survive_the_panics() {
    panics_of_many(RetryWaits::HoldWorker);
}

// A hang here would mean that the close forgot a submitter that slept, or
// that a task got in after the last worker had left.
#[test]
fn a_drain_ends_eight_blocked_submitters() {
    outcomes([false, true], || {
        let handler = |_: &Attempt<'_, u32>| Ok(());
        let queue = TaskQueue::new(handler, QueueOptions::new(1, 2)).unwrap();
        let submitter = queue.submitter();
        let submitters = {
            let submitter = submitter.clone();
            crowd(8, move |n| submit_three(&submitter, n))
        };
        let results = queue.drain();
        let accepted = join_all(submitters);
        assert_eq!(ids(&results), sorted(accepted));
        assert_books(submitter.stats(), &results);
        assert_eq!(submitter.stats().refused, 24 - results.len() as u64);
        !results.is_empty()
    });
}

// A hang here would mean that the workers left while a handler could still
// add a task; a missing result, that the task came after the last look.
#[test]
fn handlers_grow_a_tree_while_the_queue_drains() {
    model(|| {
        let handler = |attempt: &Attempt<'_, u32>| {
            for child in [2 * attempt.payload, 2 * attempt.payload + 1] {
                if child < 16 {
                    attempt.submit(named(child)).unwrap();
                }
            }
            Ok(())
        };
        let queue = TaskQueue::new(handler, QueueOptions::new(1, 4)).unwrap();
        let submitter = queue.submitter();
        queue.submit(named(1)).unwrap();
        let submitters = {
            let submitter = submitter.clone();
            crowd(4, move |n| submitter.submit(named(100 + n)).is_ok())
        };
        let results = queue.drain();
        let outside = join(submitters);
        let mut expected: Vec<u32> = (1..16).collect();
        expected.extend((0..4).filter(|n| outside[*n as usize]).map(|n| 100 + n));
        assert_eq!(ids(&results), expected);
        assert_books(submitter.stats(), &results);
    });
}

// A hang here would mean that the end of the results was told to some
// receivers and not to others.
#[test]
fn four_receivers_share_the_results_and_all_see_the_end() {
    model(|| {
        let options = QueueOptions::new(2, 4).backoff(Backoff::none());
        let queue = TaskQueue::new(flaky, options).unwrap();
        let receivers: Vec<_> = (0..4)
            .map(|_| {
                let results = queue.results();
                thread::spawn(move || results.iter().collect::<Vec<_>>())
            })
            .collect();
        let accepted = queue.submit_all((0..6).map(named)).unwrap().accepted;
        assert_eq!(accepted, 6);
        queue.close();
        let results = join_all(receivers);
        assert_eq!(ids(&results), (0..6).collect::<Vec<_>>());
        assert!(queue.drain().is_empty());
    });
}

// A wrong sum here would mean that a snapshot is put together from two looks; too
// few results, that a task was settled first, or left one place of the books before
// it was in the next; too many, that nobody is about to settle it.
#[test]
fn every_snapshot_of_a_busy_queue_balances() {
    model(|| {
        let options = QueueOptions::new(2, 4).backoff(Backoff::none());
        let queue = TaskQueue::new(flaky, options).unwrap();
        let submitter = queue.submitter();
        let observers: Vec<_> = (0..2)
            .map(|_| {
                let (submitter, results) = (submitter.clone(), queue.results());
                thread::spawn(move || {
                    for _ in 0..4 {
                        let before = results.len() as u64;
                        let stats = submitter.stats();
                        assert!(before <= stats.settled + stats.running);
                        assert!(results.len() as u64 >= stats.settled);
                        assert!(stats.running <= 4);
                        assert_eq!(
                            stats.accepted,
                            stats.ready + stats.waiting + stats.running + stats.settled
                        );
                        assert!(stats.ready + stats.waiting <= 2 + 4);
                    }
                })
            })
            .collect();
        let submitters = {
            let submitter = submitter.clone();
            crowd(3, move |n| submit_three(&submitter, n))
        };
        let accepted = join_all(submitters);
        queue.wait_idle();
        assert_eq!(queue.results().len(), accepted.len());
        join(observers);
        let results = queue.drain();
        assert_eq!(ids(&results), sorted(accepted));
        assert_books(submitter.stats(), &results);
    });
}
