//! What a result's duration leaves out, where the end of one task is taken for
//! the start of the next.
//!
//! A duration that is right is never longer than asserted here; one that is
//! wrong is longer by about a moment.

use std::thread;
use std::time::{Duration, Instant};

use taskshelf::{Attempt, QueueOptions, TaskQueue};

use crate::support::{Recorder, within_seconds};

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

/// Takes its time to be dropped, and notes when it is gone.
struct Slow(Recorder<Instant>);

impl Drop for Slow {
    fn drop(&mut self) {
        thread::sleep(MOMENT);
        self.0.note(Instant::now());
    }
}

#[test]
fn dropping_a_payload_is_no_part_of_the_next_tasks_duration() {
    within_seconds(|| {
        let gone = Recorder::new();
        let queue = TaskQueue::new(
            |_: &Attempt<'_, Slow>| Ok::<_, &str>(()),
            QueueOptions::new(2, 1),
        )
        .unwrap();
        let payloads = [(); 2].map(|()| Slow(gone.clone()));
        queue.submit_all(payloads).unwrap();
        let results = queue.drain();
        let first_gone = gone.events()[0];
        let second_ended = gone.events()[1] - MOMENT;
        assert!(results[1].duration <= second_ended - first_gone);
    });
}
