//! Who receives a result, when, and what it holds.

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use taskshelf::{
    Attempt, Backoff, BackpressureStrategy, QueueOptions, ResultsPolicy, Task, TaskError, TaskQueue,
};

use crate::support::{
    BOTH_WAITS, Counted, Echo, Gate, HOUR, Live, Recorder, asleep, blocked, echo, full, gated,
    number, sorted_values, until, values, within_seconds,
};

#[test]
fn results_end_after_close() {
    within_seconds(|| {
        for workers in [1, 2, 4] {
            let queue = echo(8, workers);
            queue.submit_all(0..100).unwrap();
            queue.close();
            let results: Vec<_> = queue.results().iter().collect();
            assert_eq!(sorted_values(results), (0..100).collect::<Vec<_>>());
            assert_eq!(queue.drain(), []);
        }
    });
}

#[test]
fn results_can_be_selected_among_other_channels() {
    within_seconds(|| {
        let queue = echo(4, 2);
        let (results, (tick, ticks)) = (queue.results(), crossbeam_channel::unbounded());
        queue.submit_all(0..10).unwrap();
        queue.close();
        let (mut received, mut ticked) = (Vec::new(), 0);
        tick.send(()).unwrap();
        loop {
            crossbeam_channel::select! {
                recv(results) -> result => match result {
                    Ok(result) => received.push(result),
                    Err(_) => break,
                },
                recv(ticks) -> now => ticked += usize::from(now.is_ok()),
            }
        }
        ticked += ticks.try_iter().count();
        assert_eq!(sorted_values(received), (0..10).collect::<Vec<_>>());
        assert_eq!(ticked, 1);
    });
}

#[test]
fn results_do_not_end_before_close() {
    within_seconds(|| {
        let queue = echo(8, 1);
        let results = queue.results();
        let reader = blocked(move || results.iter().count());
        queue.submit(1).unwrap();
        queue.wait_idle();
        queue.submit(2).unwrap();
        queue.wait_idle();
        assert!(!reader.is_finished());
        queue.close();
        assert_eq!(reader.join().unwrap(), 2);
        drop(queue);
    });
}

/// Joins a thread when it is dropped, and notes what that thread returns.
struct Joins(Arc<Mutex<Option<JoinHandle<usize>>>>, Recorder<usize>);

impl Drop for Joins {
    fn drop(&mut self) {
        let thread = self.0.lock().unwrap().take();
        self.1.note(thread.unwrap().join().unwrap());
    }
}

/// Builds a queue by `build`, into which goes what joins the reader of its
/// results; runs three tasks and ends it.
fn end_with_its_reader(build: fn(Joins) -> Echo, end: fn(Echo)) {
    within_seconds(move || {
        let (slot, seen) = (Arc::default(), Recorder::new());
        let queue = build(Joins(Arc::clone(&slot), seen.clone()));
        let results = queue.results();
        let reader = blocked(move || results.iter().count());
        *slot.lock().unwrap() = Some(reader);
        queue.submit_all([1, 2, 3]).unwrap();
        end(queue);
        assert_eq!(seen.events(), [3]);
    });
}

/// Everything that joins the workers, and with them the reader.
const ENDS: [fn(Echo); 3] = [
    |queue| assert_eq!(queue.drain(), []),
    |queue| {
        queue.wait_idle();
        assert_eq!(queue.abort(), []);
    },
    |queue| drop(queue),
];

#[test]
fn results_end_before_the_handler_is_dropped() {
    for end in ENDS {
        let build = |joins: Joins| {
            let handler = move |attempt: &Attempt<'_, u32>| {
                let _held = &joins;
                Ok(attempt.payload)
            };
            TaskQueue::new(handler, QueueOptions::new(8, 2)).unwrap()
        };
        end_with_its_reader(build, end);
    }
}

#[test]
fn results_end_before_the_backoff_is_dropped() {
    for end in ENDS {
        let build = |joins: Joins| {
            let backoff = Backoff::custom(move |_| {
                let _held = &joins;
                Duration::ZERO
            });
            TaskQueue::new(
                |attempt: &Attempt<'_, u32>| Ok(attempt.payload),
                QueueOptions::new(8, 2).backoff(backoff),
            )
            .unwrap()
        };
        end_with_its_reader(build, end);
    }
}

#[test]
fn a_stream_that_begins_late_begins_with_the_first_result() {
    within_seconds(|| {
        let queue = echo(8, 1);
        queue.submit_all(0..3).unwrap();
        queue.wait_idle();
        let results = queue.results();
        queue.submit_all(3..5).unwrap();
        queue.close();
        let results: Vec<_> = results.iter().collect();
        assert_eq!(values(results), [0, 1, 2, 3, 4]);
        drop(queue);
    });
}

