//! An unbounded channel that a model checker can see into, with the part of crossbeam's
//! vocabulary that a receiver of results needs.

use std::collections::VecDeque;
use std::fmt;
use std::iter::FusedIterator;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{RecvError, RecvTimeoutError, SendError, TryRecvError};

use super::{Condvar, Mutex, now, world};

type Shared<T> = Mutex<State<T>>;

struct State<T> {
    queue: VecDeque<T>,
    senders: usize,
    receivers: usize,
    /// Receivers that sleep and have not been called, the oldest first. Each
    /// value calls one, so there are never values and nobody to take them.
    asleep: VecDeque<Arc<Condvar>>,
}

pub(crate) struct Sender<T>(Arc<Shared<T>>);

/// Stands in for crossbeam's receiver inside a model.
pub struct Receiver<T>(Arc<Shared<T>>);

pub(crate) fn unbounded<T>() -> (Sender<T>, Receiver<T>) {
    let shared = Arc::new(Mutex::new(State {
        queue: VecDeque::new(),
        senders: 1,
        receivers: 1,
        asleep: VecDeque::new(),
    }));
    (Sender(Arc::clone(&shared)), Receiver(shared))
}

impl<T> Sender<T> {
    pub(crate) fn send(&self, value: T) -> Result<(), SendError<T>> {
        let mut state = self.0.lock();
        if state.receivers == 0 {
            return Err(SendError(value));
        }
        state.queue.push_back(value);
        let called = world::order().take(&mut state.asleep);
        drop(state);
        if let Some(receiver) = called {
            receiver.notify_one();
        }
        Ok(())
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.0.lock().senders += 1;
        Self(Arc::clone(&self.0))
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.senders -= 1;
        if state.senders > 0 {
            return;
        }
        // Every receiver sees the end.
        let mut called = std::mem::take(&mut state.asleep);
        drop(state);
        while let Some(receiver) = world::order().take(&mut called) {
            receiver.notify_one();
        }
    }
}

impl<T> Receiver<T> {
    /// Takes a value if one is there.
    ///
    /// # Errors
    ///
    /// That there is none now, or that there will be none: the last sender has
    /// left.
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        let mut state = self.0.lock();
        match state.queue.pop_front() {
            Some(value) => Ok(value),
            None if state.senders == 0 => Err(TryRecvError::Disconnected),
            None => Err(TryRecvError::Empty),
        }
    }

    /// Waits for a value, or for the last sender to leave.
    ///
    /// # Errors
    ///
    /// That the last sender has left, and no value is there.
    pub fn recv(&self) -> Result<T, RecvError> {
        self.receive(None).map_err(|_| RecvError)
    }

    /// Waits for a value, or for the last sender to leave, until the model's clock has
    /// been moved that far.
    ///
    /// # Errors
    ///
    /// That time ran out, or that the last sender has left and no value is there.
    pub fn recv_timeout(&self, timeout: Duration) -> Result<T, RecvTimeoutError> {
        self.receive(now().checked_add(timeout))
    }

    /// The same, with the instant at which to give up.
    ///
    /// # Errors
    ///
    /// As for [`recv_timeout`](Self::recv_timeout).
    pub fn recv_deadline(&self, deadline: Instant) -> Result<T, RecvTimeoutError> {
        self.receive(Some(deadline))
    }

    fn receive(&self, deadline: Option<Instant>) -> Result<T, RecvTimeoutError> {
        let mut state = self.0.lock();
        loop {
            if let Some(value) = state.queue.pop_front() {
                return Ok(value);
            }
            if state.senders == 0 {
                return Err(RecvTimeoutError::Disconnected);
            }
            if deadline.is_some_and(|deadline| deadline <= now()) {
                return Err(RecvTimeoutError::Timeout);
            }
            let receiver = Arc::new(Condvar::new());
            state.asleep.push_back(Arc::clone(&receiver));
            state = match deadline {
                Some(deadline) => receiver.wait_until(state, deadline),
                None => receiver.wait(state),
            };
            // Unless it was called it is still there, and a call would be lost on it.
            let is_other = |other: &Arc<Condvar>| !Arc::ptr_eq(other, &receiver);
            state.asleep.retain(is_other);
        }
    }

    /// What is there now, without waiting.
    pub fn try_iter(&self) -> impl Iterator<Item = T> + '_ {
        std::iter::from_fn(|| self.try_recv().ok())
    }

    /// Every value, until the last sender has left.
    pub fn iter(&self) -> Iter<'_, T> {
        self.into_iter()
    }

    /// How many values wait to be taken.
    pub fn len(&self) -> usize {
        self.0.lock().queue.len()
    }

    /// Whether the two receive from the same channel.
    pub fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether no value waits to be taken.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<'a, T> IntoIterator for &'a Receiver<T> {
    type Item = T;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        Iter(self)
    }
}

/// Every value, until the last sender has left.
#[derive(Debug)]
pub struct Iter<'a, T>(&'a Receiver<T>);

impl<T> Iterator for Iter<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.0.recv().ok()
    }
}

impl<T> IntoIterator for Receiver<T> {
    type Item = T;
    type IntoIter = IntoIter<T>;

    fn into_iter(self) -> IntoIter<T> {
        IntoIter(self)
    }
}

/// Every value, until the last sender has left.
#[derive(Debug)]
pub struct IntoIter<T>(Receiver<T>);

impl<T> Iterator for IntoIter<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.0.recv().ok()
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        self.0.lock().receivers += 1;
        Self(Arc::clone(&self.0))
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        // The model may have failed, and with it be over: then no lock can be taken.
        if std::thread::panicking() {
            return;
        }
        let mut state = self.0.lock();
        state.receivers -= 1;
        if state.receivers > 0 {
            return;
        }
        // What nobody can receive is dropped, outside the lock.
        let lost = std::mem::take(&mut state.queue);
        drop(state);
        drop(lost);
    }
}

impl<T> FusedIterator for Iter<'_, T> {}
impl<T> FusedIterator for IntoIter<T> {}

// As crossbeam's, so that what compiles without a model compiles within one.
impl<T> UnwindSafe for Receiver<T> {}
impl<T> RefUnwindSafe for Receiver<T> {}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Receiver { .. }")
    }
}
