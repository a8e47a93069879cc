//! What lies in the queue.

/// An item, its priority, and how often it came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry<T> {
    pub(crate) priority: i32,
    /// How many times it was taken and put back for a retry.
    pub(crate) returns: u32,
    pub(crate) item: T,
}

impl<T> Entry<T> {
    /// One that comes for the first time.
    #[inline]
    pub(crate) fn new(priority: i32, item: T) -> Self {
        Self {
            priority,
            returns: 0,
            item,
        }
    }
}
