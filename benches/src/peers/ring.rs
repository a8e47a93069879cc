//! The floor: what any bounded queue with one lock and condvars must do, and
//! nothing else. No priorities, no books, no deadlines, no fairness.

use std::collections::VecDeque;
use std::hint;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, RwLock, RwLockWriteGuard};

use crate::peers::channels::{Batching, Blocking};

type Guard<'a> = RwLockWriteGuard<'a, State>;

/// The waits of taskshelf. For the lock: after a pause for each nanosecond that a try in vain
/// takes, within bounds that go with the capacity, then after twice as many each time; then
/// yields.
const LOCK_PAUSES: u32 = 600;
const LONGEST_LOCK_PAUSE: u32 = 160;
const LOCK_YIELDS: u32 = 2;
/// For an item, and for room in a small queue: at a pace that is learned, then after 2, 4,
/// 8, 16 us. For room in a large one only the latter, and until half of it is free.
const LOOK_PAUSES: u32 = 128;
const YIELD_LOOKS: u32 = 4;
const LARGE_CAPACITY: usize = 256;

fn spin(pauses: u32) {
    (0..pauses).for_each(|_| hint::spin_loop());
}

fn yield_for(time: Duration) {
    let since = Instant::now();
    loop {
        thread::yield_now();
        if since.elapsed() >= time {
            return;
        }
    }
}

pub struct Ring {
    /// Only ever locked for writing, as in taskshelf.
    state: RwLock<State>,
    not_empty: Bell,
    not_full: Bell,
    capacity: usize,
    /// Nanoseconds that it takes to try the lock in vain, a mean of the last tries.
    lost_try: AtomicU32,
    /// Room that who has found the ring full waits for.
    much_room: usize,
}

struct State {
    items: VecDeque<u64>,
    is_closed: bool,
    /// There was much room, and the ring has not been full since.
    fills: bool,
    takers: Line,
    givers: Line,
}

/// How many pauses come before a look, as taskshelf learns it.
struct Pace(f64);

impl Pace {
    fn usual(capacity: usize) -> f64 {
        (capacity / 4 * 3).clamp(8, LOOK_PAUSES as usize) as f64
    }

    fn pauses(&self) -> u32 {
        self.0 as u32
    }

    fn learn(&mut self, capacity: usize, in_vain: u32, waited: u32, found: usize) {
        if found == 0 {
            return;
        }
        let usual = Self::usual(capacity);
        let longest = (4.0 * usual).min(f64::from(LOOK_PAUSES));
        let was_early = match found < capacity {
            true => 8 * found >= waited as usize,
            false => in_vain > 0 && f64::from(waited) <= longest,
        };
        let change = if was_early { 1.25 } else { 1.0 - 1.0 / 128.0 };
        self.0 = (self.0 * change).clamp(usual.min(32.0), longest);
    }
}

/// Threads that sleep for the same.
struct Line {
    asleep: usize,
    /// One of them was woken and has yet to arrive. It calls the next.
    is_called: bool,
    pace: Pace,
}

impl Line {
    fn new(capacity: usize) -> Self {
        Self {
            asleep: 0,
            is_called: false,
            pace: Pace(Pace::usual(capacity)),
        }
    }

    fn call(&mut self, is_wanted: bool) -> bool {
        let calls = is_wanted && self.asleep > 0 && !self.is_called;
        self.is_called |= calls;
        calls
    }
}

