//! What follows a failed attempt.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use taskshelf::{
    Attempt, Backoff, QueueOptions, RetryWaits, Stats, Submitter, Task, TaskError, TaskQueue,
};

use crate::support::{
    BOTH_WAITS, Gate, HOUR, Recorder, only_error, sorted_values, until, values, within_seconds,
};

pub(crate) const MOMENT: Duration = Duration::from_millis(10);

pub(crate) fn options(waits: RetryWaits) -> QueueOptions {
    QueueOptions::new(16, 1)
        .retry_waits(waits)
        .backoff(Backoff::none())
}

/// A queue whose tasks fail in every attempt, and what it saw of each attempt:
/// its number, and whether it was the last.
pub(crate) fn failing(options: QueueOptions) -> (TaskQueue<u32, (), u32>, Recorder<(u32, bool)>) {
    let attempts = Recorder::new();
    let handler = {
        let attempts = attempts.clone();
        move |attempt: &Attempt<'_, u32>| {
            attempts.note((attempt.number(), attempt.is_last()));
            Err(attempt.number())
        }
    };
    (TaskQueue::new(handler, options).unwrap(), attempts)
}

/// Runs the body for both places where a task can wait.
pub(crate) fn for_both_waits(body: fn(RetryWaits)) {
    for waits in BOTH_WAITS {
        within_seconds(move || body(waits));
    }
}

// ----- how often ----------------------------------------------------------------

#[test]
fn the_handler_is_called_once_more_than_there_are_retries() {
    for_both_waits(|waits| {
        for (retries, expected) in [
            (0, vec![(1, true)]),
            (1, vec![(1, false), (2, true)]),
            (2, vec![(1, false), (2, false), (3, true)]),
        ] {
            let (queue, attempts) = failing(options(waits).max_retries(retries));
            queue.submit(1).unwrap();
            let (error, counted) = only_error(queue.drain());
            assert_eq!(error, TaskError::Failed(retries + 1));
            assert_eq!(counted, retries + 1);
            assert_eq!(attempts.events(), expected);
        }
    });
}

#[test]
fn there_are_four_attempts_by_default() {
    for_both_waits(|waits| {
        let (queue, attempts) = failing(options(waits));
        queue.submit(1).unwrap();
        assert_eq!(only_error(queue.drain()).1, 4);
        assert_eq!(attempts.events().len(), 4);
    });
}

#[test]
fn a_tasks_own_retries_override_the_queues() {
    for_both_waits(|waits| {
        for (queues, tasks) in [(5, 0), (0, 2), (1, 3)] {
            let (queue, attempts) = failing(options(waits).max_retries(queues));
            queue.submit(Task::new(1).with_retries(tasks)).unwrap();
            assert_eq!(only_error(queue.drain()).1, tasks + 1);
            assert_eq!(attempts.events().len(), tasks as usize + 1);
            assert_eq!(attempts.events().pop(), Some((tasks + 1, true)));
        }
    });
}

#[test]
fn a_success_ends_the_retries() {
    for_both_waits(|waits| {
        let handler = |attempt: &Attempt<'_, u32>| match attempt.number() {
            3 => Ok("done"),
            _ => Err("not yet"),
        };
        let queue = TaskQueue::new(handler, options(waits).max_retries(9)).unwrap();
        queue.submit(1).unwrap();
        let result = queue.drain().remove(0);
        assert_eq!(result.attempts, 3);
        assert_eq!(result.outcome.unwrap(), "done");
    });
}

