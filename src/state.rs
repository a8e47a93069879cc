//! Every decision of the queue, with no lock, clock or thread in it: what is
//! accepted, what is taken next, and when all is done. [`sleepers`](crate::sleepers)
//! decides who must be woken for it.
//!
//! An item is *accepted*, lies *ready* or *waiting* (for its time), is
//! *leased* to whoever took it, and is *settled* in the end; a leased item may
//! come back to wait. *Settled* is not counted: it is what is left of the accepted.
//!
//! ```text
//! settled = accepted - (ready + waiting + leased)
//! ```
//!
//! [`Phase`] only moves forward: open, closed, aborted.

use std::mem;
use std::time::Instant;

use crate::entry::{Entry, Item};
use crate::error::TryPopError;
use crate::line::{Ticket, Turn};
use crate::pace::Waited;
use crate::ready::Ready;
use crate::sleepers::{Outlook, Side, Sleep, Sleepers, Wakes};
use crate::stats::{Settled, Stats};
use crate::waiting::{Due, Waiting};

/// One look at the state, by a thread that will wait if it does not find what it wants.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    pub(crate) turn: Turn,
    /// There will be no other.
    pub(crate) last: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Accepts items from outside.
    Open,
    /// Accepts only what comes back, and what handlers add.
    Closed,
    /// Accepts nothing; what was not taken has been handed out.
    Aborted,
}

/// Where an item comes from, and which bounds hold for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    /// From outside: needs room, and an open queue.
    Outside,
    /// From a handler whose own lease keeps the queue unfinished: needs room.
    Inside,
    /// The same, beyond the capacity if need be.
    InsideUnbounded,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    Open,
    Full,
    Closed,
}

/// How an item that was not accepted is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Handed back as an error.
    Refused,
    /// Handed back by the strategy that drops what does not fit.
    Dropped,
}

/// `T` is what lies in the queue, `W` what the monitor signals to wake a thread.
///
/// Laid out by hand: what every operation writes comes first, beside the lock, and then
/// the levels that it goes to, because every cache line that the next thread has to fetch
/// makes the critical section longer. The second line begins with the bits of the levels
/// and the first of them, which are wanted together.
#[repr(C)]
pub(crate) struct State<T, W> {
    phase: Phase,
    sleepers: Sleepers<W>,
    accepted: u64,
    capacity: usize,
    ready: Ready<T>,
    /// Taken and not settled.
    leased: usize,
    /// How many of the leased wait out a delay in their worker's hands.
    delayed: usize,
    waiting: Waiting<Entry<T>>,
    /// Of the settled, those that did not succeed. To count the others as well would be
    /// one more line of memory to write for each: they are what is left of the accepted.
    failed: u64,
    panicked: u64,
    aborted: u64,
    retries: u64,
    dropped: u64,
    refused: u64,
}

// In the first line the two words of the lock come before this, and the number of what is
// ready after it.
#[cfg(target_pointer_width = "64")]
const _: () = assert!(mem::offset_of!(State<u8, u8>, ready) == 64 - 3 * size_of::<usize>());

