//! Iterators that pop.

use std::fmt;
use std::iter::FusedIterator;
use std::panic::{RefUnwindSafe, UnwindSafe};

use crate::entry::Plain;
use crate::monitor::{Monitor, Wait};

/// Pops items until the queue is closed and nothing can come any more.
/// [`PriorityQueue::iter`](crate::PriorityQueue::iter) creates one.
#[must_use = "it pops only when it is asked for the next item"]
pub struct Iter<'a, T> {
    monitor: &'a Monitor<Plain<T>>,
}

impl<'a, T> Iter<'a, T> {
    pub(crate) fn new(monitor: &'a Monitor<Plain<T>>) -> Self {
        Self { monitor }
    }
}

impl<T> Iterator for Iter<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        let Plain(item) = self.monitor.pop(Wait::Forever).ok()?;
        Some(item)
    }
}

impl<T> FusedIterator for Iter<'_, T> {}

impl<T> fmt::Debug for Iter<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Iter { .. }")
    }
}

/// Pops items while something is ready.
/// [`PriorityQueue::try_iter`](crate::PriorityQueue::try_iter) creates one.
#[must_use = "it pops only when it is asked for the next item"]
pub struct TryIter<'a, T> {
    monitor: &'a Monitor<Plain<T>>,
}

impl<'a, T> TryIter<'a, T> {
    pub(crate) fn new(monitor: &'a Monitor<Plain<T>>) -> Self {
        Self { monitor }
    }
}

impl<T> Iterator for TryIter<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        let Plain(item) = self.monitor.pop(Wait::No).ok()?;
        Some(item)
    }
}

impl<T> fmt::Debug for TryIter<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TryIter { .. }")
    }
}

// Nothing can be seen half-changed: no code that may panic runs under the lock.
impl<T> UnwindSafe for Iter<'_, T> {}
impl<T> RefUnwindSafe for Iter<'_, T> {}
impl<T> UnwindSafe for TryIter<'_, T> {}
impl<T> RefUnwindSafe for TryIter<'_, T> {}
