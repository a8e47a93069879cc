//! Any number of priorities: a heap whose nodes have four children, and before
//! it a short sorted list.
//!
//! What moves up and down is a key of sixteen bytes, so that four children lie
//! in one or two cache lines. The items stay in the slots where they were put.
//!
//! Where items come faster than they are taken, the unimportant ones pile up, and
//! most of those that are pushed leave again soon. They pass through the list only;
//! the heap, however deep, is not touched. Elsewhere the list costs one to three
//! nanoseconds.

use crate::entry::Entry;
use crate::growth::Growth;
use crate::levels::kept_capacity;
use crate::slots::{Slot, Slots};

const CHILDREN: usize = 4;

/// Orders the items: greater is sooner. From the highest bits to the lowest:
///
/// - 32 bits: the priority, shifted to begin at zero;
/// - 56 bits: how many may still be pushed, so that the first comes first.
///   Centuries of ten million a second, even if the heap never runs empty;
/// - 40 bits: the slot of the item, more than memory can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key(u128);

impl Key {
    const SLOT_BITS: u32 = 40;
    const NUMBER_BITS: u32 = 56;
    const LAST_NUMBER: u64 = (1 << Self::NUMBER_BITS) - 1;

    fn new(priority: i32, number: u64, slot: usize) -> Self {
        let rank = u128::from(priority.abs_diff(i32::MIN));
        let remaining = u128::from(Self::LAST_NUMBER - number);
        Self((rank << Self::NUMBER_BITS | remaining) << Self::SLOT_BITS | slot as u128)
    }

    fn priority(self) -> i32 {
        let rank = (self.0 >> (Self::NUMBER_BITS + Self::SLOT_BITS)) as u32;
        i32::MIN.wrapping_add_unsigned(rank)
    }

    fn slot(self) -> usize {
        (self.0 & ((1 << Self::SLOT_BITS) - 1)) as usize
    }
}

/// With so many keys the front is full. With 8 it was slower, measured.
const FRONT: usize = 16;

pub(crate) struct Heap<T> {
    /// The greatest keys, ascending. Empty only if there are no others.
    front: Vec<Key>,
    /// The others. No key is greater than that of its parent: the children of
    /// `i` are `4 i + 1` to `4 i + 4`.
    rest: Vec<Key>,
    slots: Slots<T>,
    /// How many items have come since the heap was empty.
    arrivals: u64,
}

impl<T> Heap<T> {
    pub(crate) const fn new() -> Self {
        Self {
            front: Vec::new(),
            rest: Vec::new(),
            slots: Slots::new(),
            arrivals: 0,
        }
    }

    /// The greatest priority that is present.
    pub(crate) fn top(&self) -> Option<i32> {
        self.front.last().map(|key| key.priority())
    }

    /// Adds an item behind those of its priority.
    #[inline]
    pub(crate) fn push(&mut self, Entry { priority, item }: Entry<T>) {
        let key = Key::new(priority, self.arrivals, self.slots.free());
        self.arrivals += 1;
        self.slots.put(item);
        match self.front.first() {
            Some(&least) if key < least => self.push_to_rest(key),
            _ => self.push_to_front(key),
        }
    }

    /// Takes the first item of the greatest priority.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<Entry<T>> {
        let first = self.front.pop()?;
        if self.front.is_empty() {
            if let Some(next) = self.pop_from_rest() {
                self.front.push(next);
            }
        }
        // Last, since its slot is seldom in the cache: waiting for it any earlier made a
        // million items a quarter slower.
        let item = self.slots.take(first.slot())?;
        if self.front.is_empty() {
            self.clear();
        }
        let priority = first.priority();
        Some(Entry { priority, item })
    }

    /// Adds a key that is greater than all the rest. A front that is full gives
    /// the lesser half of it away.
    fn push_to_front(&mut self, key: Key) {
        let less = self.front.iter().rposition(|&other| other < key);
        let place = less.map_or(0, |less| less + 1);
        self.front.insert(place, key);
        if self.front.len() == FRONT {
            for place in 0..FRONT / 2 {
                self.push_to_rest(self.front[place]);
            }
            self.front.drain(..FRONT / 2);
        }
    }

    /// Adds a key that is less than all in front.
    fn push_to_rest(&mut self, key: Key) {
        self.rest.reserve_one();
        self.rest.push(key);
        self.sift_up(self.rest.len() - 1);
    }

    /// Takes the greatest of the rest.
    #[inline]
    fn pop_from_rest(&mut self) -> Option<Key> {
        let last = self.rest.pop()?;
        let Some(&first) = self.rest.first() else {
            return Some(last);
        };
        self.sift_down(last);
        Some(first)
    }

    /// Moves a key up to where no parent is smaller.
    fn sift_up(&mut self, mut place: usize) {
        let keys = &mut self.rest[..];
        let key = keys[place];
        while place > 0 {
            let parent = (place - 1) / CHILDREN;
            if keys[parent] > key {
                break;
            }
            keys[place] = keys[parent];
            place = parent;
        }
        keys[place] = key;
    }

    /// Puts a key in the place of the first, and down to where no child is
    /// greater.
    fn sift_down(&mut self, key: Key) {
        let keys = &mut self.rest[..];
        let mut place = 0;
        while let Some((child, greatest)) = greatest_child(keys, place) {
            if greatest < key {
                break;
            }
            keys[place] = greatest;
            place = child;
        }
        keys[place] = key;
    }

    /// Begins anew. After a burst an empty heap gives the memory back, which
    /// takes milliseconds where there were a million items.
    fn clear(&mut self) {
        if self.slots.capacity() > const { kept_capacity::<(Key, Slot<T>)>() } {
            *self = Self::new();
        } else {
            self.arrivals = 0;
        }
    }
}

