//! The seam in ordinary builds: `parking_lot`, `crossbeam-channel`, `std`.

mod lock;
mod pauses;

use std::io;
use std::time::Instant;

use parking_lot::MutexGuard;

use super::{LARGE_CAPACITY, MAX_PASSES};

pub(crate) use std::sync::atomic::AtomicBool;

pub(crate) use lock::{Lock, LockGuard};
pub(crate) use pauses::Pauses;

pub use crossbeam_channel::Receiver;
pub(crate) use crossbeam_channel::{Sender, unbounded};

pub(crate) const fn large_capacity() -> usize {
    LARGE_CAPACITY
}

pub(crate) const fn max_passes() -> u32 {
    MAX_PASSES
}

fn spin(pauses: u32) {
    (0..pauses).for_each(|_| std::hint::spin_loop());
}

/// A mutex without poisoning.
pub(crate) struct Mutex<T>(parking_lot::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(parking_lot::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
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

/// The time that no promise depends on: durations that are reported, and the hint whether
/// a line is busy. It stands still in a model.
pub(crate) fn timestamp() -> Instant {
    Instant::now()
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
