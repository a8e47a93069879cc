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

/// How long a thread spins between two tries at a taken lock: `first` pauses, then
/// twice as many each time, up to `longest`. Rarer tries leave the lock free more often
/// for a thread that it has put to sleep.
struct Pauses {
    first: u32,
    longest: u32,
}

pub(crate) struct Lock<T> {
    /// The mutex is never locked. Because of it the value need not be `Sync`, as what can
    /// be read by many must be.
    inner: RwLock<Mutex<T>>,
    pauses: Pauses,
}

impl<T> Lock<T> {
    /// For a lock that changes hands at every operation: the first tries come soon,
    /// the later ones ever more rarely.
    pub(crate) const fn new(value: T) -> Self {
        Self::with(value, 10, 320)
    }

    /// For a lock that its holder is likely to want again at once, and then
    /// again. Whoever finds it taken waits longer before the next try: the
    /// holder, left alone, gets several operations done before the cache lines
    /// move to another core. But not so long that the lock lies idle once the
    /// holder has run out of room or items.
    pub(crate) const fn for_bursts(value: T) -> Self {
        Self::with(value, 40, 80)
    }

    const fn with(value: T, first: u32, longest: u32) -> Self {
        Self {
            inner: RwLock::new(Mutex::new(value)),
            pauses: Pauses { first, longest },
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
        let mut pauses = self.pauses.first;
        let mut spent = 0;
        while spent < PAUSES {
            spin(pauses);
            if let Some(guard) = self.inner.try_write() {
                return guard;
            }
            spent += pauses;
            pauses = self.pauses.longest.min(2 * pauses);
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