#[test]
fn results_can_be_received_while_the_queue_runs() {
    within_seconds(|| {
        let queue = echo(8, 1);
        for payload in 0..50 {
            queue.submit(payload).unwrap();
            assert_eq!(queue.results().recv().unwrap().outcome, Ok(payload));
        }
        drop(queue);
    });
}

#[test]
fn a_result_that_was_received_is_not_drained() {
    within_seconds(|| {
        let (queue, gate) = gated(8, BackpressureStrategy::Block);
        queue.submit_all([1, 2]).unwrap();
        gate.open();
        assert_eq!(queue.results().recv().unwrap().outcome.unwrap(), 0);
        assert_eq!(values(queue.drain()), [1, 2]);
    });
}

#[test]
fn every_result_goes_to_one_receiver() {
    within_seconds(|| {
        let queue = echo(8, 2);
        let readers: Vec<_> = (0..3)
            .map(|_| {
                let results = queue.results();
                thread::spawn(move || results.iter().collect::<Vec<_>>())
            })
            .collect();
        queue.submit_all(0..500).unwrap();
        let mut results = queue.drain();
        for reader in readers {
            results.extend(reader.join().unwrap());
        }
        assert_eq!(sorted_values(results), (0..500).collect::<Vec<_>>());
    });
}

#[test]
fn discard_keeps_no_results() {
    within_seconds(|| {
        let queue = TaskQueue::new(
            |attempt: &Attempt<'_, u32>| match attempt.payload {
                0 => Err("no"),
                1 => panic!("ouch"),
                payload => Ok(payload),
            },
            QueueOptions::new(8, 1)
                .max_retries(0)
                .results(ResultsPolicy::Discard),
        )
        .unwrap();
        queue.submit_all([0, 1, 2, 3]).unwrap();
        queue.wait_idle();
        let stats = queue.stats();
        assert_eq!((stats.failed, stats.panicked, stats.succeeded), (1, 1, 2));
        assert!(queue.results().try_recv().is_err());
        queue.close();
        assert_eq!(queue.results().iter().count(), 0);
        assert_eq!(queue.drain(), []);
    });
}

#[test]
fn discard_lets_go_of_payloads_values_and_errors() {
    within_seconds(|| {
        let made = Live::default();
        let handler = {
            let made = made.clone();
            move |attempt: &Attempt<'_, (u32, Counted)>| match attempt.payload.0 {
                0 => Err(made.one()),
                _ => Ok(made.one()),
            }
        };
        let options = QueueOptions::new(8, 1)
            .max_retries(1)
            .backoff(Backoff::none())
            .results(ResultsPolicy::Discard);
        let queue = TaskQueue::new(handler, options).unwrap();
        queue
            .submit_all([(0, made.one()), (1, made.one())])
            .unwrap();
        queue.wait_idle();
        // Two payloads, one value, and two errors of the failed task.
        assert_eq!(made.drops(), 5);
        drop(queue);
    });
}

#[test]
fn discard_keeps_no_aborted_results() {
    within_seconds(|| {
        let options = QueueOptions::new(8, 1).results(ResultsPolicy::Discard);
        let (queue, gate) = crate::support::gated_with(options);
        queue.submit_all([1, 2]).unwrap();
        queue.cancel();
        assert_eq!(queue.stats().aborted, 2);
        gate.open();
        assert_eq!(queue.abort(), []);
    });
}

#[test]
fn keep_failures_keeps_what_did_not_succeed_and_lets_go_of_values() {
    within_seconds(|| {
        for streamed in [false, true] {
            let values = Live::default();
            let makes = values.clone();
            let queue = TaskQueue::new(
                move |attempt: &Attempt<'_, u32>| match attempt.payload {
                    1 => Err("no"),
                    2 => panic!("ouch"),
                    4 => {
                        attempt.submit(5).unwrap();
                        attempt.submitter().cancel();
                        Ok(makes.one())
                    }
                    _ => Ok(makes.one()),
                },
                QueueOptions::new(8, 1)
                    .max_retries(0)
                    .results(ResultsPolicy::KeepFailures),
            )
            .unwrap();
            let results = streamed.then(|| queue.results());
            queue.submit_all([0, 1, 2, 3, 4]).unwrap();
            queue.wait_idle();
            assert_eq!((values.count(), values.drops()), (0, 3));
            let succeeded = queue.stats().succeeded;
            let kept = match results {
                Some(results) => {
                    queue.close();
                    results.iter().collect()
                }
                None => queue.drain(),
            };
            assert_eq!(succeeded, 3);
            let failures = kept.into_iter().map(|result| {
                let failure = result.outcome.err().unwrap();
                (failure.task.payload, failure.error)
            });
            let expected = [
                (1, TaskError::Failed("no")),
                (2, TaskError::Panicked("ouch".into())),
                (5, TaskError::Aborted),
            ];
            assert_eq!(failures.collect::<Vec<_>>(), expected);
        }
    });
}

