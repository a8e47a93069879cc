//! How items are pulled from an iterator of the user's: some at a time, outside
//! any lock.

use std::any::Any;
use std::iter::Fuse;
use std::panic::{self, AssertUnwindSafe};
use std::vec;

/// Many enough to make locks rare, few enough to be on their way soon.
const SIZE: usize = 64;

/// A panic of the iterator ends the stream, and is kept until what came before
/// it has been dealt with.
pub(crate) struct Chunks<I> {
    items: Fuse<I>,
    panic: Option<Box<dyn Any + Send>>,
}

impl<I: Iterator> Chunks<I> {
    pub(crate) fn new(items: impl IntoIterator<IntoIter = I>) -> Self {
        Self {
            items: items.into_iter().fuse(),
            panic: None,
        }
    }

    pub(crate) fn next_chunk(&mut self) -> Option<vec::IntoIter<I::Item>> {
        if self.panic.is_some() {
            return None;
        }
        let mut chunk = Vec::new();
        let pull = AssertUnwindSafe(|| chunk.extend(self.items.by_ref().take(SIZE)));
        self.panic = panic::catch_unwind(pull).err();
        (!chunk.is_empty()).then(|| chunk.into_iter())
    }

    pub(crate) fn resume_panic(self) {
        if let Some(payload) = self.panic {
            panic::resume_unwind(payload);
        }
    }
}