#[test]
fn as_many_retries_as_can_be_asked_for_are_no_problem() {
    for_both_waits(|waits| {
        for delay in [HOUR, Duration::MAX] {
            let (tell, told) = mpsc::sync_channel(1);
            let backoff = Backoff::custom(move |n| {
                tell.send(n).unwrap();
                delay
            });
            let (queue, attempts) = failing(options(waits).backoff(backoff).max_retries(u32::MAX));
            queue.submit(1).unwrap();
            assert_eq!(told.recv().unwrap(), 1);
            queue.cancel();
            let (error, counted) = only_error(queue.drain());
            // The cancel may have been faster than the worker was to wait.
            assert!(
                matches!(error, TaskError::Aborted | TaskError::Failed(1)),
                "{error:?}"
            );
            assert_eq!(counted, 1);
            assert_eq!(attempts.events(), [(1, false)]);
        }
    });
}

#[test]
fn every_task_of_a_crowd_has_its_attempts() {
    for_both_waits(|waits| {
        let calls: Arc<Vec<AtomicUsize>> =
            Arc::new((0..200).map(|_| AtomicUsize::new(0)).collect());
        let handler = {
            let calls = Arc::clone(&calls);
            move |attempt: &Attempt<'_, usize>| {
                calls[attempt.payload].fetch_add(1, Ordering::SeqCst);
                if attempt.number() <= u32::try_from(attempt.payload % 4).unwrap() {
                    return Err("not yet");
                }
                Ok(attempt.payload)
            }
        };
        let options = QueueOptions::new(10, 4)
            .retry_waits(waits)
            .backoff(Backoff::constant(Duration::from_micros(200)));
        let queue = TaskQueue::new(handler, options).unwrap();
        queue.submit_all(0..200).unwrap();
        let results = queue.drain();
        assert_eq!(results.len(), 200);
        for result in results {
            let payload = result.outcome.unwrap();
            let attempts = usize::try_from(result.attempts).unwrap();
            assert_eq!(attempts, payload % 4 + 1);
            assert_eq!(calls[payload].load(Ordering::SeqCst), attempts);
        }
    });
}

// ----- what the handler says ----------------------------------------------------

#[test]
fn a_permanent_error_is_not_retried() {
    for_both_waits(|waits| {
        let queue = TaskQueue::new(
            |attempt: &Attempt<'_, u32>| Err::<(), _>(attempt.permanent("never")),
            options(waits).backoff(Backoff::constant(HOUR)),
        )
        .unwrap();
        queue.submit(1).unwrap();
        assert_eq!(only_error(queue.drain()), (TaskError::Failed("never"), 1));
    });
}

#[test]
fn retry_after_takes_the_place_of_the_backoff() {
    for_both_waits(|waits| {
        let queue = TaskQueue::new(
            |attempt: &Attempt<'_, u32>| match attempt.number() {
                1 => Err(attempt.retry_after(Duration::ZERO, "soon")),
                _ => Ok(()),
            },
            options(waits).backoff(Backoff::constant(HOUR)),
        )
        .unwrap();
        queue.submit(1).unwrap();
        assert_eq!(values(queue.drain()), [()]);
    });
}

#[test]
fn retry_after_waits_its_time() {
    for_both_waits(|waits| {
        let starts = Recorder::new();
        let handler = {
            let starts = starts.clone();
            move |attempt: &Attempt<'_, u32>| {
                starts.note(Instant::now());
                Err::<(), _>(attempt.retry_after(MOMENT, "later"))
            }
        };
        let queue = TaskQueue::new(handler, options(waits).max_retries(2)).unwrap();
        queue.submit(1).unwrap();
        assert_eq!(only_error(queue.drain()).1, 3);
        let starts = starts.events();
        assert!(starts[1] - starts[0] >= MOMENT);
        assert!(starts[2] - starts[1] >= MOMENT);
    });
}

#[test]
fn retry_after_gives_no_more_retries_than_there_are() {
    for_both_waits(|waits| {
        let queue = TaskQueue::new(
            |attempt: &Attempt<'_, u32>| {
                let delay = if attempt.is_last() {
                    HOUR
                } else {
                    Duration::ZERO
                };
                Err::<(), _>(attempt.retry_after(delay, "again"))
            },
            options(waits).max_retries(1),
        )
        .unwrap();
        queue.submit(1).unwrap();
        assert_eq!(only_error(queue.drain()).1, 2);
    });
}