/// Takes its time to go, and says when it went.
struct Slow(Arc<Mutex<Option<Instant>>>);

impl Drop for Slow {
    fn drop(&mut self) {
        thread::sleep(Duration::from_millis(20));
        *self.0.lock().unwrap() = Some(Instant::now());
    }
}

#[test]
fn the_destructor_of_a_value_that_is_not_kept_takes_none_of_the_next_tasks_time() {
    within_seconds(|| {
        let gone = Arc::<Mutex<Option<Instant>>>::default();
        let value = Arc::clone(&gone);
        let order = Recorder::new();
        let handler = {
            let order = order.clone();
            move |attempt: &Attempt<'_, &'static str>| {
                order.note(attempt.payload);
                match (attempt.payload, attempt.number()) {
                    ("retried", 1) | ("failed", _) => Err("no"),
                    ("slow", _) => Ok(Some(Slow(Arc::clone(&value)))),
                    _ => Ok(None),
                }
            }
        };
        let options = QueueOptions::new(8, 1)
            .backoff(Backoff::constant(Duration::from_millis(2)))
            .results(ResultsPolicy::KeepFailures);
        let queue = TaskQueue::new(handler, options).unwrap();
        let task = |payload, priority| Task::new(payload).with_priority(priority);
        queue
            .submit_all([
                task("retried", 2),
                task("slow", 2),
                task("slow", 1),
                task("failed", 1).with_retries(0),
            ])
            .unwrap();
        let failed = queue.results().recv().unwrap();
        let gone = gone.lock().unwrap().unwrap();
        assert!(failed.duration <= gone.elapsed());
        // What became due meanwhile comes before what is less important.
        let expected = ["retried", "slow", "retried", "slow", "failed"];
        assert_eq!(order.events(), expected);
    });
}

#[test]
fn a_result_names_the_task_and_counts_its_attempts() {
    within_seconds(|| {
        let queue = TaskQueue::new(
            |attempt: &Attempt<'_, u32>| {
                if attempt.number() <= attempt.payload {
                    return Err("not yet");
                }
                Ok(attempt.payload)
            },
            QueueOptions::new(8, 1).backoff(Backoff::none()),
        )
        .unwrap();
        queue.submit_all([0, 1, 2]).unwrap();
        let mut results = queue.drain();
        results.sort_by(|a, b| a.task_id.cmp(&b.task_id));
        for (payload, result) in (0..).zip(results) {
            assert_eq!(result.task_id, number(u64::from(payload) + 1));
            assert_eq!(result.attempts, payload + 1);
            assert_eq!(result.outcome, Ok(payload));
        }
    });
}

#[test]
fn duration_covers_the_attempt_and_not_the_wait_before_it() {
    within_seconds(|| {
        let gate = Gate::new();
        let moment = Duration::from_millis(20);
        let handler = {
            let gate = gate.clone();
            move |attempt: &Attempt<'_, u32>| {
                gate.pass();
                if attempt.payload == 0 {
                    thread::sleep(moment);
                }
                Ok::<_, &str>(Instant::now())
            }
        };
        let queue = TaskQueue::new(handler, QueueOptions::new(8, 1)).unwrap();
        queue.submit_all([0, 1]).unwrap();
        gate.arrived(1);
        let opened = Instant::now();
        gate.open();
        let results = queue.drain();
        assert!(results[0].duration >= moment);
        // The second began when the first had slept.
        let ended = *results[1].outcome.as_ref().unwrap();
        let most = Instant::now() - opened - moment;
        assert!(ended - opened >= moment);
        assert!(results[1].duration <= most);
    });
}

// ----- when ---------------------------------------------------------------------

#[test]
fn after_wait_idle_all_results_can_be_received() {
    for waits in BOTH_WAITS {
        within_seconds(move || {
            let queue = TaskQueue::new(
                |attempt: &Attempt<'_, u32>| match attempt.number() {
                    1 => Err(attempt.retry_after(Duration::from_micros(100), "again")),
                    _ => Ok(()),
                },
                QueueOptions::new(8, 3).retry_waits(waits),
            )
            .unwrap();
            let results = queue.results();
            for _ in 0..50 {
                queue.submit_all([1, 2, 3, 4]).unwrap();
                queue.wait_idle();
                assert_eq!(results.try_iter().count(), 4);
            }
            drop(queue);
        });
    }
}

