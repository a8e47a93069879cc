//! Items by priority: each priority that is present is a level, and each level
//! a FIFO line.
//!
//! Programs use a handful of priorities, or about as many as they have items.
//! A handful lies in a small sorted table, where finding one is a few vector
//! instructions and finding the greatest is one; more than that go into a map.
//!
//! A line is a ring and not a linked list: its items lie side by side, so that
//! a thread that takes several in a row fetches several with each cache line.

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::collections::btree_map::{BTreeMap, Entry};

/// How many levels fit into the table.
const FEW: usize = 8;

/// When a map has shrunk to this size the levels move back into the table: half
/// of what made them leave it, so that they do not move to and fro.
const FEW_AGAIN: usize = FEW / 2;

/// A line of the table that has run empty keeps room for this many items. After
/// a burst of more it gives the memory back.
const KEPT_CAPACITY: usize = 1024;

/// Either `few` or `many` is empty.
#[repr(C)]
pub(crate) struct Levels<T> {
    few: Table<T>,
    many: Map<T>,
}

impl<T> Levels<T> {
    pub(crate) const fn new() -> Self {
        Self {
            few: Table::new(),
            many: Map(BTreeMap::new()),
        }
    }

    /// Adds an item behind those of its priority.
    #[inline]
    pub(crate) fn push(&mut self, priority: i32, item: T) {
        match self.few.line(priority) {
            Some(line) => line.push_back(item),
            None => self.push_to_new_level(priority, item),
        }
    }

    #[inline(never)]
    fn push_to_new_level(&mut self, priority: i32, item: T) {
        if self.many.0.is_empty() {
            if let Some(line) = self.few.add_line(priority) {
                line.push_back(item);
                return;
            }
            self.many = self.few.take_lines().collect();
        }
        self.many.push(priority, item);
    }

    /// Takes the first item of the greatest priority.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<T> {
        self.few.pop().or_else(|| self.pop_from_many())
    }

    #[inline(never)]
    fn pop_from_many(&mut self) -> Option<T> {
        let item = self.many.pop()?;
        if self.many.0.len() <= FEW_AGAIN {
            self.few = self.many.take_lines().collect();
        }
        Some(item)
    }
}

/// Up to `FEW` levels, sorted by priority. Those that run empty stay until
/// their place is needed, so that a queue that hovers around empty finds its
/// levels, and their memory, where they were.
#[repr(C)]
struct Table<T> {
    /// Bit i says that line i is not empty.
    occupied: u32,
    /// How many places are in use, by empty lines or others.
    used: u32,
    /// Ascending; `i32::MAX` beyond `used`.
    priorities: [i32; FEW],
    lines: [VecDeque<T>; FEW],
}

impl<T> Table<T> {
    const FULL: u32 = (1 << FEW) - 1;

    const fn new() -> Self {
        Self {
            occupied: 0,
            used: 0,
            priorities: [i32::MAX; FEW],
            lines: [const { VecDeque::new() }; FEW],
        }
    }

