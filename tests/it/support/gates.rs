//! Where tests and threads meet.

use std::sync::{Arc, Condvar, Mutex};

/// A two-phase barrier: whoever passes says so and waits, until the test, which
/// waits for arrivals, opens the gate for good.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<(Mutex<GateState>, Condvar)>);

#[derive(Default)]
struct GateState {
    arrivals: usize,
    open: bool,
}

impl Gate {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Arrives, and waits until the gate is open.
    pub(crate) fn pass(&self) {
        let (state, changed) = &*self.0;
        let mut state = state.lock().unwrap();
        state.arrivals += 1;
        changed.notify_all();
        while !state.open {
            state = changed.wait(state).unwrap();
        }
    }

    /// Waits until so many have arrived in all.
    pub(crate) fn arrived(&self, count: usize) {
        let (state, changed) = &*self.0;
        let mut state = state.lock().unwrap();
        while state.arrivals < count {
            state = changed.wait(state).unwrap();
        }
    }

    pub(crate) fn open(&self) {
        let (state, changed) = &*self.0;
        state.lock().unwrap().open = true;
        changed.notify_all();
    }
}

/// A count that only grows, and that can be waited for.
#[derive(Clone, Default)]
pub(crate) struct Count(Arc<(Mutex<usize>, Condvar)>);

impl Count {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Counts one more and returns the new count.
    pub(crate) fn add(&self) -> usize {
        let (count, changed) = &*self.0;
        let mut count = count.lock().unwrap();
        *count += 1;
        changed.notify_all();
        *count
    }

    pub(crate) fn get(&self) -> usize {
        *self.0.0.lock().unwrap()
    }

    pub(crate) fn at_least(&self, wanted: usize) {
        let (count, changed) = &*self.0;
        let mut count = count.lock().unwrap();
        while *count < wanted {
            count = changed.wait(count).unwrap();
        }
    }
}
