//! Why something was refused. One type for each way to ask, and each hands back
//! what was refused.

use std::fmt;
use std::io;

use crate::task::{Task, TaskId};

// ----- building ---------------------------------------------------------------

/// Why [`TaskQueue::new`](crate::TaskQueue::new) built no queue.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A queue without capacity could accept nothing.
    #[error("capacity must be at least 1")]
    ZeroCapacity,
    /// A queue without workers would finish nothing.
    #[error("there must be at least 1 worker")]
    ZeroWorkers,
    /// The operating system takes no thread name with a NUL byte in it.
    #[error("thread name {0:?} contains a NUL byte")]
    ThreadName(String),
    /// A worker thread could not be started. Those started before were joined.
    #[error("worker thread {} of {workers} could not be started", started + 1)]
    Spawn {
        /// How many had been started before.
        started: usize,
        /// How many were asked for.
        workers: usize,
        /// What the operating system said.
        source: io::Error,
    },
}

// ----- the task queue -----------------------------------------------------------

/// What became of a task that was submitted without an error.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Submitted<P> {
    /// The task got in, and its one result will carry this id.
    Accepted(TaskId),
    /// The queue was full and its strategy is to drop: here is the task.
    Dropped(Task<P>),
}

impl<P> Submitted<P> {
    /// The id of an accepted task.
    pub fn accepted(self) -> Option<TaskId> {
        match self {
            Self::Accepted(id) => Some(id),
            Self::Dropped(_) => None,
        }
    }

    /// The task, if it was dropped.
    pub fn dropped(self) -> Option<Task<P>> {
        match self {
            Self::Accepted(_) => None,
            Self::Dropped(task) => Some(task),
        }
    }

    /// Whether the task got in.
    pub fn is_accepted(&self) -> bool {
        matches!(self, Self::Accepted(_))
    }

    /// Whether the task was dropped.
    pub fn is_dropped(&self) -> bool {
        matches!(self, Self::Dropped(_))
    }
}

impl<P> fmt::Debug for Submitted<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted(id) => f.debug_tuple("Accepted").field(id).finish(),
            Self::Dropped(_) => f.write_str("Dropped(..)"),
        }
    }
}

/// Why a task was refused, and the task.
///
/// | call | may say |
/// | --- | --- |
/// | `submit` | `Closed`; `WouldDeadlock` or, with [`Error`](crate::BackpressureStrategy::Error), `Full` |
/// | `try_submit` | `Closed`, `Full` |
/// | `submit_timeout`, `submit_deadline` | `Closed`, `Timeout`; `WouldDeadlock` if the timeout is no limit |
/// | [`Attempt::submit`](crate::Attempt::submit) | `Closed`, once the queue is cancelled |
/// | [`Attempt::try_submit`](crate::Attempt::try_submit) | the same, `Full` |
///
/// # Examples
///
/// ```
/// use std::cell::Cell;
/// use std::error::Error;
/// use taskshelf::{Attempt, QueueOptions, TaskQueue};
///
/// let queue = TaskQueue::new(
///     |attempt: &Attempt<'_, Cell<u32>>| Ok::<_, ()>(attempt.payload.take()),
///     QueueOptions::new(8, 1),
/// )?;
/// queue.close();
///
/// let refused = queue.submit(Cell::new(7)).expect_err("it is closed");
/// assert_eq!(refused.to_string(), "queue is closed");
/// assert_eq!(refused.clone().into_task().payload.take(), 7);
///
/// // A `Cell` is not `Sync`; the error must go on its way without it.
/// let boxed: Box<dyn Error + Send + Sync> = refused.without_task().into();
/// # drop(boxed);
/// # Ok::<(), Box<dyn Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubmitError<P> {
    /// There is no room, or it is kept for submitters that wait, and this way to submit does
    /// not wait.
    #[error("queue is full (capacity {capacity})")]
    Full {
        /// What was submitted.
        task: Task<P>,
        /// How many tasks the queue has room for.
        capacity: usize,
    },
    /// The queue is closed (for what handlers submit: cancelled).
    #[error("queue is closed")]
    Closed(Task<P>),
    /// There was no room until the deadline.
    #[error("timed out while the queue was full")]
    Timeout(Task<P>),
    /// There is no room, and the caller is a worker of this queue: if it
    /// waited, it could be waiting for itself.
    #[error("queue is full, and its own worker would deadlock waiting for room")]
    WouldDeadlock(Task<P>),
}

