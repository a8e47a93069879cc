//! The bakery: worker threads around a shelf, from start to join.

use std::fmt;
use std::io;
use std::mem;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::attempt::Attempt;
use crate::cancel_token::CancelToken;
use crate::contain::{discard, report};
use crate::error::{BuildError, SubmitAllError, SubmitError, Submitted, SubmittedAll};
use crate::monitor::Wait;
use crate::options::{QueueOptions, ResultsPolicy};
use crate::outbox::{Abandoned, Outbox};
use crate::publisher::{Publisher, discard_unclaimed};
use crate::result::WorkerResult;
use crate::shared::Shared;
use crate::stats::Stats;
use crate::submitter::Submitter;
use crate::sync::{self, Receiver, thread, thread::JoinHandle};
use crate::task::{Task, TaskId};
use crate::worker::Worker;

/// A bounded priority queue of tasks, with worker threads that run a handler
/// for each, retry what fails, and leave one result for every accepted task.
///
/// - `P` is the payload of a task, `R` what the handler makes of it, `E` the
///   handler's error.
/// - The greatest priority is taken first, and equal priorities in the order
///   accepted.
/// - A failed attempt is retried after a [backoff](crate::Backoff), a handler's panic like
///   an error. Meanwhile its worker takes other tasks (see
///   [`RetryWaits`](crate::RetryWaits)), and the task takes up room in the queue, so that
///   an outage slows submitters down. When it is due it goes behind the others of its
///   priority. The attempt's error is dropped before its task waits.
/// - Every accepted task has exactly one [`WorkerResult`]; every refused one is
///   handed back to its submitter (unless the iterator it came from, or its conversion,
///   panics; see [`submit_all`](Self::submit_all)).
/// - An idle queue makes no wake-ups.
/// - It is `Send` and `Sync` if `P`, `R` and `E` are `Send`.
///
/// # Ways to stop
///
/// | call | new tasks | ready and waiting tasks | running attempts | returns |
/// | --- | --- | --- | --- | --- |
/// | [`close`](Self::close) | refused | finish | finish | at once |
/// | [`drain`](Self::drain) | refused | finish, after their delays | finish | all results not received yet, threads joined |
/// | [`drain_timeout`](Self::drain_timeout) | refused | the same | finish | the same, or the queue if time runs out |
/// | [`cancel`](Self::cancel) | refused | settled as aborted, without another attempt | finish, and are not retried | at once |
/// | [`abort`](Self::abort) | refused | settled as aborted, without another attempt | finish, and are not retried | all results not received yet, threads joined |
/// | drop | refused | as `drain`; as `abort` while unwinding | finish | threads joined |
/// | drop on one of its own workers | refused | finish | finish | at once, and says so in the log; results reach only receivers made before |
///
/// New tasks are those from outside: what handlers [submit](Attempt::submit) is accepted
/// until the queue is cancelled.
///
/// A thread cannot be killed: for a handler that never returns, `drain`, `abort`, drop and a
/// loop over the [results](Self::results) wait for ever. `drain_timeout` hands the queue
/// back: what has finished can be received (`queue.results().try_iter()`), and a program that
/// is about to exit may [forget](std::mem::forget) the queue, whose drop would wait again. A
/// handler that runs for long should look at [`Attempt::is_cancelled`].
///
/// A queue in a `static` is never dropped, and its tasks end with the process: close it, and
/// wait until it is [idle](Self::wait_idle), before `main` returns. Nor is a queue dropped
/// that is kept alive from inside, by an `Arc` of it in its own handler or in one of its
/// tasks or results: a handler gets what it needs of the queue from its [`Attempt`].
///
/// Where another thread receives the [results](Self::results), do not drain: it would take
/// what that thread has yet to receive. [`recipes`](crate::recipes) shows how to stop then.
///
/// A queue that was built while its thread was unwinding, by a destructor, is always drained
/// when it is dropped, never aborted.
///
/// Only the queue's own workers are kept from waiting for themselves. A helper thread that a
/// handler waits for is not recognised: `drain`, `abort` and drop hang there.
///
/// # Examples
///
/// ```
/// use taskshelf::{Attempt, QueueOptions, Task, TaskError, TaskQueue};
///
/// let queue = TaskQueue::new(
///     |attempt: &Attempt<'_, &str>| match attempt.payload.parse::<u32>() {
///         Ok(number) => Ok(number),
///         Err(error) => Err(attempt.permanent(error)), // trying again will not help
///     },
///     QueueOptions::new(1024, 4), // room for 1024 tasks, 4 workers
/// )?;
/// queue.submit("7")?; // blocks while the queue is full
/// queue.submit(Task::new("a dozen").with_priority(5))?;
///
/// for result in queue.drain() {
///     match result.outcome {
///         Ok(number) => assert_eq!(number, 7),
///         Err(failure) => {
///             assert_eq!(failure.task.payload, "a dozen");
///             assert!(matches!(failure.error, TaskError::Failed(_)));
///         }
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Handlers that consume their payload
///
/// A handler sees its payload by reference, because it may be called again.
/// What can run only once (an `FnOnce`, say) is taken out of a `Cell`, for a
/// payload needs to be `Send`, not `Sync`:
///
/// ```
/// use std::cell::Cell;
/// use taskshelf::{Attempt, QueueOptions, TaskQueue};
///
/// type Once = Cell<Option<Box<dyn FnOnce() -> u32 + Send>>>;
///
/// let queue = TaskQueue::new(
///     |attempt: &Attempt<'_, Once>| match attempt.payload.take() {
///         Some(job) => Ok(job()),
///         None => Err("it has run already"),
///     },
///     QueueOptions::new(8, 1).max_retries(0),
/// )?;
/// queue.submit::<Once>(Cell::new(Some(Box::new(|| 42))))?;
/// assert_eq!(queue.drain()[0].outcome.as_ref().ok(), Some(&42));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a queue that is dropped finishes its tasks and joins its threads first"]
pub struct TaskQueue<P, R, E> {
    submitter: Submitter<P>,
    outbox: Arc<Outbox<WorkerResult<P, R, E>>>,
    /// Empty once they have been joined, or left alone.
    workers: Vec<JoinHandle<()>>,
    /// Whether it was built while its thread was unwinding, by a destructor: that panic is
    /// no reason to abort it.
    built_unwinding: bool,
}

