//! Every decision of the queue, with no lock, clock or thread in it: what is
//! accepted, what is taken next, when all is done, and who must be woken.
//!
//! An item is *accepted*, lies *ready* or *waiting* (for its time), is
//! *leased* to whoever took it, and is *settled* in the end; a leased item may
//! come back to wait. The books balance at the end of every method:
//!
//! ```text
//! accepted = ready + waiting + leased + settled
//! ```
//!
//! [`Phase`] only moves forward: open, closed, aborted.
//!
//! # Who is woken
//!
//! Threads sleep in four lines. The monitor asks [`State::wakes`] before it lets
//! go of the lock, and signals after. The answer is not tied to the change that
//! was made; it restores these invariants, whichever of them the change broke:
//!
//! - **work**: while something is ready and a consumer sleeps, a consumer has
//!   been called. One is enough: when it arrives it takes what it came for, and
//!   if more is ready the same rule calls the next.
//! - **due**: while something waits and a consumer sleeps, one consumer sleeps
//!   no longer than until the earliest due time (the *watcher*), or one has
//!   been called and will look when it arrives. A watcher that leaves, or an
//!   earlier due time, breaks the rule, and the next sleeper is called.
//! - **space**: while there is room and a submitter sleeps, a submitter has been
//!   called. It pushes when it arrives, and if there is still room the same rule
//!   calls the next, so no slot waits for a second item to be taken.
//!   Unless one of them is *patient*: it sleeps no longer than [`GRACE`], and
//!   until then nobody is called before there is much room. Then all are, one
//!   after the other, until the queue is full again. While somebody waits that has
//!   slept before and got nothing, nobody is patient.
//! - **end**: when nothing can come any more no consumer sleeps; in a closed
//!   queue no submitter sleeps; in an idle queue nobody sleeps for idleness;
//!   in an aborted queue nobody sleeps out a delay.

use std::mem;
use std::time::{Duration, Instant};

use crate::heap::{Entry, Heap};
use crate::leftover::Leftover;
use crate::line::{Line, Ticket, Turn};
use crate::stats::{Settled, Stats};
use crate::waiting::{Due, Waiting};
use crate::wakes::Wakes;

/// How long a submitter of a large full queue sleeps on while there is room for
/// a few items. Waking it costs a consumer some microseconds, which is too dear
/// for every single item. A consumer that takes longer than this for one pays
/// them each time, and hardly notices.
pub(crate) const GRACE: Duration = Duration::from_millis(1);

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

/// Why an item was not accepted, for the books.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Handed back as an error.
    Refused,
    /// Handed back by the strategy that drops what does not fit.
    Dropped,
}

pub(crate) enum Take<T> {
    Entry(Entry<T>),
    /// Nothing now; more may come.
    Empty,
    /// Nothing now, and nothing can come any more.
    Finished,
}

/// What threads sleep for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// An item to take, or the end.
    Work,
    /// Room for an item.
    Space,
    /// Nothing ready, waiting or leased.
    Idle,
    /// The end of a delay, with the item in hand.
    Delay,
}

/// The consumer that sleeps no longer than until `due`.
#[derive(Debug, Clone, Copy)]
struct Watch {
    ticket: Ticket,
    due: Instant,
}

/// `T` is what lies in the queue, `W` what the monitor signals to wake a thread.
///
/// Laid out by hand: what every operation touches comes first, and beside the
/// lock, for each cache line that the next thread has to fetch makes the
/// critical section longer.
#[repr(C)]
pub(crate) struct State<T, W> {
    phase: Phase,
    /// Whether the last thread that got through, to work and to space, did so
    /// without a long sleep: then the next may as well look again for a while.
    busy: [bool; 2],
    /// Threads in the lines, or called out of them and not yet here. As long as
    /// there are none the lines need not be looked at.
    sleepers: u32,
    capacity: usize,
    /// Room that a submitter is worth waking for; more than one slot in a queue
    /// so large that it will not be empty before the submitter is there.
    much_room: usize,
    accepted: u64,
    /// Taken and not settled.
    leased: usize,
    settled: [u64; Settled::COUNT],
    ready: Heap<T>,
    /// How many of the leased wait out a delay in their worker's hands.
    delayed: usize,
    waiting: Waiting<Entry<T>>,
    retries: u64,
    dropped: u64,
    refused: u64,
    work: Line<W>,
    space: Line<W>,
    idle: Line<W>,
    delays: Line<W>,
    watch: Option<Watch>,
    /// The submitter that sleeps no longer than its grace.
    patient: Option<Ticket>,
    /// How many submitters wait in a large queue that have slept before and got
    /// nothing. They are called for any room there is, so nobody else is patient before
    /// they are through.
    impatient: u32,
    /// Whether sleeping submitters are called for any room there is.
    refilling: bool,
}

