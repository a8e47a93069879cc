//! The floor: what any bounded queue with one lock and condvars must do, and
//! nothing else. No priorities, no books, no deadlines, no fairness.

use std::collections::VecDeque;
use std::hint;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, RwLock, RwLockWriteGuard};

use crate::peers::channels::{Batching, Blocking};

type Guard<'a> = RwLockWriteGuard<'a, State>;

/// The waits of taskshelf. For the lock: after 10, 20, 40, ... pauses, where there is
/// much room after 40, 80, 80, ...; then yields.
const LOCK_PAUSES: u32 = 600;
const LOCK_YIELDS: u32 = 2;
/// For an item, and for room in a small queue: after 4, 8, 16, 32, 32, ... pauses, then
/// after 2, 4, 8, ... us. For room in a large one only the latter, and until half of it
/// is free.
const SPIN_LOOKS: u32 = 10;
const LOOKS: u32 = 14;
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

/// Threads that sleep for the same.
#[derive(Default)]
struct Line {
    asleep: usize,
    /// One of them was woken and has yet to arrive. It calls the next.
    is_called: bool,
}

impl Line {
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
        let (mut pauses, longest) = if self.much_room > 1 {
            (40, 80)
        } else {
            (10, 320)
        };
        let mut spent = 0;
        while spent < LOCK_PAUSES {
            spin(pauses);
            if let Some(state) = self.state.try_write() {
                return state;
            }
            spent += pauses;
            pauses = longest.min(2 * pauses);
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

    fn pause(&self, look: u32) -> Guard<'_> {
        match look.checked_sub(SPIN_LOOKS) {
            None => spin(4 << look.min(3)),
            Some(yields) => yield_for(Duration::from_micros(2 << yields)),
        }
        self.lock()
    }

    #[cold]
    fn wait_for_item<'a>(&'a self, mut state: Guard<'a>) -> Guard<'a> {
        for look in 0..LOOKS {
            drop(state);
            state = self.pause(look);
            if !state.items.is_empty() || state.is_closed {
                return state;
            }
        }
        while state.items.is_empty() && !state.is_closed {
            state = self.sleep(state, &self.not_empty, |s| &mut s.takers);
        }
        state
    }

    #[cold]
    fn wait_for_room<'a>(&'a self, mut state: Guard<'a>) -> Guard<'a> {
        let first = if self.much_room > 1 { SPIN_LOOKS } else { 0 };
        for look in first..LOOKS {
            drop(state);
            state = self.pause(look);
            if self.room(&state) >= self.much_room {
                return state;
            }
        }
        loop {
            // Whether it fills is kept up to date only while somebody sleeps.
            state.fills &= state.givers.asleep > 0;
            state = self.sleep(state, &self.not_full, |s| &mut s.givers);
            if self.room(&state) > 0 {
                return state;
            }
        }
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
                takers: Line::default(),
                givers: Line::default(),
            }),
            not_empty: Bell::default(),
            not_full: Bell::default(),
            capacity,
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
