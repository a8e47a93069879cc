//! The seam inside a model.
//!
//! What is not modelled: spins and try-locks are nothing here, so the fast paths
//! made of them are not explored. What neither checker does by itself, looks
//! before a sleep (in loom) and spurious wake-ups, happens where the model says.

mod channel;
mod checker;
pub(crate) mod clock;
pub(crate) mod world;

use std::io;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

pub use channel::Receiver;
pub(crate) use channel::{Sender, unbounded};
pub(crate) use checker::sync::atomic::AtomicBool;
pub(crate) use world::{large_capacity, max_passes};

use crate::pace::Waited;

/// As many as the model says, whatever they are for.
pub(crate) struct Pauses(u32);

/// To the checker a pause is a yield.
pub(crate) struct Pause;

impl Pauses {
    pub(crate) fn every(_pauses: u32) -> Self {
        Self(world::looks())
    }

    pub(crate) fn patient() -> Self {
        Self(world::looks())
    }

    pub(crate) fn none() -> Self {
        Self(0)
    }
}

impl Iterator for Pauses {
    type Item = Pause;

    fn next(&mut self) -> Option<Pause> {
        self.0 = self.0.checked_sub(1)?;
        Some(Pause)
    }
}

impl Pause {
    pub(crate) fn waited(&self) -> Option<Waited> {
        None
    }

    pub(crate) fn pass(self) {
        checker::thread::yield_now();
    }
}

/// All that a queue's own lock has over the mutex is speed.
pub(crate) type Lock<T> = Mutex<T>;
pub(crate) type LockGuard<'a, T> = MutexGuard<'a, T>;

/// The lock proper is `gate`, shared so that the clock can take it as well;
/// `data` is only ever locked by whoever holds the gate, so it never blocks.
pub(crate) struct Mutex<T> {
    gate: Arc<checker::sync::Mutex<()>>,
    data: std::sync::Mutex<T>,
}

/// Fields drop in order: the data is let go before the gate opens.
pub(crate) struct MutexGuard<'a, T> {
    data: std::sync::MutexGuard<'a, T>,
    gate: checker::sync::MutexGuard<'a, ()>,
    mutex: &'a Mutex<T>,
}

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self {
            gate: Arc::new(checker::sync::Mutex::new(())),
            data: std::sync::Mutex::new(value),
        }
    }

    pub(crate) fn within(_capacity: usize, value: T) -> Self {
        Self::new(value)
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        let gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        self.behind(gate)
    }

    fn behind<'a>(&'a self, gate: checker::sync::MutexGuard<'a, ()>) -> MutexGuard<'a, T> {
        MutexGuard {
            data: self.data.lock().unwrap_or_else(PoisonError::into_inner),
            gate,
            mutex: self,
        }
    }
}

impl<T> std::ops::Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.data
    }
}

impl<T> std::ops::DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.data
    }
}

pub(crate) struct Condvar(Arc<checker::sync::Condvar>);

impl Condvar {
    pub(crate) fn new() -> Self {
        Self(Arc::new(checker::sync::Condvar::new()))
    }

    pub(crate) fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        let MutexGuard { data, gate, mutex } = guard;
        drop(data);
        if world::wakes_spuriously() {
            drop(gate);
            return mutex.lock();
        }
        mutex.behind(self.0.wait(gate).unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits for a notification or for the clock to be moved to `deadline`.
    pub(crate) fn wait_until<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        deadline: Instant,
    ) -> MutexGuard<'a, T> {
        let mutex = guard.mutex;
        let Some(alarm) = clock::set_alarm(deadline, &mutex.gate, &self.0) else {
            return guard;
        };
        let guard = self.wait(guard);
        clock::clear_alarm(alarm);
        guard
    }

    pub(crate) fn notify_one(&self) {
        self.0.notify_one();
    }
}

pub(crate) fn now() -> Instant {
    clock::now()
}

/// Time that is only reported stands still, so that reading it adds no
/// interleavings.
pub(crate) fn timestamp() -> Instant {
    clock::start()
}

pub(crate) fn random_seed() -> u64 {
    0
}

pub(crate) mod thread {
    use super::{checker, io, world};

    pub(crate) use super::checker::thread::{JoinHandle, ThreadId, current};
    pub(crate) use std::thread::panicking;

    pub(crate) fn spawn(
        name: String,
        _stack_size: Option<usize>,
        body: Box<dyn FnOnce() + Send>,
    ) -> io::Result<JoinHandle<()>> {
        if !world::admits_thread() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        checker::thread::Builder::new().name(name).spawn(body)
    }
}
