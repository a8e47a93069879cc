//! Where tests and threads meet.

use std::sync::{Arc, Condvar, Mutex};

/// A two-phase barrier: whoever passes says so and waits, until the test, which
/// waits for arrivals, opens the gate for good.
#[derive(Clone, Default)]
pub(crate) struct Gate {
    arrivals: Count,
    openings: Count,
}

impl Gate {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Arrives, and waits until the gate is open.
    pub(crate) fn pass(&self) {
        self.arrivals.add();
        self.openings.at_least(1);
    }

    /// Waits until so many have arrived in all.
    pub(crate) fn arrived(&self, count: usize) {
        self.arrivals.at_least(count);
    }

    pub(crate) fn open(&self) {
        self.openings.add();
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
