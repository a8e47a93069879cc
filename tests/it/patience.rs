//! Submitters of a large full queue. One of them is patient: it sleeps out a
//! grace in which a few free slots call nobody. Whose grace was in vain sleeps
//! on until it is called, and so does whoever comes second.

use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use taskshelf::{
    Attempt, BackpressureStrategy, PriorityQueue, QueueOptions, SubmitError, Submitted, Submitter,
    Task, TaskQueue,
};

use crate::support::{
    Echo, Gate, HOUR, OsThread, asleep, blocked, full, sorted_values, until, values, within_seconds,
};

/// The least capacity of a queue that is large.
const LARGE: usize = 256;

type Answer = Result<Submitted<u32>, SubmitError<u32>>;
type Submit = fn(&Submitter<u32>, Task<u32>) -> Answer;
type SubmitWithin = fn(&Echo, Task<u32>, Duration) -> Answer;

/// Every way to wait for room that does not end by itself.
const WAYS: [Submit; 4] = [
    |submitter, task| submitter.submit(task),
    |submitter, task| submitter.submit_timeout(task, HOUR),
    |submitter, task| submitter.submit_timeout(task, Duration::MAX),
    |submitter, task| submitter.submit_deadline(task, Instant::now() + HOUR),
];

/// How far submitters of a full queue have got when it happens.
#[derive(Debug, Clone, Copy)]
enum Stage {
    /// They may not even have seen that it is full.
    OnTheWay,
    /// They sleep, the first of them most likely in its grace.
    Asleep,
    /// They sleep, and the grace of each is over.
    BeyondGrace,
}

impl Stage {
    /// Starts a thread that submits, and returns when it seems to be there.
    fn reach<T: Send + 'static>(
        self,
        submit: impl FnOnce() -> T + Send + 'static,
    ) -> JoinHandle<T> {
        match self {
            Self::OnTheWay => thread::spawn(submit),
            Self::Asleep => blocked(submit),
            Self::BeyondGrace => blocked_again(submit),
        }
    }
}

/// Starts a thread that is expected to block twice, and returns when it seems
/// to for the second time.
fn blocked_again<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    let (tell, told) = mpsc::channel();
    let thread = blocked(move || {
        let this = OsThread::current();
        let before = this.sleeps();
        tell.send((this, before)).unwrap();
        drop(tell);
        body()
    });
    let (os, before) = told.recv().unwrap();
    let start = Instant::now();
    let sleeps_for_the_first_time = || match (before, os.sleeps()) {
        (Some(before), Some(now)) => now < before + 2,
        _ => false,
    };
    while sleeps_for_the_first_time() && start.elapsed() < Duration::from_secs(1) {
        thread::yield_now();
    }
    os.until_asleep();
    thread
}

/// Submitters that wait in a large full queue, in each way, are told that it is
/// closed when `end` is called, and given their tasks back. Passes on the queue,
/// with its worker still at the gate.
fn end_refuses_who_waits(end: fn(&Echo), then: fn(Echo, Gate)) {
    // Who is alone may be patient; of several, all but one at most sleep
    // without a limit.
    for (stage, count) in [
        (Stage::Asleep, 1),
        (Stage::BeyondGrace, 1),
        (Stage::Asleep, 3),
    ] {
        for way in WAYS {
            within_seconds(move || {
                let (queue, gate) = full(LARGE, BackpressureStrategy::Block);
                let threads: Vec<_> = (0..count)
                    .map(|n| {
                        let submitter = queue.submitter();
                        let task = Task::new(1000 + n).with_priority(5).with_id("late");
                        stage.reach(move || (way(&submitter, task.clone()), task))
                    })
                    .collect();
                end(&queue);
                for thread in threads {
                    let (refused, task) = thread.join().unwrap();
                    assert_eq!(refused, Err(SubmitError::Closed(task)), "{stage:?}");
                }
                then(queue, gate);
            });
        }
    }
}

#[test]
fn close_wakes_who_waits_in_a_large_queue() {
    end_refuses_who_waits(
        |queue| assert!(queue.close()),
        |queue, gate| {
            gate.open();
            assert_eq!(values(queue.drain()), (0..=256).collect::<Vec<_>>());
        },
    );
}

#[test]
fn cancel_wakes_who_waits_in_a_large_queue() {
    end_refuses_who_waits(Echo::cancel, |queue, gate| {
        assert_eq!(queue.stats().aborted, 256);
        gate.open();
        let (done, aborted): (Vec<_>, Vec<_>) = queue
            .drain()
            .into_iter()
            .partition(|result| result.outcome.is_ok());
        assert_eq!((values(done), aborted.len()), (vec![0], 256));
    });
}

#[test]
fn who_waits_in_a_large_queue_gives_up_at_its_own_deadline() {
    let ways: [SubmitWithin; 2] = [
        |queue, task, timeout| queue.submit_timeout(task, timeout),
        |queue, task, timeout| queue.submit_deadline(task, Instant::now() + timeout),
    ];
    // Within a grace, and long after it.
    for timeout in [200, 1500, 20_000].map(Duration::from_micros) {
        for (way, others) in ways.into_iter().flat_map(|way| [(way, 0), (way, 2)]) {
            within_seconds(move || {
                let (queue, gate) = full(LARGE, BackpressureStrategy::Block);
                let others: Vec<_> = (0..others)
                    .map(|n| {
                        let submitter = queue.submitter();
                        blocked(move || submitter.submit(257 + n))
                    })
                    .collect();
                let task = Task::new(1000).with_priority(5).with_id("hasty");
                let start = Instant::now();
                let refused = way(&queue, task.clone(), timeout);
                assert!(start.elapsed() >= timeout, "{timeout:?}");
                assert_eq!(refused, Err(SubmitError::Timeout(task)));
                gate.open();
                let accepted = 257 + u32::try_from(others.len()).unwrap();
                for other in others {
                    assert!(other.join().unwrap().unwrap().is_accepted());
                }
                let expected: Vec<_> = (0..accepted).collect();
                assert_eq!(sorted_values(queue.drain()), expected);
            });
        }
    }
}

