//! Handlers that submit to their own queue, and handlers that wait for
//! somebody who submits.

use std::cell::Cell;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use taskshelf::{
    Attempt, BackpressureStrategy, QueueOptions, SubmitError, Submitter, Task, TaskQueue,
};

use crate::support::{
    BOTH_WAITS, Count, Gate, HOUR, STRATEGIES, number, odd_task, sorted_values, until, values,
    within_seconds,
};

type Own = Arc<OnceLock<Submitter<u32>>>;

// ----- by the attempt -----------------------------------------------------------

#[test]
fn an_attempt_submits_beyond_the_capacity() {
    for strategy in STRATEGIES {
        within_seconds(move || {
            let queue = TaskQueue::new(
                |attempt: &Attempt<'_, u32>| {
                    if attempt.payload == 0 {
                        for child in 1..=5 {
                            assert_eq!(attempt.submit(child), Ok(number(u64::from(child) + 1)));
                        }
                    }
                    Ok::<_, &str>(attempt.payload)
                },
                QueueOptions::new(1, 1)
                    .max_retries(0)
                    .backpressure(strategy),
            )
            .unwrap();
            queue.submit(0).unwrap();
            assert_eq!(values(queue.drain()), [0, 1, 2, 3, 4, 5]);
        });
    }
}

#[test]
fn an_attempt_submits_while_the_queue_drains() {
    within_seconds(|| {
        let gate = Gate::new();
        let handler = {
            let gate = gate.clone();
            move |attempt: &Attempt<'_, u32>| {
                gate.pass();
                if attempt.payload < 5 {
                    attempt.submit(attempt.payload + 1).unwrap();
                }
                if attempt.payload == 0 {
                    attempt.try_submit(100).unwrap();
                }
                Ok::<_, &str>(attempt.payload)
            }
        };
        let queue = TaskQueue::new(handler, QueueOptions::new(4, 1).max_retries(0)).unwrap();
        queue.submit(0).unwrap();
        gate.arrived(1);
        let submitter = queue.submitter();
        let draining = thread::spawn(move || queue.drain());
        until(|| submitter.is_closed());
        gate.open();
        assert_eq!(values(draining.join().unwrap()), [0, 1, 100, 2, 3, 4, 5]);
    });
}

#[test]
fn a_submit_by_the_attempt_keeps_what_the_task_asks_for() {
    within_seconds(|| {
        let queue = TaskQueue::new(
            |attempt: &Attempt<'_, u32>| {
                if attempt.payload == 0 {
                    attempt.submit(1).unwrap();
                    attempt.submit(Task::new(2).with_priority(1)).unwrap();
                    assert_eq!(attempt.submit(odd_task()), Ok("odd".into()));
                }
                Ok::<_, &str>(Task::clone(attempt))
            },
            QueueOptions::new(8, 1).max_retries(0),
        )
        .unwrap();
        queue.submit(0).unwrap();
        let tasks = values(queue.drain());
        let payloads: Vec<_> = tasks.iter().map(|task| task.payload).collect();
        assert_eq!(payloads, [0, 2, 1, 99]);
        assert_eq!(tasks[3], odd_task());
    });
}

type Once = Cell<Option<Box<dyn FnOnce() -> u32 + Send>>>;

#[test]
fn a_submit_by_the_attempt_can_name_the_payload() {
    within_seconds(|| {
        let queue = TaskQueue::new(
            |attempt: &Attempt<'_, Once>| {
                let value = attempt.payload.take().unwrap()();
                // A closure becomes that box only where its type is known.
                if value == 0 {
                    attempt
                        .submit::<Once>(Cell::new(Some(Box::new(|| 1))))
                        .unwrap();
                    attempt
                        .try_submit::<Once>(Cell::new(Some(Box::new(|| 2))))
                        .unwrap();
                }
                Ok::<_, &str>(value)
            },
            QueueOptions::new(8, 1).max_retries(0),
        )
        .unwrap();
        queue
            .submit::<Once>(Cell::new(Some(Box::new(|| 0))))
            .unwrap();
        assert_eq!(values(queue.drain()), [0, 1, 2]);
    });
}

