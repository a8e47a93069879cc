//! How long a submitter of a full queue stays away before it looks again.
//!
//! One that comes back for every slot meets the consumers at the lock for every
//! item. One that comes back too late finds them idle. In between lies the time
//! in which they take a good part of what is queued. It depends on what they do
//! with it, so it is learned from how much they took during the last rest.
//!
//! A long rest costs the core that it is spent on, so it must bring several
//! items. Where the consumers take so long that it would not, a submitter gives
//! its core away just once and then sleeps, at one wake-up an item.

use std::time::Duration;

/// With room for so many items a queue is not waited for slot by slot. Models
/// are small.
const LARGE_CAPACITY: usize = if cfg!(shuttle) { 4 } else { 256 };

/// A long rest is worth its while if so many items are taken during it.
const WORTH: u64 = 8;

const SHORTEST: Duration = Duration::from_micros(2);
const LONGEST: Duration = Duration::from_micros(32);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rest {
    time: Duration,
    /// Longer rests are or may be worth their while.
    grows: bool,
}

impl Rest {
    const BRIEF: Self = Self {
        time: SHORTEST,
        grows: false,
    };

    /// For a queue that nothing is known of yet.
    pub(crate) const fn new() -> Self {
        Self::growing(SHORTEST)
    }

    const fn growing(time: Duration) -> Self {
        Self { time, grows: true }
    }

    /// Whether submitters of a queue of this capacity rest.
    pub(crate) const fn suits(capacity: usize) -> bool {
        capacity >= LARGE_CAPACITY
    }

    pub(crate) const fn time(self) -> Duration {
        self.time
    }

    /// What the next rest should be, if so many items were taken during this.
    pub(crate) fn after_rest(self, taken: u64, capacity: usize) -> Self {
        let capacity = capacity as u64;
        if taken > capacity / 2 {
            Self::growing(SHORTEST.max(self.time / 2))
        } else if taken >= capacity / 8 {
            Self::growing(self.time)
        } else if self.grows && self.time < LONGEST {
            Self::growing(self.time * 2)
        } else if taken >= WORTH {
            Self::growing(self.time)
        } else {
            Self::BRIEF
        }
    }

    /// The same, if they were taken while a submitter slept for so long.
    pub(crate) fn after_sleep(self, taken: u64, slept: Duration) -> Self {
        let taken = u32::try_from(taken).unwrap_or(u32::MAX);
        let in_longest = LONGEST.saturating_mul(taken).as_nanos() / slept.as_nanos().max(1);
        if self.grows || in_longest < u128::from(WORTH) {
            self
        } else {
            Self::growing(LONGEST)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn growing(micros: u64) -> Rest {
        Rest::growing(Duration::from_micros(micros))
    }

    #[test]
    fn slow_consumers_are_left_alone_for_longer_and_fast_ones_not() {
        let rest = growing(4);
        assert_eq!(rest.after_rest(127, 1024), growing(8));
        assert_eq!(rest.after_rest(128, 1024), rest);
        assert_eq!(rest.after_rest(512, 1024), rest);
        assert_eq!(rest.after_rest(513, 1024), growing(2));
        assert_eq!(growing(2).after_rest(1024, 1024), growing(2));
    }

    #[test]
    fn nobody_rests_for_long_where_that_brings_few_items() {
        assert_eq!(growing(32).after_rest(8, 1024), growing(32));
        assert_eq!(growing(32).after_rest(7, 1024), Rest::BRIEF);
        assert_eq!(Rest::BRIEF.time(), SHORTEST);
        assert_eq!(Rest::BRIEF.after_rest(7, 1024), Rest::BRIEF);
        assert_eq!(Rest::BRIEF.after_rest(8, 1024), growing(2));
    }

    #[test]
    fn who_slept_while_many_were_taken_rests_for_longer_again() {
        let brief = Rest::BRIEF;
        assert_eq!(brief.after_sleep(8, LONGEST), growing(32));
        assert_eq!(brief.after_sleep(7, LONGEST), brief);
        assert_eq!(brief.after_sleep(15, LONGEST * 2), brief);
        assert_eq!(brief.after_sleep(16, LONGEST * 2), growing(32));
        assert_eq!(brief.after_sleep(1, Duration::ZERO), growing(32));
        assert_eq!(brief.after_sleep(u64::MAX, Duration::MAX), brief);
        assert_eq!(growing(4).after_sleep(8, LONGEST), growing(4));
    }
}
