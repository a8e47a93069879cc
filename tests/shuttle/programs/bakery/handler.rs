//! What a handler does.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;

use shuttle::thread;
use taskshelf::model::now;
use taskshelf::{Attempt, Backoff, Submitted, Task};

use super::super::crew::Member;
use super::super::say;
use super::super::world::{Wait, ticks};
use super::goods::Goods;
use super::{Bakery, Sleep, books};
use crate::random::Random;

/// On the way to its verdict.
#[derive(Debug, Clone, Copy)]
enum Act {
    Submit,
    TrySubmit,
    SubmitAsOthers(Wait),
    SubmitAll(u64),
    Look,
    Rest,
    PassGate,
    Close,
    Cancel,
    /// The whole queue, if its owner has left it.
    DropQueue,
}

impl Act {
    /// `is_parent`: whether it may submit.
    fn draw(random: &mut Random, is_parent: bool) -> Self {
        match random.below(16) {
            0..=1 if is_parent => Self::Submit,
            2 if is_parent => Self::TrySubmit,
            3..=4 if is_parent => Self::SubmitAsOthers(Wait::draw(random)),
            5 if is_parent => Self::SubmitAll(1 + random.below(5)),
            6 => Self::Look,
            7..=8 => Self::PassGate,
            9 if random.chance(20) => Self::Close,
            10 if random.chance(20) => Self::Cancel,
            11 => Self::DropQueue,
            _ => Self::Rest,
        }
    }
}

/// How an attempt ends.
#[derive(Debug, Clone, Copy)]
enum Verdict {
    Success,
    Error,
    Permanent,
    RetryAfter(Duration),
    Panic,
    /// With something whose destructor panics as well.
    PanicTwice,
}

impl Verdict {
    fn draw(random: &mut Random, is_stormy: bool) -> Self {
        match random.below(12) {
            0..=4 => Self::Success,
            5..=6 => Self::Error,
            7 => Self::Permanent,
            8..=9 if random.chance(10) => Self::RetryAfter(Duration::MAX),
            8..=9 => Self::RetryAfter(ticks(random, 5)),
            11 if is_stormy => Self::PanicTwice,
            _ => Self::Panic,
        }
    }
}

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            resume_unwind(Box::new("planned, in the destructor of a panic"));
        }
    }
}

/// One call of the handler.
struct Baker<'a> {
    bakery: &'a Arc<Bakery>,
    member: Member<'a, Sleep>,
    attempt: &'a Attempt<'a, Goods>,
    random: Random,
}

pub(super) fn handle(bakery: &Arc<Bakery>, attempt: &Attempt<'_, Goods>) -> Result<Goods, Goods> {
    let (baker, verdict) = bakery.tell_panics(|| {
        let (key, number, now) = (attempt.payload.key, attempt.number(), now());
        let calls = bakery.books().call(key, now);
        assert_eq!(calls, number, "the number of the attempt");
        let mut baker = Baker {
            bakery,
            member: bakery.handlers.enter(),
            attempt,
            random: Random(bakery.seed ^ (key << 20) ^ u64::from(number)),
        };
        for _ in 0..baker.random.below(3) {
            let act = Act::draw(&mut baker.random, attempt.payload.generations > 0);
            say(format_args!("handler of {key}: {act:?}"));
            baker.perform(act);
        }
        let verdict = Verdict::draw(&mut baker.random, bakery.is_stormy);
        say(format_args!("handler of {key}: {verdict:?}"));
        (baker, verdict)
    });
    baker.conclude(verdict)
}

impl Baker<'_> {
    fn perform(&mut self, act: Act) {
        let (bakery, submitter) = (self.bakery, self.attempt.submitter());
        match act {
            Act::Submit => {
                let submitted = self.attempt.submit(self.child());
                let is_refused = submitted.is_err();
                assert!(!is_refused || self.attempt.is_cancelled(), "{submitted:?}");
                bakery.note(submitted.map(Submitted::Accepted));
            }
            Act::TrySubmit => {
                let submitted = self.attempt.try_submit(self.child());
                bakery.note(submitted.map(Submitted::Accepted));
            }
            Act::SubmitAsOthers(wait) => {
                let task = self.child();
                // It may sleep, but not without an end: that would deadlock.
                let end = wait.end().or_else(|| Wait::No.end());
                let submit = || bakery.submit(&submitter, task, wait);
                self.member.may_sleep(Sleep::Submit, end, submit);
            }
            Act::SubmitAll(count) => {
                let tasks = (0..count).map(|_| self.child()).collect();
                let submit = || bakery.submit_all(&submitter, tasks);
                self.member.may_sleep(Sleep::Submit, Wait::No.end(), submit);
            }
            Act::Look => books::assert_balance(submitter.stats()),
            Act::Rest => thread::yield_now(),
            Act::PassGate => {
                let pass = || bakery.gate.pass();
                self.member.may_sleep(Sleep::Gate, None, pass);
            }
            Act::Close => {
                submitter.close();
            }
            Act::Cancel => submitter.cancel(),
            Act::DropQueue => {
                if let Some(queue) = bakery.take_queue() {
                    drop(queue);
                    assert!(submitter.is_closed(), "dropped, and still open");
                }
            }
        }
    }

    fn child(&mut self) -> Task<Goods> {
        let generations = self.attempt.payload.generations - 1;
        self.bakery.order(&mut self.random, generations)
    }

    fn conclude(mut self, verdict: Verdict) -> Result<Goods, Goods> {
        let attempt = self.attempt;
        match verdict {
            Verdict::Success => Ok(self.product()),
            Verdict::Error => Err(self.product()),
            Verdict::Permanent => Err(attempt.permanent(self.product())),
            Verdict::RetryAfter(delay) => {
                let due = now().checked_add(delay);
                if let Some(due) = due.filter(|_| !attempt.is_last()) {
                    self.bakery.books().due.insert(attempt.payload.key, due);
                }
                Err(attempt.retry_after(delay, self.product()))
            }
            Verdict::Panic => resume_unwind(Box::new("planned")),
            Verdict::PanicTwice => resume_unwind(Box::new(Bomb)),
        }
    }

    fn product(&mut self) -> Goods {
        Goods::new(self.bakery, &mut self.random, self.attempt.payload.key, 0)
    }
}

/// What a backoff of the program's own does besides.
#[derive(Debug, Clone, Copy)]
enum Whim {
    Plain,
    Submit,
    Cancel,
    Panic,
}

pub(super) fn backoff(bakery: &Arc<Bakery>, random: &mut Random) -> Backoff {
    match random.below(4) {
        0 => Backoff::none(),
        1..=2 => Backoff::constant(ticks(random, 5)),
        _ => whimsical(bakery, random.next()),
    }
}

fn whimsical(bakery: &Arc<Bakery>, seed: u64) -> Backoff {
    let bakery = Arc::clone(bakery);
    Backoff::custom(move |number| {
        let mut random = Random(seed ^ u64::from(number));
        let time = ticks(&mut random, 5);
        let whim = random.pick(&[
            Whim::Plain,
            Whim::Plain,
            Whim::Submit,
            Whim::Cancel,
            Whim::Panic,
        ]);
        say(format_args!("backoff {number}: {time:?}, {whim:?}"));
        match whim {
            Whim::Plain => {}
            Whim::Submit => bakery.tell_panics(|| {
                let task = bakery.order(&mut random, 0);
                bakery.submit(bakery.submitter(), task, Wait::No);
            }),
            Whim::Cancel => bakery.submitter().cancel(),
            Whim::Panic => resume_unwind(Box::new("planned, in a backoff")),
        }
        time
    })
}