#[test]
fn try_submit_by_the_attempt_respects_the_capacity() {
    for strategy in STRATEGIES {
        within_seconds(move || {
            let queue = TaskQueue::new(
                |attempt: &Attempt<'_, u32>| {
                    let mut refused = None;
                    if attempt.payload == 0 {
                        attempt.try_submit(1).unwrap();
                        attempt.try_submit(2).unwrap();
                        refused = attempt.try_submit(odd_task()).err();
                    }
                    Ok::<_, &str>(refused)
                },
                QueueOptions::new(2, 1)
                    .max_retries(0)
                    .backpressure(strategy),
            )
            .unwrap();
            queue.submit(0).unwrap();
            let (task, capacity) = (odd_task(), 2);
            let full = SubmitError::Full { task, capacity };
            assert_eq!(values(queue.drain()), [Some(full), None, None]);
        });
    }
}

#[test]
fn an_overfull_queue_takes_nothing_from_outside() {
    within_seconds(|| {
        let gate = Gate::new();
        let handler = {
            let gate = gate.clone();
            move |attempt: &Attempt<'_, u32>| {
                if attempt.payload == 0 {
                    for child in 1..=5 {
                        attempt.submit(child).unwrap();
                    }
                    gate.pass();
                }
                Ok::<_, &str>(attempt.payload)
            }
        };
        let queue = TaskQueue::new(handler, QueueOptions::new(2, 1)).unwrap();
        queue.submit(0).unwrap();
        gate.arrived(1);
        assert_eq!(queue.stats().ready, 5);
        assert!(queue.try_submit(6).unwrap_err().is_full());
        assert!(queue.submit_timeout(6, Duration::ZERO).is_err());
        let submitter = queue.submitter();
        let waiting = thread::spawn(move || submitter.submit(7));
        gate.open();
        assert!(waiting.join().unwrap().unwrap().is_accepted());
        assert_eq!(sorted_values(queue.drain()), [0, 1, 2, 3, 4, 5, 7]);
    });
}

#[test]
fn a_handler_that_waits_for_its_child_does_not_wait_in_vain() {
    within_seconds(|| {
        for round in 0..100 {
            let done = Count::new();
            let handler = {
                let done = done.clone();
                move |attempt: &Attempt<'_, u32>| {
                    if attempt.payload == 0 {
                        attempt.submit(1).unwrap();
                        done.at_least(1);
                    } else {
                        done.add();
                    }
                    Ok::<_, &str>(())
                }
            };
            let queue = TaskQueue::new(handler, QueueOptions::new(1 + round % 3, 2)).unwrap();
            queue.submit(0).unwrap();
            queue.wait_idle();
            assert_eq!(queue.drain().len(), 2);
        }
    });
}

#[test]
fn a_family_of_tasks_runs_to_its_end() {
    for waits in BOTH_WAITS {
        within_seconds(move || {
            let queue = TaskQueue::new(
                |attempt: &Attempt<'_, u32>| {
                    if attempt.number() == 1 {
                        return Err(attempt.retry_after(Duration::ZERO, "first a retry"));
                    }
                    if attempt.payload > 0 {
                        attempt.submit(attempt.payload - 1).unwrap();
                        attempt.submit(attempt.payload - 1).unwrap();
                    }
                    Ok(())
                },
                QueueOptions::new(2, 3).retry_waits(waits).max_retries(1),
            )
            .unwrap();
            queue.submit(7).unwrap();
            assert_eq!(queue.drain().len(), 255);
        });
    }
}

// ----- by the queue's own submitter ---------------------------------------------

