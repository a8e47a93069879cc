//! The world that a program finds, and time in it.

use std::time::{Duration, Instant};

use taskshelf::model::{
    Order, advance, large_from, let_pass, look_again, now, wake_order, wake_spuriously,
};

use crate::random::Random;

/// Draws a world. Returns from which capacity on a queue is large in it.
pub(super) fn draw_world(random: &mut Random) -> usize {
    let large = random.pick(&[3, 3, usize::MAX]);
    large_from(large);
    let_pass(random.pick(&[0, 1, 2, 16_384]));
    look_again(random.pick(&[0, 0, 1, 2]));
    wake_spuriously(random.pick(&[0, 0, 3]));
    wake_order(random.pick(&[Order::Oldest, Order::Newest]));
    large
}

/// Moves the clock. A large queue may leave a little room unused twice as long.
pub(super) fn tick() {
    advance(Duration::from_micros(500));
}

/// Fewer ticks than `end`: whole ones, so that waits often end together.
pub(super) fn ticks(random: &mut Random, end: u64) -> Duration {
    random.micros(end) * 500
}

/// How a thread waits for what it asked for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wait {
    No,
    Forever,
    Timeout(Duration),
    /// That far from now.
    Deadline(Duration),
}

impl Wait {
    pub(super) fn draw(random: &mut Random) -> Self {
        let time = ticks(random, 6);
        let timeout = Self::Timeout(time);
        random.pick(&[
            Self::No,
            Self::Forever,
            Self::Forever,
            timeout,
            timeout,
            Self::Deadline(time),
        ])
    }

    /// When it must be over, if it began now.
    pub(super) fn end(self) -> Option<Instant> {
        match self {
            Self::No => Some(now()),
            Self::Forever => None,
            Self::Timeout(time) | Self::Deadline(time) => Some(now() + time),
        }
    }
}

/// A wait that was given up has lasted until its end.
pub(super) fn assert_waited(end: Option<Instant>) {
    assert!(end.is_some_and(|end| end <= now()), "a wait ended early");
}
