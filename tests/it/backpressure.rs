//! What happens while the queue is full.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use taskshelf::{
    Attempt, BackpressureStrategy, QueueOptions, SubmitError, Submitted, Task, TaskQueue,
};

use crate::support::{
    Echo, HOUR, Recorder, STRATEGIES, blocked, full, gated, number, odd_task, on_log,
    sorted_values, until, values, within_seconds,
};

const MOMENT: Duration = Duration::from_millis(5);

#[test]
fn block_waits_for_room() {
    within_seconds(|| {
        let (queue, gate) = full(2, BackpressureStrategy::Block);
        let submitter = queue.submitter();
        let thread = blocked(move || submitter.submit(3));
        assert_eq!(queue.stats().accepted, 3);
        assert!(!thread.is_finished());
        gate.open();
        assert_eq!(
            thread.join().unwrap().unwrap(),
            Submitted::Accepted(number(4))
        );
        assert_eq!(values(queue.drain()), [0, 1, 2, 3]);
    });
}

#[test]
fn drop_hands_the_new_task_back() {
    within_seconds(|| {
        let (queue, gate) = full(2, BackpressureStrategy::Drop);
        assert_eq!(
            queue.submit(odd_task()).unwrap(),
            Submitted::Dropped(odd_task())
        );
        gate.open();
        assert_eq!(values(queue.drain()), [0, 1, 2]);
    });
}

#[test]
fn drop_logs_a_warning() {
    within_seconds(|| {
        let (queue, gate) = full(2, BackpressureStrategy::Drop);
        let levels = Recorder::new();
        let noted = levels.clone();
        on_log(move |level, _| noted.note(level));
        queue.submit(odd_task()).unwrap();
        assert_eq!(levels.events(), [log::Level::Warn]);
        gate.open();
        drop(queue);
    });
}

#[test]
fn error_hands_the_new_task_back_in_an_error() {
    within_seconds(|| {
        let (queue, gate) = full(2, BackpressureStrategy::Error);
        let (task, capacity) = (odd_task(), 2);
        assert_eq!(
            queue.submit(odd_task()),
            Err(SubmitError::Full { task, capacity })
        );
        gate.open();
        assert_eq!(values(queue.drain()), [0, 1, 2]);
    });
}

#[test]
fn a_task_that_a_full_queue_refused_has_no_id() {
    within_seconds(|| {
        let (queue, gate) = full(1, BackpressureStrategy::Drop);
        assert_eq!(queue.submit(5).unwrap().dropped().unwrap().id(), None);
        assert_eq!(queue.try_submit(5).unwrap_err().into_task().id(), None);
        gate.open();
        drop(queue);
    });
}

#[test]
fn try_submit_says_full_under_every_strategy() {
    for strategy in STRATEGIES {
        within_seconds(move || {
            let (queue, gate) = full(2, strategy);
            let (task, capacity) = (odd_task(), 2);
            assert_eq!(
                queue.try_submit(odd_task()),
                Err(SubmitError::Full { task, capacity })
            );
            gate.open();
            assert_eq!(values(queue.drain()), [0, 1, 2]);
        });
    }
}

type Timed = fn(&Echo, Task<u32>, Duration) -> Result<Submitted<u32>, SubmitError<u32>>;

/// The ways to wait for room for so long, whatever the strategy.
const TIMED: [Timed; 2] = [
    |queue, task, time| queue.submit_timeout(task, time),
    |queue, task, time| queue.submit_deadline(task, Instant::now() + time),
];

#[test]
fn submit_timeout_and_submit_deadline_wait_their_time_under_every_strategy() {
    for (strategy, timed) in STRATEGIES.into_iter().flat_map(|s| TIMED.map(|t| (s, t))) {
        within_seconds(move || {
            let (queue, gate) = full(2, strategy);
            let start = Instant::now();
            let refused = timed(&queue, odd_task(), MOMENT);
            assert!(start.elapsed() >= MOMENT);
            assert_eq!(refused, Err(SubmitError::Timeout(odd_task())));
            gate.open();
            assert_eq!(values(queue.drain()), [0, 1, 2]);
        });
    }
}

