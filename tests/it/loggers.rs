//! What is logged for want of another way out, and a logger that panics: the panic
//! goes no further, and changes nothing.

use std::panic::panic_any;
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};

use log::Level;
use taskshelf::{
    Attempt, Backoff, BackpressureStrategy, QueueOptions, ResultsPolicy, Submitted, TaskQueue,
};

use crate::support::{
    BOTH_WAITS, Count, Counted, Echo, Gate, Live, Recorder, full, gated, odd_task, on_log,
    panic_on_log, sorted_values, values, within_seconds,
};

/// That there was one worker from the beginning to the end.
#[track_caller]
fn assert_all_the_same(threads: &Recorder<ThreadId>) {
    let threads = threads.events();
    assert!(threads.iter().all(|thread| *thread == threads[0]));
}

#[test]
fn every_destructor_that_panics_is_logged() {
    within_seconds(|| {
        let live = Live::default();
        let lines = Recorder::new();
        let (noted, maker) = (lines.clone(), live.clone());
        let handler = move |attempt: &Attempt<'_, Counted>| {
            let noted = noted.clone();
            on_log(move |level, text| noted.note((level, text.to_owned())));
            match attempt.number() {
                1 => panic_any(maker.bomb()),
                2 => Err(maker.bomb()),
                _ => Ok(()),
            }
        };
        let options = QueueOptions::new(8, 1)
            .max_retries(2)
            .backoff(Backoff::none());
        let queue = TaskQueue::new(handler, options).unwrap();
        queue.submit(live.bomb()).unwrap();
        assert_eq!(queue.drain().len(), 1);
        let errors = lines
            .events()
            .into_iter()
            .filter(|(level, _)| *level == Level::Error);
        let texts: Vec<String> = errors.map(|(_, text)| text).collect();
        let of_its_own = "a destructor panicked: a bomb went off";
        let of_a_panic = "a destructor panicked: that of a panic's payload";
        assert_eq!(texts, [of_a_panic, of_its_own, of_its_own]);
        assert_eq!((live.drops(), live.drops_in_unwinding()), (3, 0));
    });
}

/// Nor does it matter what it panics with, and how often.
#[test]
fn a_logger_may_panic_with_a_bomb() {
    within_seconds(|| {
        let live = Live::default();
        let times = Count::new();
        let (counted, maker) = (times.clone(), live.clone());
        let handler = move |_: &Attempt<'_, ()>| -> Result<(), ()> {
            let (counted, maker) = (counted.clone(), maker.clone());
            on_log(move |_, _| {
                counted.add();
                panic_any(maker.bomb());
            });
            panic_any(live.bomb())
        };
        let queue = TaskQueue::new(handler, QueueOptions::new(8, 1).max_retries(0)).unwrap();
        queue.submit(()).unwrap();
        assert_eq!(queue.drain().len(), 1);
        assert_eq!(times.get(), 1);
    });
}

#[test]
fn a_failure_is_logged_where_nobody_sees_its_result() {
    within_seconds(|| {
        let logged = |policy| {
            let lines = Recorder::new();
            let noted = lines.clone();
            let handler = move |attempt: &Attempt<'_, u32>| {
                let noted = noted.clone();
                on_log(move |level, text| {
                    if level == Level::Warn {
                        noted.note(text.to_owned());
                    }
                });
                match attempt.payload {
                    1 => Err("away"),
                    2 => panic!("over"),
                    _ => Ok(()),
                }
            };
            let options = QueueOptions::new(8, 1)
                .max_retries(1)
                .backoff(Backoff::none())
                .results(policy)
                .thread_name("press");
            let queue = TaskQueue::new(handler, options).unwrap();
            queue.submit_all(0..3).unwrap();
            let _ = queue.drain();
            lines.events()
        };
        let expected = [
            "task 2 of press failed for good (attempts: 2)",
            "task 3 of press panicked for good (attempts: 2): over",
        ];
        assert_eq!(logged(ResultsPolicy::Discard), expected);
        assert_eq!(logged(ResultsPolicy::Keep), [""; 0]);
    });
}

#[test]
fn an_attempt_that_is_retried_is_logged_with_its_panic() {
    within_seconds(|| {
        let lines = Recorder::new();
        let noted = lines.clone();
        let handler = move |attempt: &Attempt<'_, ()>| {
            let noted = noted.clone();
            on_log(move |level, text| noted.note((level, text.to_owned())));
            match attempt.number() {
                1 => panic!("over"),
                2 => Err("away"),
                _ => Ok(()),
            }
        };
        let options = QueueOptions::new(8, 1)
            .backoff(Backoff::none())
            .thread_name("press");
        let queue = TaskQueue::new(handler, options).unwrap();
        queue.submit(()).unwrap();
        assert_eq!(queue.drain().len(), 1);
        let expected = [
            "task 1 of press: attempt 1 panicked, next in 0ns: over",
            "task 1 of press: attempt 2 failed, next in 0ns",
        ];
        let expected = expected.map(|text| (Level::Debug, text.to_owned()));
        assert_eq!(lines.events(), expected);
    });
}

