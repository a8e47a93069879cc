//! The end of a task: its result goes to the outbox.
//!
//! A result is published before its task is settled: whoever sees it settled, or
//! returns from `wait_idle`, can receive its result.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::contain::{discard, report};
use crate::entry::Entry;
use crate::growth::Growth;
use crate::job::{Job, Progress};
use crate::options::ResultsPolicy;
use crate::outbox::Outbox;
use crate::result::{Failure, TaskError, WorkerResult};
use crate::shared::PublishAborted;
use crate::stats::Settled;
use crate::sync::Sender;
use crate::task::{Task, TaskId};

/// Held by those who may still publish: the workers, and [`Shared`](crate::shared::Shared)
/// as long as there is something to cancel. With the last of them the results end.
pub(crate) struct Publisher<P, R, E> {
    outbox: Arc<Outbox<WorkerResult<P, R, E>>>,
    /// What it does not keep goes past the outbox.
    policy: ResultsPolicy,
    /// The queue's, for the log.
    name: Arc<str>,
    /// Set once results go to a stream.
    stream: OnceLock<Sender<WorkerResult<P, R, E>>>,
}

impl<P, R, E> Drop for Publisher<P, R, E> {
    fn drop(&mut self) {
        self.outbox.end();
        // With it may go what nobody received, as in `Outbox::end`.
        discard(self.stream.take());
    }
}

impl<P, R, E> Publisher<P, R, E> {
    pub(crate) fn new(
        outbox: Arc<Outbox<WorkerResult<P, R, E>>>,
        policy: ResultsPolicy,
        name: Arc<str>,
    ) -> Self {
        Self {
            outbox,
            policy,
            name,
            stream: OnceLock::new(),
        }
    }

    /// Whether any result is kept, so that somebody may read its duration.
    pub(crate) fn keeps_any(&self) -> bool {
        self.policy != ResultsPolicy::Discard
    }

    /// Whether every result is kept. To publish one then runs no destructor of the user's,
    /// except when nobody is left to receive it.
    pub(crate) fn keeps_all(&self) -> bool {
        self.policy == ResultsPolicy::Keep
    }

    /// Publishes the one result of a task that succeeded, and says how to settle it.
    #[inline(always)] // a call would pass the result through memory
    pub(crate) fn success(
        &self,
        task_id: TaskId,
        value: R,
        attempts: u32,
        duration: Duration,
    ) -> Settled {
        self.put(WorkerResult {
            task_id,
            outcome: Ok(value),
            attempts,
            duration,
        });
        Settled::Succeeded
    }

    /// The same of a task that failed.
    #[cold]
    pub(crate) fn failure(
        &self,
        task: Task<P>,
        error: TaskError<E>,
        attempts: u32,
        duration: Duration,
    ) -> Settled {
        let settled = match &error {
            TaskError::Failed(_) => Settled::Failed,
            TaskError::Panicked(_) => Settled::Panicked,
            TaskError::Aborted => Settled::Aborted,
        };
        let task_id = task.accepted_id().clone();
        self.put(WorkerResult {
            task_id,
            outcome: Err(Box::new(Failure { task, error })),
            attempts,
            duration,
        });
        settled
    }

    #[inline(always)] // a call would pass the result through memory
    fn put(&self, result: WorkerResult<P, R, E>) {
        let keeps = match self.policy {
            ResultsPolicy::Keep => true,
            ResultsPolicy::KeepFailures => result.outcome.is_err(),
            ResultsPolicy::Discard => false,
        };
        if !keeps {
            return self.discard_unwanted(result);
        }
        if let Some(stream) = self.stream.get() {
            return self.send(stream, result);
        }
        // A function that takes the result or hands it back would copy it twice more, under
        // the lock.
        let mut contents = self.outbox.lock();
        if let Some(list) = contents.list() {
            list.reserve_one();
            return list.push(result);
        }
        drop(contents);
        self.send_or_discard(result);
    }

    /// For a result when there is no list.
    #[cold]
    fn send_or_discard(&self, result: WorkerResult<P, R, E>) {
        match self.outbox.sender() {
            // Another worker may have been faster; its sender is as good.
            Some(stream) => self.send(self.stream.get_or_init(|| stream), result),
            None => self.discard_unwanted(result),
        }
    }

    /// Refused if the queue and all receivers are gone.
    fn send(&self, stream: &Sender<WorkerResult<P, R, E>>, result: WorkerResult<P, R, E>) {
        if let Err(refused) = stream.send(result) {
            self.discard_unwanted(refused.0);
        }
    }

    /// Drops a result that nobody can receive. The log is told of a failure, for nobody will
    /// see it otherwise.
    #[cold]
    fn discard_unwanted(&self, result: WorkerResult<P, R, E>) {
        self.report_failure(&result);
        discard_result(result);
    }

    fn report_failure(&self, result: &WorkerResult<P, R, E>) {
        let Err(failure) = &result.outcome else {
            return;
        };
        let (id, name, attempts) = (&result.task_id, &self.name, result.attempts);
        match &failure.error {
            TaskError::Failed(_) => report!(
                warn,
                "task {id} of {name} failed for good (attempts: {attempts})"
            ),
            TaskError::Panicked(message) => report!(
                warn,
                "task {id} of {name} panicked for good (attempts: {attempts}): {message}"
            ),
            TaskError::Aborted => {}
        }
    }
}

impl<P: Send, R: Send, E: Send> PublishAborted<P> for Publisher<P, R, E> {
    fn aborted(&self, entry: Entry<Job<P>>) {
        let (task, progress) = Job::into_task(entry);
        let attempts = progress.map_or(0, |p| p.attempts);
        let duration = progress.map_or(Duration::ZERO, Progress::duration);
        self.failure(task, TaskError::Aborted, attempts, duration);
    }
}

/// Drops a result whose parts may each panic while they are dropped.
fn discard_result<P, R, E>(result: WorkerResult<P, R, E>) {
    match result.outcome {
        Ok(value) => discard(value),
        Err(failure) => {
            let Failure { task, error } = *failure;
            discard(task.payload);
            discard(error);
        }
    }
}

/// Drops what a queue that is dropped leaves behind, one by one, for each may panic.
pub(crate) fn discard_unclaimed<P, R, E>(name: &str, results: Vec<WorkerResult<P, R, E>>) {
    let count = results.len();
    let failed = results.iter().filter(|r| r.outcome.is_err()).count();
    results.into_iter().for_each(discard_result);
    if count > 0 {
        report!(
            warn,
            "queue {name} was dropped with results not received: {count} \
             (of tasks that failed or were aborted: {failed})"
        );
    }
}