impl<P, R, E> TaskQueue<P, R, E> {
    /// Builds a queue and starts its workers.
    ///
    /// The handler is shared by all of them and lives as long as they do: what it borrows
    /// must be `'static`, or shared in an `Arc`. It may be called more than once for a task.
    ///
    /// A closure that calls methods of the payload, or is bound to a variable first, needs
    /// the type of its argument: `|attempt: &Attempt<'_, String>| ..`. One that never
    /// fails, or only through `?`, must name its error type: `Ok::<_, Infallible>(..)`, and
    /// one that always fails its result: `Err::<(), _>(..)`. Errors go to another thread: a
    /// boxed one is a `Box<dyn Error + Send + Sync>`.
    ///
    /// # Errors
    ///
    /// If the options ask for no capacity or no workers, if the prefix of the threads' names
    /// has a NUL byte in it, or if a thread could not be started; those that were are
    /// joined first.
    ///
    /// # Examples
    ///
    /// See [the queue itself](Self#examples).
    pub fn new<H>(handler: H, options: QueueOptions) -> Result<Self, BuildError>
    where
        H: Fn(&Attempt<'_, P>) -> Result<R, E> + Send + Sync + 'static,
        P: Send + 'static,
        R: Send + 'static,
        E: Send + 'static,
    {
        Self::start(handler, options, thread::spawn)
    }

    /// `spawn` starts a thread; in tests it may fail.
    fn start<H, S>(handler: H, options: QueueOptions, mut spawn: S) -> Result<Self, BuildError>
    where
        H: Fn(&Attempt<'_, P>) -> Result<R, E> + Send + Sync + 'static,
        P: Send + 'static,
        R: Send + 'static,
        E: Send + 'static,
        S: FnMut(String, Option<usize>, Box<dyn FnOnce() + Send>) -> io::Result<JoinHandle<()>>,
    {
        if let Err(error) = options.check() {
            discard(handler);
            discard(options.backoff);
            return Err(error);
        }

        let outbox = Arc::new(Outbox::new());
        if options.results == ResultsPolicy::Discard {
            outbox.end();
        }
        let publisher = Arc::new(Publisher::new(
            Arc::clone(&outbox),
            options.results,
            Arc::clone(&options.thread_name),
        ));
        let shared = Arc::new(Shared::new(&options, Arc::clone(&publisher) as _));
        let worker = Arc::new(Worker {
            shared: Arc::clone(&shared),
            publisher,
            handler,
            max_retries: options.max_retries,
            backoff: options.backoff.seeded(sync::random_seed()),
            retry_waits: options.retry_waits,
            built: sync::timestamp(),
        });
        let mut workers = Vec::new();
        for number in 1..=options.workers {
            let name = format!("{}-{number}", options.thread_name);
            let body = {
                let worker = Arc::clone(&worker);
                Box::new(move || {
                    worker.run();
                    Worker::release(worker);
                })
            };
            match spawn(name, options.stack_size, body) {
                Ok(handle) => workers.push(handle),
                Err(source) => {
                    let started = workers.len();
                    shared.monitor.close();
                    join_all(workers);
                    Worker::release(worker);
                    return Err(BuildError::Spawn {
                        started,
                        workers: options.workers,
                        source,
                    });
                }
            }
        }
        shared
            .monitor
            .set_workers(workers.iter().map(|worker| worker.thread().id()).collect());
        Ok(Self {
            submitter: Submitter::new(shared),
            outbox,
            workers,
            built_unwinding: thread::panicking(),
        })
    }

    fn shared(&self) -> &Shared<P> {
        self.submitter.shared()
    }

    // ----- submitting -------------------------------------------------------

    /// Submits a task; blocks while the queue is full, unless its
    /// [strategy](crate::BackpressureStrategy) is another. See [`Submitter::submit`].
    ///
    /// # Errors
    ///
    /// The task: `Closed` if the queue is closed; if it is full, `Full` under the strategy
    /// `Error`, or `WouldDeadlock` under `Block` on one of its own workers.
    #[inline]
    pub fn submit<T: Into<Task<P>>>(&self, task: T) -> Result<Submitted<P>, SubmitError<P>> {
        self.submitter.submit(task)
    }

    /// Submits a task if there is room now. Never blocks. See
    /// [`Submitter::try_submit`].
    ///
    /// # Errors
    ///
    /// The task, if the queue is full or closed.
    pub fn try_submit<T: Into<Task<P>>>(&self, task: T) -> Result<TaskId, SubmitError<P>> {
        self.submitter.try_submit(task)
    }

    /// Submits a task; waits for room, but no longer than `timeout`. See
    /// [`Submitter::submit_timeout`].
    ///
    /// # Errors
    ///
    /// The task, if there was no room in time, or the queue is closed; with a
    /// timeout so long that it is no limit also if this would deadlock.
    pub fn submit_timeout<T: Into<Task<P>>>(
        &self,
        task: T,
        timeout: Duration,
    ) -> Result<Submitted<P>, SubmitError<P>> {
        self.submitter.submit_timeout(task, timeout)
    }

    /// Submits a task; waits for room, but not beyond `deadline`. See
    /// [`Submitter::submit_deadline`].
    ///
    /// # Errors
    ///
    /// The task, if there was no room in time, or the queue is closed.
    pub fn submit_deadline<T: Into<Task<P>>>(
        &self,
        task: T,
        deadline: Instant,
    ) -> Result<Submitted<P>, SubmitError<P>> {
        self.submitter.submit_deadline(task, deadline)
    }

    /// Submits many tasks in order, with few locks. See
    /// [`Submitter::submit_all`].
    ///
    /// # Errors
    ///
    /// As for [`submit`](Self::submit), with every task that was pulled from the iterator and
    /// did not get in: at most 64, and those that the strategy had dropped before. To keep the
    /// others, submit `iterator.by_ref()`.
    ///
    /// # Panics
    ///
    /// If the iterator does, or a conversion into a [`Task`].
    pub fn submit_all<I>(&self, tasks: I) -> Result<SubmittedAll<P>, SubmitAllError<P>>
    where
        I: IntoIterator,
        I::Item: Into<Task<P>>,
    {
        self.submitter.submit_all(tasks)
    }

    /// A handle for submitting from other threads.
    pub fn submitter(&self) -> Submitter<P> {
        self.submitter.clone()
    }

    // ----- watching ---------------------------------------------------------

    /// Results as they are published, in that order. The receiver disconnects when the last
    /// worker has left, and no `cancel` is still publishing; so after
    /// [`close`](Self::close) a loop over it ends with the last result. Each result goes to
    /// one taker: what is received here is not returned by `drain`. With
    /// [`ResultsPolicy::Discard`] the receiver is disconnected from the start. Dropping all
    /// receivers does not stop results from being kept: the queue holds a receiver itself. A
    /// handler that waits for the end of its own queue's results waits for ever.
    ///
    /// The receiver is crossbeam's, of version 0.5: its `select!` macro works with it.
    ///
    /// The first call moves what was kept so far into the channel, and no result is
    /// published meanwhile: call it early.
    ///
    /// A [`thread::scope`](std::thread::scope) joins its threads before anything made outside
    /// it is dropped. If one of them loops over the results, build the queue inside the scope:
    /// then an early `?` or a panic there closes it, and the loop ends.
    ///
    /// A dropped queue leaves its results to the receivers made here. The last receiver to
    /// be dropped, the queue included, drops what is left all at once, as crossbeam does:
    /// if a result's destructor panics, the results behind it are leaked, and if both its
    /// payload and its error panic, the process aborts. (A panic in the queue's own drop is
    /// contained.) Where that may happen, receive or [`drain`](Self::drain) all results and
    /// drop them one by one. If this was never called, the queue's own drop drops them one by
    /// one.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::convert::Infallible;
    /// use taskshelf::{Attempt, QueueOptions, TaskQueue};
    ///
    /// let queue = TaskQueue::new(
    ///     |attempt: &Attempt<'_, u32>| Ok::<_, Infallible>(attempt.payload * 10),
    ///     QueueOptions::new(16, 2),
    /// )?;
    /// queue.submit_all([1, 2, 3])?;
    /// queue.close();
    /// let mut values: Vec<u32> = queue.results().iter().filter_map(|r| r.outcome.ok()).collect();
    /// values.sort();
    /// assert_eq!(values, [10, 20, 30]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn results(&self) -> Receiver<WorkerResult<P, R, E>> {
        self.outbox.stream()
    }

    /// Waits until the queue is idle: nothing ready, waiting or running. The results of all
    /// that was settled by then can be received. One idle moment since the call is enough,
    /// even if the queue is filled again at once; while others submit without a pause there
    /// may be none. Submitters that are blocked do not count, as their tasks are not accepted
    /// yet (join your producers first), nor does a receiver that is about to submit a failed
    /// task again.
    ///
    /// # Panics
    ///
    /// On one of the queue's own workers, which would wait for itself. (A helper
    /// thread that a handler waits for is not recognised.)
    #[track_caller]
    pub fn wait_idle(&self) {
        self.refuse_own_worker("wait_idle");
        self.shared().monitor.wait_idle(Wait::Forever);
    }

    /// [`wait_idle`](Self::wait_idle) for no longer than `timeout`; whether the
    /// queue was idle. A timeout too long for an [`Instant`] means no limit.
    ///
    /// # Panics
    ///
    /// On one of the queue's own workers.
    #[must_use = "the queue may not have been idle in time"]
    #[track_caller]
    pub fn wait_idle_timeout(&self, timeout: Duration) -> bool {
        self.refuse_own_worker("wait_idle_timeout");
        self.shared().monitor.wait_idle(Wait::timeout(timeout))
    }

    /// Whether the queue has been cancelled. Never blocks.
    pub fn is_cancelled(&self) -> bool {
        self.submitter.is_cancelled()
    }

    /// Tells producers whether the queue has been cancelled, so that they can stop. It may
    /// outlive the queue.
    pub fn cancel_token(&self) -> CancelToken {
        self.submitter.cancel_token()
    }

    /// A consistent snapshot of the queue's counters, taken under one lock.
    pub fn stats(&self) -> Stats {
        self.submitter.stats()
    }

    /// The capacity that the queue was built with.
    pub fn capacity(&self) -> usize {
        self.submitter.capacity()
    }

    // ----- stopping ---------------------------------------------------------

    /// Refuses new tasks, including those of blocked submitters, but not what handlers
    /// [submit](Attempt::submit). Accepted tasks still run. Never blocks. Returns whether
    /// this call closed the queue; there is no way to open it again.
    pub fn close(&self) -> bool {
        self.submitter.close()
    }

    /// Whether the queue refuses new tasks from outside.
    pub fn is_closed(&self) -> bool {
        self.submitter.is_closed()
    }

    /// Ends the queue early: refuses new tasks, and settles at once, as
    /// [`Aborted`](crate::TaskError::Aborted), every task that waits for a worker or for
    /// its next attempt. Attempts that run go on, see [`Attempt::is_cancelled`], and are
    /// not retried: one that fails is settled with its own error. Returns once the tasks
    /// that this call aborted are settled; waits neither for running attempts nor for an
    /// earlier `cancel`. (A task in its worker's hands between two attempts, on its way
    /// back to the queue or [held there](crate::RetryWaits::HoldWorker), is settled as
    /// aborted by that worker, a moment later.)
    ///
    /// May be called from any thread, by way of a [`Submitter`] also while another sits in
    /// [`drain`](Self::drain). It takes locks and runs destructors: call it from a thread,
    /// not in a signal handler itself. Where results are
    /// [discarded](ResultsPolicy::Discard), or can no longer be received, the payloads are
    /// dropped here; neither their destructors nor a logger that is told of their panics may
    /// wait for the queue, or drop it.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::thread;
    /// use std::time::Duration;
    /// use taskshelf::{Attempt, Backoff, QueueOptions, TaskQueue};
    ///
    /// let queue = TaskQueue::new(
    ///     |_: &Attempt<'_, u32>| Err::<(), _>("the server is away"),
    ///     QueueOptions::new(16, 2).backoff(Backoff::constant(Duration::from_secs(3600))),
    /// )?;
    /// queue.submit_all([1, 2, 3])?;
    ///
    /// // What a signal handler's thread would do.
    /// let submitter = queue.submitter();
    /// let canceller = thread::spawn(move || submitter.cancel());
    ///
    /// let results = queue.drain(); // does not wait for an hour
    /// assert_eq!(results.len(), 3);
    /// canceller.join().expect("it does not panic");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cancel(&self) {
        self.submitter.cancel();
    }

