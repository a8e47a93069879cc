//! What takes a process of its own to show: its panic hook is replaced, or it would be
//! aborted.

use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::process::exit;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use taskshelf::{
    Attempt, Backoff, BackpressureStrategy, PriorityQueue, QueueOptions, ResultsPolicy, RetryWaits,
    TaskQueue,
};

use crate::support::{
    BOTH_WAITS, Count, Echo, Gate, HOUR, gated, in_a_child, panic_on_log, say, until, values,
};

// ----- where a panic is said to be ----------------------------------------------

#[test]
fn a_panic_that_the_caller_is_to_blame_for_names_the_callers_line() {
    in_a_child(
        "process::a_panic_that_the_caller_is_to_blame_for_names_the_callers_line",
        || {
            static PLACES: Mutex<Vec<String>> = Mutex::new(Vec::new());
            std::panic::set_hook(Box::new(|info| {
                let place = info.location().unwrap().file();
                PLACES.lock().unwrap().push(place.to_owned());
            }));
            assert!(catch_unwind(|| PriorityQueue::<u8>::new(0)).is_err());

            type Call = fn(Echo);
            let calls: [Call; 5] = [
                |queue| queue.wait_idle(),
                |queue| assert!(queue.wait_idle_timeout(HOUR)),
                |queue| drop(queue.drain()),
                |queue| drop(queue.drain_timeout(HOUR)),
                |queue| drop(queue.abort()),
            ];
            for call in calls {
                let own = Arc::new(Mutex::new(None::<Echo>));
                let handler = {
                    let own = Arc::clone(&own);
                    move |attempt: &Attempt<'_, u32>| {
                        let queue = own.lock().unwrap().take().unwrap();
                        call(queue);
                        Ok(attempt.payload)
                    }
                };
                let options = QueueOptions::new(1, 1).max_retries(0);
                let queue = TaskQueue::new(handler, options).unwrap();
                let (submitter, results) = (queue.submitter(), queue.results());
                *own.lock().unwrap() = Some(queue);
                submitter.submit(1).unwrap();
                assert!(results.recv().unwrap().outcome.is_err());
            }
            let places = PLACES.lock().unwrap().clone();
            assert_eq!(places, [file!(); 6]);
        },
    );
}

// ----- what would abort the process ---------------------------------------------

/// Panics when it is dropped, also by a thread that unwinds.
struct Grenade(Count);

impl Drop for Grenade {
    fn drop(&mut self) {
        self.0.add();
        panic!("a grenade went off");
    }
}

fn unwind_among_grenades(policy: ResultsPolicy) {
    let (drops, gate) = (Count::new(), Gate::new());
    let handler = {
        let (drops, gate) = (drops.clone(), gate.clone());
        move |attempt: &Attempt<'_, Grenade>| {
            gate.pass();
            until(|| attempt.is_cancelled());
            Ok::<_, Grenade>(Grenade(drops.clone()))
        }
    };
    let options = QueueOptions::new(8, 1).results(policy);
    let queue = TaskQueue::new(handler, options).unwrap();
    queue
        .submit_all((0..4).map(|_| Grenade(drops.clone())))
        .unwrap();
    gate.arrived(1);
    gate.open();
    let unwinding = catch_unwind(AssertUnwindSafe(move || {
        let _queue = queue;
        panic!("the owner gives up");
    }));
    let panic = unwinding.unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"the owner gives up"));
    // Four payloads and one value.
    assert_eq!(drops.get(), 5);
}

#[test]
fn a_queue_dropped_while_unwinding_contains_destructors_that_panic() {
    in_a_child(
        "process::a_queue_dropped_while_unwinding_contains_destructors_that_panic",
        || {
            unwind_among_grenades(ResultsPolicy::Keep);
            unwind_among_grenades(ResultsPolicy::Discard);
        },
    );
}

#[test]
fn an_iterator_may_panic_and_then_again_when_it_is_dropped() {
    in_a_child(
        "process::an_iterator_may_panic_and_then_again_when_it_is_dropped",
        || {
            let (queue, gate) = gated(8, BackpressureStrategy::Block);
            let drops = Count::new();
            let held = Grenade(drops.clone());
            let tasks = (1..).inspect(move |&n| {
                let _held = &held;
                assert!(n < 4, "out of tasks");
            });
            let submitting = catch_unwind(AssertUnwindSafe(|| queue.submit_all(tasks)));
            let panic = submitting.unwrap_err();
            assert_eq!(panic.downcast_ref(), Some(&"out of tasks"));
            assert_eq!(drops.get(), 1);
            gate.open();
            assert_eq!(values(queue.drain()), [0, 1, 2, 3]);
        },
    );
}

fn unwind_before_a_logger_that_panics(listens: bool) {
    let (queue, gate) = gated(8, BackpressureStrategy::Block);
    queue.submit_all([1, 2]).unwrap();
    let (submitter, receiver) = (queue.submitter(), listens.then(|| queue.results()));
    let logged = Count::new();
    panic_on_log(&logged);
    gate.open();
    let unwinding = catch_unwind(AssertUnwindSafe(move || {
        let _queue = queue;
        panic!("the owner gives up");
    }));
    let panic = unwinding.unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"the owner gives up"));
    assert_eq!((logged.get(), submitter.stats().settled), (1, 3));
    drop(receiver);
}