#[test]
fn of_two_marks_the_last_one_wins() {
    for_both_waits(|waits| {
        let queue = TaskQueue::new(
            |attempt: &Attempt<'_, &str>| {
                match attempt.payload {
                    "stop" => {
                        attempt.retry_after(Duration::ZERO, ());
                        attempt.permanent(());
                    }
                    _ => {
                        attempt.permanent(());
                        attempt.retry_after(Duration::ZERO, ());
                    }
                }
                Err::<(), _>("failed")
            },
            options(waits)
                .max_retries(2)
                .backoff(Backoff::constant(HOUR)),
        )
        .unwrap();
        queue.submit_all(["stop", "go on"]).unwrap();
        let mut attempts: Vec<_> = queue.drain().into_iter().map(|r| r.attempts).collect();
        attempts.sort();
        assert_eq!(attempts, [1, 3]);
    });
}

#[test]
fn a_mark_means_nothing_when_the_attempt_succeeds() {
    for_both_waits(|waits| {
        let queue = TaskQueue::new(
            |attempt: &Attempt<'_, u32>| {
                match attempt.payload {
                    1 => attempt.permanent(()),
                    _ => attempt.retry_after(Duration::ZERO, ()),
                }
                Ok::<_, &str>(attempt.number())
            },
            options(waits),
        )
        .unwrap();
        queue.submit_all([1, 2]).unwrap();
        assert_eq!(values(queue.drain()), [1, 1]);
    });
}

#[test]
fn a_mark_means_nothing_when_the_attempt_panics() {
    for_both_waits(|waits| {
        let queue = TaskQueue::new(
            |attempt: &Attempt<'_, u32>| {
                if attempt.number() == 1 {
                    attempt.permanent(());
                    panic!("ouch");
                }
                Ok::<_, &str>(attempt.number())
            },
            options(waits),
        )
        .unwrap();
        queue.submit(1).unwrap();
        assert_eq!(values(queue.drain()), [2]);
    });
}

#[test]
fn a_mark_is_forgotten_with_its_attempt() {
    for_both_waits(|waits| {
        let queue = TaskQueue::new(
            |attempt: &Attempt<'_, u32>| {
                if attempt.number() == 1 {
                    attempt.retry_after(MOMENT, ());
                }
                Err::<(), _>("no")
            },
            options(waits)
                .max_retries(2)
                .backoff(Backoff::constant(4 * MOMENT)),
        )
        .unwrap();
        queue.submit(1).unwrap();
        let result = queue.drain().remove(0);
        assert_eq!(result.attempts, 3);
        assert!(result.duration >= 5 * MOMENT);
    });
}

// ----- where --------------------------------------------------------------------

/// A task that fails once, and one that was ready before it failed: the order
/// in which they succeed.
fn order_around_a_delay(waits: RetryWaits) -> Vec<u32> {
    let gate = Gate::new();
    let handler = {
        let gate = gate.clone();
        move |attempt: &Attempt<'_, u32>| {
            gate.pass();
            if attempt.payload == 1 && attempt.number() == 1 {
                return Err(attempt.retry_after(MOMENT, "later"));
            }
            Ok(attempt.payload)
        }
    };
    let queue = TaskQueue::new(handler, options(waits)).unwrap();
    queue.submit(1).unwrap();
    gate.arrived(1);
    queue.submit(2).unwrap();
    gate.open();
    values(queue.drain())
}

#[test]
fn a_free_worker_runs_other_tasks_while_one_waits() {
    within_seconds(|| assert_eq!(order_around_a_delay(RetryWaits::FreeWorker), [2, 1]));
}

#[test]
fn a_held_worker_runs_no_other_task_while_one_waits() {
    within_seconds(|| assert_eq!(order_around_a_delay(RetryWaits::HoldWorker), [1, 2]));
}

