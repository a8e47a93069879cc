//! How a queue is set up.

use std::sync::Arc;

use crate::backoff::Backoff;
use crate::error::BuildError;

/// What `submit` and `submit_all` do while the queue is full.
///
/// Once 16,384 newcomers in a row have overtaken blocked submitters, room is kept for
/// those, and the queue is full for newcomers.
///
/// # Examples
///
/// ```
/// use std::convert::Infallible;
/// use taskshelf::{Attempt, BackpressureStrategy, QueueOptions, Submitted, TaskQueue};
///
/// let queue = TaskQueue::new(
///     |attempt: &Attempt<'_, u32>| Ok::<_, Infallible>(attempt.payload + 1),
///     QueueOptions::new(64, 2).backpressure(BackpressureStrategy::Drop),
/// )?;
/// match queue.submit(1)? {
///     Submitted::Accepted(id) => println!("task {id}"),
///     Submitted::Dropped(task) => println!("no room for {}", task.payload),
///     _ => {}
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BackpressureStrategy {
    /// Wait for room. One of the queue's own workers, which could be waiting for
    /// itself, gets the new task back instead, as
    /// [`SubmitError::WouldDeadlock`](crate::SubmitError::WouldDeadlock).
    #[default]
    Block,
    /// Hand the new task back as [`Submitted::Dropped`](crate::Submitted::Dropped) and log
    /// a warning, one for each call (of `submit_all`: at most one for each batch of up to 64
    /// that it pulls). `submit(task)?` alone does not notice: match on what it returns, or
    /// watch [`Stats::dropped`](crate::Stats::dropped). A logger that itself submits to a
    /// queue must use `try_submit`, which logs nothing, and must ignore the target
    /// `taskshelf`: otherwise each of its own tasks that fails is logged, and so submits
    /// another.
    Drop,
    /// Hand the new task back as [`SubmitError::Full`](crate::SubmitError::Full).
    Error,
}

/// What becomes of results.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ResultsPolicy {
    /// They are kept until somebody takes them: memory grows with the number
    /// of tasks whose results nobody has received. To bound it, receive results where
    /// you submit: see [`recipes`](crate::recipes).
    #[default]
    Keep,
    /// Those of tasks that failed, panicked or were aborted are kept; values are dropped on
    /// the worker, before the task counts as settled. For queues that live for months and
    /// whose failures are received as they come, or at the end.
    KeepFailures,
    /// All of them are dropped before the task counts as settled: on the worker, or by the
    /// `cancel` that aborted the task. For queues that live for months.
    /// [`stats`](crate::TaskQueue::stats) still tells how many there were. Which tasks
    /// failed or panicked for good is logged (a warning each), with the message of a panic
    /// but not with the error; nothing tells which were aborted. `drain` returns an empty
    /// list.
    Discard,
}

/// Where a failed task waits for its next attempt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RetryWaits {
    /// In the queue. Its worker takes other tasks meanwhile; when the task is
    /// due it joins the back of the line of its priority, before whatever is
    /// submitted after that.
    #[default]
    FreeWorker,
    /// In the hands of its worker, which sleeps until the task is due and then runs it
    /// again. With one worker this keeps tasks in order. The task takes up room meanwhile,
    /// as it would in the queue. While every worker holds a task nothing else runs, however
    /// urgent. A cancel wakes the worker, which settles the task.
    HoldWorker,
}

