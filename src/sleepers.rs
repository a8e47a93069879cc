//! Those who sleep, and who of them must be woken.
//!
//! Threads sleep in four lines. The monitor asks for whom to [call](Sleepers::call)
//! before it lets go of the lock, and signals after. The answer is not tied to the
//! change that was made; it restores these invariants, whichever of them the change
//! broke.
//!
//! - **work**: while something is ready and a consumer sleeps, a consumer has
//!   been called. One is enough: when it arrives it takes what it came for, and
//!   if more is ready the same rule calls the next.
//! - **due**: while something waits and a consumer sleeps, one consumer sleeps
//!   no longer than until the earliest due time (the *watcher*, elsewhere called the
//!   leader), or one has been called and will look when it arrives. If the watcher leaves,
//!   the first sleeper is called; if something is due earlier than it watches for, the
//!   watcher itself is, or the first sleeper if that one has been called away.
//! - **space**: while there is room and a submitter sleeps, a submitter has been
//!   called. It pushes when it arrives, and if there is still room the same rule
//!   calls the next, so no slot waits for a second item to be taken. In a large
//!   queue [`Patience`] says when.
//! - **end**: when nothing can come any more no consumer sleeps; in a closed
//!   queue no submitter sleeps; in an idle queue nobody sleeps for idleness;
//!   in an aborted queue nobody sleeps out a delay.

use std::time::Instant;

use crate::line::{Line, Ticket, Turn};
use crate::pace::{Pace, Waited};
use crate::patience::Patience;

/// What threads sleep for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    // The first two are places in `Sleepers::busy` and `Sleepers::paces`.
    /// An item to take, or the end.
    Work,
    /// Room for an item.
    Space,
    /// Nothing ready, waiting or leased.
    Idle,
    /// The end of a delay, with the item in hand.
    Delay,
}

impl Side {
    fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// One sleep of one thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sleep {
    pub(crate) side: Side,
    pub(crate) ticket: Ticket,
    /// The thread has slept for this before.
    pub(crate) is_again: bool,
}

/// What sleepers wait for, as it is now.
pub(crate) struct Outlook {
    pub(crate) is_ready: bool,
    /// When the first of what waits is due.
    pub(crate) next_due: Option<Instant>,
    /// Whether nothing can come any more.
    pub(crate) is_finished: bool,
    pub(crate) room: usize,
    pub(crate) is_closed: bool,
    pub(crate) is_idle: bool,
    pub(crate) is_aborted: bool,
}

/// The threads to signal once the lock is free.
#[must_use = "threads that are not signalled sleep on"]
pub(crate) struct Wakes<W> {
    pub(crate) consumer: Option<W>,
    pub(crate) submitter: Option<W>,
    pub(crate) others: Vec<W>,
}

impl<W> Wakes<W> {
    pub(crate) const NOBODY: Self = Self {
        consumer: None,
        submitter: None,
        others: Vec::new(),
    };

    /// `None` if there are none.
    pub(crate) fn if_any(self) -> Option<Self> {
        let any = self.consumer.is_some() || self.submitter.is_some() || !self.others.is_empty();
        any.then_some(self)
    }

    pub(crate) fn wakers(self) -> impl Iterator<Item = W> {
        let consumer = self.consumer.into_iter();
        consumer.chain(self.submitter).chain(self.others)
    }
}

/// `W` is what the monitor signals to wake a thread.
#[repr(C)]
pub(crate) struct Sleepers<W> {
    /// A bit for each line. If it is clear nobody waits there; it may be set for a while
    /// after all were called out, until the first of them arrives.
    occupied: u8,
    /// For work and for space, a hint whether to look again for a while before a sleep: the
    /// last thread here got through without one, or was called out of a short one.
    busy: [bool; 2],
    /// For the same two, how long they stay away between two looks.
    paces: [Pace; 2],
    /// In a box, so that what every operation touches lies close together.
    lines: Box<Lines<W>>,
}

struct Lines<W> {
    work: Line<W>,
    space: Line<W>,
    idle: Line<W>,
    delays: Line<W>,
    watch: Option<Watch>,
    /// Of those who wait for space.
    patience: Patience,
}

/// The consumer that sleeps no longer than until `due`.
#[derive(Debug, Clone, Copy)]
struct Watch {
    ticket: Ticket,
    due: Instant,
}

impl<W> Sleepers<W> {
    /// Nobody. `max_passes` threads in a row may go ahead of those who wait.
    pub(crate) fn new(capacity: usize, much_room: usize, max_passes: u32) -> Self {
        Self {
            occupied: 0,
            busy: [false; 2],
            paces: [Pace::usual(capacity); 2],
            lines: Box::new(Lines {
                work: Line::new(max_passes),
                space: Line::new(max_passes),
                idle: Line::new(max_passes),
                delays: Line::new(max_passes),
                watch: None,
                patience: Patience::new(much_room),
            }),
        }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.occupied == 0
    }

    /// Whether somebody waits for an item or for room, which any operation may bring.
    #[inline]
    pub(crate) fn is_turn_awaited(&self) -> bool {
        self.is_occupied(Side::Work) || self.is_occupied(Side::Space)
    }

    #[inline]
    fn is_occupied(&self, side: Side) -> bool {
        self.occupied & side.bit() != 0
    }

    pub(crate) fn patience(&self) -> &Patience {
        &self.lines.patience
    }

    // ----- those who do not sleep ---------------------------------------------

    #[inline]
    fn busy(&mut self, side: Side) -> Option<&mut bool> {
        self.busy.get_mut(side as usize)
    }

