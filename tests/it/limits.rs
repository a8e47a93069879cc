//! The queues at their limits: very many tasks, threads, retries and slots,
//! and very long delays. What must hold is that nothing overflows, and nothing is
//! left behind.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use taskshelf::{
    Attempt, Backoff, Lease, PriorityQueue, QueueOptions, ResultsPolicy, Task, TaskError, TaskQueue,
};

use crate::support::{BOTH_WAITS, Live, until, within_seconds};

/// Succeeds with the payload.
fn echo(attempt: &Attempt<'_, u32>) -> Result<u32, &'static str> {
    Ok(attempt.payload)
}

fn fails(_: &Attempt<'_, u32>) -> Result<u32, &'static str> {
    Err("always")
}

// Many tasks

/// A million with `TASKSHELF_STRESS=1 cargo test --test it very_many`.
fn many() -> u32 {
    match std::env::var_os("TASKSHELF_STRESS") {
        Some(_) => 1_000_000,
        None => 50_000,
    }
}

#[test]
fn very_many_tasks_pass_through_a_single_slot() {
    const BATCH: u32 = 50_000;
    let options = QueueOptions::new(1, 2).results(ResultsPolicy::Discard);
    let mut queue = TaskQueue::new(echo, options).unwrap();
    for _ in 0..many() / BATCH {
        queue = within_seconds(move || {
            for number in 0..BATCH {
                queue.submit(number).unwrap();
            }
            queue
        });
    }
    within_seconds(move || {
        queue.wait_idle();
        assert_eq!(queue.stats().succeeded, u64::from(many()));
        assert!(queue.drain().is_empty());
    });
}

#[test]
fn no_more_payloads_and_results_live_than_there_are_places_for() {
    within_seconds(|| {
        let (payloads, results) = (Live::default(), Live::default());
        let makes = results.clone();
        let queue = TaskQueue::new(
            move |_: &Attempt<'_, _>| Ok::<_, ()>(makes.one()),
            QueueOptions::new(3, 2).results(ResultsPolicy::Discard),
        )
        .unwrap();
        for _ in 0..10_000 {
            // Three in the queue, two in work, and this one.
            queue.submit(payloads.one()).unwrap();
            assert!(payloads.count() <= 6);
            assert!(results.count() <= 2);
        }
        assert!(queue.drain().is_empty());
        assert_eq!((payloads.count(), results.count()), (0, 0));
    });
}

#[test]
fn sixty_four_producers_and_sixty_four_workers_lose_nothing() {
    within_seconds(|| {
        let queue = TaskQueue::new(echo, QueueOptions::new(16, 64)).unwrap();
        thread::scope(|scope| {
            for producer in 0..64 {
                let submitter = queue.submitter();
                scope.spawn(move || {
                    for number in 0..100 {
                        submitter.submit(producer * 100 + number).unwrap();
                    }
                });
            }
        });
        let results = queue.drain();
        let ids: HashSet<_> = results
            .iter()
            .map(|result| result.task_id.clone())
            .collect();
        let mut payloads: Vec<_> = results.into_iter().filter_map(|r| r.outcome.ok()).collect();
        payloads.sort();
        assert_eq!(ids.len(), 6400);
        assert_eq!(payloads, (0..6400).collect::<Vec<_>>());
    });
}

#[test]
fn many_small_batches_lose_nothing() {
    within_seconds(|| {
        let queue = TaskQueue::new(echo, QueueOptions::new(7, 3)).unwrap();
        thread::scope(|scope| {
            for producer in 0..4 {
                let submitter = queue.submitter();
                scope.spawn(move || {
                    for batch in 0..30 {
                        let first = producer * 3000 + batch * 100;
                        let all = submitter.submit_all(first..first + 100).unwrap();
                        assert_eq!(all.accepted, 100);
                    }
                });
            }
        });
        let mut payloads: Vec<_> = queue
            .drain()
            .into_iter()
            .filter_map(|result| result.outcome.ok())
            .collect();
        payloads.sort();
        assert_eq!(payloads, (0..12_000).collect::<Vec<_>>());
    });
}

// Many slots

#[test]
fn the_largest_capacities_take_no_memory() {
    within_seconds(|| {
        for capacity in [usize::MAX, usize::MAX / 2] {
            // A page for each slot would not fit into any address space.
            let queue = TaskQueue::new(
                |attempt: &Attempt<'_, [u8; 4096]>| Ok::<_, ()>(attempt.payload[4095]),
                QueueOptions::new(capacity, 1),
            )
            .unwrap();
            assert_eq!(queue.capacity(), capacity);
            assert_eq!(queue.submitter().capacity(), capacity);
            queue.submit_all([[7; 4096], [8; 4096]]).unwrap();
            let results: Vec<_> = queue.drain().into_iter().map(|r| r.outcome.ok()).collect();
            assert_eq!(results, [Some(7), Some(8)]);
        }
    });
}

// Many retries, and long delays

#[test]
fn as_many_retries_as_there_can_be_go_on_until_they_are_cancelled() {
    for waits in BOTH_WAITS {
        within_seconds(move || {
            let calls = Arc::new(AtomicUsize::new(0));
            let counts = Arc::clone(&calls);
            let queue = TaskQueue::new(
                move |attempt: &Attempt<'_, u32>| {
                    counts.fetch_add(1, Ordering::SeqCst);
                    assert!(!attempt.is_last());
                    Err::<(), _>("again")
                },
                QueueOptions::new(4, 2)
                    .max_retries(u32::MAX)
                    .retry_waits(waits)
                    .backoff(Backoff::none()),
            )
            .unwrap();
            queue.submit(1).unwrap();
            until(|| calls.load(Ordering::SeqCst) > 5000);
            let results = queue.abort();
            assert_eq!(results.len(), 1);
            let attempts = results[0].attempts as usize;
            assert_eq!(attempts, calls.load(Ordering::SeqCst));
            // An attempt that ran at that moment is settled with its own error.
            let failure = results[0].outcome.as_ref().unwrap_err();
            assert!(matches!(
                failure.error,
                TaskError::Aborted | TaskError::Failed("again")
            ));
        });
    }
}

/// Delays that must not overflow, whatever is done with them.
fn endless() -> Vec<Backoff> {
    let longest = Backoff::exponential(Duration::MAX).cap(Duration::MAX);
    vec![
        Backoff::constant(Duration::MAX),
        longest.clone(),
        longest.clone().factor(f64::MAX),
        longest.factor(f64::INFINITY),
        Backoff::custom(|_| Duration::MAX),
        Backoff::constant(Duration::from_secs(u64::MAX)),
    ]
}

#[test]
fn cancel_ends_delays_without_end() {
    for waits in BOTH_WAITS {
        for backoff in endless() {
            within_seconds(move || {
                let queue = TaskQueue::new(
                    fails,
                    QueueOptions::new(4, 1)
                        .max_retries(u32::MAX)
                        .retry_waits(waits)
                        .backoff(backoff),
                )
                .unwrap();
                queue.submit(1).unwrap();
                until(|| queue.stats().waiting == 1);
                queue.cancel();
                let results = queue.drain();
                assert_eq!((results.len(), results[0].attempts), (1, 1));
                let failure = results[0].outcome.as_ref().unwrap_err();
                assert_eq!(failure.error, TaskError::Aborted);
                assert_eq!(failure.task.payload, 1);
            });
        }
    }
}

#[test]
fn waits_without_a_limit_do_not_overflow() {
    within_seconds(|| {
        let queue = TaskQueue::new(echo, QueueOptions::new(1, 1)).unwrap();
        assert!(
            queue
                .submit_timeout(1, Duration::MAX)
                .unwrap()
                .is_accepted()
        );
        assert!(queue.wait_idle_timeout(Duration::MAX));
        assert_eq!(queue.drain_timeout(Duration::MAX).unwrap().len(), 1);
    });
}

// Many threads

#[test]
fn an_idle_queue_of_many_workers_can_be_ended_in_every_way() {
    within_seconds(|| {
        let queue = || TaskQueue::new(echo, QueueOptions::new(1, 64)).unwrap();
        assert!(queue().drain().is_empty());
        assert!(queue().abort().is_empty());
        assert!(
            queue()
                .drain_timeout(Duration::from_secs(60))
                .unwrap()
                .is_empty()
        );
        drop(queue());
        let closed = queue();
        closed.close();
        assert_eq!(closed.results().iter().count(), 0);
    });
}

// Items and wishes

#[test]
fn a_queue_of_items_that_come_back_again_and_again_does_not_grow() {
    within_seconds(|| {
        let live = Live::default();
        let queue = PriorityQueue::new(4);
        for _ in 0..4 {
            assert!(queue.push(0, live.one()).is_ok());
        }
        for _ in 0..5000 {
            let lease = queue.lease().unwrap();
            assert!(Lease::retry_after(lease, Duration::ZERO).is_ok());
            assert_eq!((queue.len(), live.count()), (4, 4));
        }
        drop(queue);
        assert_eq!(live.count(), 0);
    });
}

#[test]
fn a_task_with_every_wish_at_its_limit_runs() {
    within_seconds(|| {
        let queue = TaskQueue::new(echo, QueueOptions::new(1, 1).max_retries(u32::MAX)).unwrap();
        for priority in [i32::MIN, i32::MAX] {
            let task = Task::new(7)
                .with_priority(priority)
                .with_retries(u32::MAX)
                .with_id("x".repeat(10_000));
            queue.submit(task).unwrap();
        }
        let results = queue.drain();
        assert_eq!(results.len(), 2);
        assert!(
            results
                .iter()
                .all(|result| result.attempts == 1 && result.outcome == Ok(7))
        );
    });
}
