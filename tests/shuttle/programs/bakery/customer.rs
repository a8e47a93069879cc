//! What threads do that submit to a queue and receive its results.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use shuttle::thread;
use taskshelf::model::now;
use taskshelf::{Receiver, RecvTimeoutError, TryRecvError};

use super::super::crew::Member;
use super::super::say;
use super::super::world::{Wait, assert_waited};
use super::{Bakery, Outcome, Sleep, books};
use crate::random::Random;

#[derive(Debug, Clone, Copy)]
enum Step {
    Submit(Wait),
    SubmitAll(u64),
    Receive(Wait),
    Look,
    Close,
    Cancel,
    Rest,
}

impl Step {
    fn draw(random: &mut Random) -> Self {
        match random.below(20) {
            0..=7 => Self::Submit(Wait::draw(random)),
            8..=10 => Self::SubmitAll(1 + random.below(7)),
            11..=14 => Self::Receive(Wait::draw(random)),
            15 => Self::Look,
            16 if random.chance(25) => Self::Close,
            17 if random.chance(25) => Self::Cancel,
            _ => Self::Rest,
        }
    }
}

pub(super) struct Customer<'a> {
    bakery: &'a Arc<Bakery>,
    member: Member<'a, Sleep>,
    number: u64,
    random: Random,
}

impl<'a> Customer<'a> {
    pub(super) fn new(bakery: &'a Arc<Bakery>, number: u64, random: Random) -> Self {
        Self {
            bakery,
            member: bakery.people.enter(),
            number,
            random,
        }
    }

    /// `receiver`: of the queue's results, if it wants them.
    pub(super) fn visit(mut self, receiver: Option<Receiver<Outcome>>) {
        for _ in 0..=self.random.below(5) {
            let step = Step::draw(&mut self.random);
            say(format_args!("customer {}: {step:?}", self.number));
            self.take(step, receiver.as_ref());
        }
        if let Some(receiver) = receiver {
            let wait = self.random.pick(&[Wait::No, Wait::Forever]);
            say(format_args!("customer {}: the rest, {wait:?}", self.number));
            while self.receive(&receiver, wait) {}
            // With the last receiver goes what came since: destructors may panic.
            let _planned = catch_unwind(AssertUnwindSafe(|| drop(receiver)));
        }
    }

    fn take(&mut self, step: Step, receiver: Option<&Receiver<Outcome>>) {
        let submitter = self.bakery.submitter();
        match step {
            Step::Submit(wait) => self.submit(wait),
            Step::SubmitAll(count) => self.submit_all(count),
            Step::Receive(wait) => {
                if let Some(receiver) = receiver {
                    self.receive(receiver, wait);
                }
            }
            Step::Look => books::assert_balance(submitter.stats()),
            Step::Close => {
                submitter.close();
            }
            Step::Cancel => submitter.cancel(),
            Step::Rest => thread::yield_now(),
        }
    }

    fn submit(&mut self, wait: Wait) {
        let (bakery, end) = (self.bakery, wait.end());
        let task = bakery.order(&mut self.random, 2);
        let submit = || bakery.submit(bakery.submitter(), task, wait);
        self.member.may_sleep(Sleep::Submit, end, submit);
    }

    fn submit_all(&mut self, count: u64) {
        let bakery = self.bakery;
        let order = |_| bakery.order(&mut self.random, 1);
        let tasks = (0..count).map(order).collect();
        let submit = || bakery.submit_all(bakery.submitter(), tasks);
        self.member.may_sleep(Sleep::Submit, None, submit);
    }

    /// Returns whether there was a result.
    fn receive(&self, receiver: &Receiver<Outcome>, wait: Wait) -> bool {
        let end = wait.end();
        let receive = || match wait {
            Wait::No => receiver.try_recv().map_err(|error| match error {
                TryRecvError::Empty => RecvTimeoutError::Timeout,
                TryRecvError::Disconnected => RecvTimeoutError::Disconnected,
            }),
            Wait::Forever => receiver.recv().map_err(Into::into),
            Wait::Timeout(time) => receiver.recv_timeout(time),
            Wait::Deadline(time) => receiver.recv_deadline(now() + time),
        };
        match self.member.may_sleep(Sleep::Receive, end, receive) {
            Ok(result) => {
                self.bakery.record(result);
                return true;
            }
            Err(RecvTimeoutError::Timeout) => assert_waited(end),
            Err(RecvTimeoutError::Disconnected) => {}
        }
        false
    }
}
