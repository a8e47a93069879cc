//! The lock of ordinary builds, for critical sections far shorter than a wake-up.
//!
//! It is a `parking_lot::RwLock` that nobody reads. `Mutex::try_lock` looks at the lock
//! before it takes it, `try_write` takes it at once; of a lock that another core had last
//! that is one transfer of its cache line in place of two, and the transfers are what a
//! queue between two cores spends its time on. That a condvar goes with the mutex only is
//! no loss: whoever sleeps has a [`Parker`](crate::parker::Parker).

use std::thread::yield_now;

use parking_lot::{MappedRwLockWriteGuard, Mutex, RwLock, RwLockWriteGuard};

use super::native::spin;

pub(crate) type LockGuard<'a, T> = MappedRwLockWriteGuard<'a, T>;

/// A thread that does not get the lock spins for this many pauses of the processor in
/// all, ten to thirty microseconds, and tries the lock now and then. After that it gives
/// its core away `YIELDS` times, in case the holder is waiting for that very core, and at
/// last lets the lock put it to sleep.
const PAUSES: u32 = 600;
const YIELDS: u32 = 2;

/// There are twice as many pauses between two tries each time, up to this many. Rarer tries
/// leave the lock free more often for a thread that it has put to sleep.
const LONGEST: u32 = 160;

pub(crate) struct Lock<T> {
    /// The mutex is never locked. Because of it the value need not be `Sync`, as what can
    /// be read by many must be.
    inner: RwLock<Mutex<T>>,
    /// How many pauses come before the first try.
    first: u32,
}

impl<T> Lock<T> {
    /// For a lock that changes hands at every operation: the first try comes soon.
    pub(crate) const fn new(value: T) -> Self {
        Self::with(20, value)
    }

    /// For the lock of a queue of this capacity. Its holder is likely to want it again, and
    /// then again, until it runs out of room or items; left alone it gets several
    /// operations done before the cache lines move to another core. An operation takes
    /// about as long as a pause; half the queue is a good turn, but no fewer than eight of
    /// them, or as many as fit.
    pub(crate) fn within(capacity: usize, value: T) -> Self {
        let first = (capacity / 2).clamp(capacity.clamp(2, 8), 40);
        Self::with(first as u32, value)
    }

    const fn with(first: u32, value: T) -> Self {
        Self {
            inner: RwLock::new(Mutex::new(value)),
            first,
        }
    }

    #[inline]
    pub(crate) fn lock(&self) -> LockGuard<'_, T> {
        let guard = match self.inner.try_write() {
            Some(guard) => guard,
            None => self.lock_contended(),
        };
        RwLockWriteGuard::map(guard, Mutex::get_mut)
    }

    #[cold]
    fn lock_contended(&self) -> RwLockWriteGuard<'_, Mutex<T>> {
        let mut pauses = self.first;
        let mut spent = 0;
        while spent < PAUSES {
            spin(pauses);
            if let Some(guard) = self.inner.try_write() {
                return guard;
            }
            spent += pauses;
            pauses = LONGEST.min(2 * pauses);
        }
        for _ in 0..YIELDS {
            yield_now();
            if let Some(guard) = self.inner.try_write() {
                return guard;
            }
        }
        // Takes a free lock that others sleep on, too, which `try_write` does not.
        self.inner.write()
    }
}

#[cfg(all(test, target_pointer_width = "64"))]
mod tests {
    use super::*;

    /// What [`State`](crate::state::State) counts on, that its busiest fields share a cache
    /// line with the lock.
    #[test]
    fn the_lock_takes_two_words_before_the_value() {
        let lock = Lock::new(0_u64);
        let value = (&raw const *lock.lock()).addr();
        assert_eq!(value - (&raw const lock).addr(), 2 * size_of::<usize>());
    }
}
