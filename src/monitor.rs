//! The lock around the state, and the threads that wait for what is in it.
//!
//! Every operation is one critical section of [`State`], repeated after each
//! sleep. One that may have changed the state ends in [`Monitor::unlock`], before a sleep
//! too: it asks the state who must be woken, lets go of the lock, and signals then, so
//! that a woken thread does not run into the lock of its waker. Each sleep has a
//! [`Parker`] of its own; a signal therefore reaches the thread that the state has chosen
//! and no other, and it is not lost on a thread that has let go of the lock and does not
//! sleep yet.
//!
//! No code of the user's runs under the lock, destructors included.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crate::entry::{Entry, Item};
use crate::error::TryPopError;
use crate::line::{Ticket, Turn};
use crate::parker::Parker;
use crate::sleepers::{Side, Wakes};
use crate::state::{Admission, Door, Leftover, Look, Phase, Refusal, State};
use crate::stats::{Settled, Stats};
use crate::sync::{self, Lock, LockGuard, Pauses, thread, thread::ThreadId};
use crate::waiting::Due;

/// A sleep shorter than this was hardly worth its wake-up: a busy line.
const SHORT_SLEEP: Duration = Duration::from_micros(25);

const ANSWERS_AT_LAST: &str = "the last look always has an answer";

type Waker = Arc<Parker>;
type Guard<'a, T> = LockGuard<'a, State<T, Waker>>;

/// How long an operation may take.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wait {
    No,
    Until(Instant),
    Forever,
}

impl Wait {
    /// A timeout that no `Instant` can express is no limit.
    pub(crate) fn timeout(timeout: Duration) -> Self {
        Due::after(sync::now(), timeout).into()
    }

    fn deadline(self) -> Option<Instant> {
        match self {
            Self::Until(deadline) => Some(deadline),
            Self::No | Self::Forever => None,
        }
    }

    #[inline]
    fn first_look(self) -> Look {
        Look {
            turn: Turn::Newcomer,
            last: matches!(self, Self::No),
        }
    }

    fn is_over(self) -> bool {
        match self {
            Self::No => true,
            Self::Until(deadline) => deadline <= sync::now(),
            Self::Forever => false,
        }
    }
}

impl From<Due> for Wait {
    fn from(due: Due) -> Self {
        due.instant().map_or(Self::Forever, Self::Until)
    }
}

/// How an item asks to be let in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    pub(crate) door: Door,
    pub(crate) wait: Wait,
    /// How it is counted if there is no room. Any other refusal is *refused*.
    pub(crate) when_full: Refusal,
}

impl Terms {
    pub(crate) fn outside(wait: Wait) -> Self {
        Self::new(Door::Outside, wait)
    }

    pub(crate) fn new(door: Door, wait: Wait) -> Self {
        Self {
            door,
            wait,
            when_full: Refusal::Refused,
        }
    }
}

/// Why an item did not get in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotAccepted {
    Full,
    Closed,
    TimedOut,
    WouldDeadlock,
}

/// What a worker has taken to do next.
pub(crate) struct Taken<T> {
    pub(crate) entry: Entry<T>,
    /// Whether the worker had to wait for it.
    pub(crate) waited: bool,
}

/// Aligned so that the lock shares its cache line with nothing but the busiest
/// fields of the state (two lines, for processors fetch them in pairs).
#[repr(C, align(128))]
pub(crate) struct Monitor<T> {
    state: Lock<State<T, Waker>>,
    /// The threads that were started for the queue, if any were. Set before it is handed
    /// out, and asked by nobody before that.
    workers: OnceLock<Box<[ThreadId]>>,
    /// As it was asked for.
    capacity: usize,
}

impl<T: Item> Monitor<T> {
    pub(crate) fn new(capacity: usize) -> Self {
        let state = State::new(capacity, sync::large_capacity(), sync::max_passes());
        Self {
            state: Lock::within(capacity, state),
            workers: OnceLock::new(),
            capacity,
        }
    }

    /// Tells the queue which threads are its own.
    pub(crate) fn set_workers(&self, ids: Box<[ThreadId]>) {
        let _ = self.workers.set(ids);
    }

    /// Whether the caller would wait for itself if it waited for the queue.
    pub(crate) fn is_own_worker(&self) -> bool {
        let workers = self.workers.get();
        workers.is_some_and(|ids| ids.contains(&thread::current().id()))
    }

    // ----- critical sections ------------------------------------------------