    /// Finishes everything that was accepted, joins the threads, and returns
    /// the results that nobody has received yet, in the order of publication.
    ///
    /// Blocks until every handler has returned and every delay has run out;
    /// [`Submitter::cancel`] from another thread ends the delays. (With only a reference:
    /// [`close`](Self::close), [`wait_idle`](Self::wait_idle), then receive from
    /// [`results`](Self::results).)
    ///
    /// # Panics
    ///
    /// On one of the queue's own workers, which cannot join itself. A handler's attempt fails
    /// with that panic as with any other, and the queue is dropped there: it is closed, its
    /// tasks finish, and their results reach only receivers that were made before.
    #[must_use = "some of the results may be failed tasks"]
    #[track_caller]
    pub fn drain(mut self) -> Vec<WorkerResult<P, R, E>> {
        self.refuse_own_worker("drain");
        self.shared().monitor.close();
        self.finish()
    }

    /// [`drain`](Self::drain) for no longer than `timeout`. A timeout too long for an
    /// [`Instant`] means no limit. It does not limit the join after the last task, which
    /// runs the destructors of the handler, the backoff and the workers' thread-locals.
    ///
    /// # Errors
    ///
    /// The queue itself, closed, if it is not done by then: drain it further, or cancel it.
    /// Dropping it drains it without a limit.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use taskshelf::{Attempt, Backoff, QueueOptions, TaskQueue};
    ///
    /// let queue = TaskQueue::new(
    ///     |_: &Attempt<'_, u32>| Err::<(), _>("the server is away"),
    ///     QueueOptions::new(16, 2).backoff(Backoff::constant(Duration::from_secs(3600))),
    /// )?;
    /// queue.submit(1)?;
    /// let results = match queue.drain_timeout(Duration::from_millis(1)) {
    ///     Ok(results) => results,
    ///     Err(queue) => queue.abort(),
    /// };
    /// assert_eq!(results.len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Panics
    ///
    /// On one of the queue's own workers, with the same consequences as for
    /// [`drain`](Self::drain).
    #[track_caller]
    pub fn drain_timeout(mut self, timeout: Duration) -> Result<Vec<WorkerResult<P, R, E>>, Self> {
        self.refuse_own_worker("drain_timeout");
        self.shared().monitor.close();
        if self.shared().monitor.wait_idle(Wait::timeout(timeout)) {
            Ok(self.finish())
        } else {
            Err(self)
        }
    }