impl Ring {
    #[inline]
    fn lock(&self) -> Guard<'_> {
        match self.state.try_write() {
            Some(state) => state,
            None => self.lock_contended(),
        }
    }

    #[cold]
    fn lock_contended(&self) -> Guard<'_> {
        let longest = (self.capacity / 2).clamp(self.capacity.clamp(2, 8), 320) as u32;
        let shortest = longest.min(40);
        // ORDERING: only a measure of how long to wait.
        let mut mean = self.lost_try.load(Relaxed);
        let mut pauses = mean.clamp(shortest, longest);
        let mut spent = 0;
        while spent < LOCK_PAUSES {
            spin(pauses);
            let since = (shortest < longest).then(Instant::now);
            if let Some(state) = self.state.try_write() {
                return state;
            }
            if let Some(since) = since {
                mean = (7 * mean + since.elapsed().as_nanos().min(1000) as u32) / 8;
                self.lost_try.store(mean, Relaxed);
            }
            spent += pauses;
            pauses = LONGEST_LOCK_PAUSE.max(pauses).min(2 * pauses);
        }
        for _ in 0..LOCK_YIELDS {
            thread::yield_now();
            if let Some(state) = self.state.try_write() {
                return state;
            }
        }
        self.state.write()
    }

    #[inline]
    fn unlock(&self, state: Guard<'_>) {
        match state.takers.asleep + state.givers.asleep {
            0 => drop(state),
            _ => self.unlock_and_signal(state),
        }
    }

    #[inline(never)]
    fn unlock_and_signal(&self, mut state: Guard<'_>) {
        let (is_empty, room) = (state.items.is_empty(), self.room(&state));
        state.fills = room > 0 && (state.fills || room >= self.much_room);
        let fills = state.fills;
        let calls_taker = state.takers.call(!is_empty);
        let calls_giver = state.givers.call(fills);
        drop(state);
        if calls_taker {
            self.not_empty.ring();
        }
        if calls_giver {
            self.not_full.ring();
        }
    }

    fn room(&self, state: &State) -> usize {
        self.capacity - state.items.len()
    }

    /// Looks again and again before a sleep, with the lock let go between two looks.
    fn look<'a>(
        &'a self,
        mut state: Guard<'a>,
        line: fn(&mut State) -> &mut Line,
        spins: bool,
        found: impl Fn(&State) -> usize,
        is_there: impl Fn(&State) -> bool,
    ) -> Guard<'a> {
        let pauses = line(&mut state).pace.pauses();
        let spins = if spins { LOOK_PAUSES / pauses } else { 0 };
        for look in 0..spins {
            drop(state);
            spin(pauses);
            state = self.lock();
            let found = found(&state);
            let pace = &mut line(&mut state).pace;
            pace.learn(self.capacity, look * pauses, (look + 1) * pauses, found);
            if is_there(&state) {
                return state;
            }
        }
        for look in 0..YIELD_LOOKS {
            drop(state);
            yield_for(Duration::from_micros(2 << look));
            state = self.lock();
            if is_there(&state) {
                return state;
            }
        }
        state
    }

    #[cold]
    fn wait_for_item<'a>(&'a self, state: Guard<'a>) -> Guard<'a> {
        let is_there = |state: &State| !state.items.is_empty() || state.is_closed;
        let found = |state: &State| state.items.len();
        let mut state = self.look(state, |s| &mut s.takers, true, found, is_there);
        while !is_there(&state) {
            state = self.sleep(state, &self.not_empty, |s| &mut s.takers);
        }
        state
    }

    #[cold]
    fn wait_for_room<'a>(&'a self, state: Guard<'a>) -> Guard<'a> {
        let is_small = self.much_room == 1;
        let has_much = |state: &State| self.room(state) >= self.much_room;
        let room = |state: &State| self.room(state);
        let mut state = self.look(state, |s| &mut s.givers, is_small, room, has_much);
        let mut has_enough = has_much(&state);
        while !has_enough {
            // Whether it fills is kept up to date only while somebody sleeps.
            state.fills &= state.givers.asleep > 0;
            state = self.sleep(state, &self.not_full, |s| &mut s.givers);
            has_enough = self.room(&state) > 0;
        }
        state
    }

    fn sleep<'a>(
        &'a self,
        mut state: Guard<'a>,
        bell: &Bell,
        line: fn(&mut State) -> &mut Line,
    ) -> Guard<'a> {
        line(&mut state).asleep += 1;
        drop(state);
        bell.wait();
        let mut state = self.lock();
        let line = line(&mut state);
        line.asleep -= 1;
        line.is_called = false;
        state
    }
}

/// What threads that sleep for the same listen to.
#[derive(Default)]
struct Bell {
    rung: Mutex<Rung>,
    condvar: Condvar,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Rung {
    #[default]
    No,
    ForOne,
    ForAll,
}

impl Bell {
    fn wait(&self) {
        let mut rung = self.rung.lock();
        while *rung == Rung::No {
            self.condvar.wait(&mut rung);
        }
        if *rung == Rung::ForOne {
            *rung = Rung::No;
        }
    }

    /// Nobody else rings before the one that this is for is there.
    fn ring(&self) {
        let mut rung = self.rung.lock();
        if *rung == Rung::No {
            *rung = Rung::ForOne;
        }
        drop(rung);
        self.condvar.notify_one();
    }

    fn ring_for_all(&self) {
        *self.rung.lock() = Rung::ForAll;
        self.condvar.notify_all();
    }
}

impl Blocking for Ring {
    fn with_capacity(capacity: usize) -> Self {
        Self {
            state: RwLock::new(State {
                items: VecDeque::with_capacity(capacity),
                is_closed: false,
                fills: false,
                takers: Line::new(capacity),
                givers: Line::new(capacity),
            }),
            not_empty: Bell::default(),
            not_full: Bell::default(),
            capacity,
            lost_try: AtomicU32::new(0),
            much_room: if capacity >= LARGE_CAPACITY {
                capacity / 2
            } else {
                1
            },
        }
    }

    fn push(&self, _priority: i32, item: u64) {
        let mut state = self.lock();
        if self.room(&state) == 0 {
            state = self.wait_for_room(state);
        }
        state.items.push_back(item);
        self.unlock(state);
    }

    fn pop(&self) -> Option<u64> {
        let mut state = self.lock();
        if state.items.is_empty() && !state.is_closed {
            state = self.wait_for_item(state);
        }
        let item = state.items.pop_front();
        self.unlock(state);
        item
    }

    fn close(&self) {
        self.lock().is_closed = true;
        self.not_empty.ring_for_all();
    }
}

impl Batching for Ring {
    fn push_all(&self, items: impl Iterator<Item = (i32, u64)>) {
        let mut items = items.peekable();
        while items.peek().is_some() {
            let mut state = self.lock();
            if self.room(&state) == 0 {
                state = self.wait_for_room(state);
            }
            let fit = items.by_ref().take(self.room(&state));
            state.items.extend(fit.map(|(_, item)| item));
            self.unlock(state);
        }
    }

    fn pop_many(&self, buffer: &mut Vec<u64>, limit: usize) -> usize {
        let mut state = self.lock();
        if state.items.is_empty() && !state.is_closed {
            state = self.wait_for_item(state);
        }
        let count = limit.min(state.items.len());
        buffer.extend(state.items.drain(..count));
        self.unlock(state);
        count
    }
}
