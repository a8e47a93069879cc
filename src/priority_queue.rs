//! The shelf on its own: a bounded blocking priority queue for programs that
//! have their own threads.

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::time::{Duration, Instant};

use crate::chunks::Chunks;
use crate::entry::{Entry, Plain};
use crate::error::{
    PopTimeoutError, PushAllError, PushError, PushTimeoutError, TryPopError, TryPushError,
};
use crate::growth::Growth;
use crate::iter::{Iter, TryIter};
use crate::lease::Lease;
use crate::monitor::{Monitor, NotAccepted, Terms, Wait};

/// How many items are popped in one critical section.
const PORTION: usize = 1024;

/// A bounded priority queue, shared by threads that block: by reference in a
/// [`thread::scope`](std::thread::scope), or in an `Arc` (loop over that with
/// [`iter`](Self::iter)). Unlike a channel it does not close when its producers are gone: call
/// [`close`](Self::close), or hold a guard of [`close_on_drop`](Self::close_on_drop).
///
/// The greatest priority comes out first, and equal priorities in the order in which they
/// were accepted (what comes back from a lease goes behind the others). With up to eight
/// different priorities queued at once, push and pop take constant time; with more they take
/// logarithmic time, until every item of a priority beyond the eight has been taken. Items
/// are moved in and out by value: put those of more than a few kilobytes in a box.
///
/// `push`, `pop` and `lease` come in the usual four forms: the plain one blocks, `try_`
/// never does, `_timeout` takes a [`Duration`] and `_deadline` an [`Instant`]. A timeout
/// too long for an `Instant` means no limit; at its deadline an operation tries once more
/// before it gives up. (All share a lock, which is held for nanoseconds, and by a batch for
/// microseconds. It is held for longer while a large buffer grows or is freed, and by the
/// first operation after very many items became due.)
///
/// What is [popped](Self::pop) is done with. What is [leased](Self::lease) is
/// tracked until the lease is dropped: it can come back after a delay, a closed
/// queue waits for it, and [`join`](Self::join) returns once there is none.
///
/// Memory grows with the number of items, not with the capacity. Each of up to eight
/// priorities has a buffer; further ones share another. A buffer does not shrink while
/// anything lies in it; one that becomes empty is freed if it is larger than 64 KiB, and kept
/// otherwise. No code of the item (such as its destructor) runs under the queue's lock.
/// Dropping the queue drops its items like those of a `Vec`; [`abort`](Self::abort) hands
/// them out.
///
/// Priorities are strict: as long as more important items keep coming, less important ones
/// wait. Waiting threads are called in the order in which they came, whatever the priority of
/// what they push. Others may go ahead of them when there is room, or an item: newcomers, one
/// whose deadline has come, one that woke up for an item that is due. But at most 16,384 do so
/// in a row (a batch counts as one): after that, room and items are kept for the waiting
/// threads, and a `try_` form, or a timed one at its deadline, may report full despite room,
/// or empty despite items.
///
/// # Examples
///
/// ```
/// use std::thread;
/// use taskshelf::PriorityQueue;
///
/// let queue = PriorityQueue::new(3);
/// thread::scope(|scope| {
///     scope.spawn(|| {
///         let _close = queue.close_on_drop();
///         for number in 0..10 {
///             if queue.push(number % 2, number).is_err() {
///                 break; // the consumer has gone
///             }
///         }
///     });
///     let _close = queue.close_on_drop(); // if this thread panics, the other must not wait
///     assert_eq!(queue.iter().count(), 10);
/// });
/// ```
pub struct PriorityQueue<T> {
    monitor: Monitor<Plain<T>>,
}

impl<T> PriorityQueue<T> {
    /// A queue with room for `capacity` items. Allocates nothing for items
    /// that are not there yet, so `usize::MAX` means a queue without a bound.
    ///
    /// # Panics
    ///
    /// If `capacity` is 0.
    #[track_caller]
    pub fn new(capacity: usize) -> Self {
        assert!(capacity > 0, "capacity must be at least 1");
        Self {
            monitor: Monitor::new(capacity),
        }
    }

    // ----- in ---------------------------------------------------------------