/// How a [`TaskQueue`](crate::TaskQueue) is set up: two numbers that every
/// queue needs, and setters for the rest.
///
/// | setter | default |
/// | --- | --- |
/// | [`max_retries`](Self::max_retries) | 3, so 4 attempts |
/// | [`backoff`](Self::backoff) | 0.2 s, doubled with each failure, at most 60 s |
/// | [`backpressure`](Self::backpressure) | `Block`: `submit` waits for room |
/// | [`results`](Self::results) | `Keep`, until somebody takes them |
/// | [`retry_waits`](Self::retry_waits) | `FreeWorker`: in the queue |
/// | [`thread_name`](Self::thread_name) | `taskshelf` |
/// | [`stack_size`](Self::stack_size) | 2 MiB |
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use taskshelf::{Backoff, BackpressureStrategy, QueueOptions};
///
/// let options = QueueOptions::new(1024, 4)
///     .max_retries(5)
///     .backoff(Backoff::exponential(Duration::from_millis(50))) // 0.1 s, 0.2 s, 0.4 s, ...
///     .backpressure(BackpressureStrategy::Error)
///     .thread_name("mailer");
/// ```
#[derive(Debug, Clone)]
#[must_use = "options do nothing until a queue is built from them"]
pub struct QueueOptions {
    pub(crate) capacity: usize,
    pub(crate) workers: usize,
    pub(crate) max_retries: u32,
    pub(crate) backpressure: BackpressureStrategy,
    pub(crate) backoff: Backoff,
    pub(crate) results: ResultsPolicy,
    pub(crate) retry_waits: RetryWaits,
    pub(crate) thread_name: Arc<str>,
    pub(crate) stack_size: Option<usize>,
}

impl QueueOptions {
    /// Room for `capacity` tasks that wait, for a worker or for their next attempt, and
    /// `workers` threads to run them. Neither may be 0:
    /// [`TaskQueue::new`](crate::TaskQueue::new) refuses that. All threads are started at
    /// once, and there will be no others. Memory is taken as tasks come, so `usize::MAX`
    /// means a queue without a bound. Tasks that run take up no room, and a retry never
    /// waits for any, so with the tasks that came back the queue may hold up to `workers`
    /// more; what handlers [submit](crate::Attempt::submit) is not bounded.
    pub fn new(capacity: usize, workers: usize) -> Self {
        Self {
            capacity,
            workers,
            max_retries: 3,
            backpressure: BackpressureStrategy::default(),
            backoff: Backoff::default(),
            results: ResultsPolicy::default(),
            retry_waits: RetryWaits::default(),
            thread_name: Arc::from("taskshelf"),
            stack_size: None,
        }
    }

    /// Whether a queue can be built from them.
    pub(crate) fn check(&self) -> Result<(), BuildError> {
        if self.capacity == 0 {
            return Err(BuildError::ZeroCapacity);
        }
        if self.workers == 0 {
            return Err(BuildError::ZeroWorkers);
        }
        if self.thread_name.contains('\0') {
            return Err(BuildError::ThreadName(String::from(&*self.thread_name)));
        }
        Ok(())
    }

    /// How many attempts may follow a task's first; 3 by default, which makes 4 attempts.
    /// `u32::MAX` means no limit. [`Task::retries`](crate::Task::retries) overrides it.
    pub fn max_retries(mut self, retries: u32) -> Self {
        self.max_retries = retries;
        self
    }

    /// What `submit` and `submit_all` do while the queue is full;
    /// [`Block`](BackpressureStrategy::Block) by default.
    pub fn backpressure(mut self, strategy: BackpressureStrategy) -> Self {
        self.backpressure = strategy;
        self
    }

    /// How long a task waits between two attempts; [`Backoff::default`] unless
    /// set.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// What becomes of results; [`Keep`](ResultsPolicy::Keep) by default.
    pub fn results(mut self, policy: ResultsPolicy) -> Self {
        self.results = policy;
        self
    }

    /// Where a task waits for its next attempt;
    /// [`FreeWorker`](RetryWaits::FreeWorker) by default.
    pub fn retry_waits(mut self, waits: RetryWaits) -> Self {
        self.retry_waits = waits;
        self
    }

    /// The worker threads are called `prefix-1`, `prefix-2` and so on;
    /// `taskshelf-1` by default. The prefix also names the queue in the log. One with a NUL
    /// byte in it is an error when the queue is built. Linux keeps the first 15 bytes of a
    /// thread's name, so tools such as `top` show no number after a long prefix.
    pub fn thread_name(mut self, prefix: impl Into<String>) -> Self {
        self.thread_name = Arc::from(prefix.into());
        self
    }

    /// The size of each worker's stack in bytes; by default that of [`std::thread`], 2 MiB
    /// on most platforms. Debug builds copy a task on the stack many times: a payload and
    /// an error of 20 kB each fit into 2 MiB, of 40 kB each they overflow it. [`Box`]
    /// larger ones.
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.stack_size = Some(bytes);
        self
    }
}
