//! A worker: takes a task, runs the handler, and decides what becomes of it.
//!
//! ```text
//! take -> attempt -> verdict -> retry: back to the shelf, or wait in hand
//!                            -> publish the result -> settle, and take the next
//! ```

use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::attempt::{Attempt, Mark};
use crate::backoff::Backoff;
use crate::contain::{contain, discard, report};
use crate::heap::Entry;
use crate::monitor::{Held, Taken};
use crate::options::RetryWaits;
use crate::publisher::Publisher;
use crate::result::TaskError;
use crate::shared::{Job, Progress, Shared};
use crate::stats::Outcome;
use crate::sync;
use crate::waiting::Due;

/// What all workers of a queue work with.
pub(crate) struct Worker<P, R, E, H> {
    pub(crate) shared: Arc<Shared<P>>,
    pub(crate) publisher: Arc<Publisher<P, R, E>>,
    pub(crate) handler: H,
    pub(crate) max_retries: u32,
    pub(crate) backoff: Backoff,
    pub(crate) retry_waits: RetryWaits,
}

/// What follows from one attempt.
enum Verdict<R, E> {
    Done(Result<R, TaskError<E>>),
    Retry {
        error: TaskError<E>,
        delay: Duration,
    },
}

/// Where a task is after it was told to wait.
enum Waited<P> {
    /// On the shelf: whoever takes it next runs the next attempt.
    Shelved,
    /// Still here, and due.
    Due(Entry<Job<P>>),
    /// Still here: the queue was cancelled during the delay.
    Aborted(Entry<Job<P>>),
    /// Still here: the queue had been cancelled before the delay.
    Refused(Entry<Job<P>>),
}

impl<P, R, E, H> Worker<P, R, E, H>
where
    H: Fn(&Attempt<'_, P>) -> Result<R, E>,
{
    /// Drops what only the last worker drops. Each by itself: two panics at
    /// once would abort the process.
    pub(crate) fn release(worker: Arc<Self>) {
        if let Some(worker) = Arc::into_inner(worker) {
            discard(worker.handler);
            discard(worker.backoff);
        }
    }

    /// Works until nothing can come any more.
    pub(crate) fn run(&self) {
        // Where one attempt follows upon another the clock is read once for
        // both, unless destructors of the user's ran in between.
        let reads_once = !mem::needs_drop::<(P, R, E)>();
        let mut settled = None;
        let mut free_since = None;
        while let Some(Taken { entry, waited }) = self.shared.monitor.next(settled) {
            let start = match free_since {
                Some(end) if reads_once && !waited => end,
                _ => sync::timestamp(),
            };
            (settled, free_since) = self.work(entry, start);
        }
        self.shared.worker_left();
    }

    /// Runs a task until it is published or back on the shelf. Returns how it
    /// was settled, which this worker owes to the books, and when its last
    /// attempt ended.
    fn work(&self, mut entry: Entry<Job<P>>, start: Instant) -> (Option<Outcome>, Option<Instant>) {
        let started = entry.item.progress.as_ref().map_or(start, |p| p.started);
        loop {
            let verdict = self.attempt(&entry);
            let ended = sync::timestamp();
            let attempts = entry.returns.saturating_add(1);
            let outcome = match verdict {
                Verdict::Done(outcome) => outcome,
                Verdict::Retry { error, delay } => {
                    entry.item.progress = Some(Box::new(Progress { started, ended }));
                    match self.wait(entry, delay) {
                        Waited::Shelved => {
                            discard(error);
                            return (None, None);
                        }
                        Waited::Due(due) => {
                            discard(error);
                            entry = due;
                            continue;
                        }
                        Waited::Aborted(back) => {
                            discard(error);
                            entry = back;
                            Err(TaskError::Aborted)
                        }
                        Waited::Refused(back) => {
                            entry = back;
                            Err(error)
                        }
                    }
                }
            };
            let duration = ended.saturating_duration_since(started);
            let settled = self
                .publisher
                .publish(entry.item.task, outcome, attempts, duration);
            return (Some(settled), Some(ended));
        }
    }

    /// Calls the handler once.
    fn attempt(&self, entry: &Entry<Job<P>>) -> Verdict<R, E> {
        let task = &entry.item.task;
        let number = entry.returns.saturating_add(1);
        let retries = task.retries.unwrap_or(self.max_retries);
        let attempt = Attempt::new(&self.shared, task, number, retries);
        let (error, mark) = match contain(|| (self.handler)(&attempt)) {
            Ok(Ok(value)) => return Verdict::Done(Ok(value)),
            Ok(Err(error)) => (TaskError::Failed(error), attempt.mark()),
            Err(message) => (TaskError::Panicked(message), Mark::None),
        };
        if attempt.is_last() || attempt.is_cancelled() {
            return Verdict::Done(Err(error));
        }
        let delay = match mark {
            Mark::Permanent => return Verdict::Done(Err(error)),
            Mark::RetryAfter(delay) => Ok(delay),
            Mark::None => contain(|| self.backoff.delay_for(attempt.id(), number)),
        };
        match delay {
            Ok(delay) => {
                report!(
                    debug,
                    "task {}: attempt {number} failed, next in {delay:?}",
                    attempt.id()
                );
                Verdict::Retry { error, delay }
            }
            Err(message) => {
                discard(error);
                Verdict::Done(Err(TaskError::Panicked(message)))
            }
        }
    }

    fn wait(&self, mut entry: Entry<Job<P>>, delay: Duration) -> Waited<P> {
        let due = Due::after(sync::now(), delay);
        match self.retry_waits {
            RetryWaits::FreeWorker => match self.shared.monitor.put_back(entry, due) {
                Ok(()) => Waited::Shelved,
                Err(entry) => Waited::Refused(entry),
            },
            RetryWaits::HoldWorker => match self.shared.monitor.hold(due) {
                Held::Due => {
                    entry.returns = entry.returns.saturating_add(1);
                    Waited::Due(entry)
                }
                Held::Aborted => Waited::Aborted(entry),
                Held::Refused => Waited::Refused(entry),
            },
        }
    }
}