    /// Puts an item in; blocks while the queue is full.
    ///
    /// At capacities of 256 or more a free slot may stay unused for up to a millisecond
    /// (less if half of the queue becomes free) before a sleeping pusher is woken for it.
    /// That saves the consumers a wake-up for each item.
    ///
    /// # Errors
    ///
    /// The item, if the queue is closed, or gets closed while this waits.
    ///
    /// # Examples
    ///
    /// ```
    /// use taskshelf::{PriorityQueue, PushError};
    ///
    /// let queue = PriorityQueue::new(2);
    /// queue.push(1, "tea")?;
    /// queue.push(9, "fire")?;
    /// assert_eq!(queue.pop(), Some("fire"));
    ///
    /// queue.close();
    /// assert_eq!(queue.push(5, "late"), Err(PushError("late")));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn push(&self, priority: i32, item: T) -> Result<(), PushError<T>> {
        self.push_one(priority, item, Wait::Forever)
            .map_err(|(_, item)| PushError(item))
    }

    /// Puts an item in if there is room now. Never blocks.
    ///
    /// # Errors
    ///
    /// The item, if the queue is full or closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use taskshelf::{PriorityQueue, TryPushError};
    ///
    /// let queue = PriorityQueue::new(1);
    /// assert_eq!(queue.try_push(0, 'a'), Ok(()));
    /// assert_eq!(queue.try_push(9, 'b'), Err(TryPushError::Full('b')));
    /// ```
    #[inline]
    pub fn try_push(&self, priority: i32, item: T) -> Result<(), TryPushError<T>> {
        self.push_one(priority, item, Wait::No)
            .map_err(|(why, item)| match why {
                NotAccepted::Closed => TryPushError::Closed(item),
                _ => TryPushError::Full(item),
            })
    }

    /// Puts an item in; blocks while the queue is full, but no longer than
    /// `timeout`.
    ///
    /// # Errors
    ///
    /// The item, if there was no room in time, or the queue is closed.
    pub fn push_timeout(
        &self,
        priority: i32,
        item: T,
        timeout: Duration,
    ) -> Result<(), PushTimeoutError<T>> {
        self.push_waiting(priority, item, Wait::timeout(timeout))
    }

    /// Puts an item in; blocks while the queue is full, but not beyond
    /// `deadline`.
    ///
    /// # Errors
    ///
    /// The item, if there was no room in time, or the queue is closed.
    pub fn push_deadline(
        &self,
        priority: i32,
        item: T,
        deadline: Instant,
    ) -> Result<(), PushTimeoutError<T>> {
        self.push_waiting(priority, item, Wait::Until(deadline))
    }

    /// Puts many items in, with far fewer locks than one push for each; blocks
    /// while the queue is full, and takes turns then with others that wait. Returns how
    /// many there were.
    ///
    /// The iterator is advanced outside the queue's lock. Up to 64 items are pulled from it
    /// before any of them is put in, so it must not wait for the outcome of an earlier one,
    /// and a slow iterator holds back up to 63 items. If the iterator panics, what it had
    /// yielded is put in before the panic goes on; if the queue is closed it is lost. A
    /// panic in the iterator's destructor is logged and contained.
    ///
    /// # Errors
    ///
    /// If the queue is closed and there was anything to put in: how many items got in, and
    /// those that had been pulled and did not. Items that were not pulled yet are dropped
    /// with the iterator; to keep them, push `iterator.by_ref()`.
    ///
    /// # Panics
    ///
    /// If the iterator does.
    ///
    /// # Examples
    ///
    /// ```
    /// use taskshelf::PriorityQueue;
    ///
    /// let queue = PriorityQueue::new(100);
    /// assert_eq!(queue.push_all((0..10).map(|n| (n % 3, n)))?, 10);
    /// assert_eq!(queue.pop(), Some(2));
    /// # Ok::<(), taskshelf::PushAllError<i32>>(())
    /// ```
    pub fn push_all(
        &self,
        items: impl IntoIterator<Item = (i32, T)>,
    ) -> Result<usize, PushAllError<T>> {
        let entries = items.into_iter().map(|(priority, item)| {
            let item = Plain(item);
            Entry { priority, item }
        });
        let mut chunks = Chunks::new(entries);
        let mut accepted = 0;
        while let Some(mut chunk) = chunks.next_chunk() {
            let size = chunk.len();
            let terms = Terms::outside(Wait::Forever);
            let pushed = self.monitor.offer_all(&mut chunk, terms);
            accepted += size - chunk.len();
            if pushed.is_err() {
                let rest = chunk.map(|entry| (entry.priority, entry.item.0));
                let rest = chunks.finish(rest.collect());
                return Err(PushAllError { accepted, rest });
            }
        }
        chunks.finish(Vec::<T>::new());
        Ok(accepted)
    }

    fn push_waiting(&self, priority: i32, item: T, wait: Wait) -> Result<(), PushTimeoutError<T>> {
        self.push_one(priority, item, wait)
            .map_err(|(why, item)| match why {
                NotAccepted::Closed => PushTimeoutError::Closed(item),
                _ => PushTimeoutError::Timeout(item),
            })
    }

    #[inline]
    fn push_one(&self, priority: i32, item: T, wait: Wait) -> Result<(), (NotAccepted, T)> {
        let item = Plain(item);
        let entry = Entry { priority, item };
        match self.monitor.offer(entry, Terms::outside(wait)) {
            Ok(_) => Ok(()),
            Err((why, entry)) => Err((why, entry.item.0)),
        }
    }

    // ----- out --------------------------------------------------------------

    /// Takes the most important item; blocks while nothing is ready.
    ///
    /// `None` means that the queue is closed and nothing can come any more: it
    /// holds nothing, and nothing that is [leased](Self::lease) can come back.
    /// A thread that holds a lease must therefore not call this.
    #[inline]
    pub fn pop(&self) -> Option<T> {
        self.pop_one(Wait::Forever).ok()
    }

    /// Takes the most important item if one is ready now. Never blocks.
    ///
    /// # Errors
    ///
    /// [`Empty`](TryPopError::Empty) if nothing is ready but something may
    /// come, be it only a lease that may come back; otherwise
    /// [`Closed`](TryPopError::Closed).
    #[inline]
    pub fn try_pop(&self) -> Result<T, TryPopError> {
        self.pop_one(Wait::No)
    }

    /// Takes the most important item; blocks while nothing is ready, but no
    /// longer than `timeout`.
    ///
    /// # Errors
    ///
    /// If nothing was ready in time, or nothing can come any more.
    pub fn pop_timeout(&self, timeout: Duration) -> Result<T, PopTimeoutError> {
        self.pop_one(Wait::timeout(timeout)).map_err(after_a_wait)
    }

    /// Takes the most important item; blocks while nothing is ready, but not
    /// beyond `deadline`.
    ///
    /// # Errors
    ///
    /// If nothing was ready in time, or nothing can come any more.
    pub fn pop_deadline(&self, deadline: Instant) -> Result<T, PopTimeoutError> {
        self.pop_one(Wait::Until(deadline)).map_err(after_a_wait)
    }

    /// Takes up to `limit` items, in order, and appends them to `buffer`; blocks until there is
    /// one. Up to 1024 are taken at once; if there are more, others may push and pop in
    /// between. Returns how many it took; 0 means that nothing can come any more, or that
    /// `limit` is 0.
    ///
    /// As with [`pop`](Self::pop), a closed queue goes on while a lease may come
    /// back, and a thread that holds a lease must not call this.
    ///
    /// # Examples
    ///
    /// ```
    /// use taskshelf::PriorityQueue;
    ///
    /// let queue = PriorityQueue::new(8);
    /// queue.push_all([(1, 'b'), (2, 'a'), (1, 'c')])?;
    /// let mut batch = Vec::new();
    /// assert_eq!(queue.pop_many(&mut batch, 2), 2);
    /// assert_eq!(batch, ['a', 'b']);
    /// # Ok::<(), taskshelf::PushAllError<char>>(())
    /// ```
    pub fn pop_many(&self, buffer: &mut Vec<T>, limit: usize) -> usize {
        // Even items without a size are counted. Found out here, not under the lock.
        let limit = limit.min(usize::MAX - buffer.len());
        // So that it need not grow under the lock, as a rule.
        buffer.reserve(limit.min(self.capacity()).min(64));
        let (mut taken, mut wait) = (0, Wait::Forever);
        while taken < limit {
            let portion = PORTION.min(limit - taken);
            let popped = self.monitor.pop_many(portion, wait, |Plain(item)| {
                buffer.reserve_one();
                buffer.push(item);
            });
            taken += popped.unwrap_or(0);
            if popped != Ok(portion) {
                break;
            }
            wait = Wait::No;
        }
        taken
    }

    /// Pops until the queue is closed and nothing can come any more, as
    /// `for item in &queue` does; each `next` blocks like [`pop`](Self::pop) while nothing
    /// is ready.
    pub fn iter(&self) -> Iter<'_, T> {
        Iter::new(&self.monitor)
    }

    /// Pops while something is ready, without blocking; each `next` is a
    /// [`try_pop`](Self::try_pop). More may be there later, and then it goes on.
    ///
    /// # Examples
    ///
    /// ```
    /// use taskshelf::PriorityQueue;
    ///
    /// let queue = PriorityQueue::new(8);
    /// queue.push_all([(1, 'b'), (2, 'a')])?;
    /// assert_eq!(queue.try_iter().collect::<String>(), "ab");
    /// # Ok::<(), taskshelf::PushAllError<char>>(())
    /// ```
    pub fn try_iter(&self) -> TryIter<'_, T> {
        TryIter::new(&self.monitor)
    }

    #[inline]
    fn pop_one(&self, wait: Wait) -> Result<T, TryPopError> {
        self.monitor.pop(wait).map(|Plain(item)| item)
    }

    // ----- leases -----------------------------------------------------------

    /// Takes the most important item and keeps track of it: see [`Lease`].
    /// Blocks while nothing is ready; `None` as for [`pop`](Self::pop).
    #[inline]
    #[must_use = "a lease that is dropped says that the work is done"]
    pub fn lease(&self) -> Option<Lease<'_, T>> {
        self.lease_waiting(Wait::Forever).ok()
    }

    /// Leases the most important item if one is ready now. Never blocks.
    ///
    /// # Errors
    ///
    /// As for [`try_pop`](Self::try_pop).
    pub fn try_lease(&self) -> Result<Lease<'_, T>, TryPopError> {
        self.lease_waiting(Wait::No)
    }

    /// Leases the most important item; blocks while nothing is ready, but no
    /// longer than `timeout`.
    ///
    /// # Errors
    ///
    /// As for [`pop_timeout`](Self::pop_timeout).
    pub fn lease_timeout(&self, timeout: Duration) -> Result<Lease<'_, T>, PopTimeoutError> {
        self.lease_waiting(Wait::timeout(timeout))
            .map_err(after_a_wait)
    }

    /// Leases the most important item; blocks while nothing is ready, but not
    /// beyond `deadline`.
    ///
    /// # Errors
    ///
    /// As for [`pop_deadline`](Self::pop_deadline).
    pub fn lease_deadline(&self, deadline: Instant) -> Result<Lease<'_, T>, PopTimeoutError> {
        self.lease_waiting(Wait::Until(deadline))
            .map_err(after_a_wait)
    }

    #[inline]
    fn lease_waiting(&self, wait: Wait) -> Result<Lease<'_, T>, TryPopError> {
        let entry = self.monitor.lease(wait)?;
        Ok(Lease::new(&self.monitor, entry))
    }

    /// Waits until the queue is idle: nothing ready, nothing waiting for its time, nothing
    /// leased. One idle moment since the call is enough, even if the queue is filled again
    /// at once; on an idle queue this returns at once. What was popped is done with, and
    /// pushers that are blocked do not count.
    ///
    /// If nobody takes the items any more, this waits for ever, also once the queue is closed;
    /// [`abort`](Self::abort) ends it. A thread that holds a lease must not call this: it would
    /// wait for itself.
    pub fn join(&self) {
        self.monitor.wait_idle(Wait::Forever);
    }

    /// [`join`](Self::join) for no longer than `timeout`; whether the queue was idle. A
    /// timeout too long for an [`Instant`] means no limit.
    #[must_use = "the queue may not have been idle in time"]
    pub fn join_timeout(&self, timeout: Duration) -> bool {
        self.monitor.wait_idle(Wait::timeout(timeout))
    }

    // ----- the end ----------------------------------------------------------

    /// Refuses new items, including those of blocked pushers. Queued items stay and can
    /// still be taken, and leases can come back. Never blocks. Returns whether this call
    /// closed the queue; there is no way to open it again.
    pub fn close(&self) -> bool {
        self.monitor.close()
    }

    /// Closes the queue and hands back everything that was not taken, without waiting for
    /// leases: what is ready in the order in which it would have been taken, then what waits
    /// for its time, the earliest due first. A second call hands back nothing.
    ///
    /// Blocked pushers get their items back, as from any closed queue, and
    /// blocked consumers are told that nothing can come any more: what is leased
    /// can no longer come back.
    #[must_use = "these are the items that nobody took"]
    pub fn abort(&self) -> Vec<T> {
        let leftover = self.monitor.abort();
        leftover.into_entries().map(|entry| entry.item.0).collect()
    }

    /// A guard that closes the queue when dropped, so that a producer (or consumer) that
    /// panics, or returns early with `?`, does not leave those who wait for an item, or for
    /// room, waiting for ever. (It does not end a [`join`](Self::join).)
    /// If the consumers run in a thread scope, producers inside that scope need one: it
    /// ends only when the consumers do.
    ///
    /// **The first of several guards to be dropped closes the queue for all.** Where several
    /// producers share a queue, hold one guard around the scope that they all run in.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::thread;
    /// use taskshelf::PriorityQueue;
    ///
    /// let queue = PriorityQueue::new(4);
    /// thread::scope(|scope| {
    ///     scope.spawn(|| {
    ///         let _close = queue.close_on_drop();
    ///         thread::scope(|producers| {
    ///             for _ in 0..2 {
    ///                 producers.spawn(|| queue.push_all((0..10).map(|number| (0, number))));
    ///             }
    ///         });
    ///     });
    ///     let _close = queue.close_on_drop();
    ///     assert_eq!(queue.iter().count(), 20);
    /// });
    ///
    /// let numbers = PriorityQueue::new(4);
    /// let outcome = thread::scope(|scope| {
    ///     let _close = numbers.close_on_drop();
    ///     scope.spawn(|| numbers.iter().sum::<u32>());
    ///     for text in ["1", "2", "three"] {
    ///         numbers.push(0, text.parse::<u32>()?).expect("it is open");
    ///     }
    ///     Ok::<_, std::num::ParseIntError>(())
    /// });
    /// assert!(outcome.is_err());
    /// ```
    pub fn close_on_drop(&self) -> CloseOnDrop<'_, T> {
        CloseOnDrop { queue: self }
    }

    // ----- looking ----------------------------------------------------------

    /// How many items are ready or waiting for their time; leased items do not count. Other
    /// threads may change that at once, as for the next two.
    pub fn len(&self) -> usize {
        self.monitor.len()
    }

    /// Whether no item is ready or waiting.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the queue holds as many items as its capacity. (Leases that came back may
    /// make it more.)
    pub fn is_full(&self) -> bool {
        self.len() >= self.capacity()
    }

    /// The capacity that the queue was made with.
    pub fn capacity(&self) -> usize {
        self.monitor.capacity()
    }

    /// Whether the queue refuses new items.
    pub fn is_closed(&self) -> bool {
        self.monitor.is_closed()
    }
}

