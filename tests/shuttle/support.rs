//! How schedules are drawn, and threads in numbers.

use std::collections::BTreeSet;
use std::str::FromStr;
use std::sync::{Arc, Mutex as StdMutex};
use std::time::Duration;

use shuttle::scheduler::{PctScheduler, RandomScheduler, ReplayScheduler, Scheduler};
use shuttle::sync::{Condvar, Mutex};
use shuttle::thread::{self, JoinHandle};
use shuttle::{Config, MaxSteps, Runner};
use taskshelf::model::advance;

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// How many schedules each of the two ways draws unless told otherwise.
const ITERATIONS: usize = 20_000;

/// How many changes of priority PCT makes in a schedule.
const PCT_DEPTH: usize = 3;

fn run(scheduler: impl Scheduler + 'static, body: &Arc<impl Fn() + Send + Sync + 'static>) {
    let mut config = Config::new();
    config.stack_size = 0x2_0000;
    config.max_steps = MaxSteps::FailAfter(100_000);
    config.silence_warnings = true;
    let body = Arc::clone(body);
    Runner::new(scheduler, config).run(move || body());
}

pub(crate) fn iterations() -> usize {
    variable("SHUTTLE_ITERATIONS").unwrap_or(ITERATIONS)
}

/// A number from the environment.
pub(crate) fn variable<T: FromStr>(name: &str) -> Option<T> {
    let text = std::env::var(name).ok()?;
    let number = text.parse().ok();
    Some(number.unwrap_or_else(|| panic!("{name} is not a number")))
}

/// Draws schedules of a model.
pub(crate) fn model(body: impl Fn() + Send + Sync + 'static) {
    let body = Arc::new(body);
    if let Ok(schedule) = std::env::var("SHUTTLE_REPLAY") {
        run(ReplayScheduler::new_from_encoded(&schedule), &body);
        return;
    }
    let iterations = iterations();
    run(RandomScheduler::new(iterations), &body);
    run(PctScheduler::new(PCT_DEPTH, iterations), &body);
}

/// Draws schedules of a model that says how each went; every one of
/// `expected` must have happened, or the model does not show what it says.
pub(crate) fn outcomes<O>(
    expected: impl IntoIterator<Item = O>,
    body: impl Fn() -> O + Send + Sync + 'static,
) where
    O: Ord + Send + std::fmt::Debug + 'static,
{
    let seen = Arc::new(StdMutex::new(BTreeSet::new()));
    let sink = Arc::clone(&seen);
    model(move || {
        let outcome = body();
        sink.lock().unwrap().insert(outcome);
    });
    if std::env::var("SHUTTLE_REPLAY").is_err() {
        assert_eq!(*seen.lock().unwrap(), expected.into_iter().collect());
    }
}

/// Lets threads of a model meet.
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

/// Starts `number` threads, each with its own number.
pub(crate) fn crowd<R: Send + 'static>(
    number: u32,
    body: impl Fn(u32) -> R + Send + Sync + 'static,
) -> Vec<JoinHandle<R>> {
    let body = Arc::new(body);
    let start = |n| {
        let body = Arc::clone(&body);
        thread::spawn(move || body(n))
    };
    (0..number).map(start).collect()
}

pub(crate) fn join<R>(threads: Vec<JoinHandle<R>>) -> Vec<R> {
    threads.into_iter().map(|t| t.join().unwrap()).collect()
}

pub(crate) fn join_all<R>(threads: Vec<JoinHandle<Vec<R>>>) -> Vec<R> {
    join(threads).into_iter().flatten().collect()
}

pub(crate) fn sorted(mut items: Vec<u32>) -> Vec<u32> {
    items.sort();
    items
}

/// Moves the clock step by step, and to the end of time.
pub(crate) fn clock(steps: u32) -> JoinHandle<()> {
    thread::spawn(move || {
        (0..steps).for_each(|_| advance(SECOND));
        advance(Duration::MAX);
    })
}
