//! What the models share.
//!
//! # Which orders are explored
//!
//! loom explores every order in which threads arrive (up to a model's bound),
//! but of several sleepers on one condvar it always wakes the oldest. No queue
//! leaves it that choice: each sleep has a condvar of its own, and which of
//! them is signalled is decided in `State`, under the lock, by the code that
//! runs in production. What loom has left to explore is whether the signal comes
//! before the sleep, and when the signalled thread gets the lock, and it does. A
//! second policy would be another queue.
//!
//! Two wake-ups are not the queues': who of several receivers gets a result
//! (crossbeam's in production), and which of several waits that are due at one
//! instant ends first (the system's). There the order is a parameter,
//! [`Order`], and models in which it matters run with both:
//! [`Model::in_both_orders`].
//!
//! # Which worlds
//!
//! What seldom happens to a thread that waits (a wake-up for nothing, a line that
//! may not be passed any more) or only multiplies the schedules (another look
//! before it sleeps) is left out unless a model asks for it:
//! [`model_in_odd_worlds`].

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::ops::Deref;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex as StdMutex};
use std::time::Duration;

use loom::sync::{Condvar, Mutex};
use loom::thread::{self, JoinHandle};
use taskshelf::model::{Order, let_pass, look_again, wake_order, wake_spuriously};
use taskshelf::{Attempt, QueueOptions, SubmitError, Submitted, TaskId, TaskQueue, WorkerResult};

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// What a twin leaves out of its model, or adds to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// Nobody closes, drains or drops the queue.
    NoClose,
    /// Nobody cancels or aborts it.
    NoCancel,
    /// The clock is not moved.
    ClockStands,
    /// One consumer too few, or one that stops too early.
    NobodyTakes,
    /// One item too few.
    NobodySubmits,
    /// A lease is forgotten, so that its item is never settled.
    LeaseForgotten,
    /// Somebody else may take a result.
    ResultLost,
    /// What should race has been done before.
    NoRace,
    /// Every attempt succeeds.
    NothingFails,
    /// A payload is forgotten.
    Leak,
    /// Every thread starts.
    ThreadsStart,
}

/// `promise!(NAME: MODEL(..), FAULT => REPORT)`: the model holds, and its twin, with the
/// fault, fails with that report.
macro_rules! promise {
    ($name:ident: $model:ident($($argument:expr),*), $fault:ident => $report:literal) => {
        #[test]
        fn $name() {
            $model($($argument,)* Fault::None);
        }

        mod $name {
            use super::*;

            #[test]
            #[should_panic(expected = $report)]
            fn can_fail() {
                $model($($argument,)* Fault::$fault);
            }
        }
    };
}

/// How much of a model is explored.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Bound {
    /// Every schedule.
    Exhaustive,
    /// Every schedule that takes the core away from a thread which could go on
    /// no more than so many times.
    Preemptions(usize),
}

/// What may befall threads that wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum World {
    Plain,
    /// A wait on a condvar ends though nobody has notified it.
    WakesForNothing,
    /// So many threads in a row go ahead of those who wait.
    LetsPass(u32),
    /// A thread looks again before it sleeps.
    LooksAgain,
}

const ODD_WORLDS: [World; 5] = [
    World::Plain,
    World::WakesForNothing,
    World::LetsPass(0),
    World::LetsPass(1),
    World::LooksAgain,
];

impl World {
    fn begin(self) {
        match self {
            Self::Plain => {}
            Self::WakesForNothing => wake_spuriously(1),
            Self::LetsPass(count) => let_pass(count),
            Self::LooksAgain => look_again(1),
        }
    }
}

/// A model yet to be checked.
pub(crate) struct Model {
    bound: Bound,
    floor: u32,
    orders: &'static [Order],
    worlds: &'static [World],
}

/// `floor`: fewer executions than that would be a sign that loom no longer
/// sees what there is to explore, about half of what there were.
pub(crate) fn model(bound: Bound, floor: u32) -> Model {
    Model {
        bound,
        floor,
        orders: &[Order::Oldest],
        worlds: &[World::Plain],
    }
}

/// The same, to be explored once more in each of the odd worlds, where the same
/// must hold: with no more than three preemptions, for these schedules are longer, and with a
/// twentieth of the floor, 500 at the most.
pub(crate) fn model_in_odd_worlds(bound: Bound, floor: u32) -> Model {
    Model {
        worlds: &ODD_WORLDS,
        ..model(bound, floor)
    }
}

impl Model {
    /// Explores the model once for each order of the wake-ups that the queues
    /// do not decide.
    pub(crate) fn in_both_orders(mut self) -> Self {
        self.orders = &[Order::Oldest, Order::Newest];
        self
    }

    pub(crate) fn check(self, body: impl Fn() + Send + Sync + 'static) {
        self.outcomes([()], body);
    }

    /// Checks a model that says how each execution went; all of `expected`,
    /// and nothing else, must have happened.
    pub(crate) fn outcomes<O>(
        self,
        expected: impl IntoIterator<Item = O>,
        body: impl Fn() -> O + Send + Sync + 'static,
    ) where
        O: Ord + Send + Debug + 'static,
    {
        let expected = expected.into_iter().collect();
        let body = Arc::new(body);
        let worlds = self.worlds.iter();
        for (&world, &order) in worlds.flat_map(|w| self.orders.iter().map(move |o| (w, o))) {
            let seen = Arc::new(StdMutex::new(BTreeSet::new()));
            let (sink, body) = (Arc::clone(&seen), Arc::clone(&body));
            let body = move || {
                let outcome = body();
                sink.lock().unwrap().insert(outcome);
            };
            let executions = self.explore(world, order, body);
            let seen = seen.lock().unwrap();
            assert_eq!(*seen, expected, "the outcomes, {world:?}, {order:?}");
            self.expect_floor(world, executions);
        }
    }

