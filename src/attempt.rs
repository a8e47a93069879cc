//! What a handler sees of the task in its hands, and may say about it.

use std::cell::Cell;
use std::fmt;
use std::ops::Deref;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::time::Duration;

use crate::cancel_token::CancelToken;
use crate::error::SubmitError;
use crate::monitor::{Terms, Wait};
use crate::shared::Shared;
use crate::state::Door;
use crate::submitter::Submitter;
use crate::task::{Task, TaskId};

/// One call of the handler for one task. Derefs to the [`Task`]: `attempt.payload`,
/// `attempt.priority`. (`attempt.retries` is the task's own setting, if it has one.)
///
/// It stays on its worker's thread. Threads that help the handler borrow
/// `&attempt.payload`, if it is `Sync`, and take a [`cancel_token`](Self::cancel_token)
/// or a [`submitter`](Self::submitter).
///
/// # Examples
///
/// A closure that calls methods of the payload needs its type written out:
///
/// ```
/// use taskshelf::{Attempt, QueueOptions, TaskQueue};
///
/// let queue = TaskQueue::new(
///     |attempt: &Attempt<'_, &str>| match attempt.payload.parse::<i32>() {
///         Ok(number) => Ok(number),
///         // Trying again will not help.
///         Err(error) => Err(attempt.permanent(error)),
///     },
///     QueueOptions::new(8, 1),
/// )?;
/// queue.submit("seven")?;
/// let results = queue.drain();
/// assert!(results[0].outcome.is_err());
/// assert_eq!(results[0].attempts, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Attempt<'a, P> {
    task: &'a Task<P>,
    number: u32,
    retries: u32,
    shared: &'a Arc<Shared<P>>,
    /// What the handler said about its error; if nothing, the backoff decides.
    mark: Cell<Option<Mark>>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Mark {
    Permanent,
    RetryAfter(Duration),
}

impl<'a, P> Attempt<'a, P> {
    pub(crate) fn new(
        shared: &'a Arc<Shared<P>>,
        task: &'a Task<P>,
        number: u32,
        retries: u32,
    ) -> Self {
        Self {
            task,
            number,
            retries,
            shared,
            mark: Cell::new(None),
        }
    }

    pub(crate) fn mark(&self) -> Option<Mark> {
        self.mark.get()
    }

    /// The id that `submit` returned for the task. ([`Task::id`] is an `Option`, for a task
    /// need not have one before it is accepted.)
    pub fn id(&self) -> &TaskId {
        self.task.accepted_id()
    }

    /// Which attempt this is: 1 for the first.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Whether the task has no retries left. If not, this may still be the last attempt:
    /// after [`permanent`](Self::permanent), or once the queue is cancelled.
    pub fn is_last(&self) -> bool {
        self.number > self.retries
    }

    /// Whether the queue has been cancelled: a handler that runs for long had
    /// better look now and then, and return early. Never blocks. `cancel`, `abort` and a drop
    /// while unwinding cancel a queue; `close` and `drain` do not, also not a `drain_timeout`
    /// whose time has run out.
    pub fn is_cancelled(&self) -> bool {
        self.shared.cancel_token.is_cancelled()
    }