/// The place of the greatest child, and its key.
#[inline]
fn greatest_child(keys: &[Key], parent: usize) -> Option<(usize, Key)> {
    let first = parent * CHILDREN + 1;
    let children = keys.get(first..)?;
    let child = |n: usize| (first + n, children[n]);
    let greater = |a: (usize, Key), b: (usize, Key)| if b.1 > a.1 { b } else { a };
    if children.len() >= CHILDREN {
        let (left, right) = (greater(child(0), child(1)), greater(child(2), child(3)));
        Some(greater(left, right))
    } else {
        (0..children.len()).map(child).reduce(greater)
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    impl<T> Heap<T> {
        fn add(&mut self, priority: i32, item: T) {
            self.push(Entry { priority, item });
        }

        fn take(&mut self) -> Option<T> {
            self.pop().map(|entry| entry.item)
        }
    }

    proptest! {
        #[test]
        fn agrees_with_a_sorted_list(
            spread in prop_oneof![Just(1), Just(9), Just(40), Just(i32::MAX)],
            steps in prop::collection::vec((0..i32::MAX, 0..3u8), 0..400),
        ) {
            let mut heap = Heap::new();
            // Greatest priority first, then in order of arrival.
            let mut naive = BTreeSet::new();
            for (arrival, (priority, step)) in steps.into_iter().enumerate() {
                if step == 0 {
                    let expected = naive.pop_first();
                    let taken = heap.pop().map(|e| (Reverse(e.priority), e.item));
                    prop_assert_eq!(taken, expected);
                } else {
                    heap.add(priority % spread, arrival);
                    naive.insert((Reverse(priority % spread), arrival));
                }
                let top = naive.first().map(|(Reverse(priority), _)| *priority);
                prop_assert_eq!(heap.top(), top);
            }
            for (_, arrival) in naive {
                prop_assert_eq!(heap.take(), Some(arrival));
            }
            prop_assert_eq!(heap.pop(), None);
        }

        #[test]
        fn a_key_orders_by_priority_then_by_arrival(
            a in any::<(i32, u32, u32)>(),
            b in any::<(i32, u32, u32)>(),
        ) {
            let key = |(priority, number, slot): (i32, u32, u32)| {
                Key::new(priority, number.into(), slot as usize)
            };
            let order = |(priority, number, slot)| (priority, Reverse(number), slot);
            prop_assert_eq!(key(a).cmp(&key(b)), order(a).cmp(&order(b)));
            prop_assert_eq!(key(a).priority(), a.0);
            prop_assert_eq!(key(a).slot(), a.2 as usize);
        }
    }

    #[test]
    fn the_ends_of_each_scale_fit_into_a_key() {
        let last = usize::try_from((1_u64 << Key::SLOT_BITS) - 1).unwrap_or(usize::MAX);
        let slots = [0, last];
        for (priority, slot) in [i32::MIN, -1, 0, i32::MAX].into_iter().zip(slots.repeat(2)) {
            for number in [0, Key::LAST_NUMBER] {
                let key = Key::new(priority, number, slot);
                assert_eq!((key.priority(), key.slot()), (priority, slot));
            }
        }
        let [early, late] = [0, Key::LAST_NUMBER].map(|number| Key::new(5, number, 7));
        assert!(early > late);
        assert!(late > Key::new(4, 0, 7));
    }

    #[test]
    fn equals_come_out_in_order_however_many_there_were() {
        let mut heap = Heap::new();
        heap.add(5, "an early one");
        heap.arrivals = Key::LAST_NUMBER - 2;
        for item in ["a", "b", "c"] {
            heap.add(5, item);
        }
        assert_eq!(heap.arrivals, 1 << Key::NUMBER_BITS, "there is no other");
        let order: Vec<_> = std::iter::from_fn(|| heap.take()).collect();
        assert_eq!(order, ["an early one", "a", "b", "c"]);
    }

    #[test]
    fn a_burst_gives_its_memory_back_and_a_trickle_keeps_it() {
        let mut heap = Heap::new();
        let mut capacity_after = |count| {
            (0..count).for_each(|number| heap.add(number, [0_u64; 3]));
            while heap.pop().is_some() {}
            heap.slots.capacity()
        };
        let kept = 64 * 1024 / size_of::<(Key, Slot<[u64; 3]>)>(); // as documented
        assert!((1..=kept).contains(&capacity_after(100)));
        assert!((1..=kept).contains(&capacity_after(kept as i32 / 2)));
        assert_eq!(capacity_after(kept as i32 + 1), 0);
    }
}
