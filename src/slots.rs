//! Places for items that stay where they were put until they are taken out.

use crate::growth::Growth;

pub(crate) enum Slot<T> {
    Item(T),
    /// The next free slot; one beyond the last says that there is no other.
    Free(usize),
}

/// Taken slots are used again, the last one first.
pub(crate) struct Slots<T> {
    slots: Vec<Slot<T>>,
    /// The first free slot, or one beyond the last.
    free: usize,
}

impl<T> Slots<T> {
    pub(crate) const fn new() -> Self {
        Self {
            slots: Vec::new(),
            free: 0,
        }
    }

    /// Where the next item will lie.
    pub(crate) const fn free(&self) -> usize {
        self.free
    }

    /// Into the first free slot.
    #[inline]
    pub(crate) fn put(&mut self, item: T) {
        match self.slots.get_mut(self.free) {
            Some(slot) => {
                if let Slot::Free(next) = std::mem::replace(slot, Slot::Item(item)) {
                    self.free = next;
                }
            }
            None => {
                self.slots.reserve_one();
                self.slots.push(Slot::Item(item));
                self.free = self.slots.len();
            }
        }
    }

    #[inline]
    pub(crate) fn take(&mut self, slot: usize) -> Option<T> {
        match std::mem::replace(&mut self.slots[slot], Slot::Free(self.free)) {
            Slot::Item(item) => {
                self.free = slot;
                Some(item)
            }
            Slot::Free(_) => None,
        }
    }

    pub(crate) fn capacity(&self) -> usize {
        self.slots.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taken_slots_are_used_again() {
        let mut slots = Slots::new();
        let put = |slots: &mut Slots<_>, item| {
            let slot = slots.free();
            slots.put(item);
            slot
        };
        assert_eq!(["a", "b", "c"].map(|item| put(&mut slots, item)), [0, 1, 2]);
        assert_eq!([2, 0].map(|slot| slots.take(slot)), [Some("c"), Some("a")]);
        assert_eq!(["d", "e", "f"].map(|item| put(&mut slots, item)), [0, 2, 3]);
        let items = [0, 1, 2, 3].map(|slot| slots.take(slot));
        assert_eq!(items, ["d", "b", "e", "f"].map(Some));
    }
}