impl<P> SubmitError<P> {
    /// Takes the refused task back.
    pub fn into_task(self) -> Task<P> {
        match self {
            Self::Full { task, .. }
            | Self::Closed(task)
            | Self::Timeout(task)
            | Self::WouldDeadlock(task) => task,
        }
    }

    /// The same error around a task without its payload: one that fits into
    /// `Box<dyn Error + Send + Sync>` whatever the payload is.
    ///
    /// # Panics
    ///
    /// If the payload's destructor does.
    #[must_use]
    pub fn without_task(self) -> SubmitError<()> {
        match self {
            Self::Full { task, capacity } => SubmitError::Full {
                task: task.map(drop),
                capacity,
            },
            Self::Closed(task) => SubmitError::Closed(task.map(drop)),
            Self::Timeout(task) => SubmitError::Timeout(task.map(drop)),
            Self::WouldDeadlock(task) => SubmitError::WouldDeadlock(task.map(drop)),
        }
    }

    /// Whether the queue was full.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Full { .. })
    }

    /// Whether the queue was closed.
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::Closed(_))
    }

    /// Whether the deadline passed.
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::Timeout(_))
    }

    /// Whether a worker of the queue would have waited for itself.
    pub fn is_would_deadlock(&self) -> bool {
        matches!(self, Self::WouldDeadlock(_))
    }
}

impl<P> fmt::Debug for SubmitError<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full { capacity, .. } => f
                .debug_struct("Full")
                .field("capacity", capacity)
                .finish_non_exhaustive(),
            Self::Closed(_) => f.write_str("Closed(..)"),
            Self::Timeout(_) => f.write_str("Timeout(..)"),
            Self::WouldDeadlock(_) => f.write_str("WouldDeadlock(..)"),
        }
    }
}

/// What became of tasks that were submitted together without an error.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubmittedAll<P> {
    /// How many got in.
    pub accepted: usize,
    /// Those that the strategy dropped, in order.
    pub dropped: Vec<Task<P>>,
}

impl<P> fmt::Debug for SubmittedAll<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubmittedAll")
            .field("accepted", &self.accepted)
            .field("dropped", &format_args!("[{} tasks]", self.dropped.len()))
            .finish()
    }
}

/// Why not all of the tasks that were submitted together got in.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("{error}; {accepted} tasks were accepted before, {} that had been pulled were not", rest.len())]
#[non_exhaustive]
pub struct SubmitAllError<P> {
    /// How many got in.
    pub accepted: usize,
    /// Why no more did. The task in it is a placeholder.
    pub error: SubmitError<()>,
    /// Everything that was pulled from the iterator and did not get in, in
    /// order; what a strategy had dropped before is among it.
    pub rest: Vec<Task<P>>,
}

impl<P> SubmitAllError<P> {
    /// The same error around tasks without their payloads, as
    /// [`SubmitError::without_task`].
    ///
    /// # Panics
    ///
    /// If a payload's destructor does. If two do, the process aborts.
    #[must_use]
    pub fn without_tasks(self) -> SubmitAllError<()> {
        SubmitAllError {
            accepted: self.accepted,
            error: self.error,
            rest: self.rest.into_iter().map(|task| task.map(drop)).collect(),
        }
    }
}

impl<P> fmt::Debug for SubmitAllError<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubmitAllError")
            .field("accepted", &self.accepted)
            .field("error", &self.error)
            .field("rest", &format_args!("[{} tasks]", self.rest.len()))
            .finish()
    }
}

// ----- the priority queue -------------------------------------------------------
//
// These are exhaustive, like the errors of channels in std and crossbeam: there are no other
// ways for a push or a pop to end.

