//! What one thread sleeps on, once.

use std::time::Instant;

use crate::sync::{self, Condvar, Mutex};

/// Whoever goes to sleep makes one, and shows it under the queue's lock to those who will
/// wake it. Neither holds that lock any more when it sleeps or signals: a signal is kept, and
/// a sleep that begins after it ends at once.
pub(crate) struct Parker {
    signalled: Mutex<bool>,
    condvar: Condvar,
}

impl Parker {
    pub(crate) fn new() -> Self {
        Self {
            signalled: Mutex::new(false),
            condvar: Condvar::new(),
        }
    }

    /// Sleeps until [signalled](Self::unpark), or until `deadline`, and wakes up for
    /// nothing else.
    pub(crate) fn park(&self, deadline: Option<Instant>) {
        let mut signalled = self.signalled.lock();
        while !*signalled {
            signalled = match deadline {
                None => self.condvar.wait(signalled),
                Some(deadline) if sync::now() < deadline => {
                    self.condvar.wait_until(signalled, deadline)
                }
                Some(_) => return,
            };
        }
    }

    /// Ends the sleep, or the one to come.
    pub(crate) fn unpark(&self) {
        *self.signalled.lock() = true;
        self.condvar.notify_one();
    }
}
