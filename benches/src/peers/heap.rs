//! What one writes by hand: a heap under a mutex, and two condvars.

use std::collections::BinaryHeap;
use std::sync::{Condvar, Mutex, MutexGuard};

use crate::peers::channels::Blocking;

pub struct HeapQueue {
    state: Mutex<State>,
    not_empty: Condvar,
    not_full: Condvar,
    capacity: usize,
}

#[derive(Default)]
struct State {
    heap: BinaryHeap<(i32, u64)>,
    is_closed: bool,
}

impl HeapQueue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics")
    }
}

impl Blocking for HeapQueue {
    fn with_capacity(capacity: usize) -> Self {
        Self {
            state: Mutex::default(),
            not_empty: Condvar::new(),
            not_full: Condvar::new(),
            capacity,
        }
    }

    fn push(&self, priority: i32, item: u64) {
        let mut state = self.lock();
        while state.heap.len() >= self.capacity {
            state = self.not_full.wait(state).expect("nobody panics");
        }
        state.heap.push((priority, item));
        self.not_empty.notify_one();
    }

    fn pop(&self) -> Option<u64> {
        let mut state = self.lock();
        loop {
            if let Some((_, item)) = state.heap.pop() {
                self.not_full.notify_one();
                return Some(item);
            }
            if state.is_closed {
                return None;
            }
            state = self.not_empty.wait(state).expect("nobody panics");
        }
    }

    fn close(&self) {
        self.lock().is_closed = true;
        self.not_empty.notify_all();
    }
}
