//! How long a thread that lacks an item, or room for one, stays away from the queue before
//! it looks again.
//!
//! About as long as the other side takes to fill the queue, or to empty it. That side then
//! gets on undisturbed, and whoever comes back has as much to do without a wait; to come
//! earlier is to take the lock away from whoever is about to bring what is lacking. How
//! long that is depends on the processor, on the distance of its cores and on what else the
//! other side does. So it is learned, within bounds that go with the capacity, from what
//! those find who look.

/// In pauses of the processor.
const SHORTEST: u32 = 8;
pub(crate) const LONGEST: u32 = 128;

/// A side that needs more pauses than this for an item spends its time on other things than
/// the queue.
const BRISK: usize = 8;

/// How long a thread has waited so far, in pauses of the processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Waited {
    /// Until the look before this one, if there was one.
    pub(crate) in_vain: u32,
    pub(crate) in_all: u32,
}

/// It is kept in parts of a pause, for it changes in small steps.
const PARTS: u32 = 256;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pace(u16);

impl Pace {
    pub(crate) fn usual(capacity: usize) -> Self {
        Self((usual(capacity) * PARTS) as u16)
    }

    /// How many pauses of the processor come before a look.
    pub(crate) fn pauses(self) -> u32 {
        u32::from(self.0) / PARTS
    }

    /// Learns from a look that came after so many pauses since the wait began, as many of
    /// them in vain, and that has found so many items, or so much room.
    ///
    /// - Less than the capacity: the look interrupted the other side. It came too early if that
    ///   side does an item in eight pauses or fewer; a slower side is to be looked at more often.
    /// - The whole capacity: the other side was done, and the look came late. But if the look
    ///   before it had found nothing, and all of the wait was short, that one came too early.
    ///
    /// A look that came early lengthens the pace by a quarter, any other shortens it by a
    /// 128th: so it settles where one look in about thirty is early, which costs more than to
    /// be late.
    pub(crate) fn learn(
        &mut self,
        capacity: usize,
        Waited { in_vain, in_all }: Waited,
        found: usize,
    ) {
        if found == 0 {
            return;
        }
        let usual = usual(capacity);
        let (shortest, longest) = (usual.min(LONGEST / 4), LONGEST.min(4 * usual));
        let was_early = match found < capacity {
            true => found.saturating_mul(BRISK) >= in_all as usize,
            false => in_vain > 0 && in_all <= longest,
        };
        let parts = u32::from(self.0);
        let learned = match was_early {
            true => parts + parts / 4,
            false => parts - parts / 128,
        };
        self.0 = learned.clamp(shortest * PARTS, longest * PARTS) as u16;
    }
}

/// Three pauses for four items.
fn usual(capacity: usize) -> u32 {
    (capacity / 4 * 3).clamp(SHORTEST as usize, LONGEST as usize) as u32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The pace of a thread that waits again and again for another that does `items` in
    /// this many pauses of the processor, until the queue is full.
    fn learned(capacity: usize, items: usize, in_pauses: usize) -> u32 {
        let mut pace = Pace::usual(capacity);
        for _ in 0..10_000 {
            let pauses = pace.pauses();
            let mut waited = 0;
            loop {
                let in_vain = waited;
                waited += pauses;
                let found = waited as usize * items / in_pauses;
                let waited = Waited {
                    in_vain,
                    in_all: waited,
                };
                pace.learn(capacity, waited, found.min(capacity));
                if found > 0 {
                    break;
                }
            }
        }
        pace.pauses()
    }

    #[test]
    fn whoever_waits_comes_back_about_when_all_is_done() {
        for (capacity, items, in_pauses) in [(64, 1, 1), (64, 2, 3), (16, 1, 2), (1, 1, 12)] {
            let done = (capacity * in_pauses / items) as u32;
            let pauses = learned(capacity, items, in_pauses);
            assert!(
                (done - 1..=done * 5 / 4).contains(&pauses),
                "{done}: {pauses}"
            );
        }
    }

    #[test]
    fn it_begins_with_three_pauses_for_four_items() {
        let usual = [1, 16, 64, 1024, usize::MAX].map(|capacity| Pace::usual(capacity).pauses());
        assert_eq!(usual, [8, 12, 48, 128, 128]);
    }

    #[test]
    fn nobody_stays_away_from_a_slow_side_for_long() {
        let slow = [16, 64, 1024].map(|capacity| learned(capacity, 1, 40));
        assert_eq!(slow, [12, 32, 32]);
    }

    proptest! {
        #[test]
        fn stays_within_bounds_whatever_is_found(
            capacity in prop_oneof![1..200_usize, Just(usize::MAX)],
            looks in prop::collection::vec((0..200_u32, 1..200_u32, 0..300_usize), 0..500),
        ) {
            let mut pace = Pace::usual(capacity);
            for (in_vain, pauses, found) in looks {
                let in_all = in_vain + pauses;
                pace.learn(capacity, Waited { in_vain, in_all }, found);
                prop_assert!((SHORTEST..=LONGEST).contains(&pace.pauses()));
            }
        }
    }
}
