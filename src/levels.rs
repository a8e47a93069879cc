//! A handful of priorities: each is a level, and each level a FIFO queue.
//!
//! The levels lie in a small sorted table, where finding one is a few vector
//! instructions and finding the greatest is one.
//!
//! A level is a ring and not a linked list: its items lie side by side, so that
//! a thread that takes several in a row fetches several with each cache line.

use std::collections::VecDeque;

use crate::entry::Entry;
use crate::growth::Growth;

/// How many levels there can be.
const FEW: usize = 8;

/// A buffer that runs empty is kept if it takes at most so many bytes, and freed otherwise.
const KEPT_BYTES: usize = 64 * 1024;

/// The same in items of that type.
pub(crate) const fn kept_capacity<T>() -> usize {
    match size_of::<T>() {
        0 => usize::MAX,
        size => KEPT_BYTES / size,
    }
}

/// Up to `FEW` levels, sorted by priority. One that runs empty keeps its place
/// until another priority needs it, so that a queue that hovers around empty finds
/// its levels, and their memory, where they were.
///
/// What is written often comes first, and what is only read, or seldom needed, last.
#[repr(C)]
pub(crate) struct Levels<T> {
    /// Bit i says that level i is not empty.
    occupied: u8,
    /// How many places are in use, by empty levels or others.
    used: u8,
    /// Nothing but the items: their priority is that of the level.
    levels: [VecDeque<T>; FEW],
    /// Ascending; `i32::MAX` beyond `used`.
    priorities: [i32; FEW],
}

impl<T> Levels<T> {
    pub(crate) const fn new() -> Self {
        Self {
            occupied: 0,
            used: 0,
            levels: [const { VecDeque::new() }; FEW],
            priorities: [i32::MAX; FEW],
        }
    }

    /// The place of a priority, if it has a level.
    #[inline]
    pub(crate) fn place(&self, priority: i32) -> Option<usize> {
        let place = self.rank(priority);
        let is_there = place < usize::from(self.used) && self.priorities[place] == priority;
        is_there.then_some(place)
    }

    /// How many of the priorities are smaller.
    #[inline]
    fn rank(&self, priority: i32) -> usize {
        let smaller = self
            .priorities
            .iter()
            .map(|&other| u32::from(other < priority));
        smaller.sum::<u32>() as usize
    }

    /// Makes a level for a priority that has none, if there is a place for it.
    pub(crate) fn add_level(&mut self, priority: i32) -> Option<usize> {
        if usize::from(self.used) == FEW {
            let vacant = self.occupied.trailing_ones() as usize;
            if vacant == FEW {
                return None;
            }
            self.remove_level(vacant);
        }
        let (place, end) = (self.rank(priority), usize::from(self.used));
        // What comes round from the end is not in use.
        self.levels[place..=end].rotate_right(1);
        self.priorities[place..=end].rotate_right(1);
        self.priorities[place] = priority;
        let below = self.occupied & ((1 << place) - 1);
        self.occupied = (self.occupied ^ below) << 1 | below;
        self.used += 1;
        Some(place)
    }

    /// Takes the place from a level that has run empty. All places are in use.
    fn remove_level(&mut self, place: usize) {
        self.levels[place..].rotate_left(1);
        self.priorities[place..].rotate_left(1);
        self.priorities[FEW - 1] = i32::MAX;
        let below = self.occupied & ((1 << place) - 1);
        self.occupied = (self.occupied ^ below) >> 1 | below;
        self.used -= 1;
    }

    /// Puts an item at the back of the level at a place.
    #[inline]
    pub(crate) fn push(&mut self, place: usize, item: T) {
        self.occupied |= 1 << place;
        self.levels[place].reserve_one();
        self.levels[place].push_back(item);
    }

    /// The greatest priority that is present.
    #[inline]
    pub(crate) fn top(&self) -> Option<i32> {
        let place = self.occupied.checked_ilog2()?;
        Some(self.priorities[place as usize])
    }

