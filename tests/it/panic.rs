//! What a panic of the user's leaves behind: one result, and a living worker.

use std::panic::panic_any;
use std::thread::{self, ThreadId};
use std::time::Duration;

use taskshelf::{
    Attempt, Backoff, QueueOptions, ResultsPolicy, RetryWaits, Task, TaskError, TaskQueue,
};

use crate::support::{
    BOTH_WAITS, Counted, Gate, HOUR, Live, Recorder, only_error, until, values, within_seconds,
};

fn options(waits: RetryWaits) -> QueueOptions {
    QueueOptions::new(16, 1)
        .retry_waits(waits)
        .backoff(Backoff::none())
}

// ----- handlers -----------------------------------------------------------------

#[test]
fn a_panic_is_retried_like_an_error() {
    for waits in BOTH_WAITS {
        within_seconds(move || {
            let queue = TaskQueue::new(
                |attempt: &Attempt<'_, u32>| {
                    assert!(attempt.number() == 3, "not yet");
                    Ok::<_, &str>(attempt.number())
                },
                options(waits),
            )
            .unwrap();
            queue.submit(1).unwrap();
            let result = queue.drain().remove(0);
            assert_eq!(result.attempts, 3);
            assert_eq!(result.outcome.unwrap(), 3);
        });
    }
}

#[test]
fn a_panic_in_the_last_attempt_is_the_result() {
    for waits in BOTH_WAITS {
        within_seconds(move || {
            let queue = TaskQueue::new(
                |attempt: &Attempt<'_, u32>| match attempt.number() {
                    3 => panic!("attempt {}", attempt.number()),
                    _ => Err::<(), _>("an error before"),
                },
                options(waits).max_retries(2),
            )
            .unwrap();
            queue.submit(1).unwrap();
            let (error, attempts) = only_error(queue.drain());
            assert_eq!(error, TaskError::Panicked("attempt 3".into()));
            assert_eq!(attempts, 3);
        });
    }
}

#[test]
fn the_last_attempt_decides_whether_a_task_failed_or_panicked() {
    within_seconds(|| {
        let queue = TaskQueue::new(
            |attempt: &Attempt<'_, u32>| {
                assert!(attempt.is_last(), "a panic before");
                Err::<(), _>("no")
            },
            options(RetryWaits::FreeWorker),
        )
        .unwrap();
        queue.submit(1).unwrap();
        assert_eq!(only_error(queue.drain()), (TaskError::Failed("no"), 4));
    });
}

#[test]
fn every_kind_of_panic_is_reported() {
    within_seconds(|| {
        let queue = TaskQueue::new(
            |attempt: &Attempt<'_, u32>| -> Result<(), &str> {
                match attempt.payload {
                    0 => panic!("a literal"),
                    1 => panic!("{} text", "formatted"),
                    2 => panic_any(String::from("a string")),
                    _ => panic_any(7_u64),
                }
            },
            QueueOptions::new(8, 1).max_retries(0),
        )
        .unwrap();
        queue.submit_all([0, 1, 2, 3]).unwrap();
        let messages: Vec<_> = queue
            .drain()
            .into_iter()
            .map(|result| match result.outcome.unwrap_err().error {
                TaskError::Panicked(message) => message,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(messages[..3], ["a literal", "formatted text", "a string"]);
        assert!(!messages[3].is_empty());
    });
}

#[test]
fn a_panicked_task_is_handed_back() {
    within_seconds(|| {
        let queue = TaskQueue::new(
            |_: &Attempt<'_, u32>| -> Result<(), &str> { panic!("ouch") },
            QueueOptions::new(8, 1),
        )
        .unwrap();
        let task = Task::new(5).with_id("a").with_priority(2).with_retries(0);
        queue.submit(task.clone()).unwrap();
        let failure = queue.drain().remove(0).outcome.unwrap_err();
        assert!(failure.error.is_panicked());
        assert_eq!(failure.task, task);
    });
}

enum Job {
    /// Shows up at the gate, with the thread's id in the list.
    RollCall(Gate, Recorder<ThreadId>),
    Panic,
    Work,
}

#[test]
fn workers_survive_panics() {
    within_seconds(|| {
        let queue = TaskQueue::new(
            |attempt: &Attempt<'_, Job>| {
                match &attempt.payload {
                    Job::RollCall(gate, threads) => {
                        threads.note(thread::current().id());
                        gate.pass();
                    }
                    Job::Panic => panic!("ouch"),
                    Job::Work => (),
                }
                Ok::<_, &str>(())
            },
            QueueOptions::new(1000, 2).max_retries(0),
        )
        .unwrap();
        let roll_call = || {
            let (gate, threads) = (Gate::new(), Recorder::new());
            for _ in 0..2 {
                let job = Job::RollCall(gate.clone(), threads.clone());
                queue.submit(job).unwrap();
            }
            gate.arrived(2);
            gate.open();
            threads.events()
        };
        let before = roll_call();
        for _ in 0..100 {
            queue.submit_all([Job::Panic, Job::Work]).unwrap();
        }
        let after = roll_call();
        assert!(after.iter().all(|thread| before.contains(thread)));
        assert_ne!(after[0], after[1]);
        let stats = queue.stats();
        assert_eq!(stats.panicked, 100);
        let results = queue.drain();
        let panicked = results.iter().filter(|result| result.outcome.is_err());
        assert_eq!(panicked.count(), 100);
        assert_eq!(results.len(), 204);
    });
}

