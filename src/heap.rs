//! Stable priority order: the greatest priority first, and among equals the
//! one that came first.
//!
//! A map of levels, one for each priority that is present, each a FIFO list
//! threaded through one slab of slots. The number of *different* priorities
//! decides what an operation costs, not the number of items: with a handful of
//! levels a push and a pop touch one small map node and one slot, at any depth.

use std::cmp::Reverse;
use std::collections::BTreeMap;

/// What lies in the queue: an item, its priority, and how often it came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry<T> {
    pub(crate) priority: i32,
    /// How many times it was taken and put back for a retry.
    pub(crate) returns: u32,
    pub(crate) item: T,
}

/// A bounded number of levels stay in the map when they run empty, so that a
/// queue that hovers around empty does not allocate a map node for every item.
const EMPTY_LEVELS_KEPT_BELOW: usize = 8;

/// An index into the slab; `NONE` ends a list.
type Link = u32;
const NONE: Link = Link::MAX;

struct Slot<T> {
    /// `None` while the slot is on the free list.
    item: Option<T>,
    returns: u32,
    /// The next slot of the same level, or of the free list.
    next: Link,
}

struct Level {
    head: Link,
    tail: Link,
}

impl Level {
    const EMPTY: Self = Self {
        head: NONE,
        tail: NONE,
    };
}

pub(crate) struct Heap<T> {
    levels: BTreeMap<Reverse<i32>, Level>,
    slots: Vec<Slot<T>>,
    free: Link,
    len: usize,
}

impl<T> Heap<T> {
    /// The slab's links are 32 bits wide. A full queue says so before this.
    pub(crate) const MAX_LEN: usize = NONE as usize;

    /// Allocates nothing.
    pub(crate) const fn new() -> Self {
        Self {
            levels: BTreeMap::new(),
            slots: Vec::new(),
            free: NONE,
            len: 0,
        }
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Puts an entry behind all entries of its priority.
    ///
    /// # Panics
    ///
    /// When `MAX_LEN` entries are in already.
    pub(crate) fn push(&mut self, entry: Entry<T>) {
        let link = self.fill_slot(entry.item, entry.returns);
        let level = self
            .levels
            .entry(Reverse(entry.priority))
            .or_insert(Level::EMPTY);
        match level.tail {
            NONE => level.head = link,
            tail => self.slots[tail as usize].next = link,
        }
        level.tail = link;
        self.len += 1;
    }

    /// Takes the first entry of the greatest priority.
    pub(crate) fn pop(&mut self) -> Option<Entry<T>> {
        let (&Reverse(priority), level) = self
            .levels
            .iter_mut()
            .find(|(_, level)| level.head != NONE)?;
        let link = level.head;
        let slot = &mut self.slots[link as usize];
        let item = slot.item.take()?;
        let returns = slot.returns;
        level.head = slot.next;
        slot.next = self.free;
        self.free = link;
        self.len -= 1;
        if level.head == NONE {
            level.tail = NONE;
            if self.levels.len() > EMPTY_LEVELS_KEPT_BELOW {
                self.levels.remove(&Reverse(priority));
            }
        }
        Some(Entry {
            priority,
            returns,
            item,
        })
    }

    fn fill_slot(&mut self, item: T, returns: u32) -> Link {
        let filled = Slot {
            item: Some(item),
            returns,
            next: NONE,
        };
        if let Some(slot) = self.slots.get_mut(self.free as usize) {
            let link = self.free;
            self.free = slot.next;
            *slot = filled;
            return link;
        }
        assert!(
            self.slots.len() < Self::MAX_LEN,
            "too many items in one queue"
        );
        self.slots.push(filled);
        (self.slots.len() - 1) as Link
    }
}

/// Takes the entries in order.
impl<T> Iterator for Heap<T> {
    type Item = Entry<T>;

    fn next(&mut self) -> Option<Entry<T>> {
        self.pop()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.len, Some(self.len))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    fn entry(priority: i32, item: u32) -> Entry<u32> {
        Entry {
            priority,
            returns: item % 3,
            item,
        }
    }

    /// What the heap must do, written as plainly as can be.
    #[derive(Default)]
    struct Naive(VecDeque<Entry<u32>>);

    impl Naive {
        fn pop(&mut self) -> Option<Entry<u32>> {
            let greatest = self.0.iter().map(|entry| entry.priority).max()?;
            let first = self.0.iter().position(|e| e.priority == greatest)?;
            self.0.remove(first)
        }
    }

    #[test]
    fn greater_priorities_come_first_and_equals_in_order() {
        let mut heap = Heap::new();
        for (number, priority) in [0, i32::MAX, i32::MIN, 0, i32::MAX, -1]
            .into_iter()
            .enumerate()
        {
            heap.push(entry(priority, number as u32));
        }
        let order: Vec<u32> = heap.map(|entry| entry.item).collect();
        assert_eq!(order, [1, 4, 0, 3, 5, 2]);
    }

    #[test]
    fn a_slot_is_used_again_before_the_slab_grows() {
        let mut heap = Heap::new();
        for number in 0..1_000 {
            heap.push(entry(number % 2, 1));
            heap.push(entry(number % 3, 2));
            heap.pop();
            heap.pop();
        }
        assert_eq!(heap.slots.len(), 2);
    }

    #[test]
    fn few_empty_levels_are_kept_and_many_are_not() {
        let mut heap = Heap::new();
        for priority in 0..10_000 {
            heap.push(entry(priority, 0));
        }
        while heap.pop().is_some() {}
        assert!(heap.levels.len() <= EMPTY_LEVELS_KEPT_BELOW);
        for priority in 20_000..30_000 {
            heap.push(entry(priority, 0));
            assert!(heap.pop().is_some());
            assert!(heap.levels.len() <= EMPTY_LEVELS_KEPT_BELOW + 1);
        }
    }

    proptest! {
        #[test]
        fn agrees_with_a_naive_list(
            spread in prop_oneof![Just(1), Just(4), Just(30), Just(i32::MAX)],
            steps in prop::collection::vec((any::<i32>(), 0..3u8), 0..400),
        ) {
            let (mut heap, mut naive) = (Heap::new(), Naive::default());
            for (number, (priority, step)) in steps.into_iter().enumerate() {
                if step == 0 {
                    prop_assert_eq!(heap.pop(), naive.pop());
                } else {
                    let entry = entry(priority % spread, number as u32);
                    naive.0.push_back(entry.clone());
                    heap.push(entry);
                }
                prop_assert_eq!(heap.len(), naive.0.len());
            }
            while let Some(expected) = naive.pop() {
                prop_assert_eq!(heap.pop(), Some(expected));
            }
            prop_assert!(heap.is_empty());
            prop_assert_eq!(heap.pop(), None);
        }
    }
}
