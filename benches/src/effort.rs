//! How much to do.

use std::time::Duration;

pub struct Effort {
    pub name: &'static str,
    /// How many turns every contender has.
    pub rounds: usize,
    /// How many items a turn moves where an item costs tens of nanoseconds.
    pub items: u64,
    /// How many latencies a turn samples.
    pub samples: usize,
    /// The deepest queue holds 10 to the power of this.
    pub deepest: u32,
    /// How many files are hashed.
    pub files: usize,
    /// How long a queue is watched doing nothing.
    pub idle: Duration,
}

impl Effort {
    pub const FULL: Self = Self {
        name: "full",
        rounds: 11,
        items: 400_000,
        samples: 500,
        deepest: 7,
        files: 30_000,
        idle: Duration::from_secs(2),
    };

    pub const QUICK: Self = Self {
        name: "quick",
        rounds: 5,
        items: 40_000,
        samples: 100,
        deepest: 5,
        files: 2_000,
        idle: Duration::from_millis(300),
    };
}
