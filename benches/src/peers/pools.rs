//! Everything that `u64` tasks can be submitted to, with one `u64` result each.

use std::cell::Cell;
use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};
use taskshelf::{Attempt, QueueOptions, Task, TaskQueue};

use crate::peers::channels::{Channel, Unbounded};

pub trait Pool: Sized {
    fn start<H>(capacity: usize, workers: usize, handler: H) -> Self
    where
        H: Fn(u64) -> u64 + Send + Sync + 'static;

    fn submit(&self, priority: i32, task: u64);

    /// Waits for all tasks and joins the threads.
    fn finish(self) -> impl Iterator<Item = u64>;
}

pub struct Shelf(TaskQueue<u64, u64, ()>);

impl Pool for Shelf {
    fn start<H>(capacity: usize, workers: usize, handler: H) -> Self
    where
        H: Fn(u64) -> u64 + Send + Sync + 'static,
    {
        let queue = TaskQueue::new(
            move |attempt: &Attempt<'_, u64>| Ok(handler(attempt.payload)),
            QueueOptions::new(capacity, workers),
        );
        Self(queue.expect("threads start"))
    }

    fn submit(&self, priority: i32, task: u64) {
        let task = Task::new(task).with_priority(priority);
        self.0.submit(task).expect("it is open");
    }

    fn finish(self) -> impl Iterator<Item = u64> {
        let results = self.0.drain().into_iter();
        results.map(|result| result.outcome.expect("no handler fails"))
    }
}

/// What one writes by hand: threads between a bounded channel of tasks and an
/// unbounded one of results.
pub struct ByHand<In: Channel, Out: Channel = In> {
    tasks: In::Sender,
    results: Out::Receiver,
    threads: Vec<JoinHandle<()>>,
}

impl<In: Channel, Out: Unbounded> Pool for ByHand<In, Out> {
    fn start<H>(capacity: usize, workers: usize, handler: H) -> Self
    where
        H: Fn(u64) -> u64 + Send + Sync + 'static,
    {
        let handler = Arc::new(handler);
        let (tasks, take) = In::bounded(capacity);
        let (publish, results) = Out::unbounded();
        let threads = (0..workers).map(|_| {
            let (take, publish, handler) = (take.clone(), publish.clone(), Arc::clone(&handler));
            thread::spawn(move || {
                In::receive_all(&take, |task| Out::send(&publish, 0, handler(task)));
            })
        });
        Self {
            threads: threads.collect(),
            tasks,
            results,
        }
    }

    fn submit(&self, priority: i32, task: u64) {
        In::send(&self.tasks, priority, task);
    }

    fn finish(self) -> impl Iterator<Item = u64> {
        drop(self.tasks);
        for thread in self.threads {
            thread.join().expect("it ends");
        }
        std::iter::from_fn(move || Out::receive(&self.results))
    }
}

/// What one writes by hand who wants to know of each task what [`Shelf`] tells.
pub struct Reporting {
    tasks: Sender<(u64, u64)>,
    submitted: Cell<u64>,
    results: Receiver<TaskReport>,
    threads: Vec<JoinHandle<()>>,
}

struct TaskReport {
    _id: u64,
    outcome: Result<u64, String>,
    _attempts: u32,
    _duration: Duration,
}

impl Pool for Reporting {
    fn start<H>(capacity: usize, workers: usize, handler: H) -> Self
    where
        H: Fn(u64) -> u64 + Send + Sync + 'static,
    {
        let handler = Arc::new(handler);
        let (tasks, take) = crossbeam_channel::bounded(capacity);
        let (publish, results) = crossbeam_channel::unbounded();
        let threads = (0..workers).map(|_| {
            let (take, publish, handler) = (take.clone(), publish.clone(), Arc::clone(&handler));
            thread::spawn(move || {
                for (id, task) in take {
                    let start = Instant::now();
                    let outcome = catch_unwind(AssertUnwindSafe(|| handler(task)));
                    let report = TaskReport {
                        _id: id,
                        outcome: outcome.map_err(|_| String::from("panicked")),
                        _attempts: 1,
                        _duration: start.elapsed(),
                    };
                    publish.send(report).expect("it is open");
                }
            })
        });
        Self {
            threads: threads.collect(),
            tasks,
            submitted: Cell::new(0),
            results,
        }
    }

    fn submit(&self, _priority: i32, task: u64) {
        self.submitted.set(self.submitted.get() + 1);
        let task = (self.submitted.get(), task);
        self.tasks.send(task).expect("it is open");
    }

    fn finish(self) -> impl Iterator<Item = u64> {
        drop(self.tasks);
        for thread in self.threads {
            thread.join().expect("it ends");
        }
        let results: Vec<TaskReport> = self.results.iter().collect();
        let results = results.into_iter();
        results.map(|report| report.outcome.expect("no handler panics"))
    }
}

/// The handler with what every task queue that contains panics and times its
/// tasks must add to it, and nothing else.
pub fn contained_and_timed(handler: impl Fn(u64) -> u64) -> impl Fn(u64) -> u64 {
    move |task| {
        let start = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| handler(task)));
        black_box(start.elapsed());
        outcome.expect("no handler panics")
    }
}

/// A pool of threads that runs closures.
pub trait Executor: Sized {
    fn with_workers(workers: usize) -> Self;
    fn execute(&self, job: impl FnOnce() + Send + 'static);
    fn join(self);
}

/// Tasks as closures. Unbounded: these pools have no backpressure.
pub struct Closures<X: Executor> {
    executor: X,
    /// Runs the handler and publishes what it returns.
    run: Arc<dyn Fn(u64) + Send + Sync>,
    results: mpsc::Receiver<u64>,
}

impl<X: Executor> Pool for Closures<X> {
    fn start<H>(_capacity: usize, workers: usize, handler: H) -> Self
    where
        H: Fn(u64) -> u64 + Send + Sync + 'static,
    {
        let (publish, results) = mpsc::channel();
        Self {
            executor: X::with_workers(workers),
            run: Arc::new(move |task| publish.send(handler(task)).expect("it is open")),
            results,
        }
    }

    fn submit(&self, _priority: i32, task: u64) {
        let run = Arc::clone(&self.run);
        self.executor.execute(move || run(task));
    }

    fn finish(self) -> impl Iterator<Item = u64> {
        drop(self.run);
        let results: Vec<u64> = self.results.iter().collect();
        self.executor.join();
        results.into_iter()
    }
}

impl Executor for rayon::ThreadPool {
    fn with_workers(workers: usize) -> Self {
        let builder = rayon::ThreadPoolBuilder::new().num_threads(workers);
        builder.build().expect("threads start")
    }

    fn execute(&self, job: impl FnOnce() + Send + 'static) {
        self.spawn(job);
    }

    fn join(self) {}
}

impl Executor for threadpool::ThreadPool {
    fn with_workers(workers: usize) -> Self {
        Self::new(workers)
    }

    fn execute(&self, job: impl FnOnce() + Send + 'static) {
        self.execute(job);
    }

    fn join(self) {
        Self::join(&self);
    }
}

impl Executor for rusty_pool::ThreadPool {
    fn with_workers(workers: usize) -> Self {
        let builder = rusty_pool::Builder::new().core_size(workers);
        builder.max_size(workers).build()
    }

    fn execute(&self, job: impl FnOnce() + Send + 'static) {
        self.execute(job);
    }

    fn join(self) {
        self.shutdown_join();
    }
}
