//! An unbounded channel that a model checker can see into, with the part of crossbeam's
//! vocabulary that a receiver of results needs.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use crossbeam_channel::{RecvError, SendError, TryRecvError};

use super::modelled::{Condvar, Mutex};
use super::world;

type Shared<T> = Mutex<State<T>>;

struct State<T> {
    queue: VecDeque<T>,
    senders: usize,
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
        asleep: VecDeque::new(),
    }));
    (Sender(Arc::clone(&shared)), Receiver(shared))
}

impl<T> Sender<T> {
    pub(crate) fn send(&self, value: T) -> Result<(), SendError<T>> {
        let mut state = self.0.lock();
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
        let mut state = self.0.lock();
        loop {
            if let Some(value) = state.queue.pop_front() {
                return Ok(value);
            }
            if state.senders == 0 {
                return Err(RecvError);
            }
            let receiver = Arc::new(Condvar::new());
            state.asleep.push_back(Arc::clone(&receiver));
            state = receiver.wait(state);
        }
    }

    /// What is there now, without waiting.
    pub fn try_iter(&self) -> impl Iterator<Item = T> + '_ {
        std::iter::from_fn(|| self.try_recv().ok())
    }

    /// Every value, until the last sender has left.
    pub fn iter(&self) -> impl Iterator<Item = T> + '_ {
        std::iter::from_fn(|| self.recv().ok())
    }

    /// How many values wait to be taken.
    pub fn len(&self) -> usize {
        self.0.lock().queue.len()
    }

    /// Whether no value waits to be taken.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
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
        Self(Arc::clone(&self.0))
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Receiver { .. }")
    }
}
