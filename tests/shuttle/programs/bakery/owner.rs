//! What the owner of a queue does with it.

use std::sync::Arc;
use std::time::Duration;

use shuttle::thread;

use super::super::crew::Member;
use super::super::say;
use super::super::world::{Wait, assert_waited, ticks};
use super::{Bakery, Outcome, Queue, Sleep};
use crate::random::Random;

#[derive(Debug, Clone, Copy)]
enum Chore {
    WaitIdle,
    WaitIdleTimeout(Duration),
    Submit(u64),
    Receive,
    Rest,
}

impl Chore {
    fn draw(random: &mut Random) -> Self {
        match random.below(5) {
            0 => Self::WaitIdle,
            1 => Self::WaitIdleTimeout(ticks(random, 6)),
            2 => Self::Submit(random.below(4)),
            3 => Self::Receive,
            _ => Self::Rest,
        }
    }
}

/// How an owner parts with its queue.
#[derive(Debug, Clone, Copy)]
enum Parting {
    Drain,
    Abort,
    /// So many times, and then another way.
    DrainTimeout(u64),
    Drop,
    Cancel,
    /// To a handler, or to the main thread.
    Leave,
}

impl Parting {
    fn draw(random: &mut Random) -> Self {
        match random.below(8) {
            0..=1 => Self::Drain,
            2 => Self::Abort,
            3..=4 => Self::DrainTimeout(random.below(4)),
            5 => Self::Drop,
            6 => Self::Cancel,
            _ => Self::Leave,
        }
    }
}

pub(super) struct Owner<'a> {
    bakery: &'a Arc<Bakery>,
    member: Member<'a, Sleep>,
    random: Random,
}

impl<'a> Owner<'a> {
    pub(super) fn new(bakery: &'a Arc<Bakery>, random: Random) -> Self {
        Self {
            bakery,
            member: bakery.people.enter(),
            random,
        }
    }

    pub(super) fn own(mut self, queue: Queue) {
        for _ in 0..self.random.below(4) {
            let chore = Chore::draw(&mut self.random);
            say(format_args!("owner: {chore:?}"));
            self.attend(&queue, chore);
        }
        let parting = Parting::draw(&mut self.random);
        self.part(queue, parting);
    }

    fn attend(&mut self, queue: &Queue, chore: Chore) {
        match chore {
            Chore::WaitIdle => {
                let wait = || queue.wait_idle();
                self.member.may_sleep(Sleep::WaitIdle, None, wait);
            }
            Chore::WaitIdleTimeout(time) => {
                let end = Wait::Timeout(time).end();
                let wait = || queue.wait_idle_timeout(time);
                if !self.member.may_sleep(Sleep::WaitIdle, end, wait) {
                    assert_waited(end);
                }
            }
            Chore::Submit(count) => (0..count).for_each(|_| self.submit()),
            Chore::Receive => {
                let results = queue.results();
                results
                    .try_iter()
                    .for_each(|result| self.bakery.record(result));
            }
            Chore::Rest => thread::yield_now(),
        }
    }

    fn submit(&mut self) {
        let bakery = self.bakery;
        let task = bakery.order(&mut self.random, 2);
        let submit = || bakery.submit(bakery.submitter(), task, Wait::Forever);
        self.member.may_sleep(Sleep::Submit, None, submit);
    }

    fn part(&mut self, queue: Queue, parting: Parting) {
        say(format_args!("owner: {parting:?}"));
        let bakery = self.bakery;
        let results = match parting {
            Parting::Drain => Some(self.end(|| queue.drain())),
            Parting::Abort => Some(self.end(|| queue.abort())),
            Parting::DrainTimeout(times) => match self.drain_timeout(queue) {
                Ok(results) => Some(results),
                Err(queue) => {
                    let otherwise = [Parting::Drain, Parting::Abort, Parting::Drop];
                    let next = match times {
                        0 => self.random.pick(&otherwise),
                        _ => Parting::DrainTimeout(times - 1),
                    };
                    return self.part(queue, next);
                }
            },
            Parting::Drop => {
                self.end(|| drop(queue));
                None
            }
            Parting::Cancel => {
                queue.cancel();
                self.end(|| drop(queue));
                None
            }
            Parting::Leave => {
                *bakery.slot.lock().unwrap() = Some(queue);
                return;
            }
        };
        let stats = bakery.submitter().stats();
        assert_eq!(stats.accepted, stats.settled, "after the end");
        if let Some(results) = results {
            results.into_iter().for_each(|result| bakery.record(result));
            bakery.books().has_all_results = true;
        }
    }

    fn end<R>(&self, end: impl FnOnce() -> R) -> R {
        self.member.may_sleep(Sleep::End, None, end)
    }

    fn drain_timeout(&mut self, queue: Queue) -> Result<Vec<Outcome>, Queue> {
        let time = ticks(&mut self.random, 4);
        let end = Wait::Timeout(time).end();
        let drain = || queue.drain_timeout(time);
        let drained = self.member.may_sleep(Sleep::End, end, drain);
        if drained.is_err() {
            assert_waited(end);
        }
        drained
    }
}
