//! A queue that goes out of scope, wherever that happens.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::thread;
use std::time::Duration;

use taskshelf::{Attempt, BackpressureStrategy, QueueOptions, ResultsPolicy, Submitter, TaskQueue};

use crate::support::{
    Count, Counted, Echo, Gate, Live, Recorder, blocked, echo, gated, gated_with, on_log,
    sorted_values, until, values, within_seconds,
};

#[test]
fn drop_finishes_what_was_accepted() {
    within_seconds(|| {
        let (queue, gate) = gated(8, BackpressureStrategy::Block);
        queue.submit_all([1, 2, 3]).unwrap();
        let submitter = queue.submitter();
        let dropping = blocked(move || drop(queue));
        assert!(!dropping.is_finished());
        gate.open();
        dropping.join().unwrap();
        assert_eq!(submitter.stats().succeeded, 4);
    });
}

#[test]
fn drop_finishes_retries() {
    within_seconds(|| {
        let calls = Count::new();
        let handler = {
            let calls = calls.clone();
            move |attempt: &Attempt<'_, u32>| {
                calls.add();
                Err::<(), _>(attempt.retry_after(Duration::from_millis(2), "later"))
            }
        };
        let queue = TaskQueue::new(handler, QueueOptions::new(8, 2)).unwrap();
        queue.submit_all([1, 2]).unwrap();
        drop(queue);
        assert_eq!(calls.get(), 8);
    });
}

#[test]
fn drop_says_how_many_results_nobody_took_and_how_many_of_them_are_no_successes() {
    within_seconds(|| {
        let (queue, gate) = gated(100, BackpressureStrategy::Block);
        queue.submit_all(1..=36).unwrap();
        queue.cancel();
        gate.open();
        let messages = Recorder::new();
        let noted = messages.clone();
        on_log(move |level, message| noted.note((level, message.to_owned())));
        drop(queue);
        let messages = messages.events();
        assert_eq!(messages.len(), 1, "{messages:?}");
        assert_eq!(messages[0].0, log::Level::Warn);
        assert!(messages[0].1.contains(": 37 "), "{messages:?}");
        assert!(messages[0].1.ends_with(": 36)"), "{messages:?}");
    });
}

#[test]
fn drop_says_how_many_results_it_leaves_to_receivers() {
    for left in [0, 36] {
        within_seconds(move || {
            let (queue, gate) = gated(100, BackpressureStrategy::Block);
            queue.submit_all(1..=36).unwrap();
            let results = queue.results();
            gate.open();
            queue.wait_idle();
            (left..37).for_each(|_| drop(results.try_recv().unwrap()));
            let messages = Recorder::new();
            let noted = messages.clone();
            on_log(move |level, message| noted.note((level, message.to_owned())));
            drop(queue);
            let messages = messages.events();
            if left == 0 {
                assert_eq!(messages, []);
            } else {
                assert_eq!(messages.len(), 1, "{messages:?}");
                assert_eq!(messages[0].0, log::Level::Info);
                assert!(messages[0].1.ends_with(": 36"), "{messages:?}");
            }
            assert_eq!(results.iter().count(), left);
        });
    }
}

#[test]
fn drop_of_a_queue_without_results_says_nothing() {
    within_seconds(|| {
        let (queue, gate) = gated_with(QueueOptions::new(4, 1).results(ResultsPolicy::Discard));
        gate.open();
        let messages = Recorder::new();
        let noted = messages.clone();
        on_log(move |_, message| noted.note(message.to_owned()));
        drop(queue);
        assert_eq!(messages.events(), [""; 0]);
    });
}

#[test]
fn a_dropped_queue_leaves_its_results_to_its_receivers() {
    within_seconds(|| {
        let (queue, gate) = gated(8, BackpressureStrategy::Block);
        queue.submit_all([1, 2]).unwrap();
        let results = queue.results();
        gate.open();
        assert_eq!(results.recv().unwrap().outcome.unwrap(), 0);
        drop(queue);
        assert_eq!(values(results.iter().collect()), [1, 2]);
    });
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Place {
    Payload,
    Value,
    Error,
}

const PLACES: [Place; 3] = [Place::Payload, Place::Value, Place::Error];

/// A queue with ten results, in the order of their tasks. The given part of one
/// of them panics when it is dropped.
fn ten_results(
    place: Place,
    bomb: usize,
    live: &Live,
) -> TaskQueue<(usize, Counted), Counted, Counted> {
    let part = {
        let live = live.clone();
        move |of: Place, number: usize| match (of, number) == (place, bomb) {
            true => live.bomb(),
            false => live.one(),
        }
    };
    let handler = {
        let part = part.clone();
        move |attempt: &Attempt<'_, (usize, Counted)>| match place {
            Place::Value => Ok(part(Place::Value, attempt.payload.0)),
            _ => Err(part(Place::Error, attempt.payload.0)),
        }
    };
    let queue = TaskQueue::new(handler, QueueOptions::new(10, 1).max_retries(0)).unwrap();
    queue
        .submit_all((0..10).map(|number| (number, part(Place::Payload, number))))
        .unwrap();
    queue
}

