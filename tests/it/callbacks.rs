//! Code of the user's that calls back into the queue from wherever it is
//! called: under a lock it would hang.

use std::cell::RefCell;
use std::panic::{self, panic_any};
use std::sync::{Arc, Mutex, Once, OnceLock, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use taskshelf::{
    Attempt, Backoff, BackpressureStrategy, PriorityQueue, QueueOptions, ResultsPolicy, Submitter,
    TaskQueue,
};

use crate::support::{
    BOTH_WAITS, Count, Counted, Echo, Gate, HOUR, Live, OsThread, Recorder, full, gated, on_log,
    sorted_values, until, values, within_seconds,
};

const MOMENT: Duration = Duration::from_millis(1);

/// The submitter of a queue, for code that has to be there before the queue is.
#[derive(Clone)]
struct Own(Arc<OnceLock<Submitter<Part>>>);

impl Own {
    fn new() -> Self {
        Self(Arc::default())
    }

    fn get(&self) -> &Submitter<Part> {
        until(|| self.0.get().is_some());
        self.0.get().unwrap()
    }

    /// Everything that can be asked of a queue from everywhere.
    fn use_queue(&self) {
        let submitter = self.get();
        let _ = submitter.stats();
        let _ = submitter.try_submit(Part::default());
        let _ = submitter.submit_timeout(Part::default(), MOMENT);
    }
}

/// A payload, value, error, panic or whatever else has a destructor. With a
/// queue in it, that destructor uses the queue.
#[derive(Default)]
struct Part {
    name: &'static str,
    own: Option<Own>,
    seen: Option<Recorder<&'static str>>,
}

impl Part {
    fn named(name: &'static str) -> Self {
        let mut part = Self::default();
        part.name = name;
        part
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if let Some(own) = &self.own {
            own.use_queue();
        }
        if let Some(seen) = &self.seen {
            seen.note(self.name);
        }
    }
}

/// Makes parts that all use the same queue.
#[derive(Clone)]
struct Parts {
    own: Own,
    seen: Recorder<&'static str>,
}

impl Parts {
    fn new() -> Self {
        Self {
            own: Own::new(),
            seen: Recorder::new(),
        }
    }

    fn part(&self, name: &'static str) -> Part {
        Part {
            name,
            own: Some(self.own.clone()),
            seen: Some(self.seen.clone()),
        }
    }

    /// How many parts of each name have used the queue and are gone.
    fn gone(&self, name: &str) -> usize {
        self.seen.events().iter().filter(|n| **n == name).count()
    }
}

// ----- destructors --------------------------------------------------------------

/// A handler of which everything that it takes and makes uses the queue when it
/// is dropped.
fn all_parts(parts: &Parts, options: QueueOptions) -> TaskQueue<Part, Part, Part> {
    let (parts, handlers) = (parts.clone(), parts.part("handler"));
    let backoffs = parts.part("backoff");
    let own = parts.own.clone();
    let backoff = Backoff::custom(move |_| {
        let _held = &backoffs;
        Duration::ZERO
    });
    let handler = move |attempt: &Attempt<'_, Part>| {
        let _held = &handlers;
        match attempt.payload.name {
            "fails" => Err(parts.part("error")),
            "panics" => panic_any(parts.part("panic")),
            _ => Ok(parts.part("value")),
        }
    };
    let queue = TaskQueue::new(handler, options.max_retries(1).backoff(backoff)).unwrap();
    assert!(own.0.set(queue.submitter()).is_ok());
    queue
}

#[test]
fn every_destructor_may_use_the_queue() {
    let policies = [ResultsPolicy::Keep, ResultsPolicy::Discard];
    for (waits, policy) in BOTH_WAITS
        .into_iter()
        .flat_map(|w| policies.map(|p| (w, p)))
    {
        within_seconds(move || {
            let parts = Parts::new();
            let options = QueueOptions::new(2, 2).retry_waits(waits).results(policy);
            let queue = all_parts(&parts, options);
            for name in ["works", "fails", "panics"] {
                queue.submit(parts.part(name)).unwrap();
            }
            drop(queue.drain());
            let gone = |name| parts.gone(name);
            assert_eq!((gone("works"), gone("fails"), gone("panics")), (1, 1, 1));
            // The parts that the destructors submitted have values as well.
            assert!(gone("value") >= 1);
            assert_eq!((gone("error"), gone("panic")), (2, 2));
            assert_eq!((gone("handler"), gone("backoff")), (1, 1));
        });
    }
}

#[test]
fn a_dropped_queues_results_may_use_it() {
    within_seconds(|| {
        let parts = Parts::new();
        let queue = all_parts(&parts, QueueOptions::new(4, 1));
        for name in ["works", "fails"] {
            queue.submit(parts.part(name)).unwrap();
        }
        drop(queue);
        assert_eq!((parts.gone("fails"), parts.gone("error")), (1, 2));
    });
}