    /// After how many pauses of the processor a thread that would sleep here had better
    /// look again first, if at all.
    pub(crate) fn pauses(&self, side: Side) -> Option<u32> {
        let is_busy = *self.busy.get(side as usize)?;
        is_busy.then(|| self.paces[side as usize].pauses())
    }

    /// A thread looks again that does not sleep yet, and finds so many items, or so much
    /// room. See [`Pace::learn`].
    pub(crate) fn looks_again(
        &mut self,
        side: Side,
        capacity: usize,
        waited: Waited,
        found: usize,
    ) {
        if let Some(pace) = self.paces.get_mut(side as usize) {
            pace.learn(capacity, waited, found);
        }
    }

    /// Whether a thread may go ahead of those who wait.
    #[inline]
    pub(crate) fn lets_pass(&mut self, side: Side, turn: Turn) -> bool {
        !self.is_occupied(side) || self.lines.of(side).lets_pass(turn)
    }

    /// A thread went ahead.
    #[inline]
    pub(crate) fn passed(&mut self, side: Side, turn: Turn) {
        if let (true, Some(busy)) = (turn.is_new(), self.busy(side)) {
            *busy = true;
        }
        if self.is_occupied(side) {
            self.lines.of(side).passed(turn);
        }
    }

    // ----- falling asleep, and waking up --------------------------------------

    /// Puts the caller to sleep, under the ticket it had if it has slept for this
    /// `before`; it must sleep until `waker` is signalled, or until the returned instant.
    /// `now` is asked only for a patient submitter.
    pub(crate) fn fall_asleep(
        &mut self,
        side: Side,
        before: Option<Ticket>,
        waker: W,
        deadline: Option<Instant>,
        next_due: Option<Instant>,
        now: impl FnOnce() -> Instant,
    ) -> (Sleep, Option<Instant>) {
        let lines = &mut *self.lines;
        if side == Side::Space && !lines.space.is_waited_in() {
            lines.patience.begin();
        }
        let ticket = lines.of(side).join(before, waker);
        let is_again = before.is_some();
        self.occupied |= side.bit();
        let alarm = match side {
            Side::Work => lines.unwatched(next_due).inspect(|&due| {
                lines.watch = Some(Watch { ticket, due });
            }),
            Side::Space => lines.patience.fall_asleep(is_again, ticket, deadline, now),
            Side::Idle | Side::Delay => None,
        };
        let sleep = Sleep {
            side,
            ticket,
            is_again,
        };
        (sleep, alarm.into_iter().chain(deadline).min())
    }

    #[cfg(test)]
    pub(crate) fn is_asleep(&mut self, sleep: Sleep) -> bool {
        self.lines.of(sleep.side).contains(sleep.ticket)
    }

    /// The caller is awake, for whatever reason.
    pub(crate) fn wake_up(&mut self, sleep: Sleep, slept_shortly: bool) -> Turn {
        let Sleep {
            side,
            ticket,
            is_again,
        } = sleep;
        let lines = &mut *self.lines;
        let line = lines.of(side);
        let was_called = line.leave(ticket);
        if !line.is_waited_in() {
            self.occupied &= !side.bit();
        }
        if let Some(busy) = self.busy.get_mut(side as usize) {
            *busy = was_called && slept_shortly;
        }
        if side == Side::Work && lines.watch.is_some_and(|watch| watch.ticket == ticket) {
            lines.watch = None;
        }
        let was_patient = side == Side::Space && lines.patience.wake_up(is_again, ticket);
        match (was_called, was_patient) {
            // To watch, not to take what has come since.
            (true, _) if side == Side::Work && lines.work.is_behind(ticket) => Turn::Early,
            (true, _) => Turn::Called,
            // It was patient for all of them, and now the first of them is called.
            (false, true) if lines.space.is_behind(ticket) => Turn::Behind,
            (false, true) => Turn::Called,
            (false, false) => Turn::Early,
        }
    }

    // ----- being called -------------------------------------------------------

    /// Takes those who must be woken out of their lines.
    #[inline]
    pub(crate) fn call(&mut self, outlook: Outlook) -> Option<Wakes<W>> {
        let lines = &mut *self.lines;
        let mut wakes = Wakes::NOBODY;
        if outlook.is_finished {
            wakes.others.extend(lines.work.call_all());
        } else if !lines.work.is_called() {
            if outlook.is_ready {
                wakes.consumer = lines.work.call_first();
            } else if lines.unwatched(outlook.next_due).is_some() {
                // Rather the present watcher, whose alarm is too late now, than
                // a second sleeper.
                wakes.consumer = lines.work.call(lines.watch.map(|watch| watch.ticket));
            }
        }
        let calls_for_room = lines.patience.calls_for(outlook.room);
        if outlook.is_closed {
            wakes.others.extend(lines.space.call_all());
        } else if calls_for_room && !lines.space.is_called() {
            wakes.submitter = lines.space.call_first();
        }
        if outlook.is_idle {
            wakes.others.extend(lines.idle.call_all());
        }
        if outlook.is_aborted {
            wakes.others.extend(lines.delays.call_all());
        }
        wakes.if_any()
    }
}

impl<W> Lines<W> {
    fn of(&mut self, side: Side) -> &mut Line<W> {
        match side {
            Side::Work => &mut self.work,
            Side::Space => &mut self.space,
            Side::Idle => &mut self.idle,
            Side::Delay => &mut self.delays,
        }
    }

    /// The earliest due time, unless somebody sleeps no longer than that.
    fn unwatched(&self, next_due: Option<Instant>) -> Option<Instant> {
        let due = next_due?;
        match self.watch {
            Some(watch) if watch.due <= due => None,
            _ => Some(due),
        }
    }
}
