//! Everything that an aborted queue had not handed out yet.

use crate::entry::Entry;
use crate::ready::Ready;
use crate::waiting::Waiting;

pub(crate) struct Leftover<T> {
    ready: Ready<T>,
    waiting: Waiting<Entry<T>>,
}

impl<T> Leftover<T> {
    pub(crate) fn new(ready: Ready<T>, waiting: Waiting<Entry<T>>) -> Self {
        Self { ready, waiting }
    }

    /// In order of priority, then those that waited, in order of due time.
    pub(crate) fn into_entries(self) -> impl Iterator<Item = Entry<T>> {
        self.ready.chain(self.waiting.into_items())
    }

    pub(crate) fn len(&self) -> usize {
        self.ready.len() + self.waiting.len()
    }
}
