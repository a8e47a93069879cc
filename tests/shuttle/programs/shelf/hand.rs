//! What a thread does to a shelf.

use std::time::{Duration, Instant};

use shuttle::thread;
use taskshelf::model::now;
use taskshelf::{Lease, PopTimeoutError, PushTimeoutError, TryPopError, TryPushError};

use super::super::crew::Member;
use super::super::say;
use super::super::world::{Wait, assert_waited, ticks};
use super::{Item, Shelf, Sleep};
use crate::random::Random;

/// Whether a thread puts in, takes out, or both and all the rest.
#[derive(Debug, Clone, Copy)]
pub(super) enum Role {
    Producer,
    Consumer,
    Any,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Push(Wait),
    PushAll(u64),
    Pop(Wait),
    PopMany(usize),
    Lease(Wait),
    Join,
    JoinTimeout(Duration),
    Close,
    Abort,
    Rest,
}

impl Step {
    fn draw(role: Role, random: &mut Random) -> Self {
        let kind = match role {
            Role::Producer => random.below(8),
            Role::Consumer => 8 + random.below(12),
            Role::Any => random.below(24),
        };
        match kind {
            0..=5 => Self::Push(Wait::draw(random)),
            6..=7 => Self::PushAll(1 + random.below(6)),
            8..=12 => Self::Pop(Wait::draw(random)),
            13 => Self::PopMany(1 + random.below(3) as usize),
            14..=19 => Self::Lease(Wait::draw(random)),
            20 => Self::Join,
            21 => Self::JoinTimeout(ticks(random, 6)),
            22 if random.chance(25) => Self::Close,
            23 if random.chance(25) => Self::Abort,
            _ => Self::Rest,
        }
    }
}

/// What becomes of a lease.
#[derive(Debug, Clone, Copy)]
enum Fate {
    PutBack(Duration),
    Unpack,
    Drop,
    Next,
}

impl Fate {
    fn draw(random: &mut Random) -> Self {
        match random.below(6) {
            0..=2 if random.chance(5) => Self::PutBack(Duration::MAX),
            0..=2 => Self::PutBack(ticks(random, 7)),
            3 => Self::Unpack,
            4 => Self::Drop,
            _ => Self::Next,
        }
    }
}

/// A thread that works at a shelf.
pub(super) struct Hand<'a> {
    shelf: &'a Shelf,
    member: Member<'a, Sleep>,
    number: u32,
    pushed: u32,
    random: Random,
}

impl<'a> Hand<'a> {
    pub(super) fn new(shelf: &'a Shelf, number: u32, random: Random) -> Self {
        Self {
            shelf,
            member: shelf.crew.enter(),
            number,
            pushed: 0,
            random,
        }
    }

    pub(super) fn work(mut self, role: Role) {
        for _ in 0..=self.random.below(6) {
            let step = Step::draw(role, &mut self.random);
            say(format_args!("thread {}: {step:?}", self.number));
            self.take(step);
        }
    }

    fn take(&mut self, step: Step) {
        let queue = &self.shelf.queue;
        match step {
            Step::Push(wait) => self.push(wait),
            Step::PushAll(count) => self.push_all(count),
            Step::Pop(wait) => self.pop(wait),
            Step::PopMany(limit) => self.pop_many(limit),
            Step::Lease(wait) => self.lease(wait),
            Step::Join => self.member.may_sleep(Sleep::Join, None, || queue.join()),
            Step::JoinTimeout(time) => {
                let end = Wait::Timeout(time).end();
                let join = || queue.join_timeout(time);
                if !self.member.may_sleep(Sleep::Join, end, join) {
                    assert_waited(end);
                }
            }
            Step::Close => {
                queue.close();
            }
            Step::Abort => self.shelf.abort(),
            Step::Rest => thread::yield_now(),
        }
    }

    fn item(&mut self) -> Item {
        self.pushed += 1;
        Item {
            thread: self.number,
            serial: self.pushed,
            priority: self.random.priority(),
        }
    }

    fn push(&mut self, wait: Wait) {
        let (item, queue, end) = (self.item(), &self.shelf.queue, wait.end());
        let priority = item.priority;
        let push = || match wait {
            Wait::No => queue.try_push(priority, item).map_err(|error| match error {
                TryPushError::Full(item) => PushTimeoutError::Timeout(item),
                TryPushError::Closed(item) => PushTimeoutError::Closed(item),
            }),
            Wait::Forever => queue.push(priority, item).map_err(Into::into),
            Wait::Timeout(time) => queue.push_timeout(priority, item, time),
            Wait::Deadline(time) => queue.push_deadline(priority, item, now() + time),
        };
        match self.member.may_sleep(Sleep::Push, end, push) {
            Ok(()) => self.shelf.books().accepted.push(item),
            Err(error) => self.assert_missed(error.is_closed(), end),
        }
    }