#[test]
fn who_sees_settled_can_receive() {
    within_seconds(|| {
        let queue = echo(8, 2);
        let results = queue.results();
        for n in 1..=300 {
            queue.submit(1).unwrap();
            until(|| queue.stats().settled == n);
            assert!(results.try_recv().is_ok());
        }
        drop(queue);
    });
}

#[test]
fn a_payload_is_dropped_before_its_result_can_be_received() {
    /// Says when it begins to be dropped, and waits to be let go.
    struct Lingers(Sender<()>, Gate);

    impl Drop for Lingers {
        fn drop(&mut self) {
            let _ = self.0.send(());
            self.1.pass();
        }
    }

    within_seconds(|| {
        let (tell, told) = channel();
        let gate = Gate::new();
        let queue = TaskQueue::new(
            |_: &Attempt<'_, Lingers>| Ok::<_, &str>(()),
            QueueOptions::new(8, 1),
        )
        .unwrap();
        let results = queue.results();
        queue.submit(Lingers(tell, gate.clone())).unwrap();
        told.recv().unwrap();
        assert!(results.is_empty());
        gate.open();
        assert!(results.recv().unwrap().outcome.is_ok());
        drop(queue);
    });
}

#[test]
fn wait_idle_returns_at_once_when_there_is_nothing_to_do() {
    within_seconds(|| {
        let queue = echo(8, 2);
        queue.wait_idle();
        assert!(queue.wait_idle_timeout(Duration::ZERO));
        queue.close();
        queue.wait_idle();
        drop(queue);
    });
}

#[test]
fn wait_idle_waits_for_everything() {
    within_seconds(|| {
        let (queue, gate) = full(3, BackpressureStrategy::Block);
        gate.open();
        queue.wait_idle();
        let stats = queue.stats();
        assert_eq!((stats.settled, stats.running, stats.ready), (4, 0, 0));
        drop(queue);
    });
}

#[test]
fn wait_idle_timeout_says_whether_the_queue_was_idle() {
    within_seconds(|| {
        let (queue, gate) = gated(3, BackpressureStrategy::Block);
        let timeout = Duration::from_millis(5);
        let start = Instant::now();
        assert!(!queue.wait_idle_timeout(timeout));
        assert!(start.elapsed() >= timeout);
        assert!(!queue.wait_idle_timeout(Duration::ZERO));
        gate.open();
        assert!(queue.wait_idle_timeout(Duration::MAX));
        assert!(queue.wait_idle_timeout(HOUR));
        drop(queue);
    });
}

#[test]
fn everybody_who_waits_for_idle_is_woken() {
    within_seconds(|| {
        let (queue, gate) = gated(3, BackpressureStrategy::Block);
        thread::scope(|scope| {
            let queue = &queue;
            let waiters: Vec<_> = (0..3)
                .map(|n| {
                    asleep(scope, move || match n {
                        0 => queue.wait_idle_timeout(HOUR),
                        _ => {
                            queue.wait_idle();
                            true
                        }
                    })
                })
                .collect();
            gate.open();
            for waiter in waiters {
                assert!(waiter.join().unwrap());
            }
        });
        drop(queue);
    });
}

#[test]
#[cfg(target_os = "linux")] // which tells when all wait; begun later they wait rightly
fn a_queue_that_was_idle_for_a_moment_traps_nobody_in_wait_idle() {
    within_seconds(|| {
        let queue = Arc::new(
            TaskQueue::new(
                |attempt: &Attempt<'_, Gate>| {
                    attempt.payload.pass();
                    Ok::<_, &str>(())
                },
                QueueOptions::new(4, 1),
            )
            .unwrap(),
        );
        for n in 1..=50 {
            let (first, second) = (Gate::new(), Gate::new());
            queue.submit(first.clone()).unwrap();
            first.arrived(1);
            // So many that they are not all up before the moment is over.
            let waiting = [(); 4].map(|()| {
                let queue = Arc::clone(&queue);
                blocked(move || queue.wait_idle())
            });
            let next = second.clone();
            first.open();
            // Gives nobody the core: the moment is as short as can be.
            while queue.stats().settled < 2 * n - 1 {
                std::hint::spin_loop();
            }
            queue.submit(next).unwrap();
            second.arrived(1);
            // The queue is busy again, and stays so until these have returned.
            for waiting in waiting {
                waiting.join().unwrap();
            }
            second.open();
            queue.wait_idle();
        }
    });
}
