//! Where tests meet threads: gates, counters, recorders and a watchdog.

use std::cell::RefCell;
use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, Once, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use taskshelf::{
    Attempt, BackpressureStrategy, QueueOptions, RetryWaits, Stats, Task, TaskError, TaskId,
    TaskQueue, WorkerResult,
};

/// How long a test may take before it counts as hanging.
const LIMIT: Duration = Duration::from_secs(10);

/// Longer than any test: a wait that must be ended by something else.
pub(crate) const HOUR: Duration = Duration::from_secs(3600);

/// What holds for retries holds wherever a task waits.
pub(crate) const BOTH_WAITS: [RetryWaits; 2] = [RetryWaits::FreeWorker, RetryWaits::HoldWorker];

pub(crate) const STRATEGIES: [BackpressureStrategy; 3] = [
    BackpressureStrategy::Block,
    BackpressureStrategy::Drop,
    BackpressureStrategy::Error,
];

// ----- waiting ------------------------------------------------------------------

/// Runs a test's body on a thread of its own, and fails if that takes longer
/// than the limit.
#[track_caller]
pub(crate) fn within_seconds<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, finished) = mpsc::channel();
    let name = thread::current().name().unwrap_or("test").to_owned();
    thread::Builder::new()
        .name(name)
        .spawn(move || done.send(panic::catch_unwind(AssertUnwindSafe(body))))
        .unwrap();
    match finished.recv_timeout(LIMIT) {
        Ok(Ok(value)) => value,
        Ok(Err(payload)) => panic::resume_unwind(payload),
        Err(_) => panic!("not done after {LIMIT:?}: something hangs"),
    }
}

/// Waits for a condition that must come true.
#[track_caller]
pub(crate) fn until(mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < LIMIT, "the condition never came true");
        thread::yield_now();
    }
}

/// A two-phase barrier: whoever passes says so and waits, until the test, which
/// waits for arrivals, opens the gate for good.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<(Mutex<GateState>, Condvar)>);

#[derive(Default)]
struct GateState {
    arrivals: usize,
    open: bool,
}

impl Gate {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Arrives, and waits until the gate is open.
    pub(crate) fn pass(&self) {
        let (state, changed) = &*self.0;
        let mut state = state.lock().unwrap();
        state.arrivals += 1;
        changed.notify_all();
        while !state.open {
            state = changed.wait(state).unwrap();
        }
    }

    /// Waits until so many have arrived in all.
    pub(crate) fn arrived(&self, count: usize) {
        let (state, changed) = &*self.0;
        let mut state = state.lock().unwrap();
        while state.arrivals < count {
            state = changed.wait(state).unwrap();
        }
    }

    pub(crate) fn open(&self) {
        let (state, changed) = &*self.0;
        state.lock().unwrap().open = true;
        changed.notify_all();
    }
}

/// A count that only grows, and that can be waited for.
#[derive(Clone, Default)]
pub(crate) struct Count(Arc<(Mutex<usize>, Condvar)>);

impl Count {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Counts one more and returns the new count.
    pub(crate) fn add(&self) -> usize {
        let (count, changed) = &*self.0;
        let mut count = count.lock().unwrap();
        *count += 1;
        changed.notify_all();
        *count
    }

    pub(crate) fn get(&self) -> usize {
        *self.0.0.lock().unwrap()
    }

    pub(crate) fn at_least(&self, wanted: usize) {
        let (count, changed) = &*self.0;
        let mut count = count.lock().unwrap();
        while *count < wanted {
            count = changed.wait(count).unwrap();
        }
    }
}

/// One thread, as the operating system sees it.
pub(crate) struct OsThread(Option<PathBuf>);

impl OsThread {
    pub(crate) fn current() -> Self {
        Self(fs::canonicalize("/proc/thread-self").ok())
    }

    /// Returns when the thread sleeps, has ended, or cannot be looked at. This
    /// makes it likely that the thread has got to where it blocks; no test may
    /// depend on it.
    pub(crate) fn until_asleep(&self) {
        let start = Instant::now();
        let mut seen = 0;
        while seen < 3 && start.elapsed() < Duration::from_secs(2) {
            thread::yield_now();
            match self.read("stat").as_deref().and_then(state_letter) {
                Some('R') => seen = 0,
                _ => seen += 1,
            }
        }
    }