/// One slot of a large full queue gets free, and its taker waits for what the
/// submitter that gets in does next.
fn one_slot_is_enough(stage: Stage, count: u32, way: Submit) {
    within_seconds(move || {
        let (full, inside) = (Gate::new(), Gate::new());
        let handler = {
            let (full, inside) = (full.clone(), inside.clone());
            move |attempt: &Attempt<'_, u32>| {
                match attempt.payload {
                    0 => full.pass(),
                    1 => inside.pass(),
                    _ => {}
                }
                Ok(attempt.payload)
            }
        };
        let queue: Echo = TaskQueue::new(handler, QueueOptions::new(LARGE, 1)).unwrap();
        queue.submit(0).unwrap();
        full.arrived(1);
        for payload in 1..=256 {
            queue.try_submit(payload).unwrap();
        }
        let threads: Vec<_> = (0..count)
            .map(|n| {
                let (submitter, inside) = (queue.submitter(), inside.clone());
                stage.reach(move || {
                    let submitted = way(&submitter, Task::new(257 + n));
                    inside.open();
                    submitted
                })
            })
            .collect();
        full.open();
        for thread in threads {
            assert!(thread.join().unwrap().unwrap().is_accepted());
        }
        let expected: Vec<_> = (0..257 + count).collect();
        assert_eq!(sorted_values(queue.drain()), expected);
    });
}

#[test]
fn one_free_slot_lets_in_who_comes_to_a_large_queue() {
    for _ in 0..10 {
        for way in WAYS {
            one_slot_is_enough(Stage::OnTheWay, 1, way);
            one_slot_is_enough(Stage::OnTheWay, 3, way);
        }
    }
}

#[test]
fn one_free_slot_lets_in_who_is_patient() {
    for way in WAYS {
        one_slot_is_enough(Stage::Asleep, 1, way);
        one_slot_is_enough(Stage::Asleep, 3, way);
    }
}

#[test]
fn one_free_slot_lets_in_whose_grace_is_over() {
    for way in WAYS {
        one_slot_is_enough(Stage::BeyondGrace, 1, way);
        one_slot_is_enough(Stage::BeyondGrace, 3, way);
    }
}

/// How often a submitter sleeps that waits for room for some milliseconds.
fn sleeps_while_it_waits(capacity: usize) -> Option<u64> {
    let (queue, gate) = full(capacity, BackpressureStrategy::Block);
    let submitter = queue.submitter();
    let thread = blocked(move || {
        let this = OsThread::current();
        let before = this.sleeps();
        assert!(submitter.submit(1000).unwrap().is_accepted());
        Some(this.sleeps()? - before?)
    });
    thread::sleep(Duration::from_millis(5)); // any grace is over
    gate.open();
    let sleeps = thread.join().unwrap();
    assert_eq!(queue.drain().len(), capacity + 2);
    sleeps
}

#[test]
fn only_in_a_large_queue_a_submitter_wakes_up_to_see_whether_there_is_room() {
    within_seconds(|| {
        let sleeps = |capacity| (0..10).filter_map(move |_| sleeps_while_it_waits(capacity));
        // More only if it had to sleep for the lock, too.
        assert_eq!(sleeps(LARGE - 1).min().unwrap_or(1), 1);
        // Fewer only if it was so late that there was room.
        assert!(sleeps(LARGE).max().unwrap_or(2) >= 2);
    });
}

#[test]
fn submitters_that_wait_for_a_slow_worker_take_turns() {
    within_seconds(|| {
        let queue = PriorityQueue::new(LARGE);
        for _ in 0..LARGE {
            queue.try_push(0, None).unwrap();
        }
        thread::scope(|scope| {
            let _close = queue.close_on_drop();
            for submitter in 0..3 {
                let queue = &queue;
                scope.spawn(move || while queue.push(1, Some(submitter)).is_ok() {});
            }
            let mut turns = [0; 3];
            let turn = (0..200).position(|_| {
                // Every grace is over before the next slot gets free.
                thread::sleep(Duration::from_millis(2));
                if let Some(submitter) = queue.pop().unwrap() {
                    turns[submitter] += 1;
                }
                turns.iter().all(|count| *count >= 2)
            });
            assert!(turn.is_some(), "one of them waited in vain: {turns:?}");
        });
    });
}

#[test]
fn whose_grace_runs_out_does_not_get_ahead_of_who_came_before() {
    within_seconds(|| {
        let queue = PriorityQueue::new(LARGE);
        for item in 0..LARGE {
            queue.try_push(0, item).unwrap();
        }
        thread::scope(|scope| {
            let _close = queue.close_on_drop();
            let push = || queue.push(0, LARGE);
            // The first is patient, and the second waits behind it.
            asleep(scope, push);
            let second = asleep(scope, push);
            let frees_one_in_a_grace = |_| {
                queue.pop().unwrap();
                thread::sleep(Duration::from_millis(2));
                until(|| queue.len() == LARGE);
                let is_through = second.is_finished();
                // The next is patient, and has not lost its patience when a slot gets free.
                scope.spawn(push);
                thread::sleep(Duration::from_micros(400));
                is_through
            };
            let slots = (0..20).position(frees_one_in_a_grace);
            assert!(slots.is_some(), "all that came later were let in");
        });
    });
}