impl<T, W> State<T, W> {
    /// A queue with room for `large` or more is a large one. `max_passes` threads
    /// in a row may go ahead of those who wait.
    pub(crate) fn new(capacity: usize, large: usize, max_passes: u32) -> Self {
        Self {
            phase: Phase::Open,
            busy: [false; 2],
            capacity,
            much_room: match capacity >= large {
                true => capacity.div_ceil(2),
                false => 1,
            },
            sleepers: 0,
            accepted: 0,
            settled: [0; Settled::COUNT],
            leased: 0,
            delayed: 0,
            retries: 0,
            ready: Heap::new(),
            waiting: Waiting::new(),
            dropped: 0,
            refused: 0,
            work: Line::new(max_passes),
            space: Line::new(max_passes),
            idle: Line::new(max_passes),
            delays: Line::new(max_passes),
            watch: None,
            patient: None,
            impatient: 0,
            refilling: false,
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

    /// None while handlers have more than fits in.
    fn room(&self) -> usize {
        self.capacity.saturating_sub(self.len())
    }

    /// Whether there is so much room that a patient submitter is worth waking.
    #[inline]
    pub(crate) fn has_much_room(&self) -> bool {
        self.room() >= self.much_room
    }

    /// Whether submitters need not be told of every slot that gets free.
    pub(crate) fn is_large(&self) -> bool {
        self.much_room > 1
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
    pub(crate) fn admission(&mut self, door: Door, turn: Turn) -> Admission {
        match (self.phase, door) {
            (Phase::Aborted, _) | (Phase::Closed, Door::Outside) => Admission::Closed,
            (_, Door::InsideUnbounded) => Admission::Open,
            _ if self.has_room() && self.lets_pass(Side::Space, turn) => Admission::Open,
            _ => Admission::Full,
        }
    }

    /// Accepts an item that has [`Admission::Open`], and returns its number, which
    /// `stamp` tells it; the first gets 1.
    #[inline]
    pub(crate) fn accept(
        &mut self,
        priority: i32,
        item: T,
        door: Door,
        turn: Turn,
        stamp: impl FnOnce(&mut T, u64),
    ) -> u64 {
        self.enter(priority, item, stamp);
        if door != Door::InsideUnbounded {
            self.passed(Side::Space, turn);
        }
        self.accepted
    }

    /// Accepts as many items as there is room for, of which the first has
    /// [`Admission::Open`]. Together they count as one that went ahead of those who
    /// wait. Returns the number of the last.
    pub(crate) fn accept_many(
        &mut self,
        items: &mut impl ExactSizeIterator<Item = (i32, T)>,
        door: Door,
        turn: Turn,
        stamp: impl Fn(&mut T, u64),
    ) -> u64 {
        let room = match door {
            Door::InsideUnbounded => usize::MAX,
            Door::Outside | Door::Inside => self.room(),
        };
        for (priority, item) in items.take(room) {
            self.enter(priority, item, &stamp);
        }
        if door != Door::InsideUnbounded {
            self.passed(Side::Space, turn);
        }
        self.accepted
    }

    #[inline]
    fn enter(&mut self, priority: i32, mut item: T, stamp: impl FnOnce(&mut T, u64)) {
        self.accepted += 1;
        stamp(&mut item, self.accepted);
        self.ready.push(Entry {
            priority,
            returns: 0,
            item,
        });
    }

    pub(crate) fn refuse(&mut self, refusal: Refusal, count: usize) {
        match refusal {
            Refusal::Refused => self.refused += count as u64,
            Refusal::Dropped => self.dropped += count as u64,
        }
    }

    // ----- out --------------------------------------------------------------

    /// Takes the first item that is ready by now. `now` is asked only if
    /// something waits.
    #[inline]
    pub(crate) fn take(&mut self, turn: Turn, now: impl FnOnce() -> Instant) -> Take<T> {
        if !self.waiting.is_empty() {
            self.promote_due(now());
        }
        match self.take_ready(turn) {
            Some(entry) => Take::Entry(entry),
            None if self.is_finished() => Take::Finished,
            None => Take::Empty,
        }
    }

    /// Takes the first item that is ready, if the thread may go ahead of those who
    /// wait.
    #[inline]
    fn take_ready(&mut self, turn: Turn) -> Option<Entry<T>> {
        if !self.lets_pass(Side::Work, turn) {
            return None;
        }
        let entry = self.ready.pop()?;
        self.leased += 1;
        if entry.returns > 0 {
            self.retries += 1;
        }
        self.passed(Side::Work, turn);
        Some(entry)
    }

    /// Takes up to `limit` more for a thread that has just taken one, of those that
    /// were ready by then. Together with that one they count as one that went ahead
    /// of those who wait.
    pub(crate) fn take_more(&mut self, limit: usize, mut each: impl FnMut(T)) -> usize {
        let mut retries = 0;
        let taken = self.ready.pop_many(limit, |entry| {
            retries += u64::from(entry.returns > 0);
            each(entry.item);
        });
        self.leased += taken;
        self.retries += retries;
        taken
    }

    /// What is due joins the back of its level.
    fn promote_due(&mut self, now: Instant) {
        while let Some(entry) = self.waiting.pop_due(now) {
            self.ready.push(entry);
        }
    }

    // ----- back -------------------------------------------------------------

    #[inline]
    pub(crate) fn settle(&mut self, settled: Settled, count: usize) {
        self.leased -= count;
        self.settled[settled as usize] += count as u64;
    }

    /// Puts a leased item back, to wait until it is due. Never refused for
    /// want of room; an aborted queue hands the item back, still leased.
    pub(crate) fn put_back(&mut self, mut entry: Entry<T>, due: Due) -> Result<(), Entry<T>> {
        if self.phase == Phase::Aborted {
            return Err(entry);
        }
        entry.returns = entry.returns.saturating_add(1);
        self.leased -= 1;
        self.waiting.push(due, entry);
        Ok(())
    }

    /// A leased item begins to wait in its worker's hands.
    pub(crate) fn hold(&mut self) {
        self.delayed += 1;
    }

    /// The wait is over, and the next attempt begins.
    pub(crate) fn resume(&mut self) {
        self.delayed -= 1;
        self.retries += 1;
    }

    /// The wait is over, and no attempt follows.
    pub(crate) fn give_up(&mut self) {
        self.delayed -= 1;
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
    pub(crate) fn abort(&mut self) -> Leftover<T> {
        self.phase = Phase::Aborted;
        let ready = mem::replace(&mut self.ready, Heap::new());
        let waiting = mem::replace(&mut self.waiting, Waiting::new());
        let leftover = Leftover::new(ready, waiting);
        self.leased += leftover.len();
        leftover
    }

    // ----- sleep ------------------------------------------------------------

    fn line(&mut self, side: Side) -> &mut Line<W> {
        match side {
            Side::Work => &mut self.work,
            Side::Space => &mut self.space,
            Side::Idle => &mut self.idle,
            Side::Delay => &mut self.delays,
        }
    }

    #[inline]
    fn busy(&mut self, side: Side) -> Option<&mut bool> {
        match side {
            Side::Work => Some(&mut self.busy[0]),
            Side::Space => Some(&mut self.busy[1]),
            Side::Idle | Side::Delay => None,
        }
    }

    /// Whether a thread that would sleep here had better look again first.
    pub(crate) fn is_busy(&mut self, side: Side) -> bool {
        self.busy(side).is_some_and(|busy| *busy)
    }

    #[inline]
    fn lets_pass(&mut self, side: Side, turn: Turn) -> bool {
        self.sleepers == 0 || self.line(side).lets_pass(turn)
    }

    #[inline]
    fn passed(&mut self, side: Side, turn: Turn) {
        if let (true, Some(busy)) = (turn.is_new(), self.busy(side)) {
            *busy = true;
        }
        if self.sleepers > 0 || !turn.is_new() {
            self.line(side).passed(turn);
        }
    }

    /// Puts the caller to sleep, under the ticket it had if it has slept for this
    /// before; it must wait until it is no longer [asleep](Self::is_asleep), or until
    /// the returned instant. `now` is asked only for a patient submitter.
    pub(crate) fn fall_asleep(
        &mut self,
        side: Side,
        earlier: Option<Ticket>,
        waker: W,
        deadline: Option<Instant>,
        now: impl FnOnce() -> Instant,
    ) -> (Ticket, Option<Instant>) {
        let ticket = self.line(side).join(earlier, waker);
        self.sleepers += 1;
        let alarm = match side {
            Side::Work => self.unwatched_due().inspect(|&due| {
                self.watch = Some(Watch { ticket, due });
            }),
            Side::Space if self.is_large() => self.grace(earlier, ticket, now),
            Side::Space | Side::Idle | Side::Delay => None,
        };
        let until = match (alarm, deadline) {
            (Some(alarm), Some(deadline)) => Some(alarm.min(deadline)),
            (alarm, deadline) => alarm.or(deadline),
        };
        (ticket, until)
    }

    /// Until when a submitter of a large queue sleeps if it is not called, should it be
    /// the one that is patient.
    fn grace(
        &mut self,
        earlier: Option<Ticket>,
        ticket: Ticket,
        now: impl FnOnce() -> Instant,
    ) -> Option<Instant> {
        if earlier.is_some() {
            self.impatient += 1;
        } else if self.patient.is_none() && self.impatient == 0 {
            self.patient = Some(ticket);
            return now().checked_add(GRACE);
        }
        None
    }

    pub(crate) fn is_asleep(&mut self, side: Side, ticket: Ticket) -> bool {
        self.line(side).contains(ticket)
    }

    /// The caller, who fell asleep with the ticket of an `earlier` sleep or without, is
    /// awake, for whatever reason.
    pub(crate) fn wake_up(
        &mut self,
        side: Side,
        earlier: Option<Ticket>,
        ticket: Ticket,
        waited_shortly: bool,
    ) {
        if let Some(busy) = self.busy(side) {
            *busy = waited_shortly;
        }
        self.line(side).leave(ticket);
        self.sleepers -= 1;
        if side == Side::Work && self.watch.is_some_and(|watch| watch.ticket == ticket) {
            self.watch = None;
        }
        if side == Side::Space && self.patient == Some(ticket) {
            self.patient = None;
        }
        if side == Side::Space && self.is_large() && earlier.is_some() {
            self.impatient -= 1;
        }
    }

    /// The earliest due time, unless somebody sleeps no longer than that.
    fn unwatched_due(&self) -> Option<Instant> {
        let due = self.waiting.next_due()?;
        match self.watch {
            Some(watch) if watch.due <= due => None,
            _ => Some(due),
        }
    }

    /// Who must be woken: see the invariants at the top of this file.
    #[inline]
    pub(crate) fn wakes(&mut self) -> Option<Wakes<W>> {
        self.check_books();
        if self.sleepers == 0 {
            return None;
        }
        self.call_sleepers()
    }

    fn call_sleepers(&mut self) -> Option<Wakes<W>> {
        let mut wakes = Wakes::NOBODY;
        if self.is_finished() {
            wakes.others.extend(self.work.call_all());
        } else if !self.work.is_called() {
            if !self.ready.is_empty() {
                wakes.consumer = self.work.call_first();
            } else if self.unwatched_due().is_some() {
                // Rather the present watcher, whose alarm is too late now, than
                // a second sleeper.
                wakes.consumer = self.work.call(self.watch.map(|watch| watch.ticket));
            }
        }
        self.refilling =
            self.has_room() && (self.refilling || self.patient.is_none() || self.has_much_room());
        if self.phase != Phase::Open {
            wakes.others.extend(self.space.call_all());
        } else if self.refilling && !self.space.is_called() {
            wakes.submitter = self.space.call_first();
        }
        if self.is_idle() {
            wakes.others.extend(self.idle.call_all());
        }
        if self.phase == Phase::Aborted {
            wakes.others.extend(self.delays.call_all());
        }
        wakes.if_any()
    }

    // ----- the books --------------------------------------------------------

    pub(crate) fn snapshot(&self) -> Stats {
        let [succeeded, failed, panicked, aborted] = self.settled;
        Stats {
            accepted: self.accepted,
            ready: self.ready.len() as u64,
            waiting: (self.waiting.len() + self.delayed) as u64,
            running: (self.leased - self.delayed) as u64,
            settled: succeeded + failed + panicked + aborted,
            succeeded,
            failed,
            panicked,
            aborted,
            retries: self.retries,
            dropped: self.dropped,
            refused: self.refused,
        }
    }

    #[inline]
    fn check_books(&self) {
        if cfg!(debug_assertions) {
            let stats = self.snapshot();
            assert_eq!(
                stats.accepted,
                stats.ready + stats.waiting + stats.running + stats.settled,
                "the books do not balance: {stats:?}",
            );
        }
    }
}

#[cfg(test)]
mod tests;