#[test]
fn a_free_worker_takes_what_is_submitted_while_a_task_waits() {
    within_seconds(|| {
        let queue = TaskQueue::new(
            |attempt: &Attempt<'_, u32>| match attempt.payload {
                0 => Err(attempt.retry_after(HOUR, "later")),
                payload => Ok(payload),
            },
            options(RetryWaits::FreeWorker),
        )
        .unwrap();
        queue.submit(0).unwrap();
        until(|| queue.stats().waiting == 1);
        queue.submit(1).unwrap();
        assert_eq!(queue.results().recv().unwrap().outcome.unwrap(), 1);
        assert_eq!(queue.abort().len(), 1);
    });
}

#[test]
fn a_retry_runs_in_the_hands_of_the_worker_that_was_held() {
    within_seconds(|| {
        let handler = |attempt: &Attempt<'_, u32>| {
            let me = std::thread::current().id();
            if attempt.number() < 3 {
                Err(me)
            } else {
                Ok(me)
            }
        };
        let threads = Recorder::new();
        let handler = {
            let threads = threads.clone();
            move |attempt: &Attempt<'_, u32>| {
                let result = handler(attempt);
                threads.note((attempt.payload, *result.as_ref().unwrap_or_else(|id| id)));
                result
            }
        };
        let options = QueueOptions::new(16, 3)
            .retry_waits(RetryWaits::HoldWorker)
            .backoff(Backoff::constant(Duration::from_millis(1)));
        let queue = TaskQueue::new(handler, options).unwrap();
        queue.submit_all(0..10).unwrap();
        assert_eq!(queue.drain().len(), 10);
        for task in 0..10 {
            let threads = threads.events();
            let mut own = threads.iter().filter(|event| event.0 == task);
            let first = own.next().unwrap();
            assert!(own.all(|event| event == first));
        }
    });
}

#[test]
fn a_retry_does_not_need_room() {
    for_both_waits(|waits| {
        let gate = Gate::new();
        let handler = {
            let gate = gate.clone();
            move |attempt: &Attempt<'_, u32>| {
                gate.pass();
                if attempt.number() == 1 {
                    return Err("not yet");
                }
                Ok(attempt.payload)
            }
        };
        let options = QueueOptions::new(1, 1)
            .retry_waits(waits)
            .backoff(Backoff::constant(Duration::from_millis(1)));
        let queue = TaskQueue::new(handler, options).unwrap();
        queue.submit(1).unwrap();
        gate.arrived(1);
        queue.try_submit(2).unwrap();
        assert!(queue.try_submit(3).unwrap_err().is_full());
        gate.open();
        let results = queue.drain();
        assert!(results.iter().all(|result| result.attempts == 2));
        assert_eq!(sorted_values(results), [1, 2]);
    });
}

#[test]
fn a_waiting_task_takes_up_room() {
    within_seconds(|| {
        let queue = TaskQueue::new(
            |attempt: &Attempt<'_, u32>| Err::<(), _>(attempt.retry_after(HOUR, "later")),
            QueueOptions::new(2, 1),
        )
        .unwrap();
        queue.submit_all([1, 2]).unwrap();
        until(|| queue.stats().waiting == 2);
        assert!(queue.try_submit(3).unwrap_err().is_full());
        assert_eq!(queue.abort().len(), 2);
    });
}

#[test]
fn a_task_that_is_due_wakes_an_idle_worker() {
    within_seconds(|| {
        for workers in [1, 2, 4] {
            let queue = TaskQueue::new(
                |attempt: &Attempt<'_, u32>| match attempt.number() {
                    1 => Err("not yet"),
                    _ => Ok(()),
                },
                QueueOptions::new(4, workers).backoff(Backoff::constant(MOMENT)),
            )
            .unwrap();
            queue.submit(1).unwrap();
            // Neither a submit nor a close helps it along.
            assert_eq!(queue.results().recv().unwrap().attempts, 2);
            drop(queue);
        }
    });
}

