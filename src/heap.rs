//! Stable priority order: the greatest priority first, and among equals the
//! one that came first.
//!
//! The number of *different* priorities decides what an operation costs, not
//! the number of items: see [`levels`](crate::levels).

use crate::levels::Levels;

/// What lies in the queue: an item, its priority, and how often it came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry<T> {
    pub(crate) priority: i32,
    /// How many times it was taken and put back for a retry.
    pub(crate) returns: u32,
    pub(crate) item: T,
}

#[repr(C)]
pub(crate) struct Heap<T> {
    len: usize,
    levels: Levels<Entry<T>>,
}

impl<T> Heap<T> {
    /// Allocates nothing.
    pub(crate) const fn new() -> Self {
        Self {
            len: 0,
            levels: Levels::new(),
        }
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Puts an entry behind all entries of its priority.
    #[inline]
    pub(crate) fn push(&mut self, entry: Entry<T>) {
        self.levels.push(entry.priority, entry);
        self.len += 1;
    }

    /// Takes the first entry of the greatest priority.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<Entry<T>> {
        let entry = self.levels.pop()?;
        self.len -= 1;
        Some(entry)
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
        assert_eq!(heap.size_hint(), (6, Some(6)));
        let order: Vec<u32> = heap.map(|entry| entry.item).collect();
        assert_eq!(order, [1, 4, 0, 3, 5, 2]);
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
