//! What comes out: one result for every accepted task.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::task::{Task, TaskId};

/// What became of one accepted task.
///
/// # Examples
///
/// ```
/// use std::num::ParseIntError;
/// use taskshelf::{TaskError, WorkerResult};
///
/// fn report(result: WorkerResult<String, u32, ParseIntError>) -> String {
///     let id = &result.task_id;
///     match result.outcome {
///         Ok(number) => format!("{id}: {number}"),
///         Err(failure) => match failure.error {
///             TaskError::Failed(error) => format!("{id}: {:?}: {error}", failure.task.payload),
///             TaskError::Panicked(message) => format!("{id} panicked: {message}"),
///             TaskError::Aborted => format!("{id} was cancelled, attempts: {}", result.attempts),
///             _ => format!("{id} failed"),
///         },
///     }
/// }
/// # use taskshelf::{Attempt, QueueOptions, TaskQueue};
/// # let queue = TaskQueue::new(
/// #     |attempt: &Attempt<'_, String>| attempt.payload.parse::<u32>(),
/// #     QueueOptions::new(8, 1).max_retries(0),
/// # )?;
/// # queue.submit_all(["7", "seven"].map(String::from))?;
/// # let reports: Vec<_> = queue.drain().into_iter().map(report).collect();
/// # assert_eq!(reports, ["1: 7", "2: \"seven\": invalid digit found in string"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
#[must_use = "a result may hold a failed task"]
pub struct WorkerResult<P, R, E> {
    /// The id that `submit` returned.
    pub task_id: TaskId,
    /// What the handler returned, or the task and why it failed: in a box, so that the
    /// results of tasks that succeed are small.
    pub outcome: Result<R, Box<Failure<P, E>>>,
    /// How often the handler was called; 0 for a task that was cancelled
    /// before its first attempt.
    pub attempts: u32,
    /// From the start of the first attempt to the end of the last, including the delays
    /// between them; zero if there was no attempt. The attempt that succeeds ends when the
    /// payload has been dropped. A worker that goes straight from one task to the next reads
    /// the clock once for both, so publishing the first one's result counts as time of the
    /// second.
    pub duration: Duration,
}

impl<P, R: fmt::Debug, E: fmt::Debug> fmt::Debug for WorkerResult<P, R, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerResult")
            .field("task_id", &self.task_id)
            .field("outcome", &self.outcome)
            .field("attempts", &self.attempts)
            .field("duration", &self.duration)
            .finish()
    }
}

/// A task that failed for good, with the reason: a dead letter, which can be
/// submitted again and then keeps its id.
///
/// To take it apart: `let Failure { task, error, .. } = *failure`.
///
/// Once its result has been received, a task no longer keeps the queue from being idle:
/// `wait_idle` and `drain` do not wait for what the receiver does with it. A program that
/// submits dead letters again must find out by other means when to close the queue, such as
/// a count of outstanding tasks.
///
/// # Examples
///
/// ```
/// use taskshelf::{Attempt, QueueOptions, TaskError, TaskQueue};
///
/// // Succeeds for urgent tasks only. What fails gets a second chance as one of them.
/// let queue = TaskQueue::new(
///     |attempt: &Attempt<'_, &str>| match attempt.priority {
///         0 => Err("too busy"),
///         _ => Ok(attempt.payload.len()),
///     },
///     QueueOptions::new(8, 2).max_retries(0),
/// )?;
/// queue.submit_all(["tea", "coffee"])?;
///
/// let results = queue.results();
/// let mut outstanding = 2;
/// while outstanding > 0 {
///     match results.recv()?.outcome {
///         Err(failure) if failure.task.priority == 0 => {
///             assert_eq!(failure.error, TaskError::Failed("too busy"));
///             queue.submit(failure.task.with_priority(1))?;
///         }
///         _ => outstanding -= 1,
///     }
/// }
/// queue.wait_idle();
/// let stats = queue.stats();
/// assert_eq!((stats.failed, stats.succeeded), (2, 2));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure<P, E> {
    /// The task, with its payload as the last attempt left it.
    pub task: Task<P>,
    /// Why its last attempt failed, or [`Aborted`](TaskError::Aborted) if the queue was
    /// cancelled before the first, or the next.
    pub error: TaskError<E>,
}

impl<P, E> Failure<P, E> {
    /// The same failure of a task without its payload: one that fits into
    /// `Box<dyn Error + Send + Sync>` whatever the payload is.
    ///
    /// # Panics
    ///
    /// If the payload's destructor does.
    #[must_use]
    pub fn without_task(self) -> Failure<(), E> {
        Failure {
            task: self.task.map(drop),
            error: self.error,
        }
    }
}

/// Why a task failed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TaskError<E> {
    /// The last attempt returned this error.
    Failed(E),
    /// The last attempt panicked with this message, or the custom backoff that
    /// was asked about the next did. A panic whose payload is neither a `&'static str` nor a
    /// `String` has the message "the panic has no message".
    Panicked(String),
    /// The queue was cancelled before the task's first, or next, attempt. The error of
    /// an attempt before that is gone by then.
    Aborted,
}

impl<E> TaskError<E> {
    /// The error that the handler returned, if that is what happened.
    pub fn failed(self) -> Option<E> {
        match self {
            Self::Failed(error) => Some(error),
            _ => None,
        }
    }

    /// Whether the handler returned an error.
    pub fn is_failed(&self) -> bool {
        matches!(self, Self::Failed(_))
    }

    /// Whether there was a panic.
    pub fn is_panicked(&self) -> bool {
        matches!(self, Self::Panicked(_))
    }

    /// Whether the queue was cancelled.
    pub fn is_aborted(&self) -> bool {
        matches!(self, Self::Aborted)
    }
}

impl<E: fmt::Display> fmt::Display for TaskError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => error.fmt(f),
            Self::Panicked(message) => write!(f, "panicked: {message}"),
            Self::Aborted => f.write_str("the queue was cancelled"),
        }
    }
}

/// Ends the chain of sources, like that of [`Failure`]: [`TaskError::failed`] gets at the
/// handler's error and at what caused it.
impl<E: fmt::Debug + fmt::Display> Error for TaskError<E> {}

impl<P, E: fmt::Debug> fmt::Debug for Failure<P, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failure")
            .field("id", &self.task.id)
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}

impl<P, E: fmt::Display> fmt::Display for Failure<P, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(id) = &self.task.id {
            write!(f, "task {id}: ")?;
        }
        self.error.fmt(f)
    }
}

/// Ends the chain of sources: the handler's error need not be an [`Error`] itself. Where
/// it is, [`TaskError::failed`] gets at it and at what caused it.
impl<P, E: fmt::Debug + fmt::Display> Error for Failure<P, E> {}

#[cfg(all(test, target_pointer_width = "64"))]
mod tests {
    use super::*;

    #[test]
    fn a_success_does_not_pay_for_what_a_failure_holds() {
        type Large = [u64; 100];
        assert_eq!(size_of::<WorkerResult<Large, u64, Large>>(), 56);
    }
}
