//! What the main thread turns to at a quiet point.

use taskshelf::model::timed_waits;

use crate::random::Random;

/// After so many ticks waits are left to end by other means.
const TICKS: u32 = 60;
/// After so many steps of its own it may end the program.
const STEPS: u32 = 6;

pub(super) enum Next {
    /// Some wait for the clock.
    Tick,
    /// Some wait at the gate.
    OpenGate,
    /// A step of its own. `may_end`: the threads have been left alone for long enough.
    Step { may_end: bool },
}

/// How far a program is.
#[derive(Default)]
pub(super) struct Course {
    ticks: u32,
    steps: u32,
}

impl Course {
    pub(super) fn next(&mut self, random: &mut Random, wait_at_gate: bool) -> Next {
        if timed_waits() > 0 && self.ticks < TICKS && random.chance(85) {
            self.ticks += 1;
            return Next::Tick;
        }
        if wait_at_gate && random.chance(50) {
            return Next::OpenGate;
        }
        self.steps += 1;
        Next::Step {
            may_end: self.steps > STEPS,
        }
    }
}