/// Cancels the queue when it is dropped, and counts the times.
struct Canceller(Arc<OnceLock<Submitter<Canceller>>>, Count);

impl Drop for Canceller {
    fn drop(&mut self) {
        let submitter = self.0.get().unwrap();
        submitter.cancel();
        assert!(!submitter.close());
        let stats = submitter.stats();
        assert_eq!((stats.ready, stats.waiting), (0, 0));
        self.1.add();
    }
}

#[test]
fn what_a_cancel_drops_may_cancel_again() {
    within_seconds(|| {
        let (own, cancels) = (Arc::new(OnceLock::new()), Count::new());
        let queue = TaskQueue::new(
            |attempt: &Attempt<'_, Canceller>| Err::<(), _>(attempt.retry_after(HOUR, "later")),
            QueueOptions::new(20, 1).results(ResultsPolicy::Discard),
        )
        .unwrap();
        assert!(own.set(queue.submitter()).is_ok());
        let payloads = (0..20).map(|_| Canceller(Arc::clone(&own), cancels.clone()));
        queue.submit_all(payloads).unwrap();
        until(|| queue.stats().waiting == 20);
        queue.cancel();
        assert_eq!((queue.stats().aborted, cancels.get()), (20, 20));
        assert!(queue.drain().is_empty());
    });
}

// ----- code that is asked -------------------------------------------------------

#[test]
fn a_backoff_may_use_the_queue() {
    for waits in BOTH_WAITS {
        within_seconds(move || {
            let own = Own::new();
            let asks = own.clone();
            let backoff = Backoff::custom(move |_| {
                asks.use_queue();
                Duration::ZERO
            });
            let queue = TaskQueue::new(
                |attempt: &Attempt<'_, Part>| match attempt.payload.name {
                    "fails" => Err("no"),
                    _ => Ok(()),
                },
                QueueOptions::new(1, 1).retry_waits(waits).backoff(backoff),
            )
            .unwrap();
            assert!(own.0.set(queue.submitter()).is_ok());
            queue.submit(Part::named("fails")).unwrap();
            let results = queue.drain();
            let failed = results.iter().filter(|result| result.outcome.is_err());
            assert_eq!(failed.map(|result| result.attempts).sum::<u32>(), 4);
        });
    }
}

#[test]
fn the_iterator_of_submit_all_may_use_the_queue() {
    within_seconds(|| {
        let (queue, gate) = gated(4, BackpressureStrategy::Block);
        let tasks = (1..=3).inspect(|&payload| {
            assert_eq!(queue.stats().accepted, 1 + u64::from(payload > 2));
            if payload == 2 {
                queue.try_submit(9).unwrap();
            }
        });
        assert_eq!(queue.submit_all(tasks).unwrap().accepted, 3);
        gate.open();
        assert_eq!(sorted_values(queue.drain()), [0, 1, 2, 3, 9]);
    });
}

// ----- loggers ------------------------------------------------------------------

/// What a logger, or a panic hook, of an own worker of a full queue can do.
fn use_from_inside(submitter: &Submitter<u32>) -> bool {
    let stats = submitter.stats();
    let inside = (stats.running, stats.ready) == (1, 1);
    let full = submitter.try_submit(9).is_err_and(|e| e.is_full());
    let deadlock = submitter.submit(9).is_err_and(|e| e.is_would_deadlock());
    let late = submitter.submit_timeout(9, MOMENT);
    inside && full && deadlock && late.is_err_and(|e| e.is_timeout())
}

/// A queue of one worker that is full while its first task fails for the first
/// time; `prepare` is called in that attempt.
fn full_when_it_fails(
    prepare: impl Fn(&Submitter<u32>) + Send + Sync + 'static,
    fail: fn() -> &'static str,
) -> Echo {
    let own = Arc::new(OnceLock::<Submitter<u32>>::new());
    let gate = Gate::new();
    let handler = {
        let (own, gate) = (Arc::clone(&own), gate.clone());
        move |attempt: &Attempt<'_, u32>| {
            gate.pass();
            match attempt.payload {
                0 => {
                    if attempt.number() == 1 {
                        prepare(own.get().unwrap());
                    }
                    Err(attempt.retry_after(Duration::ZERO, fail()))
                }
                payload => Ok(payload),
            }
        }
    };
    let queue = TaskQueue::new(handler, QueueOptions::new(1, 1).max_retries(1)).unwrap();
    assert!(own.set(queue.submitter()).is_ok());
    queue.submit(0).unwrap();
    gate.arrived(1);
    queue.submit(1).unwrap();
    gate.open();
    queue
}