#[test]
fn a_queue_dropped_while_unwinding_contains_the_panic_of_a_logger() {
    in_a_child(
        "process::a_queue_dropped_while_unwinding_contains_the_panic_of_a_logger",
        || {
            unwind_before_a_logger_that_panics(false);
            unwind_before_a_logger_that_panics(true);
        },
    );
}

/// A worker that has dropped its own queue, and that nobody joins, meets a
/// panic whose payload panics in turn, and so do the handler and the backoff.
fn a_detached_worker_among_grenades() {
    type Slot = Arc<Mutex<Option<TaskQueue<u32, u32, &'static str>>>>;
    let (drops, gate, slot) = (Count::new(), Gate::new(), Slot::default());
    let handler = {
        let held = Grenade(drops.clone());
        let (drops, gate, slot) = (drops.clone(), gate.clone(), Arc::clone(&slot));
        move |attempt: &Attempt<'_, u32>| {
            let _held = &held;
            gate.pass();
            drop(slot.lock().unwrap().take());
            match attempt.payload {
                1 => panic_any(Grenade(drops.clone())),
                payload => Ok(payload),
            }
        }
    };
    let held = Grenade(drops.clone());
    let backoff = Backoff::custom(move |_| {
        let _held = &held;
        Duration::ZERO
    });
    let options = QueueOptions::new(8, 1).max_retries(0).backoff(backoff);
    let queue = TaskQueue::new(handler, options).unwrap();
    let results = queue.results();
    queue.submit_all([1, 2]).unwrap();
    gate.arrived(1);
    *slot.lock().unwrap() = Some(queue);
    gate.open();
    let outcomes: Vec<_> = results
        .iter()
        .map(|result| result.outcome.is_ok())
        .collect();
    assert_eq!(outcomes, [false, true]);
    // The payload of the panic, and what goes with the last worker.
    drops.at_least(3);
}

#[test]
fn a_worker_that_nobody_joins_contains_destructors_that_panic() {
    in_a_child(
        "process::a_worker_that_nobody_joins_contains_destructors_that_panic",
        a_detached_worker_among_grenades,
    );
}

// ----- the end of the process ---------------------------------------------------

/// Fails once with a delay of an hour where the payload is 0.
fn delayed(waits: RetryWaits) -> Echo {
    let handler = |attempt: &Attempt<'_, u32>| match attempt.payload {
        0 => Err(attempt.retry_after(HOUR, "later")),
        payload => Ok(payload),
    };
    TaskQueue::new(handler, QueueOptions::new(8, 2).retry_waits(waits)).unwrap()
}

#[test]
fn main_may_return_while_a_queue_is_idle() {
    static QUEUE: OnceLock<Echo> = OnceLock::new();
    in_a_child("process::main_may_return_while_a_queue_is_idle", || {
        let queue = QUEUE.get_or_init(|| delayed(RetryWaits::FreeWorker));
        queue.submit(1).unwrap();
        queue.wait_idle();
    });
}

#[test]
fn main_may_return_while_a_retry_is_far_away() {
    static QUEUES: [OnceLock<Echo>; 2] = [const { OnceLock::new() }; 2];
    in_a_child("process::main_may_return_while_a_retry_is_far_away", || {
        for (queue, waits) in QUEUES.iter().zip(BOTH_WAITS) {
            let queue = queue.get_or_init(|| delayed(waits));
            queue.submit(0).unwrap();
            until(|| queue.stats().waiting == 1);
        }
    });
}

#[test]
fn a_process_may_exit_while_a_handler_blocks() {
    in_a_child("process::a_process_may_exit_while_a_handler_blocks", || {
        let (queue, _gate) = gated(8, BackpressureStrategy::Block);
        queue.submit(1).unwrap();
        say("done");
        exit(0);
    });
}

/// There, whoever exits the process drops its own thread-locals first, the main
/// thread when it returns as any other.
#[test]
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn a_process_may_exit_with_queues_in_a_thread_local() {
    use std::cell::RefCell;

    /// Drops its queues, and says that it has.
    struct Last(Vec<Echo>);

    impl Drop for Last {
        fn drop(&mut self) {
            self.0.clear();
            say("done");
        }
    }

    thread_local! {
        static LAST: RefCell<Last> = const { RefCell::new(Last(Vec::new())) };
    }
    in_a_child(
        "process::a_process_may_exit_with_queues_in_a_thread_local",
        || {
            // First, for what is used first is dropped last.
            LAST.with_borrow(|_| ());
            for waits in BOTH_WAITS {
                let handler = |attempt: &Attempt<'_, u32>| match attempt.number() {
                    1 => Err(attempt.retry_after(Duration::from_millis(5), "later")),
                    _ => Ok(attempt.payload),
                };
                let options = QueueOptions::new(8, 2).retry_waits(waits);
                let queue = TaskQueue::new(handler, options).unwrap();
                queue.submit_all([1, 2, 3]).unwrap();
                LAST.with_borrow_mut(|last| last.0.push(queue));
            }
            exit(0);
        },
    );
}
