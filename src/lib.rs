//! A bounded priority task queue for programs that block: OS worker threads,
//! retries with backoff, and one result for every accepted task. There is no
//! async runtime anywhere.
//!
//! ```
//! use taskshelf::{Attempt, QueueOptions, Task, TaskQueue};
//!
//! let queue = TaskQueue::new(
//!     |attempt: &Attempt<'_, &str>| std::fs::read_to_string(attempt.payload),
//!     QueueOptions::new(1024, 4),
//! )?;
//! queue.submit("Cargo.toml")?;
//! queue.submit(Task::new("Cargo.lock").with_priority(5).with_retries(0))?;
//! for result in queue.drain() {
//!     match result.outcome {
//!         Ok(text) => println!("task {}: {} bytes", result.task_id, text.len()),
//!         Err(failure) => println!("{failure}, after {} attempts", result.attempts),
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! There are two layers:
//!
//! - [`TaskQueue`] owns worker threads that run a handler for every task, retry
//!   what fails, and publish a [`WorkerResult`].
//! - [`PriorityQueue`] is the shelf alone, for programs that have threads of
//!   their own and would otherwise use a channel.
//!
//! How to receive results while tasks run, to answer whoever asked, to keep a connection
//! for each worker, to test a handler or to work with leases: see [`recipes`].
//!
//! # What holds
//!
//! - Every accepted task has exactly one result; every refused one is handed
//!   back, unless the iterator it came from, or its conversion into a [`Task`], panics.
//!   [`TaskQueue::stats`] is exact:
//!   *accepted = ready + waiting + running + settled* in every snapshot.
//! - The greatest priority first; equal priorities in the order accepted, a retry behind
//!   the others when it is due.
//! - No code of yours runs under the queue's lock: no handler, backoff,
//!   destructor or logger. (A global allocator does, and must not use a queue.)
//! - A panic of yours on a worker is contained: the worker lives on. (This needs
//!   `panic = "unwind"`, the default. The panic hook still runs. The process aborts if a
//!   second panic begins while the first unwinds, as in a destructor of one of the handler's
//!   locals, or in two destructors of one value, and if the destructor of a thread-local
//!   panics. A `std::sync::Mutex` held by a panicking handler is poisoned for later attempts.)
//! - Nothing polls: an idle queue makes no wake-ups. A thread that must wait in a busy one
//!   spins and yields for some tens of microseconds, and then sleeps. (At capacities of 256
//!   or more a blocked submitter may be let in up to a millisecond after there is room, which
//!   saves the workers a wake-up for every task.)
//! - No thread outlives `drain`, `abort` or drop, except when a queue is dropped
//!   on one of its own workers.
//!
//! What is said in the [`log`](https://docs.rs/log), with the target `taskshelf`:
//!
//! | level | what |
//! | --- | --- |
//! | error | a destructor, or a worker's thread, panicked |
//! | warn | tasks were dropped by their queue's strategy; a task failed for good and nobody can receive its result; a queue was dropped with results not received, or on its own worker |
//! | info | a queue was dropped and leaves results to receivers, if there are any |
//! | debug | an attempt failed, or panicked, and is to be retried, and after what delay |
//!
//! All but the first say which queue, by its [`thread_name`](QueueOptions::thread_name).
//!
//! Do not keep a queue in a thread-local on Windows: its drop joins threads, and there the
//! destructors of thread-locals run under a lock that an ending thread needs.
//!
//! After a `fork`, use a queue in the parent only: the child has none of its
//! threads.
//!
//! # In a model
//!
//! Built with `--cfg loom` or `--cfg shuttle`, the crate runs inside your own
//! models: the same queues over the mutex, condvar and threads of that model
//! checker. Time stands still there until `taskshelf::model::advance` moves it.
//! The module `model` is documented where rustdoc gets that flag as well:
//! `RUSTFLAGS='--cfg loom' RUSTDOCFLAGS='--cfg loom' cargo doc --no-deps`.

// Code map. Each room imports only from those above it in this list.
//
//   task, backoff, result, error, options, stats    nouns
//   pace            how long a thread stays away before it looks again
//   sync            the seam: locks, threads, channels and the clock, or a model's
//   entry           an item and its priority
//   growth          buffers that grow under the lock
//   levels, slots, heap, ready               stable priority order
//   waiting         items by due time
//   line            sleeping threads, and the one that has been called
//   patience        which submitter sleeps on while there is a little room
//   sleepers        who must be woken, and who may go ahead of them
//   state           every other decision, under the lock but without knowing it
//   parker          what one thread sleeps on
//   monitor         the lock, and who waits for what is in it
//   contain, chunks                          the doors to the user's code
//   lease, iter, priority_queue              the shelf
//   cancel_token    the hint that a queue was cancelled
//   job             a task on the shelf
//   outbox          where results lie
//   shared, submitter, attempt               what a task queue is to those who submit
//   publisher, worker                        a worker's cycle
//   task_queue                               the bakery
//   model           what a model decides (with loom or shuttle only)
//   recipes         documentation only

mod attempt;
mod backoff;
mod cancel_token;
mod chunks;
mod contain;
mod entry;
mod error;
mod growth;
mod heap;
mod iter;
mod job;
mod lease;
mod levels;
mod line;
mod monitor;
mod options;
mod outbox;
mod pace;
mod parker;
mod patience;
mod priority_queue;
mod publisher;
mod ready;
mod result;
mod shared;
mod sleepers;
mod slots;
mod state;
mod stats;
mod submitter;
mod sync;
mod task;
mod task_queue;
mod waiting;
mod worker;

#[cfg(any(loom, shuttle))]
pub mod model;
#[doc = include_str!("recipes.md")]
pub mod recipes {}

/// Its example is tested with the others.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub use attempt::Attempt;
pub use backoff::{Backoff, Jitter};
pub use cancel_token::CancelToken;
pub use error::{
    BuildError, PopTimeoutError, PushAllError, PushError, PushTimeoutError, RetryError,
    SubmitAllError, SubmitError, Submitted, SubmittedAll, TryPopError, TryPushError,
};
pub use iter::{Iter, TryIter};
pub use lease::Lease;
pub use options::{BackpressureStrategy, QueueOptions, ResultsPolicy, RetryWaits};
pub use priority_queue::{CloseOnDrop, PriorityQueue};
pub use result::{Failure, TaskError, WorkerResult};
pub use stats::Stats;
pub use submitter::Submitter;
#[cfg_attr(not(any(loom, shuttle)), doc(no_inline))]
pub use sync::Receiver;
#[doc(no_inline)]
pub use sync::{RecvError, RecvTimeoutError, TryRecvError};
pub use task::{Task, TaskId};
pub use task_queue::TaskQueue;