#[test]
fn a_logger_on_a_worker_may_use_the_queue() {
    within_seconds(|| {
        let seen = Recorder::new();
        let noted = seen.clone();
        let queue = full_when_it_fails(
            move |submitter| {
                let (submitter, noted) = (submitter.clone(), noted.clone());
                on_log(move |level, _| noted.note((level, use_from_inside(&submitter))));
            },
            || "no",
        );
        queue.wait_idle();
        assert_eq!(queue.drain().len(), 2);
        assert_eq!(seen.events(), [(log::Level::Debug, true)]);
    });
}

#[test]
fn a_logger_may_end_the_queue_that_logs() {
    for end in [Submitter::cancel, |submitter: &Submitter<u32>| {
        submitter.close();
    }] {
        within_seconds(move || {
            let queue = full_when_it_fails(
                move |submitter| {
                    let submitter = submitter.clone();
                    on_log(move |_, _| end(&submitter));
                },
                || "no",
            );
            let results = queue.results();
            assert_eq!(results.iter().count(), 2);
        });
    }
}

#[test]
fn a_logger_that_hears_of_a_destructors_panic_may_use_the_queue() {
    within_seconds(|| {
        let live = Live::default();
        let own = Arc::new(OnceLock::<Submitter<Option<Counted>>>::new());
        let seen = Recorder::new();
        let handler = {
            let (own, seen) = (Arc::clone(&own), seen.clone());
            move |_: &Attempt<'_, Option<Counted>>| {
                let (own, seen) = (Arc::clone(&own), seen.clone());
                on_log(move |level, _| {
                    let submitter = own.get().unwrap();
                    let stats = submitter.stats();
                    assert_eq!((stats.running, stats.settled), (1, 0));
                    seen.note((level, submitter.try_submit(None).is_ok()));
                });
                Ok::<_, &str>(())
            }
        };
        let queue = TaskQueue::new(handler, QueueOptions::new(4, 1)).unwrap();
        assert!(own.set(queue.submitter()).is_ok());
        queue.submit(Some(live.bomb())).unwrap();
        queue.wait_idle();
        assert_eq!(queue.drain().len(), 2);
        assert_eq!(seen.events(), [(log::Level::Error, true)]);
    });
}

#[test]
fn a_logger_may_use_a_queue_that_is_being_dropped() {
    for listens in [false, true] {
        within_seconds(move || {
            let (queue, gate) = gated(4, BackpressureStrategy::Block);
            gate.open();
            let receiver = listens.then(|| queue.results());
            let seen = Recorder::new();
            let (submitter, noted) = (queue.submitter(), seen.clone());
            on_log(move |level, _| {
                submitter.cancel();
                let closed = submitter.submit(9).is_err_and(|e| e.is_closed());
                noted.note((level, submitter.stats().settled, closed));
            });
            drop(queue);
            let level = match listens {
                true => log::Level::Info,
                false => log::Level::Warn,
            };
            assert_eq!(seen.events(), [(level, 1, true)]);
            drop(receiver);
        });
    }
}

// ----- panic hooks --------------------------------------------------------------

type PanicHook = Box<dyn Fn()>;

thread_local! {
    static PANIC_HOOK: RefCell<Option<PanicHook>> = const { RefCell::new(None) };
}

/// Calls the hook when this thread panics the next time.
fn on_panic(hook: impl Fn() + 'static) {
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| {
        let others = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let hook = PANIC_HOOK.try_with(|hook| hook.take()).ok().flatten();
            match hook {
                Some(hook) => hook(),
                None => others(info),
            }
        }));
    });
    PANIC_HOOK.set(Some(Box::new(hook)));
}

#[test]
fn a_panic_hook_may_use_the_queue() {
    within_seconds(|| {
        let seen = Recorder::new();
        let noted = seen.clone();
        let queue = full_when_it_fails(
            move |submitter| {
                let (submitter, noted) = (submitter.clone(), noted.clone());
                on_panic(move || noted.note(use_from_inside(&submitter)));
            },
            || panic!("planned"),
        );
        queue.wait_idle();
        assert_eq!(queue.drain().len(), 2);
        assert_eq!(seen.events(), [true]);
    });
}

#[test]
fn a_panic_hook_may_cancel_the_queue() {
    within_seconds(|| {
        let queue = full_when_it_fails(
            |submitter| {
                let submitter = submitter.clone();
                on_panic(move || submitter.cancel());
            },
            || panic!("planned"),
        );
        let results = queue.drain();
        let errors: Vec<_> = results
            .into_iter()
            .map(|result| result.outcome.unwrap_err().error)
            .collect();
        assert!(errors[0].is_aborted(), "{errors:?}");
        assert!(errors[1].is_panicked(), "{errors:?}");
        assert_eq!(errors.len(), 2);
    });
}