    /// Tells threads that help this handler whether the queue has been cancelled,
    /// as [`is_cancelled`](Self::is_cancelled) tells the handler.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::thread;
    /// use taskshelf::{Attempt, QueueOptions, TaskQueue};
    ///
    /// /// Counts what is not 0 with two threads.
    /// fn count(attempt: &Attempt<'_, Vec<u8>>) -> Result<usize, &'static str> {
    ///     let (left, right) = attempt.payload.split_at(attempt.payload.len() / 2);
    ///     let helpers = [left, right].map(|half| (half, attempt.cancel_token()));
    ///     thread::scope(|scope| {
    ///         let helpers = helpers.map(|(half, cancelled)| {
    ///             scope.spawn(move || {
    ///                 let go_on = half.iter().take_while(|_| !cancelled.is_cancelled());
    ///                 go_on.filter(|byte| **byte != 0).count()
    ///             })
    ///         });
    ///         let counts = helpers.map(|helper| helper.join().expect("it does not panic"));
    ///         if attempt.is_cancelled() { Err("cancelled") } else { Ok(counts.iter().sum()) }
    ///     })
    /// }
    ///
    /// let queue = TaskQueue::new(count, QueueOptions::new(8, 1))?;
    /// queue.submit(vec![0, 7, 0, 7, 7])?;
    /// assert_eq!(queue.drain()[0].outcome, Ok(3));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cancel_token(&self) -> CancelToken {
        self.shared.cancel_token.clone()
    }

    /// A submitter for threads that help this handler, or outlive it.
    ///
    /// What it submits comes from outside: the queue's strategy decides when it is full,
    /// and a closed queue refuses it. If the handlers of all workers wait for helpers that
    /// wait for room, they wait for ever.
    pub fn submitter(&self) -> Submitter<P> {
        Submitter::new(Arc::clone(self.shared))
    }

    /// Says that trying again will not help, and hands the error back: for
    /// `Err(attempt.permanent(error))`, or before a `?` that converts it.
    ///
    /// It counts only if this attempt returns `Err`, and then for whatever error it returns:
    /// call it on that one. Of this and [`retry_after`](Self::retry_after) the last call wins.
    pub fn permanent<X>(&self, error: X) -> X {
        self.mark.set(Some(Mark::Permanent));
        error
    }

    /// Says how long to wait before the next attempt, in place of the backoff, and hands
    /// the error back. The attempt counts as any that failed: it uses up a retry and
    /// advances the backoff.
    ///
    /// The delay is taken as it is, without the backoff's cap and jitter. One too
    /// long for an [`Instant`](std::time::Instant) ends only when the queue is
    /// cancelled. A task that waits takes up room: as many long delays as the queue has
    /// places keep every submitter out.
    ///
    /// It counts only if this attempt returns `Err`, retries are left and the queue is not
    /// cancelled. Of this and [`permanent`](Self::permanent) the last call wins.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use taskshelf::{Attempt, QueueOptions, TaskQueue};
    ///
    /// struct Busy {
    ///     retry_after: Duration,
    /// }
    ///
    /// fn ask(server: &str, attempt: u32) -> Result<usize, Busy> {
    ///     let retry_after = Duration::from_millis(2);
    ///     if attempt < 3 { Err(Busy { retry_after }) } else { Ok(server.len()) }
    /// }
    ///
    /// let queue = TaskQueue::new(
    ///     |attempt: &Attempt<'_, &str>| {
    ///         ask(attempt.payload, attempt.number())
    ///             .map_err(|busy| attempt.retry_after(busy.retry_after, busy))
    ///     },
    ///     QueueOptions::new(8, 1),
    /// )?;
    /// queue.submit("example.org")?;
    /// assert_eq!(queue.drain()[0].attempts, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn retry_after<X>(&self, delay: Duration, error: X) -> X {
        self.mark.set(Some(Mark::RetryAfter(delay)));
        error
    }

    /// Submits a task to this queue. Never blocks: the task is accepted even
    /// beyond the queue's capacity, and even while the queue drains. Submitters outside
    /// that wait for room go on waiting until there is some again, and a queue whose
    /// handlers never cease to submit is never drained.
    ///
    /// It stays accepted if this attempt fails: if the task is retried, its next
    /// attempt will submit the other again.
    ///
    /// # Errors
    ///
    /// [`SubmitError::Closed`] once the queue has been cancelled.
    ///
    /// # Examples
    ///
    /// ```
    /// use taskshelf::{Attempt, QueueOptions, SubmitError, TaskQueue};
    ///
    /// // Counts the leaves of a binary tree of a given height.
    /// let queue = TaskQueue::new(
    ///     |attempt: &Attempt<'_, u32>| {
    ///         if attempt.payload > 0 {
    ///             attempt.submit(attempt.payload - 1)?;
    ///             attempt.submit(attempt.payload - 1)?;
    ///         }
    ///         Ok::<_, SubmitError<u32>>(attempt.payload == 0)
    ///     },
    ///     QueueOptions::new(1, 2),
    /// )?;
    /// queue.submit(5)?;
    /// let results = queue.drain();
    /// assert_eq!(results.iter().filter(|r| r.outcome == Ok(true)).count(), 32);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn submit<T: Into<Task<P>>>(&self, task: T) -> Result<TaskId, SubmitError<P>> {
        self.submit_through(Door::InsideUnbounded, task.into())
    }

    /// Submits a task to this queue if there is room, as
    /// [`Submitter::try_submit`]. Never blocks, and works even while the queue drains.
    ///
    /// As with [`submit`](Self::submit), the task stays accepted if this attempt fails.
    ///
    /// # Errors
    ///
    /// [`SubmitError::Full`] if there is no room; [`SubmitError::Closed`] once
    /// the queue has been cancelled.
    pub fn try_submit<T: Into<Task<P>>>(&self, task: T) -> Result<TaskId, SubmitError<P>> {
        self.submit_through(Door::Inside, task.into())
    }

    fn submit_through(&self, door: Door, task: Task<P>) -> Result<TaskId, SubmitError<P>> {
        self.shared.offer(task, Terms::new(door, Wait::No))
    }
}

impl<P> Deref for Attempt<'_, P> {
    type Target = Task<P>;

    fn deref(&self) -> &Task<P> {
        self.task
    }
}

// Nothing can be seen half-changed: no code that may panic runs under the lock,
// and a mark is set or it is not.
impl<P: RefUnwindSafe> UnwindSafe for Attempt<'_, P> {}
impl<P: RefUnwindSafe> RefUnwindSafe for Attempt<'_, P> {}

impl<P: fmt::Debug> fmt::Debug for Attempt<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt")
            .field("task", self.task)
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}