impl<T: Item, W> State<T, W> {
    /// A queue with room for `large` or more is a large one. `max_passes` threads
    /// in a row may go ahead of those who wait.
    pub(crate) fn new(capacity: usize, large: usize, max_passes: u32) -> Self {
        let much_room = match capacity >= large {
            true => capacity.div_ceil(2),
            false => 1,
        };
        Self {
            phase: Phase::Open,
            sleepers: Sleepers::new(capacity, much_room, max_passes),
            accepted: 0,
            capacity: capacity.min(isize::MAX as usize), // so that no sum of lengths overflows
            ready: Ready::new(),
            leased: 0,
            delayed: 0,
            waiting: Waiting::new(),
            failed: 0,
            panicked: 0,
            aborted: 0,
            retries: 0,
            dropped: 0,
            refused: 0,
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    /// What takes up capacity: ready and waiting, in the queue or in a hand.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.ready.len() + self.waiting.len() + self.delayed
    }

    #[inline]
    pub(crate) fn has_room(&self) -> bool {
        self.len() < self.capacity
    }

    /// How many more items fit in: 0 while handlers have submitted more than that.
    fn room(&self) -> usize {
        self.capacity.saturating_sub(self.len())
    }

    /// Whether there is so much room that a patient submitter is worth waking.
    #[inline]
    fn has_much_room(&self) -> bool {
        self.sleepers.patience().is_much(self.room())
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.leased == 0 && self.ready.is_empty() && self.waiting.is_empty()
    }

    /// Whether nothing can be taken any more. What is leased out of an aborted
    /// queue cannot come back.
    fn is_finished(&self) -> bool {
        self.ready.is_empty()
            && self.waiting.is_empty()
            && match self.phase {
                Phase::Open => false,
                Phase::Closed => self.leased == 0,
                Phase::Aborted => true,
            }
    }

    // ----- in ---------------------------------------------------------------

    #[inline]
    pub(crate) fn admission(&mut self, door: Door, look: Look) -> Admission {
        match (self.phase, door) {
            (Phase::Aborted, _) | (Phase::Closed, Door::Outside) => Admission::Closed,
            (_, Door::InsideUnbounded) => Admission::Open,
            _ if !self.has_room() || self.holds_back(look) => Admission::Full,
            _ if self.sleepers.lets_pass(Side::Space, look.turn) => Admission::Open,
            _ => Admission::Full,
        }
    }

    /// Whether a submitter leaves the room that there is alone for now.
    #[inline]
    fn holds_back(&self, look: Look) -> bool {
        match look.turn {
            _ if look.last => false,
            // If it came for every single slot it would contend with the consumers for the
            // lock on every item.
            Turn::Again => !self.has_much_room(),
            Turn::Behind => true,
            Turn::Newcomer | Turn::Called | Turn::Early => false,
        }
    }

    /// Accepts an item that has [`Admission::Open`], and returns its number; the first gets
    /// 1. It comes after what is due by now.
    #[inline]
    pub(crate) fn accept(
        &mut self,
        mut entry: Entry<T>,
        door: Door,
        turn: Turn,
        now: impl FnOnce() -> Instant,
    ) -> u64 {
        self.catch_up(now);
        self.accepted += 1;
        entry.item.accepted(self.accepted);
        self.ready.push(entry);
        if door != Door::InsideUnbounded {
            self.sleepers.passed(Side::Space, turn);
        }
        self.accepted
    }

    /// Accepts as many items from outside as there is room for, of which the first has
    /// [`Admission::Open`]. Together they count as one that went ahead of those who
    /// wait. Returns the number of the last.
    pub(crate) fn accept_many(
        &mut self,
        entries: &mut impl ExactSizeIterator<Item = Entry<T>>,
        turn: Turn,
        now: impl FnOnce() -> Instant,
    ) -> u64 {
        self.catch_up(now);
        let room = self.room();
        let mut number = self.accepted;
        self.ready.push_many(entries.take(room).map(|mut entry| {
            number += 1;
            entry.item.accepted(number);
            entry
        }));
        self.accepted = number;
        self.sleepers.passed(Side::Space, turn);
        self.accepted
    }

    pub(crate) fn refuse(&mut self, refusal: Refusal, count: usize) {
        match refusal {
            Refusal::Refused => self.refused += count as u64,
            Refusal::Dropped => self.dropped += count as u64,
        }
    }

    // ----- out --------------------------------------------------------------

    /// Takes the first item that is ready by now, and is done with it.
    #[inline(always)] // a call would pass the entry through memory
    pub(crate) fn pop(
        &mut self,
        turn: Turn,
        now: impl FnOnce() -> Instant,
    ) -> Result<Entry<T>, TryPopError> {
        self.catch_up(now);
        self.pop_ready(turn).ok_or_else(|| self.nothing())
    }

    /// The same for up to `limit` items, at least one, that are ready by now. Together they
    /// count as one that went ahead of those who wait.
    pub(crate) fn pop_many(
        &mut self,
        limit: usize,
        mut each: impl FnMut(T),
        turn: Turn,
        now: impl FnOnce() -> Instant,
    ) -> Result<usize, TryPopError> {
        each(self.pop(turn, now)?.item);
        Ok(1 + self.ready.pop_many(limit - 1, each))
    }

    /// Settles a leased item, if there is one to settle, and takes the next on lease. If
    /// one is ready the lease passes from the one to the other, and the number of leases
    /// need not be written.
    #[inline(always)]
    pub(crate) fn next(
        &mut self,
        done: Option<Settled>,
        turn: Turn,
        now: impl FnOnce() -> Instant,
    ) -> Result<Entry<T>, TryPopError> {
        self.catch_up(now);
        let Some(entry) = self.pop_ready(turn) else {
            if let Some(settled) = done {
                self.settle(settled, 1);
            }
            return Err(self.nothing());
        };
        match done {
            Some(settled) => self.count(settled, 1),
            None => self.leased += 1,
        }
        if entry.item.is_retry() {
            self.retries += 1;
        }
        Ok(entry)
    }

    /// Takes the first item that is ready, if the thread may go ahead of those who
    /// wait.
    #[inline(always)]
    fn pop_ready(&mut self, turn: Turn) -> Option<Entry<T>> {
        if !self.sleepers.lets_pass(Side::Work, turn) {
            return None;
        }
        let entry = self.ready.pop()?;
        self.sleepers.passed(Side::Work, turn);
        Some(entry)
    }

    fn nothing(&self) -> TryPopError {
        match self.is_finished() {
            true => TryPopError::Closed,
            false => TryPopError::Empty,
        }
    }

    /// What is due by now joins the back of its level, before anything else is put there
    /// or taken. `now` is asked only if something waits that will be due.
    #[inline]
    fn catch_up(&mut self, now: impl FnOnce() -> Instant) {
        if self.waiting.is_empty() {
            return;
        }
        if let Some(due) = self.waiting.next_due() {
            let now = now();
            if due <= now {
                self.promote_due(now);
            }
        }
    }

    #[cold]
    fn promote_due(&mut self, now: Instant) {
        while let Some(entry) = self.waiting.pop_due(now) {
            self.ready.push(entry);
        }
    }

    // ----- back -------------------------------------------------------------

    #[inline]
    pub(crate) fn settle(&mut self, settled: Settled, count: usize) {
        self.leased -= count;
        self.count(settled, count);
    }

    #[inline]
    fn count(&mut self, settled: Settled, count: usize) {
        let counter = match settled {
            Settled::Succeeded => return,
            Settled::Failed => &mut self.failed,
            Settled::Panicked => &mut self.panicked,
            Settled::Aborted => &mut self.aborted,
        };
        *counter += count as u64;
    }

    /// Puts a leased item back, to wait until it is due. Never refused for
    /// want of room; an aborted queue hands the item back, still leased.
    pub(crate) fn put_back(&mut self, entry: Entry<T>, due: Due) -> Result<(), Entry<T>> {
        if self.phase == Phase::Aborted {
            return Err(entry);
        }
        self.leased -= 1;
        self.waiting.push(due, entry);
        Ok(())
    }

    /// A worker waits out a delay with a leased item in its hands. In the end, whether it
    /// is time for the next attempt; otherwise the queue was aborted.
    pub(crate) fn hold(&mut self, look: Look) -> Option<bool> {
        if look.turn == Turn::Newcomer {
            self.delayed += 1;
        }
        let is_due = match self.phase {
            Phase::Aborted => false,
            Phase::Open | Phase::Closed if look.last => true,
            Phase::Open | Phase::Closed => return None,
        };
        self.delayed -= 1;
        self.retries += u64::from(is_due);
        Some(is_due)
    }

    // ----- the end ----------------------------------------------------------

    /// Whether this call was the one that closed it.
    pub(crate) fn close(&mut self) -> bool {
        let closes = self.phase == Phase::Open;
        if closes {
            self.phase = Phase::Closed;
        }
        closes
    }

    /// Ends the queue and leases out everything that was not taken.
    pub(crate) fn abort(&mut self, now: impl FnOnce() -> Instant) -> Leftover<T> {
        self.catch_up(now);
        self.phase = Phase::Aborted;
        let leftover = Leftover {
            ready: mem::replace(&mut self.ready, Ready::new()),
            waiting: mem::replace(&mut self.waiting, Waiting::new()),
        };
        self.leased += leftover.len();
        leftover
    }

    // ----- sleep ------------------------------------------------------------

    pub(crate) fn sleepers(&mut self) -> &mut Sleepers<W> {
        &mut self.sleepers
    }

    /// A thread looks again that does not sleep yet.
    pub(crate) fn looks_again(&mut self, side: Side, waited: Waited) {
        let found = match side {
            Side::Work => self.ready.len(),
            Side::Space => self.room(),
            Side::Idle | Side::Delay => return,
        };
        self.sleepers
            .looks_again(side, self.capacity, waited, found);
    }

    /// See [`Sleepers::fall_asleep`].
    pub(crate) fn fall_asleep(
        &mut self,
        side: Side,
        before: Option<Ticket>,
        waker: W,
        deadline: Option<Instant>,
        now: impl FnOnce() -> Instant,
    ) -> (Sleep, Option<Instant>) {
        let next_due = self.waiting.next_due();
        self.sleepers
            .fall_asleep(side, before, waker, deadline, next_due, now)
    }

    #[inline]
    pub(crate) fn has_sleepers(&self) -> bool {
        !self.sleepers.is_empty()
    }

    /// Who must be woken. To be asked at the end of every critical section, if
    /// [anybody sleeps](Self::has_sleepers). Where those only wait for the queue to be idle,
    /// or sit out delays, there is nothing to decide before it is idle, or aborted.
    pub(crate) fn wakes(&mut self) -> Option<Wakes<W>> {
        if !self.sleepers.is_turn_awaited() && !self.is_idle() && self.phase != Phase::Aborted {
            return None;
        }
        self.sleepers.call(Outlook {
            is_ready: !self.ready.is_empty(),
            next_due: self.waiting.next_due(),
            is_finished: self.is_finished(),
            room: self.room(),
            is_closed: self.phase != Phase::Open,
            is_idle: self.is_idle(),
            is_aborted: self.phase == Phase::Aborted,
        })
    }

    // ----- the books --------------------------------------------------------

    pub(crate) fn snapshot(&self) -> Stats {
        let settled = self.accepted - self.unsettled();
        Stats {
            accepted: self.accepted,
            ready: self.ready.len() as u64,
            waiting: (self.waiting.len() + self.delayed) as u64,
            running: (self.leased - self.delayed) as u64,
            settled,
            succeeded: settled - self.unsuccessful(),
            failed: self.failed,
            panicked: self.panicked,
            aborted: self.aborted,
            retries: self.retries,
            dropped: self.dropped,
            refused: self.refused,
        }
    }

    fn unsettled(&self) -> u64 {
        (self.ready.len() + self.waiting.len() + self.leased) as u64
    }

    fn unsuccessful(&self) -> u64 {
        self.failed + self.panicked + self.aborted
    }

    #[inline]
    pub(crate) fn check_books(&self) {
        debug_assert!(
            self.unsettled() + self.unsuccessful() <= self.accepted && self.delayed <= self.leased,
            "the books do not balance",
        );
    }
}

/// Everything that an aborted queue had not handed out yet.
pub(crate) struct Leftover<T> {
    ready: Ready<T>,
    waiting: Waiting<Entry<T>>,
}

impl<T> Leftover<T> {
    /// In order of priority, then those that waited, in order of due time.
    pub(crate) fn into_entries(self) -> impl Iterator<Item = Entry<T>> {
        self.ready.chain(self.waiting.into_items())
    }

    pub(crate) fn len(&self) -> usize {
        self.ready.len() + self.waiting.len()
    }
}

#[cfg(test)]
mod tests;
