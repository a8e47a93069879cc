//! Ending early: what is settled at once, and what a running attempt sees.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use taskshelf::{
    Attempt, Backoff, BackpressureStrategy, CancelToken, QueueOptions, RetryWaits, SubmitError,
    Task, TaskError, TaskId, TaskQueue, WorkerResult,
};

use crate::support::{
    BOTH_WAITS, Gate, HOUR, Recorder, assert_books, blocked, full, gated, number, odd_task,
    only_error, until, values, within_seconds,
};

/// That the result is of a task that was settled unrun, and its task.
#[track_caller]
fn aborted<R, E>(result: WorkerResult<u32, R, E>, attempts: u32) -> Task<u32> {
    assert_eq!(result.attempts, attempts);
    let Err(failure) = result.outcome else {
        panic!("it succeeded");
    };
    assert!(failure.error.is_aborted());
    assert_eq!(failure.task.id(), Some(&result.task_id));
    failure.task
}

#[test]
fn cancel_settles_ready_tasks_at_once() {
    within_seconds(|| {
        let (queue, gate) = gated(8, BackpressureStrategy::Block);
        queue.submit_all([1, 2]).unwrap();
        queue.submit(odd_task()).unwrap();
        queue.cancel();
        // The only worker is still in its handler.
        let stats = queue.stats();
        assert_eq!((stats.aborted, stats.ready, stats.running), (3, 0, 1));
        let results = queue.results();
        for _ in 0..3 {
            let result = results.try_recv().unwrap();
            assert_eq!(result.duration, Duration::ZERO);
            let name = result.task_id.clone();
            let task = aborted(result, 0);
            match name {
                TaskId::Number(number) => assert_eq!(u64::from(task.payload), number - 1),
                TaskId::Name(_) => assert_eq!(task, odd_task()),
            }
        }
        assert!(results.try_recv().is_err());
        gate.open();
        assert_eq!(values(queue.drain()), [0]);
    });
}

#[test]
fn cancel_settles_waiting_tasks_at_once() {
    within_seconds(|| {
        let gate = Gate::new();
        let handler = {
            let gate = gate.clone();
            move |attempt: &Attempt<'_, u32>| match attempt.payload {
                0 => {
                    gate.pass();
                    Ok(0)
                }
                _ => Err(attempt.retry_after(HOUR, "later")),
            }
        };
        let queue = TaskQueue::new(handler, QueueOptions::new(8, 1)).unwrap();
        queue.submit_all([1, 2]).unwrap();
        until(|| queue.stats().waiting == 2);
        queue.submit(0).unwrap();
        gate.arrived(1);
        queue.cancel();
        let results = queue.results();
        for _ in 0..2 {
            aborted(results.try_recv().unwrap(), 1);
        }
        gate.open();
        assert_eq!(values(queue.drain()), [0]);
    });
}

#[test]
fn cancel_refuses_new_tasks() {
    within_seconds(|| {
        let (queue, gate) = gated(8, BackpressureStrategy::Drop);
        queue.cancel();
        assert!(queue.is_closed());
        assert!(!queue.close());
        assert_eq!(
            queue.submit(odd_task()),
            Err(SubmitError::Closed(odd_task()))
        );
        gate.open();
        drop(queue);
    });
}

#[test]
fn cancel_wakes_blocked_submitters() {
    within_seconds(|| {
        let (queue, gate) = full(2, BackpressureStrategy::Block);
        let threads: Vec<_> = (0..3)
            .map(|n| {
                let submitter = queue.submitter();
                blocked(move || (submitter.submit(100 + n), n))
            })
            .collect();
        queue.cancel();
        for thread in threads {
            let (refused, n) = thread.join().unwrap();
            assert_eq!(refused, Err(SubmitError::Closed(Task::new(100 + n))));
        }
        gate.open();
        assert_eq!(queue.drain().len(), 3);
    });
}

#[test]
fn cancel_twice_is_cancel() {
    within_seconds(|| {
        let (queue, gate) = full(2, BackpressureStrategy::Block);
        queue.cancel();
        queue.submitter().cancel();
        gate.open();
        let submitter = queue.submitter();
        assert_eq!(queue.abort().len(), 3);
        submitter.cancel();
        assert_eq!(submitter.stats().aborted, 2);
    });
}

#[test]
fn cancel_after_close_still_ends_early() {
    within_seconds(|| {
        let (queue, gate) = full(2, BackpressureStrategy::Block);
        queue.close();
        queue.cancel();
        assert_eq!(queue.stats().aborted, 2);
        gate.open();
        drop(queue);
    });
}

#[test]
fn cancel_ends_the_stream_of_results() {
    within_seconds(|| {
        let (queue, gate) = full(2, BackpressureStrategy::Block);
        queue.cancel();
        gate.open();
        assert_eq!(queue.results().iter().count(), 3);
        drop(queue);
    });
}

