//! The seam in ordinary builds: `parking_lot`, `crossbeam-channel`, `std`.

use std::io;
use std::time::Instant;

pub(crate) use std::sync::atomic::AtomicBool;

pub use crossbeam_channel::Receiver;
pub(crate) use crossbeam_channel::{Sender, unbounded};

pub(crate) type MutexGuard<'a, T> = parking_lot::MutexGuard<'a, T>;

/// What a thread that finds the lock taken does before it lets the lock put it
/// to sleep: it waits for about as long as a critical section takes, and then
/// gives its core away, in case the holder is waiting for that very core.
/// Sleeping nearly always costs more than it saves.
const LOCK_SPINS: u32 = 10;
const LOCK_YIELDS: u32 = 2;

/// How often a thread looks again before it sleeps: after 1, 2, 4, ... yields,
/// 31 in all.
pub(crate) const YIELD_ROUNDS: u32 = 5;

/// A mutex without poisoning, for critical sections far shorter than a wake-up.
pub(crate) struct Mutex<T>(parking_lot::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(parking_lot::Mutex::new(value))
    }

    #[inline]
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        match self.0.try_lock() {
            Some(guard) => guard,
            None => self.lock_contended(),
        }
    }

    #[cold]
    fn lock_contended(&self) -> MutexGuard<'_, T> {
        for _ in 0..LOCK_SPINS {
            std::hint::spin_loop();
        }
        for _ in 0..LOCK_YIELDS {
            if let Some(guard) = self.0.try_lock() {
                return guard;
            }
            yield_now();
        }
        self.0.lock()
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

pub(crate) fn yield_now() {
    std::thread::yield_now();
}

/// Differs from one process, and from one queue, to the next.
pub(crate) fn random_seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0)
}

pub(crate) mod thread {
    use super::io;

    pub(crate) use std::thread::{JoinHandle, ThreadId};

    pub(crate) fn current_id() -> ThreadId {
        std::thread::current().id()
    }

    pub(crate) fn id_of(handle: &JoinHandle<()>) -> ThreadId {
        handle.thread().id()
    }

    pub(crate) fn panicking() -> bool {
        std::thread::panicking()
    }

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