#[test]
fn a_time_that_is_over_still_allows_one_try() {
    for timed in TIMED {
        within_seconds(move || {
            let (queue, gate) = gated(1, BackpressureStrategy::Block);
            let submit = |payload| timed(&queue, Task::new(payload), Duration::ZERO);
            assert!(submit(1).unwrap().is_accepted());
            assert!(submit(2).unwrap_err().is_timeout());
            gate.open();
            assert_eq!(values(queue.drain()), [0, 1]);
        });
    }
}

#[test]
fn submit_timeout_and_submit_deadline_wait_for_room_under_every_strategy() {
    for strategy in STRATEGIES {
        for timeout in [Duration::MAX, HOUR] {
            within_seconds(move || {
                let (queue, gate) = full(1, strategy);
                let submitter = queue.submitter();
                let thread = blocked(move || submitter.submit_timeout(2, timeout));
                assert!(!thread.is_finished());
                gate.open();
                assert!(thread.join().unwrap().unwrap().is_accepted());
                assert_eq!(values(queue.drain()), [0, 1, 2]);
            });
        }
        within_seconds(move || {
            let (queue, gate) = full(1, strategy);
            let submitter = queue.submitter();
            let deadline = Instant::now() + HOUR;
            let thread = blocked(move || submitter.submit_deadline(2, deadline));
            assert!(!thread.is_finished());
            gate.open();
            assert!(thread.join().unwrap().unwrap().is_accepted());
            assert_eq!(values(queue.drain()), [0, 1, 2]);
        });
    }
}

#[test]
fn submit_all_waits_for_room_under_block() {
    within_seconds(|| {
        let (queue, gate) = gated(3, BackpressureStrategy::Block);
        let submitter = queue.submitter();
        let thread = blocked(move || submitter.submit_all(1..=200));
        assert!(!thread.is_finished());
        gate.open();
        assert_eq!(thread.join().unwrap().unwrap().accepted, 200);
        assert_eq!(values(queue.drain()), (0..=200).collect::<Vec<_>>());
    });
}

#[test]
fn submit_all_drops_what_does_not_fit_under_drop() {
    within_seconds(|| {
        let (queue, gate) = gated(3, BackpressureStrategy::Drop);
        let submitted = queue.submit_all(1..=200).unwrap();
        assert_eq!(submitted.accepted, 3);
        let dropped: Vec<_> = submitted.dropped.iter().map(|task| task.payload).collect();
        assert_eq!(dropped, (4..=200).collect::<Vec<_>>());
        gate.open();
        assert_eq!(values(queue.drain()), [0, 1, 2, 3]);
    });
}

#[test]
fn submit_all_drops_tasks_intact() {
    within_seconds(|| {
        let (queue, gate) = full(1, BackpressureStrategy::Drop);
        let submitted = queue.submit_all([odd_task()]).unwrap();
        assert_eq!(submitted.dropped, [odd_task()]);
        gate.open();
        drop(queue);
    });
}

#[test]
fn submit_all_stops_at_what_does_not_fit_under_error() {
    within_seconds(|| {
        let (queue, gate) = gated(3, BackpressureStrategy::Error);
        let mut tasks = 1..=200;
        let error = queue.submit_all(tasks.by_ref()).unwrap_err();
        assert_eq!(error.accepted, 3);
        assert!(matches!(error.error, SubmitError::Full { capacity: 3, .. }));
        gate.open();
        let mut seen = values(queue.drain());
        assert_eq!(seen, [0, 1, 2, 3]);
        seen.extend(error.rest.into_iter().map(|task| task.payload));
        seen.extend(tasks);
        assert_eq!(seen, (0..=200).collect::<Vec<_>>());
    });
}

#[test]
fn submit_all_hands_tasks_back_intact_under_error() {
    within_seconds(|| {
        let (queue, gate) = full(1, BackpressureStrategy::Error);
        let error = queue.submit_all([odd_task()]).unwrap_err();
        assert_eq!(error.rest, [odd_task()]);
        gate.open();
        drop(queue);
    });
}

