//! A worker: takes a task, runs the handler, and decides what becomes of it.
//!
//! ```text
//! take -> attempt -> verdict -> retry: wait in hand, or put back, and take the next
//!                            -> publish the result -> settle, and take the next
//! ```

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::attempt::{Attempt, Mark};
use crate::backoff::Backoff;
use crate::contain::{contain, discard, report};
use crate::entry::Entry;
use crate::job::{Job, Progress};
use crate::monitor::Taken;
use crate::options::RetryWaits;
use crate::publisher::Publisher;
use crate::result::TaskError;
use crate::shared::Shared;
use crate::stats::Settled;
use crate::sync;
use crate::task::{HAS_AN_ID, Task};
use crate::waiting::Due;

/// What all workers of a queue work with.
pub(crate) struct Worker<P, R, E, H> {
    pub(crate) shared: Arc<Shared<P>>,
    pub(crate) publisher: Arc<Publisher<P, R, E>>,
    pub(crate) handler: H,
    pub(crate) max_retries: u32,
    pub(crate) backoff: Backoff,
    pub(crate) retry_waits: RetryWaits,
    /// When the queue was built. Where no results are kept this stands for every time that
    /// only they would tell, so that nobody looks at the clock for them.
    pub(crate) built: Instant,
}

/// What became of a task that a worker took.
enum End<P> {
    Published(Published),
    Again(Again<P>),
}

/// A task that is to wait on the shelf for its next attempt.
struct Again<P> {
    entry: Entry<Job<P>>,
    due: Due,
    progress: Progress,
}

/// What a worker owes the books for a task that it has published.
#[derive(Clone, Copy)]
struct Published {
    settled: Settled,
    /// When the worker was done with the task, if no code of the user's has run since: then
    /// the clock of the next may start there.
    ended: Option<Instant>,
}