    /// Takes the first item of the greatest priority.
    #[inline(always)]
    pub(crate) fn pop(&mut self) -> Option<Entry<T>> {
        let place = self.occupied.checked_ilog2()? as usize;
        let item = self.levels[place].pop_front()?;
        if self.levels[place].is_empty() {
            self.vacate(place);
        }
        Some(Entry {
            priority: self.priorities[place],
            item,
        })
    }

    /// Takes up to `limit` items of the greatest priority, in order.
    pub(crate) fn pop_many(&mut self, limit: usize, each: impl FnMut(T)) -> usize {
        let Some(place) = self.occupied.checked_ilog2() else {
            return 0;
        };
        let place = place as usize;
        let level = &mut self.levels[place];
        let taken = limit.min(level.len());
        level.drain(..taken).for_each(each);
        if level.is_empty() {
            self.vacate(place);
        }
        taken
    }

    /// A level has run empty.
    #[inline]
    fn vacate(&mut self, place: usize) {
        self.occupied &= !(1 << place);
        if self.levels[place].capacity() > const { kept_capacity::<T>() } {
            self.levels[place] = VecDeque::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl<T> Levels<T> {
        fn push_new(&mut self, priority: i32, item: T) -> bool {
            let place = self.place(priority).or_else(|| self.add_level(priority));
            place.map(|place| self.push(place, item)).is_some()
        }

        fn pop_item(&mut self) -> Option<T> {
            self.pop().map(|entry| entry.item)
        }
    }

    #[test]
    fn the_ends_of_the_scale_fit_beside_each_other() {
        let mut levels = Levels::new();
        for priority in [i32::MAX, i32::MIN, 0, i32::MIN, i32::MAX] {
            assert!(levels.push_new(priority, priority));
        }
        let order: Vec<i32> = std::iter::from_fn(|| levels.pop_item()).collect();
        assert_eq!(order, [i32::MAX, i32::MAX, 0, i32::MIN, i32::MIN]);
    }

    #[test]
    fn a_ninth_takes_the_place_of_one_that_has_run_empty() {
        for ninth in [-1, 7, i32::MAX] {
            let mut levels = Levels::new();
            for priority in [3, 1, 4, 0, 5, 9, 2, 6] {
                assert!(levels.push_new(priority, priority));
            }
            assert!(!levels.push_new(ninth, ninth));
            assert_eq!([9, 6].map(Some), [(); 2].map(|()| levels.pop_item()));
            assert!(levels.push_new(6, 6), "it has kept its place");
            assert!(levels.push_new(ninth, ninth), "it has that of 9");
            assert!(!levels.push_new(9, 9));
            let mut expected = [0, 1, 2, 3, 4, 5, 6, ninth];
            expected.sort_unstable_by(|one, other| other.cmp(one));
            let order: Vec<i32> = std::iter::from_fn(|| levels.pop_item()).collect();
            assert_eq!(order, expected);
        }
    }

    #[test]
    fn an_empty_level_keeps_its_place() {
        let mut levels = Levels::new();
        (0..8).for_each(|priority| assert!(levels.push_new(priority, priority)));
        for round in 0..3 {
            assert_eq!(levels.pop_item(), Some(7), "round {round}");
            assert!(levels.push_new(7, 7));
        }
    }

    #[test]
    fn a_burst_gives_its_memory_back_and_a_trickle_keeps_it() {
        let mut levels = Levels::<u64>::new();
        let mut capacity_after = |count| {
            (0..count).for_each(|_| assert!(levels.push_new(0, 7)));
            while levels.pop_item().is_some() {}
            levels.levels[0].capacity()
        };
        let kept = 64 * 1024 / size_of::<u64>(); // as documented
        assert!((1..=kept).contains(&capacity_after(100)));
        assert!((1..=kept).contains(&capacity_after(kept / 2)));
        assert_eq!(capacity_after(kept + 1), 0);
    }
}
