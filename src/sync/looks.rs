//! How a thread that lacks an item, or room for one, looks for it again before it sleeps.

use std::ops::Range;
use std::thread::yield_now;
use std::time::{Duration, Instant};

use super::native::spin;

/// A thread spins for this many pauses of the processor in all, some microseconds.
const PAUSES: u32 = 128;
/// After that it gives its core away for 2, 4, 8, ... us, this many times.
const YIELDS: u32 = 4;

/// The looks that are left.
#[derive(Default)]
pub(crate) struct Looks {
    /// How many pauses of the processor come before each of the first looks.
    pauses: u32,
    spins: Range<u32>,
    yields: Range<u32>,
}

/// What comes before a look.
pub(crate) enum Pause {
    Spin(u32),
    Yield(Duration),
}

impl Looks {
    /// For an item, or for room, in a queue of this capacity. Four items go in or out in
    /// about three pauses of the processor. Whoever waits for that long times the capacity
    /// lets the other side fill the queue, or empty it, undisturbed, and then has as much to
    /// do without a wait. Fewer than eight pauses would only take the lock away from
    /// whoever is about to bring what is lacking.
    pub(crate) fn within(capacity: usize) -> Self {
        let pauses = (capacity / 4 * 3).clamp(8, PAUSES as usize) as u32;
        Self {
            pauses,
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

impl Iterator for Looks {
    type Item = Pause;

    fn next(&mut self) -> Option<Pause> {
        if self.spins.next().is_some() {
            return Some(Pause::Spin(self.pauses));
        }
        let look = self.yields.next()?;
        Some(Pause::Yield(Duration::from_micros(2 << look)))
    }
}

impl Pause {
    /// Lets the time pass.
    pub(crate) fn pass(self) {
        match self {
            Self::Spin(pauses) => spin(pauses),
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
        for capacity in [1, 8, 9, 100, 128, 129, 100_000, usize::MAX] {
            let spun: u32 = Looks::within(capacity)
                .map_while(|pause| match pause {
                    Pause::Spin(pauses) => Some(pauses),
                    Pause::Yield(_) => None,
                })
                .sum();
            assert!((PAUSES / 2..=PAUSES).contains(&spun), "{capacity}: {spun}");
        }
    }

    #[test]
    fn nobody_spins_for_much_room() {
        let yielded: Duration = Looks::patient()
            .map(|pause| match pause {
                Pause::Spin(pauses) => panic!("{pauses} pauses bring no much room"),
                Pause::Yield(time) => time,
            })
            .sum();
        assert_eq!(yielded, Duration::from_micros(2 + 4 + 8 + 16));
        assert_eq!(Looks::none().count(), 0);
    }
}
