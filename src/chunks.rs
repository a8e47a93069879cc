//! How items are pulled from an iterator of the user's: some at a time, outside
//! any lock.

use std::any::Any;
use std::panic::{self, AssertUnwindSafe};
use std::vec;

use crate::contain::discard;

/// Many enough to make locks rare, few enough to be on their way soon.
const SIZE: usize = 64;

/// A panic of the iterator ends the stream, and is kept until what came before
/// it has been dealt with.
pub(crate) struct Chunks<I> {
    items: I,
    has_ended: bool,
    panic: Option<Box<dyn Any + Send>>,
}

impl<I: Iterator> Chunks<I> {
    pub(crate) fn new(items: I) -> Self {
        Self {
            items,
            has_ended: false,
            panic: None,
        }
    }

    pub(crate) fn next_chunk(&mut self) -> Option<vec::IntoIter<I::Item>> {
        if self.has_ended {
            return None;
        }
        let mut chunk = Vec::new();
        // Whatever has been yielded lies in the chunk before the iterator, which may panic,
        // is asked for anything else. (`extend` asks for its size with an item in hand.)
        let pull = AssertUnwindSafe(|| {
            chunk.reserve(self.items.size_hint().0.min(SIZE));
            for item in self.items.by_ref().take(SIZE) {
                chunk.push(item);
            }
        });
        self.panic = panic::catch_unwind(pull).err();
        self.has_ended = chunk.len() < SIZE;
        (!chunk.is_empty()).then(|| chunk.into_iter())
    }

    /// Lets go of the iterator. A panic of its destructor goes no further, for it would
    /// take along what was refused and is to be handed back.
    ///
    /// A panic of the iterator itself goes on, and what was refused is lost with it: dropped
    /// first, one by one, for a second panic while unwinding would end the process.
    pub(crate) fn finish<T>(self, refused: Vec<T>) -> Vec<T> {
        discard(self.items);
        if let Some(payload) = self.panic {
            refused.into_iter().for_each(discard);
            panic::resume_unwind(payload);
        }
        refused
    }
}
