//! Stable priority order: the greatest priority first, and among equals the
//! one that came first.
//!
//! Each priority that is present is a level, and each level a FIFO list threaded
//! through one slab of slots. The number of *different* priorities decides what
//! an operation costs, not the number of items: with a handful of levels a push
//! and a pop touch one table and one slot, at any depth.

use crate::levels::{Levels, Link, NONE};

/// What lies in the queue: an item, its priority, and how often it came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry<T> {
    pub(crate) priority: i32,
    /// How many times it was taken and put back for a retry.
    pub(crate) returns: u32,
    pub(crate) item: T,
}

struct Slot<T> {
    /// `None` while the slot is on the free list.
    item: Option<T>,
    returns: u32,
    /// The next slot of the same level, or of the free list.
    next: Link,
}

pub(crate) struct Heap<T> {
    levels: Levels,
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
            levels: Levels::new(),
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
    #[inline]
    pub(crate) fn push(&mut self, entry: Entry<T>) {
        let link = self.fill_slot(entry.item, entry.returns);
        let level = self.levels.list(entry.priority);
        match level.tail {
            NONE => level.head = link,
            tail => self.slots[tail as usize].next = link,
        }
        level.tail = link;
        self.len += 1;
    }

    /// Takes the first entry of the greatest priority.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<Entry<T>> {
        let (priority, level) = self.levels.first()?;
        let link = level.head;
        let slot = &mut self.slots[link as usize];
        let item = slot.item.take()?;
        let returns = slot.returns;
        level.head = slot.next;
        if level.head == NONE {
            self.levels.remove_first();
        }
        slot.next = self.free;
        self.free = link;
        self.len -= 1;
        Some(Entry {
            priority,
            returns,
            item,
        })
    }

    #[inline]
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