/// How much of each result of those is still there.
fn parts(place: Place) -> usize {
    match place {
        Place::Value => 1,
        Place::Payload | Place::Error => 2,
    }
}

#[test]
fn results_left_to_a_receiver_are_its_own_to_drop() {
    for (place, bomb) in PLACES.into_iter().flat_map(|p| [(p, 0), (p, 4), (p, 9)]) {
        within_seconds(move || {
            let live = Live::default();
            let queue = ten_results(place, bomb, &live);
            let results = queue.results();
            drop(queue);
            assert_eq!(live.count(), 10 * parts(place));
            for number in 0..10 {
                let result = results.recv().unwrap();
                let dropping = catch_unwind(AssertUnwindSafe(|| drop(result)));
                assert_eq!(dropping.is_err(), number == bomb);
                assert_eq!(live.count(), (9 - number) * parts(place));
            }
        });
    }
}

/// The channel drops them all at once, and the panic of one leaks those behind
/// it; it must not go further.
#[test]
fn results_left_in_a_stream_may_panic_when_the_queue_is_dropped() {
    for (place, bomb) in PLACES.into_iter().flat_map(|p| [(p, 0), (p, 4), (p, 9)]) {
        within_seconds(move || {
            let live = Live::default();
            let queue = ten_results(place, bomb, &live);
            drop(queue.results());
            queue.wait_idle();
            assert_eq!(live.count(), 10 * parts(place));
            drop(queue);
            assert!(live.count() <= (9 - bomb) * parts(place));
        });
    }
}

#[test]
fn results_left_in_a_stream_can_be_drained_and_dropped_one_by_one() {
    for (place, bomb) in PLACES.into_iter().flat_map(|p| [(p, 0), (p, 4), (p, 9)]) {
        within_seconds(move || {
            let live = Live::default();
            let queue = ten_results(place, bomb, &live);
            drop(queue.results());
            let mut panics = 0;
            for result in queue.drain() {
                let dropping = catch_unwind(AssertUnwindSafe(|| drop(result)));
                panics += usize::from(dropping.is_err());
            }
            assert_eq!((panics, live.count()), (1, 0));
        });
    }
}

#[test]
fn drop_drops_every_payload_and_result_once() {
    within_seconds(|| {
        let (payloads, values) = (Live::default(), Live::default());
        let handler = {
            let values = values.clone();
            move |_: &Attempt<'_, Counted>| Ok::<_, &str>(values.one())
        };
        let queue = TaskQueue::new(handler, QueueOptions::new(8, 2)).unwrap();
        queue.submit_all((0..100).map(|_| payloads.one())).unwrap();
        drop(queue);
        assert_eq!((payloads.drops(), values.drops()), (100, 100));
    });
}

/// The panic is none of its own.
#[test]
fn a_queue_that_a_destructor_builds_while_unwinding_finishes_its_tasks() {
    struct Cleaner(Recorder<usize>);

    impl Drop for Cleaner {
        fn drop(&mut self) {
            assert!(thread::panicking());
            let queue = echo(8, 1);
            queue.submit_all([1, 2, 3]).unwrap();
            let submitter = queue.submitter();
            drop(queue);
            self.0
                .note(usize::try_from(submitter.stats().succeeded).unwrap());
        }
    }

    within_seconds(|| {
        let succeeded = Recorder::new();
        let noted = succeeded.clone();
        let panic = catch_unwind(AssertUnwindSafe(move || {
            let _cleaner = Cleaner(noted);
            panic!("the owner gives up");
        }));
        assert!(panic.is_err());
        assert_eq!(succeeded.events(), [3]);
    });
}

