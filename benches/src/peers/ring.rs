//! The floor: what any bounded queue with a mutex and condvars must do, and
//! nothing else. No priorities, no books, no deadlines, no fairness.

use std::collections::VecDeque;
use std::hint;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::peers::channels::Blocking;

/// The waits of taskshelf. For the lock: after 10, 20, 40, ... pauses, then
/// yields.
const LOCK_FIRST_SPINS: u32 = 10;
const LOCK_SPIN_ROUNDS: u32 = 6;
const LOCK_YIELDS: u32 = 2;
/// For an item: after 4, 8, 16, ... pauses, then after two rests.
const SPIN_LOOKS: u32 = 6;
const LOOKS: u32 = 8;
/// For room: after two rests, the longer the fewer items were taken meanwhile.
const SHORTEST_REST: Duration = Duration::from_micros(2);
const LONGEST_REST: Duration = Duration::from_micros(32);

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
    state: Mutex<State>,
    not_empty: Condvar,
    not_full: Condvar,
    capacity: usize,
}

struct State {
    items: VecDeque<u64>,
    is_closed: bool,
    taken: usize,
    rest: Duration,
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
    fn lock(&self) -> MutexGuard<'_, State> {
        if let Some(state) = self.state.try_lock() {
            return state;
        }
        for round in 0..LOCK_SPIN_ROUNDS + LOCK_YIELDS {
            if round < LOCK_SPIN_ROUNDS {
                spin(LOCK_FIRST_SPINS << round);
            } else {
                thread::yield_now();
            }
            if let Some(state) = self.state.try_lock() {
                return state;
            }
        }
        self.state.lock()
    }

    fn unlock(&self, mut state: MutexGuard<'_, State>) {
        let (is_empty, has_room) = (state.items.is_empty(), state.items.len() < self.capacity);
        let calls_taker = state.takers.call(!is_empty);
        let calls_giver = state.givers.call(has_room);
        drop(state);
        if calls_taker {
            self.not_empty.notify_one();
        }
        if calls_giver {
            self.not_full.notify_one();
        }
    }

    fn wait_for_item<'a>(
        &'a self,
        state: MutexGuard<'a, State>,
        looks: &mut u32,
    ) -> MutexGuard<'a, State> {
        let look = *looks;
        *looks += 1;
        if look >= LOOKS {
            return Self::sleep(state, &self.not_empty, |s| &mut s.takers);
        }
        drop(state);
        match look.checked_sub(SPIN_LOOKS) {
            None => spin(4 << look),
            Some(rests) => yield_for(SHORTEST_REST * (1 << rests)),
        }
        self.lock()
    }

    fn wait_for_room<'a>(
        &'a self,
        state: MutexGuard<'a, State>,
        looks: &mut u32,
    ) -> MutexGuard<'a, State> {
        let look = (*looks).max(SPIN_LOOKS);
        *looks = look + 1;
        if look >= LOOKS {
            return Self::sleep(state, &self.not_full, |s| &mut s.givers);
        }
        let (rest, before) = (state.rest, state.taken);
        drop(state);
        yield_for(rest * (1 << (look - SPIN_LOOKS)));
        let mut state = self.lock();
        let taken = state.taken - before;
        if taken < self.capacity / 8 {
            state.rest = LONGEST_REST.min(state.rest * 2);
        } else if taken > self.capacity / 2 {
            state.rest = SHORTEST_REST.max(state.rest / 2);
        }
        state
    }

    fn sleep<'a>(
        mut state: MutexGuard<'a, State>,
        condvar: &Condvar,
        line: fn(&mut State) -> &mut Line,
    ) -> MutexGuard<'a, State> {
        line(&mut state).asleep += 1;
        condvar.wait(&mut state);
        let line = line(&mut state);
        line.asleep -= 1;
        line.is_called = false;
        state
    }
}

impl Blocking for Ring {
    fn with_capacity(capacity: usize) -> Self {
        Self {
            state: Mutex::new(State {
                items: VecDeque::with_capacity(capacity),
                is_closed: false,
                taken: 0,
                rest: SHORTEST_REST,
                takers: Line::default(),
                givers: Line::default(),
            }),
            not_empty: Condvar::new(),
            not_full: Condvar::new(),
            capacity,
        }
    }

    fn push(&self, _priority: i32, item: u64) {
        let mut looks = 0;
        let mut state = self.lock();
        while state.items.len() >= self.capacity {
            state = self.wait_for_room(state, &mut looks);
        }
        state.items.push_back(item);
        self.unlock(state);
    }

    fn pop(&self) -> Option<u64> {
        let mut looks = 0;
        let mut state = self.lock();
        loop {
            if let Some(item) = state.items.pop_front() {
                state.taken += 1;
                self.unlock(state);
                return Some(item);
            }
            if state.is_closed {
                return None;
            }
            state = self.wait_for_item(state, &mut looks);
        }
    }

    fn close(&self) {
        self.lock().is_closed = true;
        self.not_empty.notify_all();
    }
}