    /// How often the thread has gone to sleep, where the system tells.
    pub(crate) fn sleeps(&self) -> Option<u64> {
        let status = self.read("status")?;
        let line = status
            .lines()
            .find(|line| line.starts_with("voluntary_ctxt_switches"))?;
        line.split_whitespace().last()?.parse().ok()
    }

    fn read(&self, file: &str) -> Option<String> {
        fs::read_to_string(self.0.as_ref()?.join(file)).ok()
    }
}

fn state_letter(stat: &str) -> Option<char> {
    stat.rsplit_once(") ")?.1.chars().next()
}

/// Starts a thread that is expected to block, and returns when it seems to.
pub(crate) fn blocked<T: Send + 'static>(
    body: impl FnOnce() -> T + Send + 'static,
) -> JoinHandle<T> {
    let (tell, told) = mpsc::channel();
    let thread = thread::spawn(move || {
        tell.send(OsThread::current()).unwrap();
        drop(tell);
        body()
    });
    told.recv().unwrap().until_asleep();
    thread
}

// ----- seeing -------------------------------------------------------------------

/// Events in the order in which they happened.
pub(crate) struct Recorder<T>(Arc<Mutex<Vec<T>>>);

impl<T> Clone for Recorder<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Clone> Recorder<T> {
    pub(crate) fn new() -> Self {
        Self(Arc::default())
    }

    pub(crate) fn note(&self, event: T) {
        self.0.lock().unwrap().push(event);
    }

    pub(crate) fn events(&self) -> Vec<T> {
        self.0.lock().unwrap().clone()
    }
}

/// Counts the drops of its tokens.
#[derive(Clone, Default)]
pub(crate) struct DropCounter(Arc<AtomicUsize>);

impl DropCounter {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn token(&self) -> Token {
        Token(self.clone())
    }

    pub(crate) fn drops(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

pub(crate) struct Token(DropCounter);

impl Drop for Token {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Makes bombs, counts their drops, and can disarm them.
#[derive(Clone)]
pub(crate) struct Fuse(Arc<FuseState>);

struct FuseState {
    armed: AtomicBool,
    drops: AtomicUsize,
    drops_in_unwinding: AtomicUsize,
}

impl Fuse {
    pub(crate) fn new() -> Self {
        Self(Arc::new(FuseState {
            armed: AtomicBool::new(true),
            drops: AtomicUsize::new(0),
            drops_in_unwinding: AtomicUsize::new(0),
        }))
    }

    pub(crate) fn bomb(&self) -> Bomb {
        Bomb(self.clone())
    }

    /// Lets the bombs that are left be dropped in peace.
    pub(crate) fn disarm(&self) {
        self.0.armed.store(false, Ordering::SeqCst);
    }

    pub(crate) fn drops(&self) -> usize {
        self.0.drops.load(Ordering::SeqCst)
    }

    /// Drops by an unwinding thread, where a panic would end the process.
    pub(crate) fn drops_in_unwinding(&self) -> usize {
        self.0.drops_in_unwinding.load(Ordering::SeqCst)
    }
}

/// Panics when it is dropped.
pub(crate) struct Bomb(Fuse);

impl Drop for Bomb {
    fn drop(&mut self) {
        let fuse = &self.0.0;
        fuse.drops.fetch_add(1, Ordering::SeqCst);
        if thread::panicking() {
            fuse.drops_in_unwinding.fetch_add(1, Ordering::SeqCst);
        } else if fuse.armed.load(Ordering::SeqCst) {
            panic!("a bomb went off");
        }
    }
}

// ----- logging ------------------------------------------------------------------

type LogHook = Box<dyn Fn(log::Level, &str)>;

thread_local! {
    static LOG_HOOK: RefCell<Option<LogHook>> = const { RefCell::new(None) };
}

/// The test binary's logger: does nothing on a thread that has no hook.
struct Relay;

impl log::Log for Relay {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let hook = LOG_HOOK.try_with(|hook| hook.take()).ok().flatten();
        if let Some(hook) = hook {
            let called = panic::catch_unwind(AssertUnwindSafe(|| {
                hook(record.level(), &record.args().to_string());
            }));
            LOG_HOOK.set(Some(hook));
            if let Err(panic) = called {
                panic::resume_unwind(panic);
            }
        }
    }

    fn flush(&self) {}
}

/// Calls the hook with what this thread logs from now on.
pub(crate) fn on_log(hook: impl Fn(log::Level, &str) + 'static) {
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| {
        log::set_logger(&Relay).unwrap();
        log::set_max_level(log::LevelFilter::Trace);
    });
    LOG_HOOK.set(Some(Box::new(hook)));
}

/// Panics at whatever this thread logs from now on, and counts the times.
pub(crate) fn panic_on_log(times: &Count) {
    let times = times.clone();
    on_log(move |_, _| {
        times.add();
        panic!("the logger's");
    });
}

// ----- queues -------------------------------------------------------------------

/// A queue that returns its payloads.
pub(crate) type Echo = TaskQueue<u32, u32, &'static str>;

/// A queue of one worker, which is held at the gate with a task of payload 0
/// that comes before all others. Every handler passes the gate.
pub(crate) fn gated(capacity: usize, strategy: BackpressureStrategy) -> (Echo, Gate) {
    gated_with(QueueOptions::new(capacity, 1).backpressure(strategy))
}

/// The same with any options for one worker.
pub(crate) fn gated_with(options: QueueOptions) -> (Echo, Gate) {
    let gate = Gate::new();
    let handler = {
        let gate = gate.clone();
        move |attempt: &Attempt<'_, u32>| {
            gate.pass();
            Ok(attempt.payload)
        }
    };
    let queue = TaskQueue::new(handler, options).unwrap();
    queue.submit(0).unwrap();
    gate.arrived(1);
    (queue, gate)
}