#[test]
fn the_payload_of_a_panic_may_panic_when_it_is_dropped() {
    for waits in BOTH_WAITS {
        within_seconds(move || {
            let live = Live::default();
            let handler = {
                let live = live.clone();
                move |attempt: &Attempt<'_, u32>| match attempt.payload {
                    0 => panic_any(live.bomb()),
                    payload => Ok::<_, &str>(payload),
                }
            };
            let queue = TaskQueue::new(handler, options(waits).max_retries(1)).unwrap();
            queue.submit_all([0, 1]).unwrap();
            let results = queue.drain();
            assert_eq!(results.len(), 2);
            for result in results {
                match result.outcome {
                    Ok(value) => assert_eq!(value, 1),
                    Err(failure) => {
                        assert!(failure.error.is_panicked());
                        assert_eq!(result.attempts, 2);
                    }
                }
            }
            assert_eq!(live.drops_in_unwinding(), 0);
            live.disarm();
        });
    }
}

// ----- backoffs -----------------------------------------------------------------

#[test]
fn a_panicking_backoff_settles_the_task_as_panicked() {
    for waits in BOTH_WAITS {
        within_seconds(move || {
            let backoff = Backoff::custom(|n| panic!("no delay after {n}"));
            let queue = TaskQueue::new(
                |attempt: &Attempt<'_, u32>| match attempt.payload {
                    0 => Err("no"),
                    payload => Ok(payload),
                },
                options(waits).backoff(backoff),
            )
            .unwrap();
            queue.submit_all([0, 1]).unwrap();
            let mut results = queue.drain();
            assert_eq!(results.len(), 2);
            assert_eq!(results.remove(1).outcome.unwrap(), 1);
            let (error, attempts) = only_error(results);
            assert_eq!(error, TaskError::Panicked("no delay after 1".into()));
            assert_eq!(attempts, 1);
        });
    }
}

#[test]
fn a_backoff_may_panic_with_a_bomb() {
    for waits in BOTH_WAITS {
        within_seconds(move || {
            let live = Live::default();
            let maker = live.clone();
            let backoff = Backoff::custom(move |_| panic_any(maker.bomb()));
            let queue = TaskQueue::new(
                |_: &Attempt<'_, u32>| Err::<(), _>("no"),
                options(waits).backoff(backoff),
            )
            .unwrap();
            queue.submit_all([0, 1]).unwrap();
            let results = queue.drain();
            assert_eq!(results.len(), 2);
            for result in results {
                assert!(result.outcome.unwrap_err().error.is_panicked());
            }
            live.disarm();
        });
    }
}

// ----- destructors --------------------------------------------------------------

/// Submits a task that must succeed, and checks that it does: the worker lives.
fn check_worker<R: Send + 'static, E: std::fmt::Debug + Send + 'static>(
    queue: &TaskQueue<Option<Counted>, R, E>,
) {
    let before = queue.stats().succeeded;
    queue.submit(None).unwrap();
    queue.wait_idle();
    assert_eq!(queue.stats().succeeded, before + 1);
}

#[test]
fn a_payload_may_panic_when_it_is_dropped_after_success() {
    for policy in [ResultsPolicy::Keep, ResultsPolicy::Discard] {
        within_seconds(move || {
            let live = Live::default();
            let queue = TaskQueue::new(
                |_: &Attempt<'_, Option<Counted>>| Ok::<_, &str>(()),
                QueueOptions::new(16, 1).results(policy),
            )
            .unwrap();
            for _ in 0..10 {
                queue.submit(Some(live.bomb())).unwrap();
            }
            queue.wait_idle();
            assert_eq!(live.drops(), 10);
            check_worker(&queue);
            assert_eq!(queue.stats().succeeded, 11);
            let kept = if policy == ResultsPolicy::Keep { 11 } else { 0 };
            assert_eq!(values(queue.drain()).len(), kept);
            assert_eq!(live.drops_in_unwinding(), 0);
        });
    }
}

