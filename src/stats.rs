//! What the queue has done and what it holds, counted under its lock.

/// One exact snapshot of a queue's books, all of it from the same instant.
///
/// Two equations hold in every snapshot:
///
/// - `accepted == ready + waiting + running + settled`
/// - `settled == succeeded + failed + panicked + aborted`
///
/// # Examples
///
/// ```
/// use std::convert::Infallible;
/// use taskshelf::{Attempt, QueueOptions, TaskQueue};
///
/// let queue = TaskQueue::new(
///     |attempt: &Attempt<'_, u32>| Ok::<_, Infallible>(attempt.payload * 2),
///     QueueOptions::new(8, 1),
/// )?;
/// queue.submit(21)?;
/// queue.wait_idle();
/// let stats = queue.stats();
/// assert_eq!((stats.accepted, stats.settled, stats.succeeded), (1, 1, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Stats {
    /// Tasks that got in.
    pub accepted: u64,
    /// Tasks that wait for a worker.
    pub ready: u64,
    /// Tasks that wait out the delay before their next attempt, and those whose delay
    /// has ended since a thread last looked.
    pub waiting: u64,
    /// Tasks in a worker's hands, or in those of a canceller that publishes them as
    /// aborted: it counts them as settled once it has published all.
    pub running: u64,
    /// Tasks that are done with, whatever became of them.
    pub settled: u64,
    /// Settled tasks whose last attempt returned `Ok`.
    pub succeeded: u64,
    /// Tasks settled with the error of their last attempt.
    pub failed: u64,
    /// Tasks settled because their last attempt, or a custom backoff, panicked.
    pub panicked: u64,
    /// Settled tasks that were cancelled before their first or next attempt.
    pub aborted: u64,
    /// Attempts after the first that have started.
    pub retries: u64,
    /// Tasks that [`BackpressureStrategy::Drop`](crate::BackpressureStrategy::Drop) did not
    /// let in. They were handed back, unless the iterator they came from panicked, or a
    /// conversion into a [`Task`](crate::Task).
    pub dropped: u64,
    /// Tasks refused with an error: full, closed, timed out, or bound to
    /// deadlock. They were handed back, with the same exceptions.
    pub refused: u64,
}

/// How a task was settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settled {
    Succeeded,
    Failed,
    Panicked,
    Aborted,
}