/// [`gated`], with the payloads 1 to `capacity` filling it.
pub(crate) fn full(capacity: usize, strategy: BackpressureStrategy) -> (Echo, Gate) {
    let (queue, gate) = gated(capacity, strategy);
    for payload in 1..=u32::try_from(capacity).unwrap() {
        queue.try_submit(payload).unwrap();
    }
    (queue, gate)
}

/// A task with nothing left at its default.
pub(crate) fn odd_task() -> Task<u32> {
    Task::new(99)
        .with_id("odd")
        .with_priority(-7)
        .with_retries(2)
}

/// The values of results that must all be successes, in their order.
#[track_caller]
pub(crate) fn values<P, R, E: std::fmt::Debug>(results: Vec<WorkerResult<P, R, E>>) -> Vec<R> {
    results
        .into_iter()
        .map(|result| result.outcome.unwrap())
        .collect()
}

/// The same, sorted.
#[track_caller]
pub(crate) fn sorted_values<P, R: Ord, E: std::fmt::Debug>(
    results: Vec<WorkerResult<P, R, E>>,
) -> Vec<R> {
    let mut values = values(results);
    values.sort();
    values
}

/// The error of the one result that there must be, and its attempts.
#[track_caller]
pub(crate) fn only_error<P, R, E>(results: Vec<WorkerResult<P, R, E>>) -> (TaskError<E>, u32) {
    assert_eq!(results.len(), 1);
    let result = results.into_iter().next().unwrap();
    match result.outcome {
        Ok(_) => panic!("the task succeeded"),
        Err(failure) => (failure.error, result.attempts),
    }
}

pub(crate) fn number(number: u64) -> TaskId {
    TaskId::Number(number)
}

#[track_caller]
pub(crate) fn assert_balanced(stats: &Stats) {
    assert_eq!(
        stats.accepted,
        stats.ready + stats.waiting + stats.running + stats.settled,
        "{stats:?}"
    );
    assert_eq!(
        stats.settled,
        stats.succeeded + stats.failed + stats.panicked + stats.aborted,
        "{stats:?}"
    );
}