// ----- destructors of thread-locals ---------------------------------------------
//
// They run in the reverse order of first use. A thread that sleeps on the queue
// only after it has set up its last call would by then have lost everything that
// the queue kept in thread-locals.

/// Calls what it holds when its thread ends.
struct AtTheEnd(Option<Box<dyn FnOnce()>>);

impl Drop for AtTheEnd {
    fn drop(&mut self) {
        if let Some(call) = self.0.take() {
            call();
        }
    }
}

thread_local! {
    static AT_THE_END: RefCell<AtTheEnd> = const { RefCell::new(AtTheEnd(None)) };
}

fn at_the_end_of_this_thread(call: impl FnOnce() + 'static) {
    AT_THE_END.with_borrow_mut(|end| end.0 = Some(Box::new(call)));
}

/// Starts a thread that calls `sleep`, and then `last` in its last destructor.
/// Returns when it seems to block there.
fn blocked_at_its_end(
    sleep: impl FnOnce() + Send + 'static,
    last: impl FnOnce() + Send + 'static,
) -> JoinHandle<()> {
    let (tell, told) = mpsc::channel();
    let thread = thread::spawn(move || {
        at_the_end_of_this_thread(last);
        sleep();
        tell.send(OsThread::current()).unwrap();
    });
    told.recv().unwrap().until_asleep();
    thread
}

#[test]
fn a_thread_may_block_in_a_submit_while_it_ends() {
    within_seconds(|| {
        let (queue, gate) = full(1, BackpressureStrategy::Block);
        let (first, last) = (queue.submitter(), queue.submitter());
        let thread = blocked_at_its_end(
            move || assert!(first.submit_timeout(9, MOMENT).is_err()),
            move || drop(last.submit(2).unwrap()),
        );
        gate.open();
        thread.join().unwrap();
        assert_eq!(values(queue.drain()), [0, 1, 2]);
    });
}

#[test]
fn a_thread_may_block_in_a_pop_while_it_ends() {
    within_seconds(|| {
        let queue = Arc::new(PriorityQueue::new(1));
        let popped = Recorder::new();
        let (first, last, noted) = (Arc::clone(&queue), Arc::clone(&queue), popped.clone());
        let thread = blocked_at_its_end(
            move || assert!(first.pop_timeout(MOMENT).is_err()),
            move || last.iter().for_each(|number| noted.note(number)),
        );
        for number in 0..10 {
            assert_eq!(queue.push(0, number), Ok(()));
        }
        queue.close();
        thread.join().unwrap();
        assert_eq!(popped.events(), (0..10).collect::<Vec<_>>());
    });
}

#[test]
#[cfg(not(windows))] // there a thread that ends waits for the destructors of another's
fn a_queue_in_a_thread_local_finishes_with_its_thread() {
    for waits in BOTH_WAITS {
        within_seconds(move || {
            let queue = TaskQueue::new(
                |attempt: &Attempt<'_, u32>| match attempt.number() {
                    1 => Err(attempt.retry_after(Duration::from_millis(5), "later")),
                    _ => Ok(attempt.payload),
                },
                QueueOptions::new(8, 2).retry_waits(waits),
            )
            .unwrap();
            let results = queue.results();
            queue.submit_all([1, 2, 3]).unwrap();
            let thread = thread::spawn(move || {
                let queue = Arc::new(queue);
                let last = Arc::clone(&queue);
                at_the_end_of_this_thread(move || drop(last));
                let _ = queue.wait_idle_timeout(MOMENT);
            });
            thread.join().unwrap();
            assert_eq!(sorted_values(results.try_iter().collect()), [1, 2, 3]);
        });
    }
}

#[test]
fn a_queue_in_a_thread_local_of_its_own_worker_goes_with_it() {
    within_seconds(|| {
        let slot = Arc::new(Mutex::new(None::<Echo>));
        let gate = Gate::new();
        let handler = {
            let (slot, gate) = (Arc::clone(&slot), gate.clone());
            move |attempt: &Attempt<'_, u32>| {
                gate.pass();
                if let Some(queue) = slot.lock().unwrap().take() {
                    at_the_end_of_this_thread(move || drop(queue));
                }
                Ok(attempt.payload)
            }
        };
        let queue = TaskQueue::new(handler, QueueOptions::new(8, 2)).unwrap();
        let (submitter, results) = (queue.submitter(), queue.results());
        queue.submit_all([1, 2, 3]).unwrap();
        *slot.lock().unwrap() = Some(queue);
        gate.open();
        // Only now can the workers end, and with one of them the queue.
        assert!(submitter.close());
        assert_eq!(sorted_values(results.iter().collect()), [1, 2, 3]);
    });
}
