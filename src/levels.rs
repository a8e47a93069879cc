//! The priorities that are present, in order, each with the list of its items.
//!
//! Programs use a handful of priorities, or about as many as they have items.
//! A handful lies in a small sorted table, where finding one is a few vector
//! instructions and finding the greatest is one; more than that go into a map.

use std::cmp::Reverse;
use std::collections::BTreeMap;

/// An index of an item; `NONE` ends a list.
pub(crate) type Link = u32;
pub(crate) const NONE: Link = Link::MAX;

/// A FIFO list of items.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Level {
    pub(crate) head: Link,
    pub(crate) tail: Link,
}

impl Level {
    const EMPTY: Self = Self {
        head: NONE,
        tail: NONE,
    };
}

/// How many levels fit into the table.
const FEW: usize = 16;

/// When a map has shrunk to this size the levels move back into the table: half
/// of what made them leave it, so that they do not move to and fro.
const FEW_AGAIN: usize = FEW / 2;

pub(crate) enum Levels {
    Few(Table),
    /// Holds no empty level.
    Many(BTreeMap<Reverse<i32>, Level>),
}

impl Levels {
    pub(crate) const fn new() -> Self {
        Self::Few(Table::new())
    }

    /// The list of a priority, which the caller is about to add to.
    #[inline]
    pub(crate) fn list(&mut self, priority: i32) -> &mut Level {
        let place = match self {
            Self::Few(table) => table.find(priority).or_else(|| table.insert(priority)),
            Self::Many(_) => None,
        };
        match (self, place) {
            (Self::Few(table), Some(place)) => table.list_at(place),
            (levels, _) => levels
                .as_map()
                .entry(Reverse(priority))
                .or_insert(Level::EMPTY),
        }
    }

    #[cold]
    fn as_map(&mut self) -> &mut BTreeMap<Reverse<i32>, Level> {
        loop {
            match self {
                Self::Few(table) => *self = Self::Many(table.occupied().collect()),
                Self::Many(map) => return map,
            }
        }
    }

    /// The greatest priority with its list, which is not empty.
    #[inline]
    pub(crate) fn first(&mut self) -> Option<(i32, &mut Level)> {
        match self {
            Self::Few(table) => table.first(),
            Self::Many(map) => {
                let first = map.first_entry()?;
                Some((first.key().0, first.into_mut()))
            }
        }
    }

    /// The first list has run empty.
    #[inline]
    pub(crate) fn remove_first(&mut self) {
        match self {
            Self::Few(table) => table.vacate_first(),
            Self::Many(map) => {
                map.pop_first();
                if map.len() <= FEW_AGAIN {
                    *self = Self::Few(Table::of(std::mem::take(map)));
                }
            }
        }
    }
}

/// Up to `FEW` levels, sorted by priority. Those that run empty stay until
/// their place is needed, so that a queue that hovers around empty finds its
/// levels where they were.
pub(crate) struct Table {
    /// Ascending; only the first `len` count.
    priorities: [i32; FEW],
    levels: [Level; FEW],
    len: usize,
    /// Bit i says that level i is not empty.
    occupied: u32,
}

impl Table {
    const FULL: u32 = (1 << FEW) - 1;

    const fn new() -> Self {
        Self {
            priorities: [i32::MAX; FEW],
            levels: [Level::EMPTY; FEW],
            len: 0,
            occupied: 0,
        }
    }

    /// There must be no more than fit.
    fn of(levels: impl IntoIterator<Item = (Reverse<i32>, Level)>) -> Self {
        let mut table = Self::new();
        for (Reverse(priority), level) in levels {
            if let Some(place) = table.insert(priority) {
                *table.list_at(place) = level;
            }
        }
        table
    }

    fn occupied(&self) -> impl Iterator<Item = (Reverse<i32>, Level)> + use<> {
        let (priorities, levels, occupied) = (self.priorities, self.levels, self.occupied);
        (0..FEW)
            .filter(move |place| occupied & (1 << place) != 0)
            .map(move |place| (Reverse(priorities[place]), levels[place]))
    }