#[test]
fn drop_while_unwinding_aborts() {
    within_seconds(|| {
        let started = Gate::new();
        let ended = Live::default();
        let token = ended.one();
        let handler = {
            let started = started.clone();
            move |attempt: &Attempt<'_, u32>| {
                let _held = &token;
                started.pass();
                // Were this a drain, nothing would ever cancel it.
                until(|| attempt.is_cancelled());
                Ok(attempt.payload)
            }
        };
        let queue: Echo = TaskQueue::new(handler, QueueOptions::new(8, 1)).unwrap();
        let submitter = queue.submitter();
        let panic = catch_unwind(AssertUnwindSafe(move || {
            let queue = queue;
            queue.submit_all([1, 2, 3]).unwrap();
            started.arrived(1);
            started.open();
            panic!("the owner gives up");
        }))
        .unwrap_err();
        assert_eq!(*panic.downcast::<&str>().unwrap(), "the owner gives up");
        assert_eq!(ended.drops(), 1);
        let stats = submitter.stats();
        assert_eq!((stats.succeeded, stats.aborted), (1, 2));
    });
}

#[test]
fn drop_ends_the_stream_of_results() {
    within_seconds(|| {
        let (queue, gate) = gated(8, BackpressureStrategy::Block);
        let results = queue.results();
        let reader = blocked(move || results.iter().count());
        let dropping = thread::spawn(move || drop(queue));
        gate.open();
        dropping.join().unwrap();
        assert_eq!(reader.join().unwrap(), 1);
    });
}

// ----- on a worker of its own ---------------------------------------------------

type Slot = Arc<Mutex<Option<Echo>>>;

/// Runs three tasks on a queue that its first task takes and passes to `end`;
/// returns what the receiver got until it was disconnected.
fn end_on_own_worker(
    workers: usize,
    end: fn(Echo),
) -> Vec<taskshelf::WorkerResult<u32, u32, &'static str>> {
    let slot = Slot::default();
    let gate = Gate::new();
    let handler = {
        let (slot, gate) = (Arc::clone(&slot), gate.clone());
        move |attempt: &Attempt<'_, u32>| {
            gate.pass();
            let queue = slot.lock().unwrap().take();
            queue.into_iter().for_each(end);
            Ok(attempt.payload)
        }
    };
    let options = QueueOptions::new(8, workers).max_retries(0);
    let queue = TaskQueue::new(handler, options).unwrap();
    let (submitter, results) = (queue.submitter(), queue.results());
    queue.submit_all([1, 2, 3]).unwrap();
    gate.arrived(1);
    *slot.lock().unwrap() = Some(queue);
    gate.open();
    let results = results.iter().collect();
    assert!(submitter.is_closed());
    results
}

#[test]
fn a_queue_that_is_dropped_on_its_own_worker_finishes_by_itself() {
    for workers in [1, 3] {
        within_seconds(move || {
            let results = end_on_own_worker(workers, drop);
            assert_eq!(sorted_values(results), [1, 2, 3]);
        });
    }
}

#[test]
fn a_drop_on_an_own_worker_is_logged() {
    within_seconds(|| {
        static LOGGED: Mutex<Vec<(log::Level, String)>> = Mutex::new(Vec::new());
        let results = end_on_own_worker(1, |queue| {
            on_log(|level, message| LOGGED.lock().unwrap().push((level, message.to_owned())));
            drop(queue);
        });
        assert_eq!(results.len(), 3);
        let logged = LOGGED.lock().unwrap();
        let about_the_drop = logged
            .iter()
            .filter(|(_, message)| message.contains("dropped on its own worker"));
        let levels: Vec<_> = about_the_drop.map(|(level, _)| *level).collect();
        assert_eq!(levels, [log::Level::Warn], "{logged:?}");
    });
}

/// That one of the three tasks panicked, and that each has one result.
#[track_caller]
fn assert_one_panicked(mut results: Vec<taskshelf::WorkerResult<u32, u32, &'static str>>) {
    results.sort_by(|a, b| a.task_id.cmp(&b.task_id));
    let ids: Vec<_> = results.iter().map(|r| r.task_id.to_string()).collect();
    assert_eq!(ids, ["1", "2", "3"]);
    let panicked = results
        .iter()
        .filter(|r| matches!(&r.outcome, Err(failure) if failure.error.is_panicked()));
    assert_eq!(panicked.count(), 1);
}

#[test]
fn drain_on_an_own_worker_fails_that_attempt() {
    for workers in [1, 3] {
        within_seconds(move || {
            assert_one_panicked(end_on_own_worker(workers, |queue| drop(queue.drain())));
        });
    }
}

#[test]
fn drain_timeout_on_an_own_worker_fails_that_attempt() {
    within_seconds(|| {
        assert_one_panicked(end_on_own_worker(1, |queue| {
            drop(queue.drain_timeout(Duration::from_millis(1)));
        }));
    });
}

