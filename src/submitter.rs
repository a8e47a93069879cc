//! Every way to submit, and what happens when the queue is full.

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::cancel_token::CancelToken;
use crate::chunks::Chunks;
use crate::contain::report;
use crate::error::{SubmitAllError, SubmitError, Submitted, SubmittedAll};
use crate::job::Job;
use crate::monitor::{NotAccepted, Terms, Wait};
use crate::options::BackpressureStrategy;
use crate::shared::Shared;
use crate::state::Refusal;
use crate::stats::Stats;
use crate::task::{Task, TaskId};

/// A handle for submitting to a [`TaskQueue`](crate::TaskQueue), without the types of its
/// results. Cheap to clone; clones share the queue.
///
/// It does not keep the queue alive: once the queue is drained or dropped,
/// every submit says [`Closed`](SubmitError::Closed). Nor does the last of them close the
/// queue when it is dropped, as the last sender of a channel does; any of them can
/// [close](Self::close) and [cancel](Self::cancel) the queue for all.
///
/// # Examples
///
/// ```
/// use std::convert::Infallible;
/// use std::thread;
/// use taskshelf::{Attempt, QueueOptions, TaskQueue};
///
/// let queue = TaskQueue::new(
///     |attempt: &Attempt<'_, u64>| Ok::<_, Infallible>(attempt.payload * attempt.payload),
///     QueueOptions::new(16, 2),
/// )?;
/// let producers: Vec<_> = (0..4)
///     .map(|n| {
///         let submitter = queue.submitter();
///         thread::spawn(move || submitter.submit(n).map(|_| ()))
///     })
///     .collect();
/// for producer in producers {
///     producer.join().expect("it does not panic")?;
/// }
/// let sum: u64 = queue.drain().into_iter().filter_map(|result| result.outcome.ok()).sum();
/// assert_eq!(sum, 0 + 1 + 4 + 9);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Submitter<P> {
    shared: Arc<Shared<P>>,
}

impl<P> Submitter<P> {
    pub(crate) fn new(shared: Arc<Shared<P>>) -> Self {
        Self { shared }
    }

    pub(crate) fn shared(&self) -> &Shared<P> {
        &self.shared
    }

