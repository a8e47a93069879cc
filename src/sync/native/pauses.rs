//! How a thread that lacks an item, or room for one, passes the time between two looks
//! before it sleeps.

use std::ops::Range;
use std::thread::yield_now;
use std::time::{Duration, Instant};

use super::spin;
use crate::pace::{self, Waited};

/// A thread spins for this many pauses of the processor in all, some microseconds.
const PAUSES: u32 = pace::LONGEST;
/// After that it gives its core away for 2, 4, 8, ... us, this many times.
const YIELDS: u32 = 4;

/// The pauses that are left, with a look after each.
#[derive(Default)]
pub(crate) struct Pauses {
    /// How many pauses of the processor come before each of the first looks.
    spin: u32,
    spins: Range<u32>,
    yields: Range<u32>,
}

/// What comes before a look.
pub(crate) enum Pause {
    /// How long the thread will have waited after it.
    Spin(Waited),
    Yield(Duration),
}

impl Pauses {
    /// For an item, or for room: at first after this many pauses of the processor each.
    pub(crate) fn every(pauses: u32) -> Self {
        Self {
            spin: pauses,
            spins: 0..PAUSES / pauses,
            yields: 0..YIELDS,
        }
    }

    /// For much room, which no short spin brings.
    pub(crate) fn patient() -> Self {
        Self {
            yields: 0..YIELDS,
            ..Self::default()
        }
    }

    pub(crate) fn none() -> Self {
        Self::default()
    }
}

impl Iterator for Pauses {
    type Item = Pause;

    fn next(&mut self) -> Option<Pause> {
        if let Some(look) = self.spins.next() {
            return Some(Pause::Spin(Waited {
                in_vain: look * self.spin,
                in_all: (look + 1) * self.spin,
            }));
        }
        let look = self.yields.next()?;
        Some(Pause::Yield(Duration::from_micros(2 << look)))
    }
}

impl Pause {
    /// How long the thread will have waited after it, if all of that was pauses of the
    /// processor.
    pub(crate) fn waited(&self) -> Option<Waited> {
        match *self {
            Self::Spin(waited) => Some(waited),
            Self::Yield(_) => None,
        }
    }

    /// Lets the time pass.
    pub(crate) fn pass(self) {
        match self {
            Self::Spin(Waited { in_vain, in_all }) => spin(in_all - in_vain),
            Self::Yield(time) => yield_for(time),
        }
    }
}

/// Gives the core away, again and again if nobody else wants it.
fn yield_for(time: Duration) {
    let since = Instant::now();
    loop {
        yield_now();
        if since.elapsed() >= time {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_queue_is_spun_for_longer_than_another() {
        for pauses in 1..=PAUSES {
            let spun: u32 = Pauses::every(pauses)
                .filter_map(|pause| pause.waited())
                .map(|waited| waited.in_all - waited.in_vain)
                .sum();
            assert!((PAUSES / 2..=PAUSES).contains(&spun), "{pauses}: {spun}");
        }
    }

    #[test]
    fn a_pause_tells_how_long_the_wait_is_if_it_spins() {
        let waited: Vec<_> = Pauses::every(48).map(|pause| pause.waited()).collect();
        let spun = |in_vain, in_all| Some(Waited { in_vain, in_all });
        assert_eq!(waited, [spun(0, 48), spun(48, 96), None, None, None, None]);
    }

    #[test]
    fn nobody_spins_for_much_room() {
        let yielded: Duration = Pauses::patient()
            .map(|pause| match pause {
                Pause::Spin(waited) => panic!("{waited:?} brings no much room"),
                Pause::Yield(time) => time,
            })
            .sum();
        assert_eq!(yielded, Duration::from_micros(2 + 4 + 8 + 16));
        assert_eq!(Pauses::none().count(), 0);
    }
}
