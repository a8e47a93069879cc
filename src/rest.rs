//! How long a submitter of a full queue stays away before it looks again.
//!
//! One that comes back for every slot meets the consumers at the lock for every
//! item. One that comes back too late finds them idle. In between lies the time
//! in which they take a good part of what is queued. It depends on what they do
//! with it, so it is learned from how much they took during the last rest.

use std::time::Duration;

/// With room for so many items a queue is not waited for slot by slot.
const LARGE_CAPACITY: usize = 256;

/// A rest of so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rest {
    micros: u32,
}

impl Rest {
    pub(crate) const SHORTEST: Self = Self { micros: 2 };
    /// With the one after it, about as long as it takes to fall asleep and be
    /// woken.
    const LONGEST: Self = Self { micros: 32 };

    /// Whether submitters of a queue with this capacity rest.
    pub(crate) const fn suits(capacity: usize) -> bool {
        capacity >= LARGE_CAPACITY
    }

    pub(crate) const fn duration(self) -> Duration {
        Duration::from_micros(self.micros as u64)
    }

    /// What the next rest should be, if during this one so many were taken.
    pub(crate) fn after(self, taken: u64, capacity: usize) -> Self {
        let capacity = capacity as u64;
        let micros = if taken < capacity / 8 {
            Self::LONGEST.micros.min(self.micros * 2)
        } else if taken > capacity / 2 {
            Self::SHORTEST.micros.max(self.micros / 2)
        } else {
            self.micros
        };
        Self { micros }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_consumers_are_left_alone_for_longer_and_fast_ones_not() {
        let rest = Rest { micros: 4 };
        assert_eq!(rest.after(127, 1024).duration(), Duration::from_micros(8));
        assert_eq!(rest.after(128, 1024), rest);
        assert_eq!(rest.after(512, 1024), rest);
        assert_eq!(rest.after(513, 1024).duration(), Duration::from_micros(2));
    }

    #[test]
    fn a_rest_is_neither_endless_nor_nothing() {
        assert_eq!(Rest::LONGEST.after(0, 1024), Rest::LONGEST);
        assert_eq!(Rest::SHORTEST.after(1024, 1024), Rest::SHORTEST);
        assert!(!Rest::SHORTEST.duration().is_zero());
    }
}