/// The queue was closed; here is the item.
///
/// Like all errors that hold an item, it fits a `Box<dyn Error>` only if the item is
/// `'static`, and a `Box<dyn Error + Send + Sync>` only if it is `Send` and `Sync`, too. For
/// other items keep the text alone: `.map_err(|error| error.to_string())?` (and with anyhow
/// `anyhow::Error::msg` of it).
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("queue is closed")]
pub struct PushError<T>(pub T);

/// The queue was aborted, so nothing comes back to it; here is the item.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("queue is closed, and what it held was handed out")]
pub struct RetryError<T>(pub T);

/// Why [`PriorityQueue::try_push`](crate::PriorityQueue::try_push) refused an
/// item, and the item.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TryPushError<T> {
    /// There is no room now, or it is kept for pushers that wait.
    #[error("queue is full")]
    Full(T),
    /// The queue is closed to new items.
    #[error("queue is closed")]
    Closed(T),
}

/// Why a push with a deadline refused an item, and the item.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PushTimeoutError<T> {
    /// There was no room until the deadline.
    #[error("timed out while the queue was full")]
    Timeout(T),
    /// The queue is closed to new items.
    #[error("queue is closed")]
    Closed(T),
}

/// The queue was closed before everything was in.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("queue is closed; {accepted} items were accepted before, {} that had been pulled were not", rest.len())]
#[non_exhaustive]
pub struct PushAllError<T> {
    /// How many got in.
    pub accepted: usize,
    /// What was pulled from the iterator and did not get in, in order.
    pub rest: Vec<(i32, T)>,
}

/// Why there was nothing to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TryPopError {
    /// Nothing is ready now, or it is kept for consumers that wait; more may come.
    #[error("nothing is ready")]
    Empty,
    /// The queue is closed and nothing can come any more.
    #[error("queue is closed")]
    Closed,
}

/// Why there was nothing to take until the deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PopTimeoutError {
    /// Nothing was ready until the deadline.
    #[error("timed out while nothing was ready")]
    Timeout,
    /// The queue is closed and nothing can come any more.
    #[error("queue is closed")]
    Closed,
}

impl<T> PushError<T> {
    /// Takes the item back.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> From<PushError<T>> for TryPushError<T> {
    fn from(PushError(item): PushError<T>) -> Self {
        Self::Closed(item)
    }
}

impl<T> From<PushError<T>> for PushTimeoutError<T> {
    fn from(PushError(item): PushError<T>) -> Self {
        Self::Closed(item)
    }
}

impl<T> RetryError<T> {
    /// Takes the item back.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> TryPushError<T> {
    /// Takes the item back.
    pub fn into_inner(self) -> T {
        match self {
            Self::Full(item) | Self::Closed(item) => item,
        }
    }

    /// Whether the queue was full.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Full(_))
    }

    /// Whether the queue was closed.
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::Closed(_))
    }
}

impl<T> PushTimeoutError<T> {
    /// Takes the item back.
    pub fn into_inner(self) -> T {
        match self {
            Self::Timeout(item) | Self::Closed(item) => item,
        }
    }

    /// Whether the deadline passed.
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::Timeout(_))
    }

    /// Whether the queue was closed.
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::Closed(_))
    }
}

impl TryPopError {
    /// Whether nothing was ready.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }

    /// Whether the queue was closed, with nothing to come.
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::Closed)
    }
}

impl PopTimeoutError {
    /// Whether the deadline passed.
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::Timeout)
    }

    /// Whether the queue was closed, with nothing to come.
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::Closed)
    }
}

impl<T> fmt::Debug for PushError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PushError(..)")
    }
}

impl<T> fmt::Debug for RetryError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RetryError(..)")
    }
}

impl<T> fmt::Debug for TryPushError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "Full(..)",
            Self::Closed(_) => "Closed(..)",
        })
    }
}

impl<T> fmt::Debug for PushTimeoutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Timeout(_) => "Timeout(..)",
            Self::Closed(_) => "Closed(..)",
        })
    }
}

impl<T> fmt::Debug for PushAllError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PushAllError")
            .field("accepted", &self.accepted)
            .field("rest", &format_args!("[{} items]", self.rest.len()))
            .finish()
    }
}