    /// Ends a critical section.
    #[inline]
    fn unlock(state: Guard<'_, T>) {
        state.check_books();
        match state.has_sleepers() {
            false => drop(state),
            true => Self::unlock_and_signal(state),
        }
    }

    #[inline(never)] // so that `unlock` is short enough to stand in every operation
    fn unlock_and_signal(mut state: Guard<'_, T>) {
        let wakes = state.wakes();
        drop(state);
        if let Some(wakes) = wakes {
            signal(wakes);
        }
    }

    #[inline]
    fn with<R>(&self, section: impl FnOnce(&mut State<T, Waker>) -> R) -> R {
        let mut state = self.state.lock();
        let answer = section(&mut state);
        Self::unlock(state);
        answer
    }

    /// Looks until there is an answer, sleeping in the line of `side` between
    /// two looks. `None` if time ran out; the last look is after that.
    #[inline]
    fn wait_for<R>(
        &self,
        mut state: Guard<'_, T>,
        side: Side,
        wait: Wait,
        mut look: impl FnMut(&mut State<T, Waker>, Look) -> Option<R>,
    ) -> Option<R> {
        let first = wait.first_look();
        let answer = look(&mut state, first);
        if answer.is_none() && !first.last {
            return self.wait_longer(state, side, wait, look);
        }
        Self::unlock(state);
        answer
    }