/// A queue whose first task calls `submit` on the queue's own submitter.
fn submitting<O: Send + 'static>(
    options: QueueOptions,
    submit: fn(&Submitter<u32>) -> O,
) -> TaskQueue<u32, Option<O>, &'static str> {
    let own = Own::default();
    let handler = {
        let own = Arc::clone(&own);
        move |attempt: &Attempt<'_, u32>| {
            until(|| own.get().is_some());
            match attempt.payload {
                0 => Ok(Some(submit(own.get().unwrap()))),
                _ => Ok(None),
            }
        }
    };
    let queue = TaskQueue::new(handler, options.max_retries(0)).unwrap();
    own.set(queue.submitter()).unwrap();
    queue.submit(0).unwrap();
    // What it submits must not meet a closed queue.
    until(|| queue.stats().settled > 0);
    queue
}

#[test]
fn a_blocking_submit_on_an_own_worker_would_deadlock() {
    within_seconds(|| {
        let queue = submitting(QueueOptions::new(1, 1), |own| {
            let fits = own.submit(1).unwrap();
            (fits.is_accepted(), own.submit(odd_task()))
        });
        let submitter = queue.submitter();
        let refused = SubmitError::WouldDeadlock(odd_task());
        assert_eq!(values(queue.drain()), [Some((true, Err(refused))), None]);
        let stats = submitter.stats();
        assert_eq!((stats.accepted, stats.refused), (2, 1));
    });
}

#[test]
fn a_submit_on_an_own_worker_follows_a_strategy_that_does_not_block() {
    within_seconds(|| {
        let options = QueueOptions::new(1, 1).backpressure(BackpressureStrategy::Drop);
        let queue = submitting(options, |own| {
            own.submit(1).unwrap();
            own.submit(odd_task()).unwrap().dropped()
        });
        assert_eq!(values(queue.drain()), [Some(Some(odd_task())), None]);

        let options = QueueOptions::new(1, 1).backpressure(BackpressureStrategy::Error);
        let queue = submitting(options, |own| {
            own.submit(1).unwrap();
            own.submit(odd_task()).unwrap_err()
        });
        let (task, capacity) = (odd_task(), 1);
        let full = SubmitError::Full { task, capacity };
        assert_eq!(values(queue.drain()), [Some(full), None]);
    });
}

#[test]
fn submit_all_on_an_own_worker_fills_the_queue_and_would_then_deadlock() {
    within_seconds(|| {
        let queue = submitting(QueueOptions::new(3, 1), |own| {
            let error = own.submit_all(1..=5).unwrap_err();
            let rest: Vec<_> = error.rest.iter().map(|task| task.payload).collect();
            (error.accepted, error.error.is_would_deadlock(), rest)
        });
        let results = values(queue.drain());
        assert_eq!(results[0], Some((3, true, vec![4, 5])));
        assert_eq!(results.len(), 4);
    });
}

#[test]
fn a_submit_with_a_limit_on_an_own_worker_does_not_hang() {
    within_seconds(|| {
        let queue = submitting(QueueOptions::new(1, 1), |own| {
            own.submit(1).unwrap();
            own.submit_timeout(odd_task(), Duration::MAX).map(drop)
        });
        let results = values(queue.drain());
        let refused = SubmitError::WouldDeadlock(odd_task());
        assert_eq!(results[0], Some(Err(refused)));
    });
}

#[test]
fn an_own_submitter_is_refused_like_any_other_once_closed() {
    within_seconds(|| {
        let queue = submitting(QueueOptions::new(1, 1), |own| {
            own.submit(1).unwrap();
            own.close();
            own.submit(odd_task())
        });
        let closed = SubmitError::Closed(odd_task());
        assert_eq!(values(queue.drain()), [Some(Err(closed)), None]);
    });
}

#[test]
fn a_handlers_helper_submits_through_a_submitter_of_the_attempt() {
    within_seconds(|| {
        let queue = TaskQueue::new(
            |attempt: &Attempt<'_, u32>| {
                if attempt.payload > 0 {
                    let (child, submitter) = (attempt.payload - 1, attempt.submitter());
                    let helper = thread::spawn(move || submitter.submit(child).map(drop));
                    helper.join().expect("it does not panic")?;
                }
                Ok::<_, SubmitError<u32>>(attempt.payload)
            },
            QueueOptions::new(1, 1),
        )
        .unwrap();
        queue.submit(3).unwrap();
        queue.wait_idle();
        assert_eq!(sorted_values(queue.drain()), [0, 1, 2, 3]);
    });
}