#[test]
fn a_short_delay_is_not_held_up_by_a_longer_one() {
    within_seconds(|| {
        for workers in [1, 2, 4] {
            let queue = TaskQueue::new(
                |attempt: &Attempt<'_, u32>| match (attempt.payload, attempt.number()) {
                    (0, _) => Err(attempt.retry_after(HOUR, "later")),
                    (_, 1) => Err(attempt.retry_after(MOMENT, "soon")),
                    (payload, _) => Ok(payload),
                },
                QueueOptions::new(8, workers),
            )
            .unwrap();
            queue.submit(0).unwrap();
            until(|| queue.stats().waiting == 1);
            queue.submit(1).unwrap();
            assert_eq!(queue.results().recv().unwrap().outcome.unwrap(), 1);
            assert_eq!(queue.abort().len(), 1);
        }
    });
}

#[test]
fn due_tasks_are_watched_while_workers_are_busy_and_after() {
    within_seconds(|| {
        // One worker stays in a handler; the other must look after three
        // delays, and take a new task in between.
        let gate = Gate::new();
        let handler = {
            let gate = gate.clone();
            move |attempt: &Attempt<'_, u32>| match (attempt.payload, attempt.number()) {
                (0, _) => {
                    gate.pass();
                    Ok(0)
                }
                (payload @ 1..=3, 1) => {
                    Err(attempt.retry_after(payload * Duration::from_millis(4), "later"))
                }
                (payload, _) => Ok(payload),
            }
        };
        let queue = TaskQueue::new(handler, QueueOptions::new(8, 2)).unwrap();
        let results = queue.results();
        queue.submit(0).unwrap();
        gate.arrived(1);
        queue.submit_all([3, 1, 2, 4]).unwrap();
        let mut seen: Vec<_> = results.iter().take(4).collect();
        gate.open();
        seen.extend(queue.drain());
        assert_eq!(sorted_values(seen), [0, 1, 2, 3, 4]);
    });
}

#[test]
fn a_retry_and_its_task_are_one_at_a_time() {
    for_both_waits(|waits| {
        let busy = AtomicUsize::new(0);
        let handler = move |attempt: &Attempt<'_, u32>| {
            assert_eq!(busy.fetch_add(1, Ordering::SeqCst), 0);
            std::thread::yield_now();
            busy.fetch_sub(1, Ordering::SeqCst);
            if attempt.is_last() { Ok(()) } else { Err("no") }
        };
        let options = QueueOptions::new(8, 4)
            .retry_waits(waits)
            .backoff(Backoff::none())
            .max_retries(100);
        let queue = TaskQueue::new(handler, options).unwrap();
        queue.submit(1).unwrap();
        let result = queue.drain().remove(0);
        assert_eq!((result.outcome, result.attempts), (Ok(()), 101));
    });
}

/// An error that looks at the queue when it is dropped.
struct Witness {
    queue: Submitter<u32>,
    seen: Recorder<Stats>,
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.seen.note(self.queue.stats());
    }
}

#[test]
fn an_error_is_dropped_before_its_task_waits() {
    for_both_waits(|waits| {
        let seen = Recorder::new();
        let handler = {
            let seen = seen.clone();
            move |attempt: &Attempt<'_, u32>| match attempt.is_last() {
                true => Ok(()),
                false => Err(Witness {
                    queue: attempt.submitter(),
                    seen: seen.clone(),
                }),
            }
        };
        let queue = TaskQueue::new(handler, options(waits).max_retries(2)).unwrap();
        queue.submit(1).unwrap();
        assert!(queue.drain()[0].outcome.is_ok());
        let seen: Vec<_> = seen
            .events()
            .iter()
            .map(|stats| (stats.running, stats.waiting, stats.retries))
            .collect();
        assert_eq!(seen, [(1, 0, 0), (1, 0, 1)]);
    });
}
