//! What may happen to a state, at random.

use proptest::prelude::*;

use super::*;

/// How long a thread is ready to wait.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wait {
    No,
    Until(Ticks),
    Forever,
}

/// Time in halves of a grace.
pub(super) type Ticks = u32;

pub(super) fn ticks(count: Ticks) -> Duration {
    count * GRACE / 2
}

/// Names a lease or a thread by its place, as far as there are that many.
pub(super) type Which = usize;

#[derive(Debug, Clone)]
pub(super) enum Step {
    /// As many items as there are priorities.
    Offer(Vec<i32>, Door, Wait),
    /// A submitter that found no room looks again, and lies down unless there is much by
    /// now.
    LookAgain(i32),
    /// So many items, of those that are there at once.
    Take(usize, Wait),
    Settle(Which, Settled),
    /// Settles a lease and takes the next item for it.
    Next(Which, Settled, Wait),
    /// `None` is a delay without an end.
    PutBack(Which, Option<Ticks>),
    Hold(Which, Option<Ticks>),
    Join(Wait),
    /// A thread that was called, or whose time has come, gets the lock.
    Arrive(Which),
    Advance(Ticks),
    /// The clock steps back.
    Retreat(Ticks),
    Close,
    Abort,
}

fn wait() -> impl Strategy<Value = Wait> {
    prop_oneof![
        3 => Just(Wait::No),
        2 => (0..6_u32).prop_map(Wait::Until),
        3 => Just(Wait::Forever),
    ]
}

fn delay() -> impl Strategy<Value = Option<Ticks>> {
    prop_oneof![9 => (0..6_u32).prop_map(Some), 1 => Just(None)]
}

/// Mostly what moves items and threads; the end comes seldom.
pub(super) fn step() -> impl Strategy<Value = Step> {
    let door = prop_oneof![
        4 => Just(Door::Outside),
        1 => Just(Door::Inside),
        1 => Just(Door::InsideUnbounded),
    ];
    let priorities = prop_oneof![
        3 => prop::collection::vec(-1..2, 1),
        1 => prop::collection::vec(-1..2, 2..9),
    ];
    let limit = prop_oneof![3 => Just(1_usize), 1 => 2..9_usize];
    let outcome = prop_oneof![
        Just(Settled::Succeeded),
        Just(Settled::Failed),
        Just(Settled::Panicked),
        Just(Settled::Aborted),
    ];
    prop_oneof![
        60 => (priorities, door, wait()).prop_map(|(p, d, w)| Step::Offer(p, d, w)),
        20 => (-1..2).prop_map(Step::LookAgain),
        60 => (limit, wait()).prop_map(|(l, w)| Step::Take(l, w)),
        30 => (any::<Which>(), outcome.clone()).prop_map(|(w, o)| Step::Settle(w, o)),
        30 => (any::<Which>(), outcome, wait()).prop_map(|(w, o, p)| Step::Next(w, o, p)),
        30 => (any::<Which>(), delay()).prop_map(|(w, d)| Step::PutBack(w, d)),
        15 => (any::<Which>(), delay()).prop_map(|(w, d)| Step::Hold(w, d)),
        10 => wait().prop_map(Step::Join),
        80 => any::<Which>().prop_map(Step::Arrive),
        16 => (0..4_u32).prop_map(Step::Advance),
        4 => (0..3_u32).prop_map(Step::Retreat),
        1 => Just(Step::Close),
        1 => Just(Step::Abort),
    ]
}