    /// The line of a priority, which the caller is about to add to, if it has
    /// one.
    #[inline]
    fn line(&mut self, priority: i32) -> Option<&mut VecDeque<T>> {
        let place = self.rank(priority);
        if place < self.used as usize && self.priorities[place] == priority {
            self.occupied |= 1 << place;
            Some(&mut self.lines[place])
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

    /// Makes a line for a priority that has none, if there is a place for it.
    fn add_line(&mut self, priority: i32) -> Option<&mut VecDeque<T>> {
        if self.used as usize == FEW {
            if self.occupied == Self::FULL {
                return None;
            }
            *self = self.take_lines().collect();
        }
        let place = self.rank(priority);
        let end = self.used as usize;
        // What comes round from the end is not in use.
        self.lines[place..=end].rotate_right(1);
        self.priorities[place..=end].rotate_right(1);
        self.priorities[place] = priority;
        let below = (1 << place) - 1;
        self.occupied = self.occupied & below | (self.occupied & !below) << 1;
        self.used += 1;
        self.line(priority)
    }

    #[inline]
    fn pop(&mut self) -> Option<T> {
        let place = self.occupied.checked_ilog2()? as usize;
        let line = &mut self.lines[place];
        let item = line.pop_front();
        if line.is_empty() {
            self.occupied &= !(1 << place);
            if line.capacity() > KEPT_CAPACITY {
                *line = VecDeque::new();
            }
        }
        item
    }

    /// The lines that are not empty, in order of priority.
    fn take_lines(&mut self) -> impl Iterator<Item = (i32, VecDeque<T>)> + use<T> {
        let table = std::mem::replace(self, Self::new());
        let lines = table.priorities.into_iter().zip(table.lines);
        lines.filter(|(_, line)| !line.is_empty())
    }
}

/// Takes no more than fit.
impl<T> FromIterator<(i32, VecDeque<T>)> for Table<T> {
    fn from_iter<I: IntoIterator<Item = (i32, VecDeque<T>)>>(lines: I) -> Self {
        let mut table = Self::new();
        for (priority, line) in lines {
            if let Some(place) = table.add_line(priority) {
                *place = line;
            }
        }
        table
    }
}

/// Any number of levels, none of them empty.
struct Map<T>(BTreeMap<Reverse<i32>, Level<T>>);

/// Most levels of a map hold one item, which needs no line.
enum Level<T> {
    One(T),
    Line(VecDeque<T>),
}

impl<T> Map<T> {
    fn push(&mut self, priority: i32, item: T) {
        match self.0.entry(Reverse(priority)) {
            Entry::Vacant(place) => {
                place.insert(Level::One(item));
            }
            Entry::Occupied(mut place) => {
                let level = std::mem::replace(place.get_mut(), Level::Line(VecDeque::new()));
                let mut line = level.into_line();
                line.push_back(item);
                place.insert(Level::Line(line));
            }
        }
    }

    fn pop(&mut self) -> Option<T> {
        let mut first = self.0.first_entry()?;
        match first.get_mut() {
            Level::Line(line) if line.len() > 1 => line.pop_front(),
            _ => match first.remove() {
                Level::One(item) => Some(item),
                Level::Line(mut line) => line.pop_front(),
            },
        }
    }

    fn take_lines(&mut self) -> impl Iterator<Item = (i32, VecDeque<T>)> + use<T> {
        let levels = std::mem::take(&mut self.0).into_iter();
        levels.map(|(Reverse(priority), level)| (priority, level.into_line()))
    }
}

impl<T> FromIterator<(i32, VecDeque<T>)> for Map<T> {
    fn from_iter<I: IntoIterator<Item = (i32, VecDeque<T>)>>(lines: I) -> Self {
        let levels = lines.into_iter();
        Self(
            levels
                .map(|(priority, line)| (Reverse(priority), Level::Line(line)))
                .collect(),
        )
    }
}

impl<T> Level<T> {
    fn into_line(self) -> VecDeque<T> {
        match self {
            Self::One(item) => VecDeque::from([item]),
            Self::Line(line) => line,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn agrees_with_a_sorted_list(
            spread in prop_oneof![Just(1), Just(8), Just(9), Just(40), Just(i32::MAX)],
            steps in prop::collection::vec((0..i32::MAX, 0..3u8), 0..400),
        ) {
            let mut levels = Levels::new();
            // Greatest priority first, then in order of arrival.
            let mut naive = BTreeSet::new();
            for (arrival, (priority, step)) in steps.into_iter().enumerate() {
                if step == 0 {
                    let expected = naive.pop_first().map(|(_, arrival)| arrival);
                    prop_assert_eq!(levels.pop(), expected);
                } else {
                    levels.push(priority % spread, arrival);
                    naive.insert((Reverse(priority % spread), arrival));
                }
            }
            for (_, arrival) in naive {
                prop_assert_eq!(levels.pop(), Some(arrival));
            }
            prop_assert_eq!(levels.pop(), None);
        }
    }

    #[test]
    fn the_ends_of_the_scale_fit_beside_each_other() {
        let mut levels = Levels::new();
        for priority in [i32::MAX, i32::MIN, 0, i32::MIN, i32::MAX] {
            levels.push(priority, priority);
        }
        let order: Vec<i32> = std::iter::from_fn(|| levels.pop()).collect();
        assert_eq!(order, [i32::MAX, i32::MAX, 0, i32::MIN, i32::MIN]);
    }

    #[test]
    fn more_levels_than_the_table_holds_come_and_go() {
        let mut levels = Levels::new();
        (0..1000).for_each(|priority| levels.push(priority, priority));
        assert_eq!(levels.many.0.len(), 1000);
        for expected in (0..1000).rev() {
            assert_eq!(levels.pop(), Some(expected));
        }
        assert!(levels.many.0.is_empty());
        assert_eq!(levels.pop(), None);
    }

    #[test]
    fn levels_move_to_a_map_when_the_table_is_full_and_back_when_half_are_left() {
        let mut levels = Levels::new();
        (0..8).for_each(|priority| levels.push(priority, priority));
        assert_eq!(levels.many.0.len(), 0);
        levels.push(8, 8);
        assert_eq!(levels.many.0.len(), 9);
        assert_eq!([(); 4].map(|()| levels.pop()), [8, 7, 6, 5].map(Some));
        assert_eq!(levels.many.0.len(), 5);
        assert_eq!(levels.pop(), Some(4));
        assert_eq!(levels.many.0.len(), 0);
        assert_eq!(levels.pop(), Some(3));
    }

    #[test]
    fn empty_levels_make_place_for_others() {
        let mut levels = Levels::new();
        for priority in 0..10_000 {
            levels.push(priority, priority);
            assert_eq!(levels.pop(), Some(priority));
            assert!(levels.many.0.is_empty());
        }
    }

    #[test]
    fn a_burst_gives_its_memory_back_and_a_trickle_keeps_it() {
        let mut levels = Levels::new();
        let mut capacity_after = |count| {
            (0..count).for_each(|number| levels.push(0, number));
            while levels.pop().is_some() {}
            levels.few.lines[0].capacity()
        };
        assert!((1..=KEPT_CAPACITY).contains(&capacity_after(100)));
        assert_eq!(capacity_after(KEPT_CAPACITY), KEPT_CAPACITY);
        assert_eq!(capacity_after(100 * KEPT_CAPACITY), 0);
    }
}
