//! Stable priority order: the greatest priority first, and among equals the
//! one that came first.
//!
//! Programs use a handful of priorities, or about as many as they have items.
//! A handful lies in [`levels`](crate::levels), where the depth of the queue
//! costs nothing. While every level has items, new priorities go to a
//! [`heap`](crate::heap), and so do those that follow until it has run empty.
//!
//! A priority is never in both: a level is only made while the heap is empty,
//! and as long as it has its level nothing of its priority goes elsewhere.

use crate::entry::Entry;
use crate::heap::Heap;
use crate::levels::Levels;

#[repr(C)]
pub(crate) struct Ready<T> {
    len: usize,
    levels: Levels<T>,
    /// That of the heap: while it is empty nothing else of it is touched.
    heap_top: Option<i32>,
    heap: Heap<T>,
}

impl<T> Ready<T> {
    /// Allocates nothing.
    pub(crate) const fn new() -> Self {
        Self {
            len: 0,
            levels: Levels::new(),
            heap_top: None,
            heap: Heap::new(),
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
        self.len += 1;
        self.put(entry);
    }

    /// Puts entries, each behind all entries of its priority.
    pub(crate) fn push_many(&mut self, entries: impl Iterator<Item = Entry<T>>) {
        // Counted in a register: the length in memory would have to be written and read
        // back for each.
        let mut count = 0;
        for entry in entries {
            count += 1;
            self.put(entry);
        }
        self.len += count;
    }

    #[inline(always)] // a call would pass the entry through memory
    fn put(&mut self, entry: Entry<T>) {
        match self.levels.place(entry.priority) {
            Some(place) => self.levels.push(place, entry.item),
            None => self.put_new(entry),
        }
    }

    /// Puts an entry whose priority has no level.
    #[inline(never)]
    fn put_new(&mut self, entry: Entry<T>) {
        if self.heap_top.is_none() {
            if let Some(place) = self.levels.add_level(entry.priority) {
                self.levels.push(place, entry.item);
                return;
            }
        }
        self.heap.push(entry);
        self.heap_top = self.heap.top();
    }

    /// Takes the first entry of the greatest priority.
    #[inline(always)] // a call would pass the entry through memory
    pub(crate) fn pop(&mut self) -> Option<Entry<T>> {
        if self.levels.top() > self.heap_top {
            let entry = self.levels.pop()?;
            self.len -= 1;
            Some(entry)
        } else {
            self.pop_from_heap()
        }
    }

    /// Takes up to `limit` items, one after the other.
    pub(crate) fn pop_many(&mut self, limit: usize, mut each: impl FnMut(T)) -> usize {
        let mut taken = 0;
        while taken < limit {
            if self.levels.top() > self.heap_top {
                let run = self.levels.pop_many(limit - taken, &mut each);
                self.len -= run;
                taken += run;
            } else if let Some(entry) = self.pop_from_heap() {
                taken += 1;
                each(entry.item);
            } else {
                break;
            }
        }
        taken
    }

    #[inline(never)]
    fn pop_from_heap(&mut self) -> Option<Entry<T>> {
        let entry = self.heap.pop()?;
        self.heap_top = self.heap.top();
        self.len -= 1;
        Some(entry)
    }
}

/// Takes the entries in order.
impl<T> Iterator for Ready<T> {
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
        Entry { priority, item }
    }

    /// What the ready must do, written as plainly as can be.
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
        let mut ready = Ready::new();
        for (number, priority) in [0, i32::MAX, i32::MIN, 0, i32::MAX, -1]
            .into_iter()
            .enumerate()
        {
            ready.push(entry(priority, number as u32));
        }
        assert_eq!(ready.size_hint(), (6, Some(6)));
        let order: Vec<u32> = ready.map(|entry| entry.item).collect();
        assert_eq!(order, [1, 4, 0, 3, 5, 2]);
    }

    #[test]
    fn entries_pushed_together_lie_in_order() {
        let mut ready = Ready::new();
        ready.push(entry(1, 0));
        ready.push_many([0, 1, 2, 1].into_iter().zip(1..).map(|(p, n)| entry(p, n)));
        assert_eq!(ready.len(), 5);
        let order: Vec<u32> = ready.map(|entry| entry.item).collect();
        assert_eq!(order, [3, 0, 2, 4, 1]);
    }

    #[test]
    fn new_priorities_go_to_the_heap_until_it_has_run_empty() {
        let mut ready = Ready::new();
        let in_heap = |ready: &Ready<u32>| ready.heap_top;
        (1..=8).for_each(|priority| ready.push(entry(priority, 0)));
        assert_eq!(in_heap(&ready), None);
        ready.push(entry(0, 0));
        assert_eq!(in_heap(&ready), Some(0));
        for priority in (1..=8).rev() {
            assert_eq!(ready.pop().map(|entry| entry.priority), Some(priority));
        }
        ready.push(entry(9, 0)); // all levels are empty, the heap is not
        assert_eq!(in_heap(&ready), Some(9));
        ready.push(entry(8, 0)); // has its level
        let order = std::iter::from_fn(|| ready.pop());
        assert_eq!(
            order.map(|entry| entry.priority).collect::<Vec<_>>(),
            [9, 8, 0]
        );
        ready.push(entry(9, 0));
        assert_eq!(in_heap(&ready), None);
    }

    proptest! {
        #[test]
        fn agrees_with_a_naive_list(
            spread in prop_oneof![Just(1), Just(8), Just(9), Just(40), Just(i32::MAX)],
            steps in prop::collection::vec((any::<i32>(), 0..6u8), 0..400),
        ) {
            let (mut ready, mut naive) = (Ready::new(), Naive::default());
            for (number, (priority, step)) in steps.into_iter().enumerate() {
                if step == 0 {
                    prop_assert_eq!(ready.pop(), naive.pop());
                } else if step == 1 {
                    let limit = priority.unsigned_abs() as usize % 20;
                    let mut taken = Vec::new();
                    let count = ready.pop_many(limit, |item| taken.push(item));
                    prop_assert_eq!(count, taken.len());
                    let expected = std::iter::from_fn(|| naive.pop()).take(limit);
                    prop_assert!(taken.into_iter().eq(expected.map(|entry| entry.item)));
                } else if step == 2 {
                    let count = priority.unsigned_abs() % 20;
                    let entries = (0..count as i32).map(|i| {
                        entry(priority.wrapping_mul(i) % spread, number as u32)
                    });
                    naive.0.extend(entries.clone());
                    ready.push_many(entries);
                } else {
                    let entry = entry(priority % spread, number as u32);
                    naive.0.push_back(entry.clone());
                    ready.push(entry);
                }
                prop_assert_eq!(ready.len(), naive.0.len());
            }
            while let Some(expected) = naive.pop() {
                prop_assert_eq!(ready.pop(), Some(expected));
            }
            prop_assert!(ready.is_empty());
            prop_assert_eq!(ready.pop(), None);
        }
    }
}
