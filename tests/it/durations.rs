//! What a result's duration covers and what it leaves out, where the end of one task
//! is taken for the start of the next.
//!
//! A duration that is right is never longer than asserted here; one that is
//! wrong is longer by about a moment.

use std::thread;
use std::time::{Duration, Instant};

use taskshelf::{Attempt, Backoff, QueueOptions, TaskQueue};

use crate::support::{BOTH_WAITS, Recorder, until, within_seconds};

const MOMENT: Duration = Duration::from_millis(20);

#[test]
fn a_workers_wait_for_a_task_is_no_part_of_its_duration() {
    within_seconds(|| {
        let queue = TaskQueue::new(
            |attempt: &Attempt<'_, u32>| Ok::<_, &str>(attempt.payload),
            QueueOptions::new(1, 1),
        )
        .unwrap();
        queue.submit(1).unwrap();
        queue.wait_idle();
        thread::sleep(MOMENT);
        let submitted = Instant::now();
        queue.submit(2).unwrap();
        let results = queue.drain();
        assert!(results[1].duration <= submitted.elapsed());
    });
}

/// Takes its time to be dropped.
struct Slow;

impl Drop for Slow {
    fn drop(&mut self) {
        thread::sleep(MOMENT);
    }
}

#[test]
fn dropping_a_payload_is_part_of_its_own_tasks_duration_and_of_no_others() {
    within_seconds(|| {
        let queue = TaskQueue::new(
            |_: &Attempt<'_, Slow>| Ok::<_, &str>(()),
            QueueOptions::new(2, 1),
        )
        .unwrap();
        let started = Instant::now();
        queue.submit_all([Slow, Slow]).unwrap();
        let durations: Vec<_> = queue.drain().iter().map(|r| r.duration).collect();
        assert!(durations.iter().all(|duration| *duration >= MOMENT));
        assert!(durations.iter().sum::<Duration>() <= started.elapsed());
    });
}

#[test]
fn a_backoff_that_takes_its_time_is_no_part_of_the_attempt_before_it() {
    for waits in BOTH_WAITS {
        within_seconds(move || {
            let asked = Recorder::new();
            let noted = asked.clone();
            let backoff = Backoff::custom(move |_| {
                noted.note(Instant::now());
                thread::sleep(MOMENT);
                Duration::MAX
            });
            let queue = TaskQueue::new(
                |_: &Attempt<'_, ()>| Err::<(), _>("away"),
                QueueOptions::new(1, 1).backoff(backoff).retry_waits(waits),
            )
            .unwrap();
            let submitted = Instant::now();
            queue.submit(()).unwrap();
            until(|| queue.stats().waiting == 1);
            let results = queue.abort();
            assert!(results[0].duration <= asked.events()[0] - submitted);
        });
    }
}

#[test]
fn a_backoff_that_takes_its_time_and_panics_is_no_part_of_the_next_tasks_duration() {
    within_seconds(|| {
        let panicked = Recorder::new();
        let noted = panicked.clone();
        let backoff = Backoff::custom(move |_| {
            thread::sleep(MOMENT);
            noted.note(Instant::now());
            panic!("no idea");
        });
        let queue = TaskQueue::new(
            |attempt: &Attempt<'_, u32>| match attempt.payload {
                0 => Err("away"),
                _ => Ok(()),
            },
            QueueOptions::new(2, 1).backoff(backoff),
        )
        .unwrap();
        queue.submit_all([0, 1]).unwrap();
        let results = queue.drain();
        assert!(results[1].duration <= panicked.events()[0].elapsed());
    });
}