#[test]
fn a_submitter_of_the_attempt_knows_its_own_worker() {
    within_seconds(|| {
        let queue = TaskQueue::new(
            |attempt: &Attempt<'_, u32>| match attempt.payload {
                0 => {
                    attempt.try_submit(1).expect("there is room");
                    let error = attempt.submitter().submit(2).expect_err("it is full");
                    Ok::<_, ()>(error.is_would_deadlock())
                }
                _ => Ok(true),
            },
            QueueOptions::new(1, 1),
        )
        .unwrap();
        queue.submit(0).unwrap();
        queue.wait_idle();
        let results = queue.drain();
        assert_eq!(results.len(), 2);
        assert!(results.iter().all(|result| result.outcome == Ok(true)));
    });
}

#[test]
fn another_queues_worker_may_wait_for_room() {
    within_seconds(|| {
        let inner = TaskQueue::new(
            |attempt: &Attempt<'_, u32>| Ok::<_, &str>(attempt.payload),
            QueueOptions::new(1, 1),
        )
        .unwrap();
        let submitter = inner.submitter();
        let outer = TaskQueue::new(
            move |attempt: &Attempt<'_, u32>| {
                for _ in 0..100 {
                    submitter.submit(attempt.payload).map_err(drop)?;
                }
                Ok::<_, ()>(())
            },
            QueueOptions::new(4, 2).max_retries(0),
        )
        .unwrap();
        outer.submit_all([1, 2, 3]).unwrap();
        assert_eq!(values(outer.drain()).len(), 3);
        assert_eq!(inner.drain().len(), 300);
    });
}

// ----- handlers that wait for a submitter ---------------------------------------

/// Runs `total` tasks by one worker, whose handler does not return before the
/// submitters have got in all that there must be room for.
fn feed(capacity: usize, submitters: usize, submit: fn(&Submitter<u32>)) {
    let total = 120;
    let (taken, got_in) = (Count::new(), Count::new());
    let handler = {
        let got_in = got_in.clone();
        move |_: &Attempt<'_, u32>| {
            // So many have been taken; these and `capacity` more fit in.
            let room = taken.add() + capacity;
            got_in.at_least(room.min(total));
            Ok::<_, &str>(())
        }
    };
    let queue = TaskQueue::new(handler, QueueOptions::new(capacity, 1)).unwrap();
    let threads: Vec<_> = (0..submitters)
        .map(|_| {
            let (submitter, got_in) = (queue.submitter(), got_in.clone());
            thread::spawn(move || {
                for _ in 0..total / submitters {
                    submit(&submitter);
                    got_in.add();
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(queue.drain().len(), total);
}

#[test]
fn no_slot_stays_free_while_a_submitter_waits_and_the_handler_waits_for_it() {
    for capacity in 1..=4 {
        for submitters in [1, 2, 3, 5] {
            within_seconds(move || {
                feed(capacity, submitters, |submitter| {
                    submitter.submit(1).unwrap();
                });
            });
        }
    }
}

#[test]
fn no_slot_stays_free_while_a_submitter_waits_with_a_limit() {
    for capacity in 1..=4 {
        for submitters in [1, 3] {
            within_seconds(move || {
                feed(capacity, submitters, |submitter| {
                    submitter.submit_timeout(1, HOUR).unwrap();
                });
            });
        }
    }
}

#[test]
fn no_slot_stays_free_while_submit_all_waits() {
    for capacity in 1..=4 {
        for submitters in [1, 3] {
            within_seconds(move || {
                feed(capacity, submitters, |submitter| {
                    submitter.submit_all([1]).unwrap();
                });
            });
        }
    }
}