/// Fails with an error that holds a bomb, unless there is no payload.
fn fail_with_bombs(
    options: QueueOptions,
    live: &Live,
) -> TaskQueue<Option<Counted>, (), Option<Counted>> {
    let live = live.clone();
    TaskQueue::new(
        move |attempt: &Attempt<'_, Option<Counted>>| match &attempt.payload {
            Some(_) => Err(Some(live.bomb())),
            None => Ok(()),
        },
        options,
    )
    .unwrap()
}

#[test]
fn an_error_may_panic_when_it_is_dropped_for_a_retry() {
    for waits in BOTH_WAITS {
        within_seconds(move || {
            let live = Live::default();
            let queue = fail_with_bombs(options(waits).max_retries(2), &live);
            queue.submit(Some(live.bomb())).unwrap();
            queue.wait_idle();
            // The errors of two attempts; the last one and the payload are in
            // the result.
            assert_eq!(live.drops(), 2);
            check_worker(&queue);
            let results = queue.drain();
            assert_eq!(results[0].attempts, 3);
            let failure = results[0].outcome.as_ref().unwrap_err();
            assert!(matches!(failure.error, TaskError::Failed(_)));
            assert!(failure.task.payload.is_some());
            live.disarm();
            drop(results);
            assert_eq!(live.drops(), 4);
            assert_eq!(live.drops_in_unwinding(), 0);
        });
    }
}

#[test]
fn discarded_failures_may_panic_when_they_are_dropped() {
    for waits in BOTH_WAITS {
        within_seconds(move || {
            let live = Live::default();
            let options = options(waits)
                .max_retries(1)
                .results(ResultsPolicy::Discard);
            let queue = fail_with_bombs(options, &live);
            for _ in 0..10 {
                queue.submit(Some(live.bomb())).unwrap();
            }
            queue.wait_idle();
            assert_eq!(queue.stats().failed, 10);
            check_worker(&queue);
            assert_eq!(queue.drain().len(), 0);
            assert_eq!(live.drops_in_unwinding(), 0);
        });
    }
}

fn return_bombs(
    options: QueueOptions,
    live: &Live,
) -> TaskQueue<Option<Counted>, Option<Counted>, ()> {
    let live = live.clone();
    TaskQueue::new(
        move |attempt: &Attempt<'_, Option<Counted>>| {
            Ok(attempt.payload.as_ref().map(|_| live.bomb()))
        },
        options,
    )
    .unwrap()
}

#[test]
fn discarded_values_may_panic_when_they_are_dropped() {
    within_seconds(|| {
        let live = Live::default();
        let options = QueueOptions::new(16, 1).results(ResultsPolicy::Discard);
        let queue = return_bombs(options, &live);
        for _ in 0..10 {
            queue.submit(Some(live.bomb())).unwrap();
        }
        queue.wait_idle();
        assert_eq!(live.drops(), 20);
        check_worker(&queue);
        assert_eq!(queue.stats().succeeded, 11);
        assert_eq!(queue.drain().len(), 0);
        assert_eq!(live.drops_in_unwinding(), 0);
    });
}

#[test]
fn results_that_nobody_took_may_panic_when_the_queue_is_dropped() {
    within_seconds(|| {
        let live = Live::default();
        let queue = return_bombs(QueueOptions::new(16, 1), &live);
        for _ in 0..10 {
            queue.submit(Some(live.bomb())).unwrap();
        }
        drop(queue);
        // Ten payloads and ten results, each once.
        assert_eq!(live.drops(), 20);
        assert_eq!(live.drops_in_unwinding(), 0);
    });
}

#[test]
fn failures_that_nobody_took_may_panic_when_the_queue_is_dropped() {
    within_seconds(|| {
        let live = Live::default();
        let queue = fail_with_bombs(QueueOptions::new(16, 1).max_retries(0), &live);
        for _ in 0..10 {
            queue.submit(Some(live.bomb())).unwrap();
        }
        drop(queue);
        assert_eq!(live.drops_in_unwinding(), 0);
        live.disarm();
    });
}