#[test]
fn tasks_dropped_and_results_left_are_logged_with_the_name_of_their_queue() {
    within_seconds(|| {
        let lines = Recorder::new();
        let noted = lines.clone();
        on_log(move |level, text| noted.note((level, text.to_owned())));
        for listens in [false, true] {
            let gate = Gate::new();
            let handler = {
                let gate = gate.clone();
                move |attempt: &Attempt<'_, u32>| {
                    gate.pass();
                    Ok::<_, &str>(attempt.payload)
                }
            };
            let options = QueueOptions::new(1, 1)
                .backpressure(BackpressureStrategy::Drop)
                .thread_name("press");
            let queue = TaskQueue::new(handler, options).unwrap();
            let results = listens.then(|| queue.results());
            queue.submit(1).unwrap();
            gate.arrived(1);
            queue.submit_all([2, 3, 4]).unwrap();
            gate.open();
            drop(queue);
            if let Some(results) = results {
                assert_eq!(values(results.iter().collect()), [1, 2]);
            }
        }
        let dropped = "queue press is full (capacity 1): tasks dropped: 2";
        let unclaimed = "queue press was dropped with results not received: 2 \
            (of tasks that failed or were aborted: 0)";
        // Whoever has a receiver will have them: no reason to warn.
        let left = "queue press was dropped with results not received, \
            left to its receivers if there are any: 2";
        let expected = [
            (Level::Warn, dropped),
            (Level::Warn, unclaimed),
            (Level::Warn, dropped),
            (Level::Info, left),
        ];
        let expected = expected.map(|(level, text)| (level, text.to_owned()));
        assert_eq!(lines.events(), expected);
    });
}

#[test]
fn a_logger_may_panic_when_it_hears_of_a_retry() {
    for waits in BOTH_WAITS {
        within_seconds(move || {
            let (logged, threads) = (Count::new(), Recorder::new());
            let handler = {
                let (logged, threads) = (logged.clone(), threads.clone());
                move |attempt: &Attempt<'_, u32>| {
                    panic_on_log(&logged);
                    threads.note(thread::current().id());
                    match attempt.number() {
                        3 => Ok(attempt.payload),
                        _ => Err("not yet"),
                    }
                }
            };
            let options = QueueOptions::new(8, 1)
                .retry_waits(waits)
                .backoff(Backoff::none());
            let queue = TaskQueue::new(handler, options).unwrap();
            queue.submit_all([1, 2, 3]).unwrap();
            let results = queue.drain();
            assert!(results.iter().all(|result| result.attempts == 3));
            assert_eq!(sorted_values(results), [1, 2, 3]);
            assert_eq!((logged.get(), threads.events().len()), (6, 9));
            assert_all_the_same(&threads);
        });
    }
}

#[test]
fn a_logger_may_panic_when_it_hears_of_a_dropped_task() {
    within_seconds(|| {
        let (queue, gate) = full(1, BackpressureStrategy::Drop);
        let logged = Count::new();
        panic_on_log(&logged);
        let submitted = queue.submit(odd_task()).unwrap();
        assert_eq!(submitted, Submitted::Dropped(odd_task()));
        let all = queue.submit_all([7, 8]).unwrap();
        let dropped: Vec<_> = all.dropped.into_iter().map(|task| task.payload).collect();
        assert_eq!((all.accepted, dropped), (0, vec![7, 8]));
        assert_eq!((logged.get(), queue.stats().dropped), (2, 3));
        gate.open();
        assert_eq!(values(queue.drain()), [0, 1]);
    });
}

#[test]
fn a_logger_may_panic_when_it_hears_of_a_destructors_panic() {
    for policy in [ResultsPolicy::Keep, ResultsPolicy::Discard] {
        within_seconds(move || {
            let (live, logged, threads) = (Live::default(), Count::new(), Recorder::new());
            let handler = {
                let (logged, threads) = (logged.clone(), threads.clone());
                move |_: &Attempt<'_, Counted>| {
                    panic_on_log(&logged);
                    threads.note(thread::current().id());
                    Ok::<_, &str>(())
                }
            };
            let options = QueueOptions::new(8, 1).results(policy);
            let queue = TaskQueue::new(handler, options).unwrap();
            queue.submit_all([(); 3].map(|()| live.bomb())).unwrap();
            queue.wait_idle();
            assert_eq!(queue.stats().succeeded, 3);
            assert_eq!((logged.get(), live.drops()), (3, 3));
            let kept = if policy == ResultsPolicy::Keep { 3 } else { 0 };
            assert_eq!(values(queue.drain()).len(), kept);
            assert_eq!(live.drops_in_unwinding(), 0);
            assert_all_the_same(&threads);
        });
    }
}

#[test]
fn a_logger_may_panic_when_it_hears_of_results_that_nobody_took() {
    for listens in [false, true] {
        within_seconds(move || {
            let (queue, gate) = gated(4, BackpressureStrategy::Block);
            queue.submit(1).unwrap();
            let (submitter, receiver) = (queue.submitter(), listens.then(|| queue.results()));
            gate.open();
            let logged = Count::new();
            panic_on_log(&logged);
            drop(queue);
            assert_eq!((logged.get(), submitter.stats().succeeded), (1, 2));
            if let Some(receiver) = receiver {
                assert_eq!(values(receiver.iter().collect()), [0, 1]);
            }
        });
    }
}

#[test]
fn a_logger_may_panic_when_it_hears_of_a_drop_on_an_own_worker() {
    within_seconds(|| {
        let slot = Arc::new(Mutex::new(None::<Echo>));
        let (gate, logged, threads) = (Gate::new(), Count::new(), Recorder::new());
        let handler = {
            let (slot, gate) = (Arc::clone(&slot), gate.clone());
            let (logged, threads) = (logged.clone(), threads.clone());
            move |attempt: &Attempt<'_, u32>| {
                gate.pass();
                panic_on_log(&logged);
                threads.note(thread::current().id());
                drop(slot.lock().unwrap().take());
                Ok(attempt.payload)
            }
        };
        let queue = TaskQueue::new(handler, QueueOptions::new(4, 1)).unwrap();
        let results = queue.results();
        queue.submit_all([1, 2]).unwrap();
        gate.arrived(1);
        *slot.lock().unwrap() = Some(queue);
        gate.open();
        assert_eq!(values(results.iter().collect()), [1, 2]);
        assert_eq!(logged.get(), 1);
        assert_all_the_same(&threads);
    });
}