#[test]
fn cancel_sends_idle_workers_home() {
    within_seconds(|| {
        for _ in 0..200 {
            let queue = TaskQueue::new(
                |_: &Attempt<'_, u32>| Ok::<_, &str>(()),
                QueueOptions::new(4, 3),
            )
            .unwrap();
            queue.cancel();
            assert_eq!(queue.results().iter().count(), 0);
        }
    });
}

// ----- running attempts ---------------------------------------------------------

#[test]
fn a_running_attempt_sees_the_cancel() {
    within_seconds(|| {
        let started = Gate::new();
        let handler = {
            let started = started.clone();
            move |attempt: &Attempt<'_, u32>| {
                let before = attempt.is_cancelled();
                started.pass();
                until(|| attempt.is_cancelled());
                Ok::<_, &str>(before)
            }
        };
        let queue = TaskQueue::new(handler, QueueOptions::new(4, 1)).unwrap();
        queue.submit(1).unwrap();
        started.arrived(1);
        started.open();
        queue.cancel();
        assert_eq!(values(queue.drain()), [false]);
    });
}

#[test]
fn a_helper_thread_sees_the_cancel_by_its_token() {
    within_seconds(|| {
        let started = Gate::new();
        let handler = {
            let started = started.clone();
            move |attempt: &Attempt<'_, u32>| {
                let token = attempt.cancel_token();
                let before = token.is_cancelled();
                started.pass();
                let helper = thread::spawn(move || until(|| token.clone().is_cancelled()));
                helper.join().unwrap();
                Ok::<_, &str>(before)
            }
        };
        let queue = TaskQueue::new(handler, QueueOptions::new(4, 1)).unwrap();
        queue.submit(1).unwrap();
        started.arrived(1);
        started.open();
        queue.submitter().cancel();
        assert_eq!(values(queue.drain()), [false]);
    });
}

#[test]
fn close_is_not_cancel() {
    within_seconds(|| {
        let gate = Gate::new();
        let handler = {
            let gate = gate.clone();
            move |attempt: &Attempt<'_, u32>| {
                gate.pass();
                Ok::<_, &str>(attempt.is_cancelled())
            }
        };
        let queue = TaskQueue::new(handler, QueueOptions::new(4, 1)).unwrap();
        queue.submit(1).unwrap();
        gate.arrived(1);
        queue.close();
        gate.open();
        assert_eq!(values(queue.drain()), [false]);
    });
}

/// Cancels while an attempt runs, which then ends as the payload says. There is
/// no retry to ask the backoff about, and it would take the error's place.
fn end_after_cancel(waits: RetryWaits, payload: u32) -> WorkerResult<u32, u32, &'static str> {
    let gate = Gate::new();
    let handler = {
        let gate = gate.clone();
        move |attempt: &Attempt<'_, u32>| {
            gate.pass();
            match attempt.payload {
                0 => Err("its own error"),
                1 => panic!("its own panic"),
                2 => Err(attempt.retry_after(Duration::ZERO, "its own error")),
                payload => Ok(payload),
            }
        }
    };
    let options = QueueOptions::new(4, 1)
        .max_retries(5)
        .retry_waits(waits)
        .backoff(Backoff::custom(|_| panic!("the backoff was asked")));
    let queue = TaskQueue::new(handler, options).unwrap();
    queue.submit(payload).unwrap();
    gate.arrived(1);
    queue.cancel();
    gate.open();
    let mut results = queue.drain();
    assert_eq!(results.len(), 1);
    results.remove(0)
}

#[test]
fn an_attempt_that_fails_after_cancel_has_its_own_error_and_no_retries() {
    for waits in BOTH_WAITS {
        within_seconds(move || {
            for payload in [0, 2] {
                let (error, attempts) = only_error(vec![end_after_cancel(waits, payload)]);
                assert_eq!(error, TaskError::Failed("its own error"));
                assert_eq!(attempts, 1);
            }
            let (error, attempts) = only_error(vec![end_after_cancel(waits, 1)]);
            assert_eq!(error, TaskError::Panicked("its own panic".into()));
            assert_eq!(attempts, 1);
        });
    }
}

#[test]
fn an_attempt_that_succeeds_after_cancel_has_succeeded() {
    within_seconds(|| {
        let result = end_after_cancel(RetryWaits::FreeWorker, 3);
        assert_eq!(result.outcome.unwrap(), 3);
    });
}