impl<P, R, E, H> Worker<P, R, E, H>
where
    H: Fn(&Attempt<'_, P>) -> Result<R, E>,
{
    /// Drops what only the last worker drops. Each by itself: two panics at
    /// once would abort the process.
    pub(crate) fn release(worker: Arc<Self>) {
        if let Some(worker) = Arc::into_inner(worker) {
            // First, for the handler may own a thread that waits for the end of
            // the results.
            drop(worker.publisher);
            discard(worker.handler);
            discard(worker.backoff);
        }
    }

    /// Works until nothing can come any more.
    pub(crate) fn run(&self) {
        let mut last = None;
        while let Some((entry, start)) = self.next(last) {
            last = Some(self.work(entry, start));
        }
        self.shared.worker_left();
    }

    /// Is done with the last task, if there was one, and takes the next, whose clock starts
    /// at that instant.
    #[inline(always)] // a call would pass the entry through memory
    fn next(&self, last: Option<End<P>>) -> Option<(Entry<Job<P>>, Instant)> {
        let done = match last {
            None => None,
            Some(End::Published(done)) => Some(done),
            Some(End::Again(again)) => match self.put_back_and_next(again) {
                Ok(taken) => return Some((taken?.entry, self.timestamp())),
                Err(aborted) => Some(aborted),
            },
        };
        let Taken { entry, waited } = self.shared.monitor.next(done.map(|done| done.settled))?;
        let start = match done.and_then(|done| done.ended) {
            Some(ended) if !waited => ended,
            _ => self.timestamp(),
        };
        Some((entry, start))
    }

    /// Puts the task back on the shelf and takes the next. If the queue was cancelled
    /// meanwhile the task is published instead.
    #[cold]
    fn put_back_and_next(&self, again: Again<P>) -> Result<Option<Taken<Job<P>>>, Published> {
        let Again {
            entry,
            due,
            progress,
        } = again;
        let taken = self.shared.monitor.put_back_and_next(entry, due);
        taken.map_err(|entry| {
            let (task, _) = Job::into_task(entry);
            self.fail(task, TaskError::Aborted, progress)
        })
    }

    /// The time, as far as results tell it: where they are not kept, nobody looks at
    /// the clock for them.
    #[inline]
    fn timestamp(&self) -> Instant {
        match self.publisher.keeps_any() {
            true => sync::timestamp(),
            false => self.built,
        }
    }

    /// Runs a task until it is published, or to be put back on the shelf.
    fn work(&self, entry: Entry<Job<P>>, start: Instant) -> End<P> {
        let sequence = entry.item.number();
        let (task, progress) = Job::into_task(entry);
        let (mut number, started) = match progress {
            None => (1, start),
            Some(before) => (before.attempts.saturating_add(1), before.started),
        };
        let retries = task.retries.unwrap_or(self.max_retries);
        loop {
            let attempt = Attempt::new(&self.shared, &task, number, retries);
            let error = match contain(|| (self.handler)(&attempt)) {
                Ok(Ok(value)) => {
                    return End::Published(self.succeed(task, value, number, started));
                }
                Ok(Err(error)) => TaskError::Failed(error),
                Err(message) => TaskError::Panicked(message),
            };
            let ended = self.timestamp();
            let progress = Progress {
                attempts: number,
                started,
                ended,
            };
            let due = match self.judge(&attempt, error, sequence) {
                Ok(delay) => Due::after(sync::now(), delay),
                Err(error) => return End::Published(self.fail(task, error, progress)),
            };
            match self.retry_waits {
                RetryWaits::FreeWorker => {
                    let entry = Job::again(task, sequence, progress);
                    return End::Again(Again {
                        entry,
                        due,
                        progress,
                    });
                }
                RetryWaits::HoldWorker => {
                    if !self.shared.monitor.hold(due) {
                        return End::Published(self.fail(task, TaskError::Aborted, progress));
                    }
                    number = number.saturating_add(1);
                }
            }
        }
    }

    /// How long a task whose attempt failed waits for the next, or what to publish it
    /// with. An error that is not published is dropped here, before anybody can see the
    /// next attempt.
    #[cold]
    fn judge(
        &self,
        attempt: &Attempt<'_, P>,
        error: TaskError<E>,
        sequence: u64,
    ) -> Result<Duration, TaskError<E>> {
        if attempt.is_last() || self.shared.monitor.is_aborted() {
            return Err(error);
        }
        let mark = match error {
            TaskError::Failed(_) => attempt.mark(),
            TaskError::Panicked(_) | TaskError::Aborted => None,
        };
        let number = attempt.number();
        let delay = match mark {
            Some(Mark::Permanent) => return Err(error),
            Some(Mark::RetryAfter(delay)) => Ok(delay),
            None => contain(|| self.backoff.delay_for(sequence, number)),
        };
        let panicked = match error {
            TaskError::Panicked(message) => Some(message),
            error => {
                discard(error);
                None
            }
        };
        let delay = delay.map_err(TaskError::Panicked)?;
        let (id, name) = (attempt.id(), &self.shared.name);
        match panicked {
            None => report!(
                debug,
                "task {id} of {name}: attempt {number} failed, next in {delay:?}"
            ),
            Some(message) => report!(
                debug,
                "task {id} of {name}: attempt {number} panicked, next in {delay:?}: {message}"
            ),
        }
        Ok(delay)
    }

    /// Publishes a task that has failed for good.
    #[cold]
    fn fail(&self, task: Task<P>, error: TaskError<E>, progress: Progress) -> Published {
        // Not the end of the last attempt: since then the backoff was asked, an error
        // dropped, and the log told.
        let ended = self.timestamp();
        let (attempts, duration) = (progress.attempts, progress.duration());
        self.published(
            self.publisher.failure(task, error, attempts, duration),
            ended,
        )
    }

    /// Drops the payload of a task that succeeded, and publishes what came of it.
    #[inline(always)] // a call would copy the task
    fn succeed(&self, task: Task<P>, value: R, attempts: u32, started: Instant) -> Published {
        let task_id = task.id.expect(HAS_AN_ID);
        discard(task.payload);
        let ended = self.timestamp();
        let duration = ended.saturating_duration_since(started);
        self.published(
            self.publisher.success(task_id, value, attempts, duration),
            ended,
        )
    }

    /// Where not all results are kept, the destructor of this one may have run since it ended.
    #[inline]
    fn published(&self, settled: Settled, ended: Instant) -> Published {
        Published {
            settled,
            ended: self.publisher.keeps_all().then_some(ended),
        }
    }
}