/// A queue whose worker is held at the gate with a task without a payload.
fn hold_bombs(policy: ResultsPolicy) -> (TaskQueue<Option<Counted>, (), ()>, Gate) {
    let gate = Gate::new();
    let handler = {
        let gate = gate.clone();
        move |_: &Attempt<'_, Option<Counted>>| {
            gate.pass();
            Ok(())
        }
    };
    let queue = TaskQueue::new(handler, QueueOptions::new(16, 1).results(policy)).unwrap();
    queue.submit(None).unwrap();
    gate.arrived(1);
    (queue, gate)
}

#[test]
fn aborted_payloads_are_handed_out_undropped() {
    within_seconds(|| {
        let live = Live::default();
        let (queue, gate) = hold_bombs(ResultsPolicy::Keep);
        for _ in 0..5 {
            queue.submit(Some(live.bomb())).unwrap();
        }
        queue.cancel();
        gate.open();
        let results = queue.abort();
        assert_eq!(results.len(), 6);
        assert_eq!(live.drops(), 0);
        live.disarm();
        drop(results);
        assert_eq!(live.drops(), 5);
    });
}

#[test]
fn discarded_aborted_payloads_may_panic_when_they_are_dropped() {
    within_seconds(|| {
        let live = Live::default();
        let (queue, gate) = hold_bombs(ResultsPolicy::Discard);
        for _ in 0..5 {
            queue.submit(Some(live.bomb())).unwrap();
        }
        queue.cancel();
        assert_eq!(queue.stats().aborted, 5);
        gate.open();
        assert_eq!(queue.abort().len(), 0);
        assert_eq!(live.drops(), 5);
        assert_eq!(live.drops_in_unwinding(), 0);
    });
}

#[test]
fn waiting_payloads_may_panic_when_they_are_discarded() {
    for waits in BOTH_WAITS {
        within_seconds(move || {
            let live = Live::default();
            let options = options(waits)
                .results(ResultsPolicy::Discard)
                .backoff(Backoff::constant(HOUR));
            let queue = fail_with_bombs(options, &live);
            queue.submit(Some(live.bomb())).unwrap();
            until(|| queue.stats().waiting == 1);
            assert_eq!(queue.abort().len(), 0);
            // The error of the first attempt, and the payload.
            assert_eq!(live.drops(), 2);
            assert_eq!(live.drops_in_unwinding(), 0);
        });
    }
}

#[test]
fn a_handler_may_panic_when_it_is_dropped() {
    within_seconds(|| {
        let live = Live::default();
        let bomb = live.bomb();
        let handler = move |attempt: &Attempt<'_, u32>| {
            let _held = &bomb;
            Ok::<_, &str>(attempt.payload)
        };
        let queue = TaskQueue::new(handler, QueueOptions::new(4, 2)).unwrap();
        queue.submit_all([1, 2]).unwrap();
        assert_eq!(queue.drain().len(), 2);
        assert_eq!(live.drops(), 1);
        assert_eq!(live.drops_in_unwinding(), 0);
    });
}

#[test]
fn a_handler_and_a_backoff_may_both_panic_when_they_are_dropped() {
    within_seconds(|| {
        let (handlers, backoffs) = (Live::default(), Live::default());
        let (in_handler, in_backoff) = (handlers.bomb(), backoffs.bomb());
        let backoff = Backoff::custom(move |_| {
            let _held = &in_backoff;
            Duration::ZERO
        });
        let handler = move |attempt: &Attempt<'_, u32>| {
            let _held = &in_handler;
            Ok::<_, &str>(attempt.payload)
        };
        let queue = TaskQueue::new(handler, QueueOptions::new(4, 2).backoff(backoff)).unwrap();
        queue.submit(1).unwrap();
        assert_eq!(queue.drain().len(), 1);
        assert_eq!((handlers.drops(), backoffs.drops()), (1, 1));
        let unwinding = handlers.drops_in_unwinding() + backoffs.drops_in_unwinding();
        assert_eq!(unwinding, 0, "one was dropped while the other unwound");
    });
}

#[test]
fn a_panic_while_another_worker_waits_is_no_different() {
    within_seconds(|| {
        let queue = TaskQueue::new(
            |attempt: &Attempt<'_, u32>| {
                assert!(attempt.number() == 2, "ouch");
                Ok::<_, &str>(())
            },
            QueueOptions::new(4, 3).backoff(Backoff::constant(Duration::from_millis(2))),
        )
        .unwrap();
        for _ in 0..20 {
            queue.submit(1).unwrap();
            assert_eq!(queue.results().recv().unwrap().attempts, 2);
        }
        drop(queue);
    });
}