#[test]
fn an_attempt_cannot_submit_after_cancel() {
    within_seconds(|| {
        let gate = Gate::new();
        let handler = {
            let gate = gate.clone();
            move |attempt: &Attempt<'_, u32>| {
                gate.pass();
                Ok::<_, &str>((attempt.submit(odd_task()), attempt.try_submit(odd_task())))
            }
        };
        let queue = TaskQueue::new(handler, QueueOptions::new(4, 1)).unwrap();
        queue.submit(1).unwrap();
        gate.arrived(1);
        queue.cancel();
        gate.open();
        let closed = || Err(SubmitError::Closed(odd_task()));
        assert_eq!(values(queue.drain()), [(closed(), closed())]);
    });
}

#[test]
fn a_handler_may_cancel_its_queue() {
    within_seconds(|| {
        let own = std::sync::Arc::new(std::sync::OnceLock::<taskshelf::Submitter<u32>>::new());
        let gate = Gate::new();
        let handler = {
            let (own, gate) = (own.clone(), gate.clone());
            move |attempt: &Attempt<'_, u32>| {
                gate.pass();
                own.get().unwrap().cancel();
                Ok::<_, &str>(attempt.is_cancelled())
            }
        };
        let queue = TaskQueue::new(handler, QueueOptions::new(4, 1)).unwrap();
        own.set(queue.submitter()).unwrap();
        queue.submit_all([1, 2, 3]).unwrap();
        gate.open();
        let results = queue.drain();
        assert_eq!(results.len(), 3);
        let succeeded: Vec<_> = results.into_iter().filter_map(|r| r.outcome.ok()).collect();
        assert_eq!(succeeded, [true]);
    });
}

// ----- delays -------------------------------------------------------------------

#[test]
fn cancel_ends_the_delays_that_drain_waits_for() {
    for waits in BOTH_WAITS {
        for delay in [HOUR, Duration::MAX] {
            within_seconds(move || {
                let queue = TaskQueue::new(
                    |_: &Attempt<'_, u32>| Err::<(), _>("no"),
                    QueueOptions::new(8, 2)
                        .retry_waits(waits)
                        .backoff(Backoff::constant(delay)),
                )
                .unwrap();
                queue.submit_all([1, 2]).unwrap();
                let submitter = queue.submitter();
                let canceller = thread::spawn(move || {
                    until(|| submitter.is_closed() && submitter.stats().waiting == 2);
                    submitter.cancel();
                });
                let results = queue.drain();
                canceller.join().unwrap();
                assert_eq!(results.len(), 2);
                for result in results {
                    aborted(result, 1);
                }
            });
        }
    }
}

#[test]
fn a_task_that_is_cancelled_while_it_waits_is_aborted() {
    for waits in BOTH_WAITS {
        within_seconds(move || {
            let queue = TaskQueue::new(
                |_: &Attempt<'_, u32>| Err::<(), _>("no"),
                QueueOptions::new(8, 1)
                    .retry_waits(waits)
                    .backoff(Backoff::constant(HOUR)),
            )
            .unwrap();
            queue.submit(1).unwrap();
            until(|| queue.stats().waiting == 1);
            let stats = queue.stats();
            assert_eq!((stats.ready, stats.running, stats.retries), (0, 0, 0));
            queue.cancel();
            assert_eq!(only_error(queue.drain()), (TaskError::Aborted, 1));
        });
    }
}

#[test]
fn cancel_during_drain_aborts_what_is_ready() {
    within_seconds(|| {
        let (queue, gate) = full(3, BackpressureStrategy::Block);
        let (submitter, results) = (queue.submitter(), queue.results());
        let draining = thread::spawn(move || queue.drain());
        until(|| submitter.is_closed());
        submitter.cancel();
        for _ in 0..3 {
            aborted(results.recv().unwrap(), 0);
        }
        gate.open();
        assert_eq!(values(draining.join().unwrap()), [0]);
    });
}

// ----- abort --------------------------------------------------------------------

#[test]
fn abort_returns_every_task_with_the_attempts_it_had() {
    within_seconds(|| {
        let gate = Gate::new();
        let handler = {
            let gate = gate.clone();
            move |attempt: &Attempt<'_, u32>| match attempt.payload {
                1 => Ok(()),
                2 if attempt.number() == 1 => Err(attempt.retry_after(Duration::ZERO, "again")),
                2 => Err(attempt.retry_after(HOUR, "later")),
                _ => {
                    gate.pass();
                    until(|| attempt.is_cancelled());
                    Err("ended early")
                }
            }
        };
        let queue = TaskQueue::new(handler, QueueOptions::new(8, 1)).unwrap();
        queue.submit(1).unwrap();
        queue.wait_idle();
        queue.submit(Task::new(2).with_priority(4)).unwrap();
        until(|| {
            let stats = queue.stats();
            (stats.retries, stats.waiting) == (1, 1)
        });
        queue.submit(Task::new(3).with_priority(5)).unwrap();
        gate.arrived(1);
        queue.submit(Task::new(4).with_priority(6)).unwrap();
        gate.open();

        let submitter = queue.submitter();
        let mut results = queue.abort();
        assert_books(&submitter.stats(), &results);
        results.sort_by(|a, b| a.task_id.cmp(&b.task_id));
        let [one, two, three, four] = <[_; 4]>::try_from(results).unwrap();
        assert_eq!((one.outcome, one.attempts), (Ok(()), 1));
        assert_eq!(aborted(two, 2).priority, 4);
        let three_failed = three.outcome.unwrap_err();
        assert_eq!(three_failed.error, TaskError::Failed("ended early"));
        assert_eq!(three.attempts, 1);
        let four = aborted(four, 0);
        assert_eq!((four.payload, four.priority), (4, 6));
        assert_eq!(four.id(), Some(&number(4)));
    });
}