    /// Returns how many executions there were.
    fn explore(&self, world: World, order: Order, body: impl Fn() + Send + Sync + 'static) -> u32 {
        let mut builder = loom::model::Builder::new();
        builder.max_branches = 20_000;
        // Either would end the exploration early and call it a success.
        builder.max_permutations = None;
        builder.max_duration = None;
        let bound = match (world, self.bound) {
            (World::Plain, Bound::Exhaustive) => None,
            (World::Plain, Bound::Preemptions(bound)) => Some(bound),
            (_, Bound::Preemptions(bound)) => Some(bound.min(3)),
            (_, Bound::Exhaustive) => Some(3),
        };
        builder.preemption_bound = builder.preemption_bound.or(bound);
        let executions = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&executions);
        builder.check(move || {
            count.fetch_add(1, Relaxed);
            wake_order(order);
            world.begin();
            body();
        });
        executions.load(Relaxed)
    }

    fn expect_floor(&self, world: World, executions: u32) {
        let floor = match world {
            World::Plain => self.floor,
            _ => (self.floor / 20).min(500),
        };
        let overridden = std::env::var_os("LOOM_MAX_PREEMPTIONS").is_some();
        assert!(
            overridden || executions >= floor,
            "only {executions} executions were explored, {floor} are the least",
        );
    }
}

/// Runs `body` on a thread of its own, with the queue.
pub(crate) fn beside<Q: 'static, R: 'static>(
    queue: &Arc<Q>,
    body: impl FnOnce(&Q) -> R + 'static,
) -> JoinHandle<R> {
    let queue = Arc::clone(queue);
    thread::spawn(move || body(&queue))
}

/// Keeps a value whose destructor locks or joins from doing so once the model
/// has failed. loom schedules nobody any more then, and a second panic would
/// abort the process before the first is told.
pub(crate) struct Fragile<T>(Option<T>);

impl<T> Fragile<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Some(value))
    }

    pub(crate) fn into_inner(mut self) -> T {
        self.0.take().expect("taken once")
    }
}

impl<T> Deref for Fragile<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().expect("not taken yet")
    }
}

impl<T> Drop for Fragile<T> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::mem::forget(self.0.take());
        }
    }
}

/// A queue with workers, for the body of a model.
pub(crate) fn start<P, R, E, H>(handler: H, options: QueueOptions) -> Fragile<TaskQueue<P, R, E>>
where
    H: Fn(&Attempt<'_, P>) -> Result<R, E> + Send + Sync + 'static,
    P: Send + 'static,
    R: Send + 'static,
    E: Send + 'static,
{
    Fragile::new(TaskQueue::new(handler, options).unwrap())
}

/// A handler that succeeds.
pub(crate) fn echo(attempt: &Attempt<'_, u32>) -> Result<u32, &'static str> {
    Ok(attempt.payload)
}

/// A handler that fails on the first attempt of the task 0.
pub(crate) fn zero_fails_once(attempt: &Attempt<'_, u32>) -> Result<u32, &'static str> {
    match (attempt.payload, attempt.number()) {
        (0, 1) => Err("again"),
        (payload, _) => Ok(payload),
    }
}

/// Somebody takes a result away, if that is the fault of this twin.
pub(crate) fn lose_a_result<P, R, E>(queue: &TaskQueue<P, R, E>, fault: Fault)
where
    P: 'static,
    R: 'static,
    E: 'static,
{
    if fault == Fault::ResultLost {
        let results = queue.results();
        thread::spawn(move || drop(results.recv()));
    }
}

/// The payloads of the tasks that have these results, in order. Two results of
/// one task do not make up for another that has none: neither the payloads nor
/// the numbers would be right. Wants every result of a queue, and a handler that
/// returns the payload.
pub(crate) fn payloads<E>(results: &[WorkerResult<u32, u32, E>]) -> Vec<u32> {
    let mut ids: Vec<_> = results.iter().map(|r| r.task_id.clone()).collect();
    ids.sort();
    let numbers = (1..).take(results.len()).map(TaskId::Number);
    assert!(
        ids.iter().cloned().eq(numbers),
        "the results are of {ids:?}"
    );
    let payload = |result: &WorkerResult<u32, u32, E>| match &result.outcome {
        Ok(payload) => *payload,
        Err(failure) => failure.task.payload,
    };
    let mut payloads: Vec<u32> = results.iter().map(payload).collect();
    payloads.sort();
    payloads
}

/// Whether a submit got in. The task comes back if not.
pub(crate) fn accepted(submitted: Result<Submitted<u32>, SubmitError<u32>>, payload: u32) -> bool {
    match submitted {
        Ok(Submitted::Accepted(_)) => true,
        Err(SubmitError::Closed(task) | SubmitError::Timeout(task)) => {
            assert_eq!(task.payload, payload);
            false
        }
        other => panic!("{other:?}"),
    }
}

/// Where threads wait for each other. A model's own synchronisation.
#[derive(Default)]
pub(crate) struct Meeting(Mutex<u32>, Condvar);

impl Meeting {
    pub(crate) fn meet(&self, number: u32) {
        let mut here = self.0.lock().unwrap();
        *here += 1;
        self.1.notify_all();
        while *here < number {
            here = self.1.wait(here).unwrap();
        }
    }
}
