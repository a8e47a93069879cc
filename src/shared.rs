//! What submitters and workers share: the shelf of jobs, and the few facts
//! about the queue that both need.

use std::sync::Arc;

use crate::cancel_token::CancelToken;
use crate::entry::Entry;
use crate::error::SubmitError;
use crate::job::Job;
use crate::monitor::{Monitor, NotAccepted, Terms};
use crate::options::{BackpressureStrategy, QueueOptions};
use crate::stats::Settled;
use crate::sync::Mutex;
use crate::task::{Task, TaskId};

/// Publishes results of tasks that never ran (again), for a canceller that
/// does not know the types of results and errors.
pub(crate) trait PublishAborted<P>: Send + Sync {
    fn aborted(&self, entry: Entry<Job<P>>);
}

pub(crate) struct Shared<P> {
    pub(crate) monitor: Monitor<Job<P>>,
    /// For the log.
    pub(crate) name: Arc<str>,
    pub(crate) backpressure: BackpressureStrategy,
    /// Set under the monitor's lock, for handlers and producers to read. Nothing here is
    /// decided by it.
    pub(crate) cancel_token: CancelToken,
    /// Taken by the first worker that leaves, for nothing is left to cancel then: it must
    /// not keep the stream of results from its end.
    publisher: Mutex<Option<Arc<dyn PublishAborted<P>>>>,
}

impl<P> Shared<P> {
    pub(crate) fn new(options: &QueueOptions, publisher: Arc<dyn PublishAborted<P>>) -> Self {
        Self {
            monitor: Monitor::new(options.capacity),
            name: Arc::clone(&options.thread_name),
            backpressure: options.backpressure,
            cancel_token: CancelToken::new(),
            publisher: Mutex::new(Some(publisher)),
        }
    }

    /// Asks for room for one task.
    #[inline]
    pub(crate) fn offer(&self, task: Task<P>, terms: Terms) -> Result<TaskId, SubmitError<P>> {
        let name = task.id.clone();
        match self.monitor.offer(Job::entry(task), terms) {
            // Not `unwrap_or`, which would put the id together in a place of its own
            // and copy it from there before it has arrived.
            Ok(number) => Ok(match name {
                None => TaskId::Number(number),
                Some(name) => name,
            }),
            Err((why, entry)) => Err(self.submit_error(why, Job::into_task(entry).0)),
        }
    }

    pub(crate) fn submit_error<Q>(&self, why: NotAccepted, task: Task<Q>) -> SubmitError<Q> {
        match why {
            NotAccepted::Full => SubmitError::Full {
                task,
                capacity: self.monitor.capacity(),
            },
            NotAccepted::Closed => SubmitError::Closed(task),
            NotAccepted::TimedOut => SubmitError::Timeout(task),
            NotAccepted::WouldDeadlock => SubmitError::WouldDeadlock(task),
        }
    }

    /// Ends the queue: what was not taken is published and settled as aborted,
    /// here and now. The caller leases those tasks meanwhile, so the queue is
    /// not idle before their results can be received.
    pub(crate) fn cancel(&self) {
        let (leftover, publisher) = self.monitor.cancel(|leftover| {
            self.cancel_token.cancel();
            // Under this lock: as long as something was left no worker has, so the publisher
            // is there; afterwards they may leave and take it away. If nothing was left there
            // is nothing to publish, and to hold it would only delay the end of the stream.
            (leftover > 0)
                .then(|| self.publisher.lock().clone())
                .flatten()
        });
        let count = leftover.len();
        for entry in leftover.into_entries() {
            if let Some(publisher) = &publisher {
                publisher.aborted(entry);
            }
        }
        // Before they are settled: after that `drain` may return, and the stream of
        // results has ended by then.
        drop(publisher);
        if count > 0 {
            self.monitor.settle(Settled::Aborted, count);
        }
    }

    /// A worker leaves, which it does only when nothing can come any more:
    /// nobody will need the publisher again.
    pub(crate) fn worker_left(&self) {
        let publisher = self.publisher.lock().take();
        drop(publisher);
    }
}
