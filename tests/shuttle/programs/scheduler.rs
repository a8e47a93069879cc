//! Schedules with quiet points, from a seed.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::ops::RangeInclusive;
use std::panic;
use std::sync::Once;

use shuttle::scheduler::{Schedule, Scheduler, Task, TaskId};

use crate::random::Random;

thread_local! {
    /// Of the program that runs on this thread of the system.
    static SEED: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Once.
fn print_seed() {
    if let Some(seed) = SEED.take() {
        let _ = writeln!(io::stderr(), "to see it again: SHUTTLE_PROGRAM={seed}");
    }
}

/// In a hook, for a panic during another one aborts the process before anybody could
/// catch the first.
fn print_seed_of_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let hook = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            print_seed();
            hook(info);
        }));
    });
}

/// Lets the main thread run until it yields, and from then on only where no other can.
pub(super) struct QuietPoints {
    seeds: RangeInclusive<u64>,
    random: Random,
    manner: Manner,
    is_set_up: bool,
}

/// How the next of the other threads is chosen.
enum Manner {
    /// Any; with so many percent the same one again.
    Stay(u64),
    /// The one with the highest rank. Who yields sinks below all others, and now and
    /// then so does who does not.
    Rank(BTreeMap<TaskId, u64>),
}

/// Below all ranks to begin with.
const SUNK: u64 = u64::MAX / 2;

impl Manner {
    fn draw(random: &mut Random) -> Self {
        match random.below(12) {
            0..=3 => Self::Stay(0),
            4 => Self::Stay(50),
            5 => Self::Stay(80),
            6 => Self::Stay(90),
            7 => Self::Stay(97),
            _ => Self::Rank(BTreeMap::new()),
        }
    }

    fn choose(
        &mut self,
        random: &mut Random,
        threads: &[TaskId],
        current: Option<TaskId>,
        yields: bool,
    ) -> TaskId {
        match self {
            Self::Stay(percent) => match current {
                Some(current) if threads.contains(&current) && random.chance(*percent) => current,
                _ => random.pick(threads),
            },
            Self::Rank(ranks) => {
                if let Some(current) = current.filter(|_| yields || random.chance(4)) {
                    ranks.insert(current, random.below(SUNK));
                }
                let mut rank = |thread: &TaskId| {
                    let born = || SUNK + random.below(SUNK);
                    *ranks.entry(*thread).or_insert_with(born)
                };
                let ranked = threads.iter().map(|thread| (rank(thread), *thread));
                ranked.max().expect("one can run").1
            }
        }
    }
}

impl QuietPoints {
    pub(super) fn new(seeds: RangeInclusive<u64>) -> Self {
        print_seed_of_panics();
        Self {
            seeds,
            random: Random(0),
            manner: Manner::Stay(0),
            is_set_up: false,
        }
    }
}

/// A planned panic that the queue has not contained comes past the hook.
impl Drop for QuietPoints {
    fn drop(&mut self) {
        if std::thread::panicking() {
            print_seed();
        }
    }
}

impl Scheduler for QuietPoints {
    fn new_execution(&mut self) -> Option<Schedule> {
        let seed = self.seeds.next();
        SEED.set(seed);
        let seed = seed?;
        self.random = Random(seed);
        self.manner = Manner::draw(&mut self.random);
        self.is_set_up = false;
        Some(Schedule::new(seed))
    }

    fn next_task(
        &mut self,
        runnable: &[&Task],
        current: Option<TaskId>,
        yields: bool,
    ) -> Option<TaskId> {
        let main = TaskId::from(0);
        self.is_set_up |= yields && current == Some(main);
        let mut threads: Vec<TaskId> = runnable.iter().map(|thread| thread.id()).collect();
        if !self.is_set_up && threads.contains(&main) {
            return Some(main);
        }
        threads.retain(|thread| *thread != main);
        if yields && threads.len() > 1 {
            threads.retain(|thread| Some(*thread) != current);
        }
        if threads.is_empty() {
            return Some(main);
        }
        let current = current.filter(|current| *current != main);
        Some(
            self.manner
                .choose(&mut self.random, &threads, current, yields),
        )
    }

    fn next_u64(&mut self) -> u64 {
        self.random.next()
    }
}
