//! What lies in the queue.

/// An item and its priority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry<T> {
    pub(crate) priority: i32,
    pub(crate) item: T,
}

/// What the state tells an item, and asks it, under the lock.
pub(crate) trait Item {
    /// It has been accepted, as the n-th of all.
    #[inline]
    fn accepted(&mut self, _number: u64) {}

    /// Whether taking it starts a retry.
    #[inline]
    fn is_retry(&self) -> bool {
        false
    }
}

/// An item that does not care.
pub(crate) struct Plain<T>(pub(crate) T);

impl<T> Item for Plain<T> {}
