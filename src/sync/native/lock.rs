//! The lock of ordinary builds, for critical sections far shorter than a wake-up.
//!
//! It is a `parking_lot::RwLock` that nobody reads. `Mutex::try_lock` reads the lock before
//! it writes it, `try_write` writes at once. If another core had the lock last, that is one
//! transfer of its cache line and not two, and the transfers are what a
//! queue between two cores spends its time on. That a condvar goes with the mutex only is
//! no loss: whoever sleeps has a [`Parker`](crate::parker::Parker).

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::thread::yield_now;
use std::time::{Duration, Instant};

use parking_lot::{MappedRwLockWriteGuard, Mutex, RwLock, RwLockWriteGuard};

use super::spin;

pub(crate) type LockGuard<'a, T> = MappedRwLockWriteGuard<'a, T>;

/// A thread that does not get the lock spins for about so many pauses of the processor in
/// all, ten to thirty microseconds, and tries the lock now and then. After that it gives
/// its core away `YIELDS` times, in case the holder is waiting for that very core, and at
/// last lets the lock put it to sleep.
const PAUSES: u32 = 600;
const YIELDS: u32 = 2;

/// There are twice as many pauses between two tries each time, up to this many. Rarer tries
/// leave the lock free more often for a thread that it has put to sleep.
const LONGEST: u32 = 160;

pub(crate) struct Lock<T> {
    /// The mutex is never locked, only reached by `get_mut`: with it `T: Send` is enough for
    /// the lock to be `Sync`, as it would not be for what many may read.
    inner: RwLock<Mutex<T>>,
    tenure: Tenure,
}

/// How many pauses of the processor come before the first try. Whoever holds the lock is
/// likely to want it again, and then again; left alone for that long it gets several
/// operations done before the cache lines move to another core. So a tenure should be long
/// beside that move. How long a move takes differs tenfold between machines, and on one
/// machine over time, so it is measured.
struct Tenure {
    shortest: u32,
    longest: u32,
    /// Nanoseconds that it takes to try the lock in vain, and to look at the clock: a mean of
    /// the last tries. Where cores are far apart most of it is the move of a cache line.
    lost_try: AtomicU32,
}

impl Tenure {
    const fn new(shortest: u32, longest: u32) -> Self {
        Self {
            shortest,
            longest,
            lost_try: AtomicU32::new(0),
        }
    }

    fn is_learned(&self) -> bool {
        self.shortest < self.longest
    }

    /// One pause for each nanosecond that a lost try takes. A pause itself takes ten to fifty
    /// nanoseconds, so the holder is left alone for ten to fifty times as long as a lost try.
    fn pauses(&self) -> u32 {
        // ORDERING: only a measure of how long to wait.
        let lost_try = self.lost_try.load(Relaxed);
        lost_try.clamp(self.shortest, self.longest)
    }

    fn learn(&self, lost_try: Duration) {
        let nanos = lost_try.as_nanos().min(1000) as u32;
        // ORDERING: as above. If two threads learn at once, one of them does so in vain.
        let mean = self.lost_try.load(Relaxed);
        self.lost_try.store((7 * mean + nanos) / 8, Relaxed);
    }
}

impl<T> Lock<T> {
    /// For a lock that changes hands at every operation: the first try comes soon.
    pub(crate) const fn new(value: T) -> Self {
        Self::with(Tenure::new(20, 20), value)
    }

    /// For the lock of a queue of this capacity. An operation takes about as long as a pause,
    /// and half the queue is the longest tenure that makes sense; but no fewer than eight
    /// operations, or as many as fit.
    pub(crate) fn within(capacity: usize, value: T) -> Self {
        let longest = (capacity / 2).clamp(capacity.clamp(2, 8), 320) as u32;
        Self::with(Tenure::new(longest.min(40), longest), value)
    }

    const fn with(tenure: Tenure, value: T) -> Self {
        Self {
            inner: RwLock::new(Mutex::new(value)),
            tenure,
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
        let mut pauses = self.tenure.pauses();
        let mut spent = 0;
        while spent < PAUSES {
            spin(pauses);
            let since = self.tenure.is_learned().then(Instant::now);
            if let Some(guard) = self.inner.try_write() {
                return guard;
            }
            if let Some(since) = since {
                self.tenure.learn(since.elapsed());
            }
            spent += pauses;
            pauses = LONGEST.max(pauses).min(2 * pauses);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenure_is_as_long_as_tries_in_vain_take_within_bounds() {
        let tenure = Tenure::new(40, 320);
        let after = |nanos| {
            (0..100).for_each(|_| tenure.learn(Duration::from_nanos(nanos)));
            tenure.pauses()
        };
        assert_eq!(after(5), 40);
        assert!((90..=100).contains(&after(100)));
        assert_eq!(after(1_000_000_000_000), 320);
    }

    /// What [`State`](crate::state::State) counts on, that its busiest fields share a cache
    /// line with the lock.
    #[cfg(target_pointer_width = "64")]
    #[test]
    fn the_lock_takes_two_words_before_the_value() {
        let lock = Lock::new(0_u64);
        let value = (&raw const *lock.lock()).addr();
        assert_eq!(value - (&raw const lock).addr(), 2 * size_of::<usize>());
    }
}