    #[cold]
    fn wait_longer<'a, R>(
        &'a self,
        mut state: Guard<'a, T>,
        side: Side,
        wait: Wait,
        mut look: impl FnMut(&mut State<T, Waker>, Look) -> Option<R>,
    ) -> Option<R> {
        // In a busy line it pays to wait for about as long as a wake-up takes
        // before paying for one. In an idle line nobody is about to come, and
        // looking again would only make the wake-up later.
        let sleepers = state.sleepers();
        let wants_much = side == Side::Space && sleepers.patience().is_large();
        let mut pauses = match sleepers.pauses(side) {
            None => Pauses::none(),
            Some(_) if wants_much => Pauses::patient(),
            Some(pauses) => Pauses::every(pauses),
        };
        let (mut turn, mut ticket) = (Turn::Again, None);
        loop {
            match pauses.next() {
                Some(pause) => {
                    Self::unlock(state);
                    let waited = pause.waited();
                    pause.pass();
                    state = self.state.lock();
                    if let Some(waited) = waited {
                        state.looks_again(side, waited);
                    }
                }
                None if wait.is_over() => {}
                None => {
                    (state, turn) = self.sleep(state, side, &mut ticket, wait.deadline());
                }
            }
            let last = wait.is_over();
            let answer = look(&mut state, Look { turn, last });
            if answer.is_some() || last {
                Self::unlock(state);
                return answer;
            }
        }
    }

    /// Sleeps until called, or until an instant that the state sets, `deadline` at the
    /// latest. Why the sleep ended does not matter: a call may come after that instant and
    /// before the lock, so the state says whether this thread was called. It keeps its `ticket`
    /// for the next sleep for this, and gets one for the first.
    fn sleep<'a>(
        &'a self,
        mut state: Guard<'a, T>,
        side: Side,
        ticket: &mut Option<Ticket>,
        deadline: Option<Instant>,
    ) -> (Guard<'a, T>, Turn) {
        let since = sync::timestamp();
        let parker = Arc::new(Parker::new());
        let (sleep, until) =
            state.fall_asleep(side, *ticket, Arc::clone(&parker), deadline, sync::now);
        *ticket = Some(sleep.ticket);
        // To fall asleep may oblige this thread to wake another, for instance the
        // next if there is room that it may not take. Asked only now that it
        // counts as asleep: what it watches needs no other watcher.
        Self::unlock(state);
        parker.park(until);
        let mut state = self.state.lock();
        let slept = sync::timestamp().saturating_duration_since(since);
        let turn = state.sleepers().wake_up(sleep, slept < SHORT_SLEEP);
        (state, turn)
    }

    // ----- in ---------------------------------------------------------------

    /// Lets an item in, or hands it back. Returns its number.
    #[inline]
    pub(crate) fn offer(
        &self,
        entry: Entry<T>,
        terms: Terms,
    ) -> Result<u64, (NotAccepted, Entry<T>)> {
        let (door, look) = (terms.door, terms.wait.first_look());
        let mut state = self.state.lock();
        if state.admission(door, look) == Admission::Open {
            let number = state.accept(entry, door, look.turn, sync::now);
            Self::unlock(state);
            return Ok(number);
        }
        // Only what does not get in at once is moved to where it can wait.
        self.offer_longer(state, entry, terms)
    }

    #[cold]
    fn offer_longer(
        &self,
        state: Guard<'_, T>,
        entry: Entry<T>,
        terms: Terms,
    ) -> Result<u64, (NotAccepted, Entry<T>)> {
        let mut entries = std::iter::once(entry);
        let offered = self.offer_some(state, &mut entries, terms);
        offered.map_err(|why| {
            let entry = entries.next();
            (why, entry.expect("what is refused stays where it was"))
        })
    }

    /// Lets the items in, in order, each time as many as there is room for. Those that
    /// did not get in are left in `entries`.
    ///
    /// A caller that got part of its batch in is a newcomer for the rest, as if it submitted
    /// one item after the other: it queues behind those who have got nothing yet, and may
    /// become the patient one.
    pub(crate) fn offer_all(
        &self,
        entries: &mut impl ExactSizeIterator<Item = Entry<T>>,
        terms: Terms,
    ) -> Result<(), NotAccepted> {
        while entries.len() > 0 {
            let state = self.state.lock();
            self.offer_some(state, entries, terms)?;
        }
        Ok(())
    }

    /// Lets the first of the items in, and as many of the others as there is room for
    /// then; or refuses all of them.
    fn offer_some(
        &self,
        state: Guard<'_, T>,
        entries: &mut impl ExactSizeIterator<Item = Entry<T>>,
        terms: Terms,
    ) -> Result<u64, NotAccepted> {
        let might_wait_for_itself = |look: Look| {
            look.turn == Turn::Newcomer
                && matches!(terms.wait, Wait::Forever)
                && self.is_own_worker()
        };
        let answer = self.wait_for(state, Side::Space, terms.wait, |state, look| {
            let why = match state.admission(terms.door, look) {
                // From outside: what the doors inside let in is in by now.
                Admission::Open => {
                    return Some(Ok(state.accept_many(entries, look.turn, sync::now)));
                }
                Admission::Closed => NotAccepted::Closed,
                Admission::Full if matches!(terms.wait, Wait::No) => NotAccepted::Full,
                Admission::Full if look.last => NotAccepted::TimedOut,
                Admission::Full if might_wait_for_itself(look) => NotAccepted::WouldDeadlock,
                Admission::Full => return None,
            };
            let booked = match why {
                NotAccepted::Full => terms.when_full,
                _ => Refusal::Refused,
            };
            state.refuse(booked, entries.len());
            Some(Err(why))
        });
        answer.expect(ANSWERS_AT_LAST)
    }

    // ----- out --------------------------------------------------------------

    /// Takes an entry on lease.
    #[inline]
    pub(crate) fn lease(&self, wait: Wait) -> Result<Entry<T>, TryPopError> {
        self.take(self.state.lock(), wait, |state, turn| {
            state.next(None, turn, sync::now)
        })
    }

    /// Takes an item and is done with it.
    #[inline]
    pub(crate) fn pop(&self, wait: Wait) -> Result<T, TryPopError> {
        self.take(self.state.lock(), wait, |state, turn| {
            state.pop(turn, sync::now)
        })
        .map(|entry| entry.item)
    }

    /// The same for up to `limit` items that are there at once. `each` runs under the lock.
    pub(crate) fn pop_many(
        &self,
        limit: usize,
        wait: Wait,
        mut each: impl FnMut(T),
    ) -> Result<usize, TryPopError> {
        self.take(self.state.lock(), wait, |state, turn| {
            state.pop_many(limit, &mut each, turn, sync::now)
        })
    }

    /// A worker's cycle: settles the item that it is done with, if any, and
    /// takes the next, in one critical section. `None` when nothing can come
    /// any more.
    #[inline(always)] // a call would pass the entry through memory
    pub(crate) fn next(&self, done: Option<Settled>) -> Option<Taken<T>> {
        self.take_next(self.state.lock(), done)
    }

    /// The same for a worker whose item is to be tried again: it goes back until it is due.
    /// The worker may then be the one that watches for that, so nobody else is woken to. An
    /// aborted queue hands the item back, still leased.
    #[cold]
    pub(crate) fn put_back_and_next(
        &self,
        entry: Entry<T>,
        due: Due,
    ) -> Result<Option<Taken<T>>, Entry<T>> {
        let mut state = self.state.lock();
        state.put_back(entry, due)?;
        Ok(self.take_next(state, None))
    }

    #[inline(always)] // as above
    fn take_next(&self, state: Guard<'_, T>, mut done: Option<Settled>) -> Option<Taken<T>> {
        let mut waited = false;
        let taken = self.take(state, Wait::Forever, |state, turn| {
            waited = turn != Turn::Newcomer;
            state.next(done.take(), turn, sync::now)
        });
        taken.ok().map(|entry| Taken { entry, waited })
    }

    /// Looks until there is something to take, or nothing can come any more, or time has
    /// run out: then it is [`Empty`](TryPopError::Empty). The first look is made here and
    /// not by [`wait_for`](Self::wait_for): to convert its answer would copy the entry, and
    /// cost a tenth of a push and pop.
    #[inline(always)] // a call would pass the entry through memory
    fn take<E>(
        &self,
        mut state: Guard<'_, T>,
        wait: Wait,
        mut look: impl FnMut(&mut State<T, Waker>, Turn) -> Result<E, TryPopError>,
    ) -> Result<E, TryPopError> {
        match look(&mut state, Turn::Newcomer) {
            Err(TryPopError::Empty) if !matches!(wait, Wait::No) => {
                self.take_longer(state, wait, look)
            }
            taken => {
                Self::unlock(state);
                taken
            }
        }
    }

    #[cold]
    fn take_longer<E>(
        &self,
        state: Guard<'_, T>,
        wait: Wait,
        mut look: impl FnMut(&mut State<T, Waker>, Turn) -> Result<E, TryPopError>,
    ) -> Result<E, TryPopError> {
        let answer = self.wait_longer(
            state,
            Side::Work,
            wait,
            |state, Look { turn, .. }| match look(state, turn) {
                Err(TryPopError::Empty) => None,
                taken => Some(taken),
            },
        );
        answer.unwrap_or(Err(TryPopError::Empty))
    }

    // ----- back -------------------------------------------------------------

    pub(crate) fn settle(&self, settled: Settled, count: usize) {
        self.with(|state| state.settle(settled, count));
    }

    /// Puts a leased item back until it is due. An aborted queue hands it back,
    /// still leased.
    pub(crate) fn put_back(&self, entry: Entry<T>, due: Due) -> Result<(), Entry<T>> {
        self.with(|state| state.put_back(entry, due))
    }

    /// Sits out a delay with a leased item in hand. Whether it is time for the next
    /// attempt; otherwise the queue was aborted.
    pub(crate) fn hold(&self, due: Due) -> bool {
        self.wait_for(self.state.lock(), Side::Delay, due.into(), State::hold)
            .expect(ANSWERS_AT_LAST)
    }

    // ----- the end ----------------------------------------------------------

    /// Waits until nothing is ready, waiting or leased, or was at any moment
    /// since the call. `false` if time ran out.
    pub(crate) fn wait_idle(&self, wait: Wait) -> bool {
        let idle = self.wait_for(self.state.lock(), Side::Idle, wait, |state, look| {
            (look.turn == Turn::Called || state.is_idle()).then_some(())
        });
        idle.is_some()
    }

    /// Whether this call was the one that closed it.
    pub(crate) fn close(&self) -> bool {
        self.with(State::close)
    }

    /// Closes, and leases everything that was not taken to the caller. `mark` runs under
    /// the lock and is told how much that is.
    pub(crate) fn cancel<R>(&self, mark: impl FnOnce(usize) -> R) -> (Leftover<T>, R) {
        self.with(|state| {
            let leftover = state.abort(sync::now);
            let answer = mark(leftover.len());
            (leftover, answer)
        })
    }

    /// The same, done with it all at once.
    pub(crate) fn abort(&self) -> Leftover<T> {
        self.with(|state| {
            let leftover = state.abort(sync::now);
            state.settle(Settled::Aborted, leftover.len());
            leftover
        })
    }

    // ----- looking ----------------------------------------------------------

    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    pub(crate) fn len(&self) -> usize {
        self.state.lock().len()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.state.lock().phase() != Phase::Open
    }

    pub(crate) fn is_aborted(&self) -> bool {
        self.state.lock().phase() == Phase::Aborted
    }

    pub(crate) fn snapshot(&self) -> Stats {
        self.state.lock().snapshot()
    }

    /// The books, and whether the queue is closed, at one and the same moment.
    pub(crate) fn inspect(&self) -> (Stats, bool) {
        let state = self.state.lock();
        (state.snapshot(), state.phase() != Phase::Open)
    }
}

#[cold]
fn signal(wakes: Wakes<Waker>) {
    for waker in wakes.wakers() {
        waker.unpark();
    }
}