    /// [`cancel`](Self::cancel), then [`drain`](Self::drain): the results
    /// include the aborted tasks. Blocks until every handler that runs has
    /// returned.
    ///
    /// # Panics
    ///
    /// On one of the queue's own workers, with the same consequences as for
    /// [`drain`](Self::drain): the queue is closed there, not cancelled.
    #[must_use = "some of the results may be aborted tasks"]
    #[track_caller]
    pub fn abort(mut self) -> Vec<WorkerResult<P, R, E>> {
        self.refuse_own_worker("abort");
        self.shared().cancel();
        self.finish()
    }

    /// Joins the workers of a closed queue and collects what they left.
    fn finish(&mut self) -> Vec<WorkerResult<P, R, E>> {
        self.join();
        self.outbox.take()
    }

    fn join(&mut self) {
        join_all(mem::take(&mut self.workers));
        // A canceller on another thread may still be publishing.
        self.shared().monitor.wait_idle(Wait::Forever);
    }

    #[track_caller]
    fn refuse_own_worker(&self, operation: &str) {
        assert!(
            !self.shared().monitor.is_own_worker(),
            "{operation} on a worker of the queue would wait for itself",
        );
    }
}

impl<P, R, E> Drop for TaskQueue<P, R, E> {
    fn drop(&mut self) {
        if self.workers.is_empty() {
            return;
        }
        if self.shared().monitor.is_own_worker() {
            self.shared().monitor.close();
            self.workers.clear();
            report!(
                warn,
                "queue {} was dropped on its own worker: its threads finish by themselves",
                self.shared().name
            );
        } else {
            if thread::panicking() && !self.built_unwinding {
                self.shared().cancel();
            } else {
                self.shared().monitor.close();
            }
            self.join();
        }
        let name = &self.shared().name;
        match self.outbox.abandon() {
            // Not received here one by one: others may have receivers, which a channel does
            // not tell.
            Abandoned::Streamed(results) => {
                let left = results.len();
                if left > 0 {
                    report!(
                        info,
                        "queue {name} was dropped with results not received, \
                         left to its receivers if there are any: {left}"
                    );
                }
                discard(results);
            }
            Abandoned::Unclaimed(results) => discard_unclaimed(name, results),
        }
    }
}

// Nothing can be seen half-changed: no code that may panic runs under the lock.
impl<P, R, E> UnwindSafe for TaskQueue<P, R, E> {}
impl<P, R, E> RefUnwindSafe for TaskQueue<P, R, E> {}

impl<P, R, E> fmt::Debug for TaskQueue<P, R, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskQueue")
            .field("name", &self.shared().name)
            .field("workers", &self.workers.len())
            .field("capacity", &self.capacity())
            .field("is_closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

/// Workers contain every panic of the user's, so there is none to pass on.
fn join_all(workers: Vec<JoinHandle<()>>) {
    for worker in workers {
        if let Err(payload) = worker.join() {
            discard(payload);
            report!(error, "a worker thread panicked");
        }
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests;
