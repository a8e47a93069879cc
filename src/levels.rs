//! A handful of priorities: each is a level, and each level a FIFO queue.
//!
//! The levels lie in a small sorted table, where finding one is a few vector
//! instructions and finding the greatest is one.
//!
//! A level is a ring and not a linked list: its items lie side by side, so that
//! a thread that takes several in a row fetches several with each cache line.

use std::collections::VecDeque;

/// How many levels there can be.
const FEW: usize = 8;

/// A level that has run empty keeps its memory if that is room for no more items than
/// these, and otherwise gives all of it back.
pub(crate) const KEPT_CAPACITY: usize = 1024;

/// Up to `FEW` levels, sorted by priority. Those that run empty keep their
/// place, so that a queue that hovers around empty finds its levels, and their
/// memory, where they were. Once all places are taken new ones are given only
/// when all levels are empty.
#[repr(C)]
pub(crate) struct Levels<T> {
    /// Bit i says that level i is not empty.
    occupied: u32,
    /// How many places are in use, by empty levels or others.
    used: u32,
    /// Ascending; `i32::MAX` beyond `used`.
    priorities: [i32; FEW],
    levels: [VecDeque<T>; FEW],
}

impl<T> Levels<T> {
    pub(crate) const fn new() -> Self {
        Self {
            occupied: 0,
            used: 0,
            priorities: [i32::MAX; FEW],
            levels: [const { VecDeque::new() }; FEW],
        }
    }

    /// The level of a priority, if it has one. The caller must add to it.
    #[inline]
    pub(crate) fn occupy(&mut self, priority: i32) -> Option<&mut VecDeque<T>> {
        let place = self.rank(priority);
        if place < self.used as usize && self.priorities[place] == priority {
            self.occupied |= 1 << place;
            Some(&mut self.levels[place])
        } else {
            None
        }
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
    pub(crate) fn add_level(&mut self, priority: i32) -> Option<&mut VecDeque<T>> {
        if self.used as usize == FEW {
            if self.occupied != 0 {
                return None;
            }
            self.used = 0;
            self.priorities = [i32::MAX; FEW];
        }
        let place = self.rank(priority);
        let end = self.used as usize;
        // What comes round from the end is not in use.
        self.levels[place..=end].rotate_right(1);
        self.priorities[place..=end].rotate_right(1);
        self.priorities[place] = priority;
        let below = (1 << place) - 1;
        self.occupied = self.occupied & below | (self.occupied & !below) << 1;
        self.used += 1;
        self.occupy(priority)
    }

    /// The greatest priority that is present.
    #[inline]
    pub(crate) fn top(&self) -> Option<i32> {
        let place = self.occupied.checked_ilog2()?;
        Some(self.priorities[place as usize])
    }

    /// Takes the first item of the greatest priority.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<T> {
        let place = self.occupied.checked_ilog2()? as usize;
        let item = self.levels[place].pop_front();
        if self.levels[place].is_empty() {
            self.vacate(place);
        }
        item
    }

    /// Takes up to `limit` items of the greatest priority, in order.
    pub(crate) fn pop_many(&mut self, limit: usize, each: impl FnMut(T)) -> usize {
        let Some(place) = self.occupied.checked_ilog2() else {
            return 0;
        };
        let level = &mut self.levels[place as usize];
        let taken = limit.min(level.len());
        level.drain(..taken).for_each(each);
        if level.is_empty() {
            self.vacate(place as usize);
        }
        taken
    }

    /// A level has run empty.
    #[inline]
    fn vacate(&mut self, place: usize) {
        self.occupied &= !(1 << place);
        if self.levels[place].capacity() > KEPT_CAPACITY {
            self.levels[place] = VecDeque::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl<T> Levels<T> {
        fn push(&mut self, priority: i32, item: T) -> bool {
            let level = match self.occupy(priority) {
                Some(level) => Some(level),
                None => self.add_level(priority),
            };
            level.map(|level| level.push_back(item)).is_some()
        }
    }

    #[test]
    fn the_ends_of_the_scale_fit_beside_each_other() {
        let mut levels = Levels::new();
        for priority in [i32::MAX, i32::MIN, 0, i32::MIN, i32::MAX] {
            assert!(levels.push(priority, priority));
        }
        let order: Vec<i32> = std::iter::from_fn(|| levels.pop()).collect();
        assert_eq!(order, [i32::MAX, i32::MAX, 0, i32::MIN, i32::MIN]);
    }

    #[test]
    fn there_is_no_place_for_a_ninth_until_all_are_empty() {
        let mut levels = Levels::new();
        for priority in [3, 1, 4, 0, 5, 9, 2, 6] {
            assert!(levels.push(priority, priority));
        }
        for expected in [9, 6, 5, 4, 3, 2, 1, 0] {
            assert!(!levels.push(7, 7));
            assert_eq!(levels.top(), Some(expected));
            assert_eq!(levels.pop(), Some(expected));
        }
        assert_eq!(levels.top(), None);
        assert!(levels.push(7, 7));
        assert_eq!(levels.top(), Some(7));
    }

    #[test]
    fn an_empty_level_keeps_its_place() {
        let mut levels = Levels::new();
        (0..8).for_each(|priority| assert!(levels.push(priority, priority)));
        for round in 0..3 {
            assert_eq!(levels.pop(), Some(7), "round {round}");
            assert!(levels.push(7, 7));
        }
    }

    #[test]
    fn a_burst_gives_its_memory_back_and_a_trickle_keeps_it() {
        let mut levels = Levels::new();
        let mut capacity_after = |count| {
            (0..count).for_each(|number| assert!(levels.push(0, number)));
            while levels.pop().is_some() {}
            levels.levels[0].capacity()
        };
        assert!((1..=KEPT_CAPACITY).contains(&capacity_after(100)));
        assert_eq!(capacity_after(KEPT_CAPACITY), KEPT_CAPACITY);
        assert_eq!(capacity_after(100 * KEPT_CAPACITY), 0);
    }
}
