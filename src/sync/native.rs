//! The seam in ordinary builds: `parking_lot`, `crossbeam-channel`, `std`.

use std::io;
use std::thread::yield_now;
use std::time::{Duration, Instant};

use super::{LARGE_CAPACITY, MAX_PASSES};

pub(crate) use std::sync::atomic::AtomicBool;

pub use crossbeam_channel::Receiver;
pub(crate) use crossbeam_channel::{Sender, unbounded};

pub(crate) type MutexGuard<'a, T> = parking_lot::MutexGuard<'a, T>;

/// A thread that finds a lock taken spins for this many pauses of the processor in all,
/// ten to thirty microseconds, and tries the lock now and then. After that it gives its
/// core away `LOCK_YIELDS` times, in case the holder is waiting for that very core, and
/// at last lets the lock put it to sleep.
const LOCK_PAUSES: u32 = 600;
const LOCK_YIELDS: u32 = 2;

/// The first looks of a thread that lacks something, after 4, 8, 16, 32, 32, ...
/// pauses of the processor.
pub(crate) const SPIN_LOOKS: u32 = 10;
/// The others, after giving the core away for 2, 4, 8, ... us.
const YIELD_LOOKS: u32 = 4;

/// How often it looks again before it sleeps.
pub(crate) const fn looks() -> u32 {
    SPIN_LOOKS + YIELD_LOOKS
}

pub(crate) const fn large_capacity() -> usize {
    LARGE_CAPACITY
}

pub(crate) const fn max_passes() -> u32 {
    MAX_PASSES
}

/// Lets time pass before a look, the longer the more there were.
pub(crate) fn pause_before_look(look: u32) {
    match look.checked_sub(SPIN_LOOKS) {
        None => spin(4 << look.min(3)),
        Some(yields) => yield_for(Duration::from_micros(2 << yields)),
    }
}

/// Gives the core away, again and again if nobody else wants it.
fn yield_for(time: Duration) {
    let since = Instant::now();
    loop {
        yield_now();
        if since.elapsed() >= time {
            return;
        }
    }
}

fn spin(pauses: u32) {
    (0..pauses).for_each(|_| std::hint::spin_loop());
}

/// A mutex without poisoning, for critical sections far shorter than a wake-up.
pub(crate) struct Mutex<T> {
    inner: parking_lot::Mutex<T>,
    pauses: Pauses,
}

/// How long a thread spins between two tries at a taken lock: `first` pauses, then
/// twice as many each time, up to `longest`. Rarer tries leave the lock free more often
/// for a thread that it has put to sleep.
struct Pauses {
    first: u32,
    longest: u32,
}

impl<T> Mutex<T> {
    /// For a lock that changes hands at every operation: the first tries come soon,
    /// the later ones ever more rarely.
    pub(crate) const fn new(value: T) -> Self {
        Self {
            inner: parking_lot::Mutex::new(value),
            pauses: Pauses {
                first: 10,
                longest: 320,
            },
        }
    }

    /// For a lock that its holder is likely to want again at once, and then
    /// again. Whoever finds it taken waits longer before the next try: the
    /// holder, left alone, gets several operations done before the cache lines
    /// move to another core. But not so long that the lock lies idle once the
    /// holder has run out of room or items.
    pub(crate) const fn for_bursts(value: T) -> Self {
        Self {
            inner: parking_lot::Mutex::new(value),
            pauses: Pauses {
                first: 40,
                longest: 80,
            },
        }
    }

    #[inline]
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        match self.inner.try_lock() {
            Some(guard) => guard,
            None => self.lock_contended(),
        }
    }

    #[cold]
    fn lock_contended(&self) -> MutexGuard<'_, T> {
        let mut pauses = self.pauses.first;
        let mut spent = 0;
        while spent < LOCK_PAUSES {
            spin(pauses);
            if let Some(guard) = self.inner.try_lock() {
                return guard;
            }
            spent += pauses;
            pauses = self.pauses.longest.min(2 * pauses);
        }
        for _ in 0..LOCK_YIELDS {
            yield_now();
            if let Some(guard) = self.inner.try_lock() {
                return guard;
            }
        }
        self.inner.lock()
    }
}

pub(crate) struct Condvar(parking_lot::Condvar);

impl Condvar {
    pub(crate) const fn new() -> Self {
        Self(parking_lot::Condvar::new())
    }

    pub(crate) fn wait<'a, T>(&self, mut guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        self.0.wait(&mut guard);
        guard
    }

    /// May return before `deadline` without having been notified.
    pub(crate) fn wait_until<'a, T>(
        &self,
        mut guard: MutexGuard<'a, T>,
        deadline: Instant,
    ) -> MutexGuard<'a, T> {
        self.0.wait_until(&mut guard, deadline);
        guard
    }

    pub(crate) fn notify_one(&self) {
        self.0.notify_one();
    }
}

/// The time that decisions are made by: deadlines, due times.
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// The time that is only reported: how long a task took.
pub(crate) fn timestamp() -> Instant {
    Instant::now()
}

/// For a decision that may lag by the little that has passed since `timestamp`.
pub(crate) fn recent(timestamp: Instant) -> Instant {
    timestamp
}

/// Differs from one process, and from one queue, to the next.
pub(crate) fn random_seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0)
}

pub(crate) mod thread {
    use super::io;

    pub(crate) use std::thread::{JoinHandle, ThreadId, current, panicking};

    pub(crate) fn spawn(
        name: String,
        stack_size: Option<usize>,
        body: Box<dyn FnOnce() + Send>,
    ) -> io::Result<JoinHandle<()>> {
        let mut builder = std::thread::Builder::new().name(name);
        if let Some(bytes) = stack_size {
            builder = builder.stack_size(bytes);
        }
        builder.spawn(body)
    }
}
