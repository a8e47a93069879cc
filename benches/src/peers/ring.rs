//! The floor: what any bounded queue with a mutex and condvars must do, and
//! nothing else. No priorities, no books, no deadlines, no fairness.

use std::collections::VecDeque;
use std::hint;
use std::thread;

use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::peers::channels::Blocking;

/// The waits of taskshelf: for the lock it spins this often and then yields
/// this often, and for an item or for room it yields 1, 2, 4, ... times in so
/// many rounds.
const LOCK_SPINS: u32 = 10;
const LOCK_YIELDS: u32 = 2;
const YIELD_ROUNDS: u32 = 5;

pub struct Ring {
    state: Mutex<State>,
    not_empty: Condvar,
    not_full: Condvar,
    capacity: usize,
}

struct State {
    items: VecDeque<u64>,
    is_closed: bool,
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
        for _ in 0..LOCK_SPINS {
            hint::spin_loop();
        }
        for _ in 0..LOCK_YIELDS {
            if let Some(state) = self.state.try_lock() {
                return state;
            }
            thread::yield_now();
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

    fn wait<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        rounds: &mut u32,
        condvar: &Condvar,
        line: fn(&mut State) -> &mut Line,
    ) -> MutexGuard<'a, State> {
        if *rounds < YIELD_ROUNDS {
            drop(state);
            (0..1 << *rounds).for_each(|_| thread::yield_now());
            *rounds += 1;
            return self.lock();
        }
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
                takers: Line::default(),
                givers: Line::default(),
            }),
            not_empty: Condvar::new(),
            not_full: Condvar::new(),
            capacity,
        }
    }

    fn push(&self, _priority: i32, item: u64) {
        let mut rounds = 0;
        let mut state = self.lock();
        while state.items.len() >= self.capacity {
            state = self.wait(state, &mut rounds, &self.not_full, |s| &mut s.givers);
        }
        state.items.push_back(item);
        self.unlock(state);
    }

    fn pop(&self) -> Option<u64> {
        let mut rounds = 0;
        let mut state = self.lock();
        loop {
            if let Some(item) = state.items.pop_front() {
                self.unlock(state);
                return Some(item);
            }
            if state.is_closed {
                return None;
            }
            state = self.wait(state, &mut rounds, &self.not_empty, |s| &mut s.takers);
        }
    }

    fn close(&self) {
        self.lock().is_closed = true;
        self.not_empty.notify_all();
    }
}
