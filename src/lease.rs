//! An item that was taken and is not done with.

use std::fmt;
use std::mem;
use std::ops::{Deref, DerefMut};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::time::Duration;

use crate::entry::{Entry, Plain};
use crate::error::RetryError;
use crate::monitor::Monitor;
use crate::stats::Settled;
use crate::sync;
use crate::waiting::Due;

/// An item taken from a [`PriorityQueue`](crate::PriorityQueue), which keeps track of it
/// until the lease ends.
///
/// Dropping the lease says that the work is done: the item is dropped first, and then
/// [`join`](crate::PriorityQueue::join) stops waiting for it. **That also goes for a panic
/// and for an early `?`**; to keep the item, call [`retry_after`](Self::retry_after) before
/// the lease is dropped. A lease that is [forgotten](std::mem::forget) never ends.
///
/// The lease derefs to the item, also mutably; its own operations are associated functions,
/// so that they hide none of the item's methods.
///
/// A leased item may come back with [`retry_after`](Self::retry_after), so a closed queue
/// is not finished while there are leases, and a thread that holds one must not block on
/// that queue (`push` while it is full, `pop`, `lease`, `join`). [`next`](Self::next) trades
/// one lease for another.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use taskshelf::{Lease, PriorityQueue};
///
/// let queue = PriorityQueue::new(8);
/// queue.push(0, ("flaky", 0))?; // and how often it has been tried
/// queue.close();
///
/// while let Some(mut lease) = queue.lease() {
///     lease.1 += 1;
///     if lease.1 < 3 {
///         Lease::retry_after(lease, Duration::from_millis(1))?;
///     } else {
///         assert_eq!(Lease::into_inner(lease), ("flaky", 3));
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a lease that is dropped says that the work is done"]
pub struct Lease<'a, T> {
    monitor: &'a Monitor<Plain<T>>,
    /// `None` only while the lease ends.
    entry: Option<Entry<Plain<T>>>,
}

impl<'a, T> Lease<'a, T> {
    pub(crate) fn new(monitor: &'a Monitor<Plain<T>>, entry: Entry<Plain<T>>) -> Self {
        Self {
            monitor,
            entry: Some(entry),
        }
    }

    fn entry(lease: &Self) -> &Entry<Plain<T>> {
        lease.entry.as_ref().expect(HOLDS_AN_ENTRY)
    }

    fn take_entry(lease: &mut Self) -> Entry<Plain<T>> {
        lease.entry.take().expect(HOLDS_AN_ENTRY)
    }

    /// The priority that the item was pushed with.
    pub fn priority(lease: &Self) -> i32 {
        Self::entry(lease).priority
    }

    /// Takes the item out. The queue counts it as done, so
    /// [`join`](crate::PriorityQueue::join) does not wait for what becomes of it.
    pub fn into_inner(mut lease: Self) -> T {
        let entry = Self::take_entry(&mut lease);
        lease.monitor.settle(Settled::Succeeded, 1);
        entry.item.0
    }

    /// Puts the item back, to be taken again once `delay` has passed. It keeps
    /// its priority and joins the back of that line when it is due. Never
    /// blocks and is never refused for want of room; until the item is taken
    /// again, though, it takes up room, so that an outage slows producers down.
    ///
    /// A delay too long for an [`Instant`](std::time::Instant) never ends, except
    /// by [`abort`](crate::PriorityQueue::abort).
    ///
    /// # Errors
    ///
    /// The item, if the queue was aborted; the lease has ended all the same.
    pub fn retry_after(mut lease: Self, delay: Duration) -> Result<(), RetryError<T>> {
        let due = Due::after(sync::now(), delay);
        let entry = Self::take_entry(&mut lease);
        lease.monitor.put_back(entry, due).map_err(|entry| {
            lease.monitor.settle(Settled::Aborted, 1);
            RetryError(entry.item.0)
        })
    }

    /// Ends this lease and takes the next item, with one lock for both. Blocks while
    /// nothing is ready; `None` as for [`PriorityQueue::pop`](crate::PriorityQueue::pop).
    /// If this thread holds another lease of the queue, it may block for ever.
    ///
    /// # Panics
    ///
    /// If the item's destructor does. The item is done with all the same, and no
    /// other is leased.
    #[must_use = "a lease that is dropped says that the work is done"]
    pub fn next(mut lease: Self) -> Option<Self> {
        let monitor = lease.monitor;
        let owed = SettleOnDrop { monitor };
        drop(Self::take_entry(&mut lease));
        mem::forget(owed); // settled below, together with the take
        let taken = monitor.next(Some(Settled::Succeeded))?;
        Some(Self::new(monitor, taken.entry))
    }
}

const HOLDS_AN_ENTRY: &str = "a lease holds its item until it ends";

impl<T> Deref for Lease<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &Self::entry(self).item.0
    }
}

impl<T> DerefMut for Lease<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.entry.as_mut().expect(HOLDS_AN_ENTRY).item.0
    }
}

impl<T> Drop for Lease<'_, T> {
    fn drop(&mut self) {
        if let Some(entry) = self.entry.take() {
            let _owed = SettleOnDrop {
                monitor: self.monitor,
            };
            drop(entry);
        }
    }
}

// Nothing of the queue can be seen half-changed: no code that may panic runs
// under the lock.
impl<T: UnwindSafe> UnwindSafe for Lease<'_, T> {}
impl<T: RefUnwindSafe> RefUnwindSafe for Lease<'_, T> {}

impl<T: fmt::Debug> fmt::Debug for Lease<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lease").field(&**self).finish()
    }
}

/// Settles one item, after the item itself is gone, even if its destructor
/// panicked.
struct SettleOnDrop<'a, T> {
    monitor: &'a Monitor<Plain<T>>,
}

impl<T> Drop for SettleOnDrop<'_, T> {
    fn drop(&mut self) {
        self.monitor.settle(Settled::Succeeded, 1);
    }
}
