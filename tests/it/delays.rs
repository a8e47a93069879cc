//! How long a task waits for its next attempt.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use taskshelf::{Attempt, Backoff, Jitter, QueueOptions, Task, TaskQueue};

use crate::retry::{MOMENT, failing, for_both_waits, options};
use crate::support::{HOUR, Recorder, on_log, only_error, until, within_seconds};

#[test]
fn a_queue_waits_the_default_backoff_unless_told_otherwise() {
    for_both_waits(|waits| {
        let queue = TaskQueue::new(
            |_: &Attempt<'_, u32>| Err::<(), _>("no"),
            QueueOptions::new(4, 1).retry_waits(waits).max_retries(1),
        )
        .unwrap();
        queue.submit(1).unwrap();
        let result = queue.drain().remove(0);
        assert_eq!(result.attempts, 2);
        assert!(result.duration >= Duration::from_millis(200));
    });
}

#[test]
fn a_custom_backoff_is_asked_once_for_every_retry_from_one_on() {
    for_both_waits(|waits| {
        let asked = Recorder::new();
        let noted = asked.clone();
        let backoff = Backoff::custom(move |n| {
            noted.note(n);
            Duration::ZERO
        });
        let (queue, _) = failing(options(waits).backoff(backoff).max_retries(3));
        queue.submit(1).unwrap();
        assert_eq!(only_error(queue.drain()).1, 4);
        assert_eq!(asked.events(), [1, 2, 3]);
    });
}

#[test]
fn each_queue_draws_a_jitter_of_its_own() {
    within_seconds(|| {
        let delays = Recorder::new();
        for _ in 0..2 {
            let delays = delays.clone();
            let handler = move |_: &Attempt<'_, u32>| {
                // The worker logs how long the delay is.
                let delays = delays.clone();
                on_log(move |_, text| delays.note(text.to_owned()));
                Err::<(), _>("no")
            };
            let backoff = Backoff::constant(HOUR).jitter(Jitter::Full);
            let options = QueueOptions::new(1, 1).backoff(backoff);
            let queue = TaskQueue::new(handler, options).unwrap();
            queue.submit(1).unwrap();
            until(|| queue.stats().waiting == 1);
            queue.cancel();
        }
        let delays = delays.events();
        assert_eq!(delays.len(), 2, "{delays:?}");
        assert_ne!(delays[0], delays[1]);
    });
}

#[test]
fn jitter_spreads_delays_that_reached_the_cap() {
    let capped = Backoff::constant(HOUR).cap(Duration::from_secs(1));
    for (jitter, shortest) in [(Jitter::Equal, 0.5), (Jitter::Full, 0.0)] {
        let backoff = capped.clone().jitter(jitter);
        let delays = (0..100).map(|seed| backoff.clone().seed(seed).delay(1));
        let mean = delays.sum::<Duration>().as_secs_f64() / 100.0;
        let middle = (shortest + 1.0) / 2.0;
        assert!((mean - middle).abs() < 0.15, "{jitter:?}: {mean}");
    }
}

#[test]
fn there_is_no_delay_after_the_last_failure() {
    for_both_waits(|waits| {
        let backoff = Backoff::custom(|n| if n == 1 { Duration::ZERO } else { HOUR });
        let (queue, _) = failing(options(waits).backoff(backoff).max_retries(1));
        queue.submit(1).unwrap();
        queue.submit(Task::new(2).with_retries(0)).unwrap();
        assert_eq!(queue.drain().len(), 2);
    });
}

#[test]
fn every_retry_waits_its_delay() {
    for_both_waits(|waits| {
        let starts = Recorder::new();
        let handler = {
            let starts = starts.clone();
            move |_: &Attempt<'_, u32>| {
                starts.note(Instant::now());
                Err::<(), _>("no")
            }
        };
        let backoff = Backoff::exponential(Duration::from_millis(2));
        let queue =
            TaskQueue::new(handler, options(waits).max_retries(3).backoff(backoff)).unwrap();
        queue.submit(1).unwrap();
        queue.wait_idle();
        drop(queue);
        let gaps: Vec<_> = starts.events().windows(2).map(|w| w[1] - w[0]).collect();
        assert_eq!(gaps.len(), 3);
        for (gap, least) in gaps.into_iter().zip([4, 8, 16]) {
            assert!(gap >= Duration::from_millis(least), "{gap:?} < {least} ms");
        }
    });
}

#[test]
fn jitter_keeps_tasks_of_one_name_apart() {
    within_seconds(|| {
        let lines = Recorder::new();
        let noted = lines.clone();
        let handler = move |attempt: &Attempt<'_, u32>| {
            let noted = noted.clone();
            on_log(move |_, text| noted.note(text.to_owned()));
            Err::<(), _>(attempt.payload)
        };
        let backoff = Backoff::constant(HOUR).jitter(Jitter::Full);
        let queue = TaskQueue::new(handler, QueueOptions::new(8, 1).backoff(backoff)).unwrap();
        queue
            .submit_all((0..8).map(|n| Task::new(n).with_id("mail")))
            .unwrap();
        until(|| queue.stats().waiting == 8);
        let _ = queue.abort();
        let delays: BTreeSet<_> = lines.events().into_iter().collect();
        assert_eq!(delays.len(), 8, "{delays:?}");
    });
}

#[test]
fn duration_includes_the_delays() {
    for_both_waits(|waits| {
        let (queue, _) = failing(
            options(waits)
                .max_retries(2)
                .backoff(Backoff::constant(MOMENT)),
        );
        let start = Instant::now();
        queue.submit(1).unwrap();
        let result = queue.drain().remove(0);
        assert!(result.duration >= 2 * MOMENT);
        assert!(result.duration <= start.elapsed());
    });
}