#[test]
fn an_aborted_task_can_be_submitted_to_another_queue() {
    within_seconds(|| {
        let (queue, gate) = gated(8, BackpressureStrategy::Block);
        queue.submit(Task::new(5).with_priority(3)).unwrap();
        queue.cancel();
        let task = aborted(queue.results().recv().unwrap(), 0);
        gate.open();
        drop(queue);
        let (other, gate) = gated(8, BackpressureStrategy::Block);
        assert_eq!(other.submit(task).unwrap().accepted(), Some(number(2)));
        gate.open();
        assert_eq!(values(other.drain()), [0, 5]);
    });
}

#[test]
fn abort_lets_go_of_every_payload() {
    within_seconds(|| {
        let (sender, receiver) = mpsc::channel::<()>();
        let gate = Gate::new();
        let handler = {
            let gate = gate.clone();
            move |attempt: &Attempt<'_, mpsc::Sender<()>>| {
                gate.pass();
                until(|| attempt.is_cancelled());
                Ok::<_, &str>(())
            }
        };
        let queue = TaskQueue::new(handler, QueueOptions::new(8, 1)).unwrap();
        queue.submit_all(vec![sender; 4]).unwrap();
        gate.open();
        drop(queue.abort());
        assert_eq!(receiver.recv(), Err(mpsc::RecvError));
    });
}

#[test]
fn abort_goes_through_with_everything_going_on_at_once() {
    for waits in BOTH_WAITS {
        within_seconds(move || {
            for round in 0..20 {
                let queue = TaskQueue::new(
                    |attempt: &Attempt<'_, u32>| match attempt.payload % 3 {
                        0 => Ok(()),
                        1 => Err(attempt.retry_after(HOUR, "later")),
                        _ => Err(attempt.retry_after(Duration::ZERO, "soon")),
                    },
                    QueueOptions::new(4, 2).retry_waits(waits).max_retries(1000),
                )
                .unwrap();
                let accepted = Recorder::new();
                let threads: Vec<_> = (0..3)
                    .map(|_| {
                        let (submitter, accepted) = (queue.submitter(), accepted.clone());
                        thread::spawn(move || {
                            for n in 0.. {
                                match submitter.submit(n) {
                                    Ok(submitted) => accepted.note(submitted.accepted().unwrap()),
                                    Err(error) => return assert!(error.is_closed()),
                                }
                            }
                        })
                    })
                    .collect();
                until(|| queue.stats().accepted > round % 5);
                let submitter = queue.submitter();
                let results = queue.abort();
                for thread in threads {
                    thread.join().unwrap();
                }
                assert_books(&submitter.stats(), &results);
                let mut ids: Vec<_> = results.into_iter().map(|r| r.task_id).collect();
                ids.sort();
                let mut expected = accepted.events();
                expected.sort();
                assert_eq!(ids, expected);
            }
        });
    }
}

#[test]
fn a_producers_token_tells_of_a_cancel_and_of_nothing_else() {
    within_seconds(|| {
        let queue = TaskQueue::new(
            |attempt: &Attempt<'_, u32>| Ok::<_, ()>(attempt.payload),
            QueueOptions::new(1, 1),
        )
        .unwrap();
        let submitter = queue.submitter();
        let tokens = [submitter.cancel_token(), queue.cancel_token()];
        queue.close();
        assert!(!tokens.iter().any(CancelToken::is_cancelled));
        assert!(!queue.is_cancelled() && !submitter.is_cancelled());
        submitter.cancel();
        assert!(tokens.iter().all(CancelToken::is_cancelled));
        assert!(queue.is_cancelled() && submitter.is_cancelled());
        drop(queue);
        assert!(tokens.iter().all(CancelToken::is_cancelled));
        assert!(submitter.cancel_token().is_cancelled() && submitter.is_cancelled());
    });
}
