//! Who of a program's threads sleeps, and in what. The roll's lock is of `std`: no schedule
//! depends on it, and it is never held where another thread might go on.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Mutex as StdMutex, MutexGuard, PoisonError};
use std::time::Instant;

use shuttle::sync::{Condvar, Mutex};
use taskshelf::model::now;

/// Those who are at work. `S`: what they may sleep in.
pub(super) struct Crew<S>(StdMutex<Roll<S>>);

struct Roll<S> {
    members: BTreeMap<u64, Option<Sleep<S>>>,
    steps: u64,
    entered: u64,
}

#[derive(Debug, Clone, Copy)]
struct Sleep<S> {
    what: S,
    end: Option<Instant>,
}

impl<S: Copy + Debug> Crew<S> {
    pub(super) fn new() -> Self {
        Self(StdMutex::new(Roll {
            members: BTreeMap::new(),
            steps: 0,
            entered: 0,
        }))
    }

    fn roll(&self) -> MutexGuard<'_, Roll<S>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The calling thread is at work until what it gets is dropped.
    pub(super) fn enter(&self) -> Member<'_, S> {
        let mut roll = self.roll();
        roll.entered += 1;
        let number = roll.entered;
        roll.members.insert(number, None);
        Member { crew: self, number }
    }

    /// How many steps have been taken in which somebody may sleep.
    pub(super) fn steps(&self) -> u64 {
        self.roll().steps
    }

    /// What its members sleep in, at a quiet point.
    pub(super) fn asleep(&self) -> Vec<S> {
        let now = now();
        let roll = self.roll();
        let asleep = |sleep: &Option<Sleep<S>>| {
            let sleep = sleep.expect("who could go on is not at a quiet point");
            let is_over = sleep.end.is_some_and(|end| end <= now);
            assert!(!is_over, "still asleep in {:?}", sleep.what);
            sleep.what
        };
        roll.members.values().map(asleep).collect()
    }
}

pub(super) struct Member<'a, S: Copy + Debug> {
    crew: &'a Crew<S>,
    number: u64,
}

impl<S: Copy + Debug> Member<'_, S> {
    /// Takes a step in which it may sleep, until `end` at the latest.
    pub(super) fn may_sleep<R>(
        &self,
        what: S,
        end: Option<Instant>,
        step: impl FnOnce() -> R,
    ) -> R {
        self.note(Some(Sleep { what, end }));
        let result = step();
        self.note(None);
        self.crew.roll().steps += 1;
        result
    }

    fn note(&self, sleep: Option<Sleep<S>>) {
        self.crew.roll().members.insert(self.number, sleep);
    }
}

impl<S: Copy + Debug> Drop for Member<'_, S> {
    fn drop(&mut self) {
        self.crew.roll().members.remove(&self.number);
    }
}

/// Holds threads up until it is opened.
#[derive(Default)]
pub(super) struct Gate(Mutex<bool>, Condvar);

impl Gate {
    pub(super) fn pass(&self) {
        let mut open = self.0.lock().unwrap();
        while !*open {
            open = self.1.wait(open).unwrap();
        }
    }

    pub(super) fn open(&self) {
        *self.0.lock().unwrap() = true;
        self.1.notify_all();
    }
}