// Nothing can be seen half-changed: no code that may panic runs under the lock.
impl<T> UnwindSafe for PriorityQueue<T> {}
impl<T> RefUnwindSafe for PriorityQueue<T> {}

impl<T> fmt::Debug for PriorityQueue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (stats, is_closed) = self.monitor.inspect();
        f.debug_struct("PriorityQueue")
            .field("ready", &stats.ready)
            .field("waiting", &stats.waiting)
            .field("leased", &stats.running)
            .field("capacity", &self.capacity())
            .field("is_closed", &is_closed)
            .finish_non_exhaustive()
    }
}

/// Why nothing was taken, for somebody who has waited.
fn after_a_wait(why: TryPopError) -> PopTimeoutError {
    match why {
        TryPopError::Empty => PopTimeoutError::Timeout,
        TryPopError::Closed => PopTimeoutError::Closed,
    }
}

impl<'a, T> IntoIterator for &'a PriorityQueue<T> {
    type Item = T;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}

/// Closes the queue when it is dropped. [`PriorityQueue::close_on_drop`] makes
/// one.
#[must_use = "it closes the queue as soon as it is dropped"]
pub struct CloseOnDrop<'a, T> {
    queue: &'a PriorityQueue<T>,
}

impl<T> fmt::Debug for CloseOnDrop<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CloseOnDrop").field(self.queue).finish()
    }
}

impl<T> Drop for CloseOnDrop<'_, T> {
    fn drop(&mut self) {
        self.queue.close();
    }
}
