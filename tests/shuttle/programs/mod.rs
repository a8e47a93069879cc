//! Programs drawn at random, on schedules drawn at random: a few threads that take random
//! steps on one queue, in a random world.
//!
//! A model says in advance what must come of it; of a random program nobody knows. What is
//! known is who may sleep. So the main thread of a program runs only at its quiet points,
//! when no other thread can go on ([`scheduler`]). It looks who sleeps and in what
//! ([`crew`]), and fails if one of them has what it waits for: a wake-up was lost. Then it
//! moves the clock by half a millisecond, or opens the gate, or takes a step of its own. In
//! the end nobody sleeps, and the books must balance.
//!
//! - [`shelf`]: programs of `PriorityQueue`
//! - [`bakery`]: programs of `TaskQueue`
//!
//! Each draws four programs for every schedule of a model (`SHUTTLE_ITERATIONS`), always the
//! same ones: their seeds count up from 1, or from `SHUTTLE_FIRST`. One that fails prints its
//! seed, and
//!
//! ```text
//! SHUTTLE_PROGRAM=<seed> cargo shuttle programs::shelf
//! ```
//!
//! runs that one alone and prints every step of it.

use std::fmt::Arguments;
use std::io::{self, Write};
use std::sync::LazyLock;

use shuttle::rand::{RngCore, thread_rng};
use shuttle::{Config, MaxSteps, Runner};

use crate::random::Random;
use crate::support::{iterations, variable};
use scheduler::QuietPoints;

mod bakery;
mod course;
mod crew;
mod room;
mod scheduler;
mod shelf;
mod world;

const PROGRAMS_PER_ITERATION: u64 = 4;

/// The only program to run.
static REPLAYED: LazyLock<Option<u64>> = LazyLock::new(|| variable("SHUTTLE_PROGRAM"));

/// Runs programs, each with a chance of its own. To be called on their main threads,
/// which set up what they like before they first yield.
fn run(program: impl Fn(Random) + Send + Sync + 'static) {
    let seeds = match *REPLAYED {
        Some(seed) => seed..=seed,
        None => {
            let first = variable("SHUTTLE_FIRST").unwrap_or(1);
            first..=first + PROGRAMS_PER_ITERATION * iterations() as u64 - 1
        }
    };
    let mut config = Config::new();
    config.stack_size = 0x4_0000;
    config.max_steps = MaxSteps::FailAfter(200_000);
    config.silence_warnings = true;
    Runner::new(QuietPoints::new(seeds), config).run(move || {
        program(Random(thread_rng().next_u64()));
    });
}

/// What happens, in a replay. Past the capture of the tests' output, which an abort loses.
fn say(what: Arguments<'_>) {
    if REPLAYED.is_some() {
        let _ = writeln!(io::stderr(), "{what}");
    }
}