#[test]
fn a_closed_queue_hands_every_task_back_under_every_strategy() {
    for strategy in STRATEGIES {
        within_seconds(move || {
            let (queue, gate) = full(1, strategy);
            let far = Instant::now() + HOUR;
            queue.close();
            let closed = || SubmitError::Closed(odd_task());
            assert_eq!(queue.submit(odd_task()), Err(closed()));
            assert_eq!(queue.try_submit(odd_task()), Err(closed()));
            assert_eq!(queue.submit_timeout(odd_task(), MOMENT), Err(closed()));
            assert_eq!(queue.submit_deadline(odd_task(), far), Err(closed()));
            let error = queue.submit_all([odd_task()]).unwrap_err();
            assert!(error.error.is_closed());
            assert_eq!(error.rest, [odd_task()]);
            gate.open();
            assert_eq!(values(queue.drain()), [0, 1]);
        });
    }
}

#[test]
fn every_blocked_submitter_gets_in() {
    within_seconds(|| {
        let (queue, gate) = full(2, BackpressureStrategy::Block);
        let threads: Vec<_> = (3..=6)
            .map(|payload| {
                let submitter = queue.submitter();
                blocked(move || submitter.submit(payload).map(drop))
            })
            .collect();
        gate.open();
        // Not closed before they are all in: nothing else must be needed.
        for thread in threads {
            thread.join().unwrap().unwrap();
        }
        assert_eq!(sorted_values(queue.drain()), [0, 1, 2, 3, 4, 5, 6]);
    });
}

#[test]
fn a_full_queue_passes_everything_on() {
    within_seconds(|| {
        for (capacity, workers) in [(1, 1), (1, 3), (2, 2), (5, 1)] {
            let queue = TaskQueue::new(
                |attempt: &Attempt<'_, u32>| Ok::<_, &str>(attempt.payload),
                QueueOptions::new(capacity, workers),
            )
            .unwrap();
            let threads: Vec<_> = (0..4)
                .map(|part| {
                    let submitter = queue.submitter();
                    thread::spawn(move || {
                        for n in 0..250 {
                            submitter.submit(part * 250 + n).unwrap();
                        }
                    })
                })
                .collect();
            for thread in threads {
                thread.join().unwrap();
            }
            assert_eq!(sorted_values(queue.drain()), (0..1000).collect::<Vec<_>>());
        }
    });
}

#[test]
fn a_submitter_that_times_out_takes_nobodys_room() {
    within_seconds(|| {
        // Each message lets the handler finish one task.
        let (step, steps) = mpsc::channel::<()>();
        let steps = std::sync::Mutex::new(steps);
        let handler = move |_: &Attempt<'_, u32>| {
            let _ = steps.lock().unwrap().recv();
            Ok::<_, &str>(())
        };
        let queue = TaskQueue::new(handler, QueueOptions::new(1, 1)).unwrap();
        for round in 0..100 {
            queue.submit(0).unwrap();
            until(|| queue.stats().running == 1);
            queue.submit(1).unwrap();
            let (first, second) = (queue.submitter(), queue.submitter());
            let timeout = Duration::from_micros(100 * (round % 20));
            let hasty = blocked(move || first.submit_timeout(2, timeout));
            let patient = blocked(move || second.submit(3));
            step.send(()).unwrap();
            // One slot gets free. If the hasty one was too late for it, the
            // patient one must have it, although nothing else happens.
            if hasty.join().unwrap().is_ok() {
                step.send(()).unwrap();
            }
            assert!(patient.join().unwrap().unwrap().is_accepted());
            step.send(()).unwrap();
            step.send(()).unwrap();
            queue.wait_idle();
        }
        drop(queue);
    });
}

#[test]
fn a_logger_may_use_the_queue() {
    within_seconds(|| {
        let (queue, gate) = full(1, BackpressureStrategy::Drop);
        let seen = Recorder::new();
        let (submitter, noted) = (queue.submitter(), seen.clone());
        on_log(move |_, _| {
            let stats = submitter.stats();
            noted.note((stats.accepted, submitter.try_submit(9).is_err()));
        });
        queue.submit(5).unwrap();
        queue.submit_all([6, 7]).unwrap();
        assert!(seen.events().len() >= 2);
        assert!(seen.events().iter().all(|&event| event == (2, true)));
        gate.open();
        drop(queue);
    });
}