    fn push_all(&mut self, count: u64) {
        let mut items: Vec<Item> = (0..count).map(|_| self.item()).collect();
        let batch = items.iter().map(|item| (item.priority, *item));
        let push = || self.shelf.queue.push_all(batch);
        let pushed = self.member.may_sleep(Sleep::Push, None, push);
        let (accepted, rest) = match pushed {
            Ok(accepted) => (accepted, Vec::new()),
            Err(error) => (error.accepted, error.rest),
        };
        let refused = items.split_off(accepted);
        assert!(rest.into_iter().map(|(_, item)| item).eq(refused));
        self.shelf.books().accepted.extend(items);
    }

    fn pop(&mut self, wait: Wait) {
        let (queue, end) = (&self.shelf.queue, wait.end());
        let pop = || match wait {
            Wait::No => queue.try_pop().map_err(after_no_wait),
            Wait::Forever => queue.pop().ok_or(PopTimeoutError::Closed),
            Wait::Timeout(time) => queue.pop_timeout(time),
            Wait::Deadline(time) => queue.pop_deadline(now() + time),
        };
        match self.member.may_sleep(Sleep::Pop, end, pop) {
            Ok(item) => self.shelf.take(item),
            Err(error) => self.assert_missed(error.is_closed(), end),
        }
    }

    fn pop_many(&mut self, limit: usize) {
        let mut taken = Vec::new();
        let pop = || self.shelf.queue.pop_many(&mut taken, limit);
        let count = self.member.may_sleep(Sleep::Pop, None, pop);
        assert_eq!(count, taken.len());
        assert!(count <= limit);
        taken.into_iter().for_each(|item| self.shelf.take(item));
    }

    fn lease(&mut self, wait: Wait) {
        let (queue, end) = (&self.shelf.queue, wait.end());
        let lease = || match wait {
            Wait::No => queue.try_lease().map_err(after_no_wait),
            Wait::Forever => queue.lease().ok_or(PopTimeoutError::Closed),
            Wait::Timeout(time) => queue.lease_timeout(time),
            Wait::Deadline(time) => queue.lease_deadline(now() + time),
        };
        match self.member.may_sleep(Sleep::Pop, end, lease) {
            Ok(lease) => self.process(lease),
            Err(error) => self.assert_missed(error.is_closed(), end),
        }
    }

    fn process(&mut self, mut lease: Lease<'_, Item>) {
        loop {
            let item = *lease;
            self.shelf.assert_due(item);
            if self.random.chance(20) {
                let gate = &self.shelf.gate;
                self.member.may_sleep(Sleep::Gate, None, || gate.pass());
            }
            let fate = Fate::draw(&mut self.random);
            say(format_args!("thread {}: {item:?}: {fate:?}", self.number));
            match fate {
                Fate::PutBack(delay) => return self.put_back(lease, delay),
                Fate::Unpack => {
                    let item = Lease::into_inner(lease);
                    return self.shelf.books().settle(item);
                }
                Fate::Drop => {
                    drop(lease);
                    return self.shelf.books().settle(item);
                }
                Fate::Next => {
                    self.shelf.books().settle(item);
                    let next = || Lease::next(lease);
                    let Some(next) = self.member.may_sleep(Sleep::Pop, None, next) else {
                        return;
                    };
                    lease = next;
                }
            }
        }
    }

    fn put_back(&self, lease: Lease<'_, Item>, delay: Duration) {
        let item = *lease;
        let due = now().checked_add(delay);
        {
            // First, for another may have it at once.
            let mut books = self.shelf.books();
            books.due.insert(item, due);
            books.put_back.insert(item);
        }
        if let Err(error) = Lease::retry_after(lease, delay) {
            self.shelf.books().settle(error.into_inner());
        }
    }

    /// The end has come, of the queue or of the wait.
    fn assert_missed(&self, is_closed: bool, end: Option<Instant>) {
        if is_closed {
            assert!(self.shelf.queue.is_closed(), "not closed");
        } else {
            assert_waited(end);
        }
    }
}

fn after_no_wait(error: TryPopError) -> PopTimeoutError {
    match error {
        TryPopError::Empty => PopTimeoutError::Timeout,
        TryPopError::Closed => PopTimeoutError::Closed,
    }
}