    /// How many of the priorities are smaller. What lies beyond `len` is not.
    #[inline]
    fn rank(&self, priority: i32) -> usize {
        let smaller = self
            .priorities
            .iter()
            .map(|&other| u32::from(other < priority));
        smaller.sum::<u32>() as usize
    }

    #[inline]
    fn find(&self, priority: i32) -> Option<usize> {
        let place = self.rank(priority);
        (place < self.len && self.priorities[place] == priority).then_some(place)
    }

    /// Makes a place for a priority that has none; `None` if all are occupied.
    #[cold]
    fn insert(&mut self, priority: i32) -> Option<usize> {
        if self.len == FEW {
            if self.occupied == Self::FULL {
                return None;
            }
            *self = Self::of(self.occupied());
        }
        let place = self.rank(priority);
        self.priorities.copy_within(place..self.len, place + 1);
        self.levels.copy_within(place..self.len, place + 1);
        self.priorities[place] = priority;
        self.levels[place] = Level::EMPTY;
        let below = (1 << place) - 1;
        self.occupied = self.occupied & below | (self.occupied & !below) << 1;
        self.len += 1;
        Some(place)
    }

    #[inline]
    fn list_at(&mut self, place: usize) -> &mut Level {
        self.occupied |= 1 << place;
        &mut self.levels[place]
    }

    #[inline]
    fn first(&mut self) -> Option<(i32, &mut Level)> {
        let index = self.occupied.checked_ilog2()? as usize;
        Some((self.priorities[index], &mut self.levels[index]))
    }

    #[inline]
    fn vacate_first(&mut self) {
        if let Some(index) = self.occupied.checked_ilog2() {
            self.occupied &= !(1 << index);
            self.levels[index as usize] = Level::EMPTY;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// Marks a list as belonging to a priority.
    fn fill(levels: &mut Levels, priority: i32) {
        levels.list(priority).head = priority as Link;
    }

    proptest! {
        #[test]
        fn agrees_with_a_set_of_priorities(
            spread in prop_oneof![Just(4), Just(16), Just(17), Just(40), Just(i32::MAX)],
            steps in prop::collection::vec((0..i32::MAX, 0..2u8), 0..300),
        ) {
            let mut levels = Levels::new();
            let mut naive = BTreeSet::new();
            for (priority, step) in steps {
                if step == 0 {
                    fill(&mut levels, priority % spread);
                    naive.insert(priority % spread);
                } else if naive.pop_last().is_some() {
                    levels.remove_first();
                }
                let first = levels.first().map(|(priority, level)| (priority, level.head));
                prop_assert_eq!(first, naive.last().map(|&p| (p, p as Link)));
            }
        }
    }

    #[test]
    fn the_ends_of_the_scale_fit_beside_each_other() {
        let mut levels = Levels::new();
        for priority in [i32::MAX, i32::MIN, 0, i32::MIN, i32::MAX] {
            fill(&mut levels, priority);
        }
        let mut order = Vec::new();
        while let Some((priority, _)) = levels.first() {
            order.push(priority);
            levels.remove_first();
        }
        assert_eq!(order, [i32::MAX, 0, i32::MIN]);
    }

    #[test]
    fn more_levels_than_the_table_holds_come_and_go() {
        let mut levels = Levels::new();
        (0..1000).for_each(|priority| fill(&mut levels, priority));
        assert!(matches!(levels, Levels::Many(_)));
        for expected in (0..1000).rev() {
            assert_eq!(levels.first().map(|(priority, _)| priority), Some(expected));
            levels.remove_first();
        }
        assert!(matches!(levels, Levels::Few(_)));
        assert!(levels.first().is_none());
    }

    #[test]
    fn empty_levels_make_place_for_others() {
        let mut levels = Levels::new();
        for priority in 0..10_000 {
            fill(&mut levels, priority);
            assert_eq!(levels.first().map(|(priority, _)| priority), Some(priority));
            levels.remove_first();
        }
        assert!(matches!(levels, Levels::Few(_)));
    }
}