#[test]
fn abort_on_an_own_worker_fails_that_attempt() {
    for workers in [1, 3] {
        within_seconds(move || {
            assert_one_panicked(end_on_own_worker(workers, |queue| drop(queue.abort())));
        });
    }
}

#[test]
fn a_handler_that_panics_with_its_queue_in_hand_fails_that_attempt() {
    within_seconds(|| {
        assert_one_panicked(end_on_own_worker(1, |queue| {
            let _held = queue;
            panic!("with a queue in hand");
        }));
    });
}

#[test]
fn wait_idle_on_an_own_worker_fails_that_attempt() {
    let waits: [fn(&Echo); 3] = [
        |queue| queue.wait_idle(),
        |queue| assert!(!queue.wait_idle_timeout(Duration::from_millis(1))),
        |queue| assert!(!queue.wait_idle_timeout(Duration::ZERO)),
    ];
    for wait in waits {
        within_seconds(move || {
            let own = Arc::new(OnceLock::<Weak<Echo>>::new());
            let handler = {
                let own = Arc::clone(&own);
                move |attempt: &Attempt<'_, u32>| {
                    if attempt.payload == 1 {
                        until(|| own.get().is_some());
                        wait(&own.get().unwrap().upgrade().unwrap());
                    }
                    Ok(attempt.payload)
                }
            };
            let options = QueueOptions::new(8, 1).max_retries(0);
            let queue = Arc::new(TaskQueue::new(handler, options).unwrap());
            own.set(Arc::downgrade(&queue)).unwrap();
            queue.submit_all([1, 2]).unwrap();
            let results = queue.results();
            let failure = results.recv().unwrap().outcome.unwrap_err();
            assert!(failure.error.is_panicked());
            assert_eq!(results.recv().unwrap().outcome.unwrap(), 2);
            queue.wait_idle();
            drop(queue);
        });
    }
}

#[test]
fn another_queues_worker_may_wait_drain_and_drop() {
    within_seconds(|| {
        let outer = TaskQueue::new(
            |attempt: &Attempt<'_, u32>| {
                let inner: Echo = TaskQueue::new(
                    |attempt: &Attempt<'_, u32>| Ok(attempt.payload * 2),
                    QueueOptions::new(4, 1),
                )
                .unwrap();
                inner.submit(attempt.payload).unwrap();
                inner.wait_idle();
                match attempt.payload {
                    1 => Ok::<_, &str>(values(inner.drain())),
                    2 => Ok(values(inner.abort())),
                    _ => {
                        drop(inner);
                        Ok(vec![])
                    }
                }
            },
            QueueOptions::new(4, 1),
        )
        .unwrap();
        outer.submit_all([1, 2, 3]).unwrap();
        assert_eq!(values(outer.drain()), [vec![2], vec![4], vec![]]);
    });
}

// ----- at the end of a worker's thread ------------------------------------------

/// Uses the queue when its thread ends.
struct Epilogue {
    submitter: Submitter<u32>,
    seen: mpsc::Sender<(bool, u64)>,
}

impl Drop for Epilogue {
    fn drop(&mut self) {
        let closed = self.submitter.try_submit(9).is_err_and(|e| e.is_closed());
        let settled = self.submitter.stats().settled;
        let _ = self.seen.send((closed, settled));
    }
}

thread_local! {
    static EPILOGUE: RefCell<Option<Epilogue>> = const { RefCell::new(None) };
}

#[test]
fn a_worker_threads_last_destructors_may_use_the_queue() {
    within_seconds(|| {
        let (tell, told) = mpsc::channel();
        let own = Arc::new(OnceLock::<Submitter<u32>>::new());
        let handler = {
            let own = Arc::clone(&own);
            move |attempt: &Attempt<'_, u32>| {
                until(|| own.get().is_some());
                EPILOGUE.set(Some(Epilogue {
                    submitter: own.get().unwrap().clone(),
                    seen: tell.clone(),
                }));
                Ok::<_, &str>(attempt.payload)
            }
        };
        let queue = TaskQueue::new(handler, QueueOptions::new(8, 1)).unwrap();
        own.set(queue.submitter()).unwrap();
        queue.submit(1).unwrap();
        assert_eq!(values(queue.drain()), [1]);
        assert_eq!(told.try_recv(), Ok((true, 1)));
    });
}

#[test]
fn a_queue_may_be_dropped_on_a_thread_that_did_not_build_it() {
    within_seconds(|| {
        let (queue, gate) = gated(8, BackpressureStrategy::Block);
        gate.open();
        thread::spawn(move || drop(queue)).join().unwrap();
    });
}