    /// Submits a task. What happens while the queue is full depends on its
    /// [`BackpressureStrategy`]: this waits for room, or hands the task back as
    /// [`Submitted::Dropped`], or as [`SubmitError::Full`].
    ///
    /// A payload that must be inferred or coerced (`.into()`, `.collect()`, a
    /// `Box<dyn Trait>`) needs its type: `submit::<P>(..)`.
    ///
    /// Blocked submitters are called in the order in which they came, whatever the priority
    /// of their tasks. Others that arrive just when there is room, or whose own time is over,
    /// may overtake them, at most 16,384 in a row (a batch counts as one). Tasks that handlers
    /// [submit](crate::Attempt::submit) are let in at once. At capacities of 256 or more a
    /// free slot may stay unused for up to a millisecond (less if half of the queue becomes
    /// free) before a sleeping submitter is woken for it. That saves the workers a wake-up
    /// for each task.
    ///
    /// # Errors
    ///
    /// The task: [`Closed`](SubmitError::Closed) if the queue is closed, or gets closed
    /// while this waits. If it is full, [`Full`](SubmitError::Full) under `Error`; under
    /// `Block`, [`WouldDeadlock`](SubmitError::WouldDeadlock) on one of its own workers,
    /// which might wait for itself. (Cycles across two queues, or through a handler's
    /// helper threads, are not detected.)
    ///
    /// # Examples
    ///
    /// ```
    /// use std::convert::Infallible;
    /// use taskshelf::{Attempt, QueueOptions, Task, TaskQueue};
    ///
    /// let queue = TaskQueue::new(
    ///     |attempt: &Attempt<'_, &str>| Ok::<_, Infallible>(attempt.payload.len()),
    ///     QueueOptions::new(8, 1),
    /// )?;
    /// queue.submit("by itself")?;
    /// queue.submit(Task::new("with options").with_id("a").with_priority(5).with_retries(2))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn submit<T: Into<Task<P>>>(&self, task: T) -> Result<Submitted<P>, SubmitError<P>> {
        match self.shared.offer(task.into(), self.terms()) {
            Ok(id) => Ok(Submitted::Accepted(id)),
            Err(SubmitError::Full { task, .. }) if self.drops() => {
                self.warn_of_drops(1);
                Ok(Submitted::Dropped(task))
            }
            Err(error) => Err(error),
        }
    }

    /// Submits a task if there is room now. Never blocks, whatever the strategy. It may
    /// overtake blocked submitters; after 16,384 in a row have done so, free slots are kept
    /// for those.
    ///
    /// # Errors
    ///
    /// The task, if the queue is full or closed.
    pub fn try_submit<T: Into<Task<P>>>(&self, task: T) -> Result<TaskId, SubmitError<P>> {
        self.offer_within(Wait::No, task.into())
    }

    /// Submits a task; waits for room, whatever the strategy, but no longer
    /// than `timeout`. A timeout too long for an [`Instant`] means no limit. What it
    /// returns is never [`Dropped`](Submitted::Dropped).
    ///
    /// # Errors
    ///
    /// The task, if there was no room in time (on a worker of the queue as
    /// anywhere else), or the queue is closed; without a limit also if this
    /// would deadlock, as for [`submit`](Self::submit).
    pub fn submit_timeout<T: Into<Task<P>>>(
        &self,
        task: T,
        timeout: Duration,
    ) -> Result<Submitted<P>, SubmitError<P>> {
        self.offer_within(Wait::timeout(timeout), task.into())
            .map(Submitted::Accepted)
    }

    /// Submits a task; waits for room, whatever the strategy, but not beyond
    /// `deadline`. What it returns is never [`Dropped`](Submitted::Dropped).
    ///
    /// # Errors
    ///
    /// The task, if there was no room in time (on a worker of the queue as
    /// anywhere else), or the queue is closed.
    pub fn submit_deadline<T: Into<Task<P>>>(
        &self,
        task: T,
        deadline: Instant,
    ) -> Result<Submitted<P>, SubmitError<P>> {
        self.offer_within(Wait::Until(deadline), task.into())
            .map(Submitted::Accepted)
    }

    /// Submits many tasks in order, with far fewer locks than one submit for
    /// each. While the queue is full the strategy decides, as for
    /// [`submit`](Self::submit); those that wait for room take turns with this batch.
    ///
    /// The iterator is advanced outside the queue's lock. Up to 64 tasks are pulled from it
    /// before any of them is submitted, so it must not wait for the outcome of an earlier
    /// one, and a slow iterator holds back up to 63 tasks. If the iterator panics, what it
    /// had yielded is submitted before the panic goes on; whatever did not get in, what the
    /// strategy dropped before included, is lost. A panic of the iterator's destructor is
    /// logged, and goes no further. Tasks that the strategy drops are kept until this returns:
    /// do not let an endless iterator meet a full queue.
    ///
    /// # Errors
    ///
    /// As for [`submit`](Self::submit), but never for an empty iterator: how many tasks got
    /// in, why no more did, and those that had been pulled and did not. Tasks that were not
    /// pulled yet are dropped with the iterator; to keep them, submit `iterator.by_ref()`.
    ///
    /// # Panics
    ///
    /// If the iterator does, or a conversion into a [`Task`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::convert::Infallible;
    /// use taskshelf::{Attempt, QueueOptions, TaskQueue};
    ///
    /// let queue = TaskQueue::new(
    ///     |attempt: &Attempt<'_, u32>| Ok::<_, Infallible>(attempt.payload + 1),
    ///     QueueOptions::new(10, 2),
    /// )?;
    /// assert_eq!(queue.submit_all(0..100)?.accepted, 100);
    /// queue.close();
    ///
    /// let mut late = 0..100;
    /// let refused = queue.submit_all(late.by_ref()).expect_err("it is closed");
    /// assert_eq!(refused.rest.len() + late.len(), 100);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn submit_all<I>(&self, tasks: I) -> Result<SubmittedAll<P>, SubmitAllError<P>>
    where
        I: IntoIterator,
        I::Item: Into<Task<P>>,
    {
        let jobs = tasks.into_iter().map(|task| Job::entry(task.into()));
        let mut chunks = Chunks::new(jobs);
        let mut accepted = 0;
        let mut dropped = Vec::new();
        while let Some(mut chunk) = chunks.next_chunk() {
            let size = chunk.len();
            let offered = self.shared.monitor.offer_all(&mut chunk, self.terms());
            accepted += size - chunk.len();
            let refused = chunk.len();
            dropped.extend(chunk.map(|entry| Job::into_task(entry).0));
            match offered {
                Ok(()) => {}
                Err(NotAccepted::Full) if self.drops() => self.warn_of_drops(refused),
                Err(why) => {
                    return Err(SubmitAllError {
                        accepted,
                        error: self.shared.submit_error(why, Task::new(())),
                        rest: chunks.finish(dropped),
                    });
                }
            }
        }
        let dropped = chunks.finish(dropped);
        Ok(SubmittedAll { accepted, dropped })
    }

    fn offer_within(&self, wait: Wait, task: Task<P>) -> Result<TaskId, SubmitError<P>> {
        self.shared.offer(task, Terms::outside(wait))
    }

    #[inline]
    fn terms(&self) -> Terms {
        let (wait, when_full) = match self.shared.backpressure {
            BackpressureStrategy::Block => (Wait::Forever, Refusal::Refused),
            BackpressureStrategy::Drop => (Wait::No, Refusal::Dropped),
            BackpressureStrategy::Error => (Wait::No, Refusal::Refused),
        };
        Terms {
            when_full,
            ..Terms::outside(wait)
        }
    }

    fn drops(&self) -> bool {
        self.shared.backpressure == BackpressureStrategy::Drop
    }

    fn warn_of_drops(&self, count: usize) {
        let (name, capacity) = (&self.shared.name, self.capacity());
        report!(
            warn,
            "queue {name} is full (capacity {capacity}): tasks dropped: {count}"
        );
    }

    /// Refuses new tasks, including those of blocked submitters, but not what handlers
    /// [submit](crate::Attempt::submit). Accepted tasks still run. Never blocks. Returns
    /// whether this call closed the queue; there is no way to open it again.
    pub fn close(&self) -> bool {
        self.shared.monitor.close()
    }

    /// Whether the queue refuses new tasks from outside.
    pub fn is_closed(&self) -> bool {
        self.shared.monitor.is_closed()
    }

    /// Ends the queue early: see [`TaskQueue::cancel`](crate::TaskQueue::cancel).
    /// Where results are discarded, or can no longer be received, the payloads of the
    /// tasks that it ends are dropped here; their destructors must neither wait for the queue
    /// nor drop it.
    pub fn cancel(&self) {
        self.shared.cancel();
    }

    /// Whether the queue has been cancelled. Never blocks.
    pub fn is_cancelled(&self) -> bool {
        self.shared.cancel_token.is_cancelled()
    }

    /// Tells producers whether the queue has been cancelled, so that they can stop. It may
    /// outlive the queue.
    pub fn cancel_token(&self) -> CancelToken {
        self.shared.cancel_token.clone()
    }

    /// How many tasks there is room for.
    pub fn capacity(&self) -> usize {
        self.shared.monitor.capacity()
    }

    /// A consistent snapshot of the queue's counters, taken under one lock; also after
    /// the queue was drained or dropped.
    pub fn stats(&self) -> Stats {
        self.shared.monitor.snapshot()
    }
}

impl<P> Clone for Submitter<P> {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.shared))
    }
}

// Nothing can be seen half-changed: no code that may panic runs under the lock.
impl<P> UnwindSafe for Submitter<P> {}
impl<P> RefUnwindSafe for Submitter<P> {}

impl<P> fmt::Debug for Submitter<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Submitter")
            .field("name", &self.shared.name)
            .field("capacity", &self.capacity())
            .field("is_closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}
