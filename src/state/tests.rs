//! The rules of the state, each by itself, with threads that are only names.

use std::time::{Duration, Instant};

use crate::patience::GRACE;

use super::*;

mod against_naive;
mod passing;
mod patience;
mod steps;
mod waking;

/// From here on a queue is large in these tests.
const LARGE_CAPACITY: usize = 4;
/// So many may go ahead of those who wait.
const MAX_PASSES: u32 = 100;
const SECOND: Duration = Duration::from_secs(1);

/// A look that may be followed by others.
fn look(turn: Turn) -> Look {
    Look { turn, last: false }
}

/// An item that knows whether it was put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Thing {
    number: u32,
    is_retry: bool,
}

impl Thing {
    fn new(number: u32) -> Self {
        let is_retry = false;
        Self { number, is_retry }
    }

    fn at(self, priority: i32) -> Entry<Self> {
        let item = self;
        Entry { priority, item }
    }
}

impl Item for Thing {
    fn accepted(&mut self, number: u64) {
        self.number = self.number.max(number as u32);
    }

    fn is_retry(&self) -> bool {
        self.is_retry
    }
}

/// A state whose sleepers are names, and a clock.
struct Model {
    state: State<Thing, &'static str>,
    now: Instant,
    /// Who has slept.
    sleeps: Vec<(&'static str, Sleep)>,
}

impl Model {
    fn new(capacity: usize) -> Self {
        Self {
            state: State::new(capacity, LARGE_CAPACITY, MAX_PASSES),
            now: Instant::now(),
            sleeps: Vec::new(),
        }
    }

    fn push(&mut self, item: u32) {
        assert_eq!(self.admission(Turn::Newcomer), Admission::Open);
        self.accept(item, Turn::Newcomer);
    }

    fn accept(&mut self, item: u32, turn: Turn) {
        self.accept_through(Door::Outside, item, turn);
    }

    fn accept_through(&mut self, door: Door, item: u32, turn: Turn) {
        let now = self.now;
        let entry = Thing::new(item).at(0);
        self.state.accept(entry, door, turn, || now);
    }

    fn abort(&mut self) -> Leftover<Thing> {
        let now = self.now;
        self.state.abort(|| now)
    }

    fn admission(&mut self, turn: Turn) -> Admission {
        self.state.admission(Door::Outside, look(turn))
    }

    fn take(&mut self, turn: Turn) -> Option<Entry<Thing>> {
        self.state.next(None, turn, || self.now).ok()
    }

    fn is_finished(&mut self) -> bool {
        matches!(
            self.state.next(None, Turn::Newcomer, || self.now),
            Err(TryPopError::Closed)
        )
    }

    fn put_back(&mut self, mut entry: Entry<Thing>, delay: Duration) {
        entry.item.is_retry = true;
        let due = Due::after(self.now, delay);
        assert!(self.state.put_back(entry, due).is_ok());
    }

    fn sleep(&mut self, side: Side, name: &'static str) -> Sleep {
        self.fall_asleep(side, Turn::Again, name).0
    }

    fn fall_asleep(
        &mut self,
        side: Side,
        turn: Turn,
        name: &'static str,
    ) -> (Sleep, Option<Instant>) {
        let now = self.now;
        let before = match turn.is_new() {
            true => None,
            false => self.sleeps.iter().rev().find(|(other, _)| *other == name),
        };
        let before = before.map(|(_, sleep)| sleep.ticket);
        let slept = self.state.fall_asleep(side, before, name, None, || now);
        self.sleeps.push((name, slept.0));
        slept
    }

    fn arrive(&mut self, sleep: Sleep) {
        assert!(!self.state.sleepers.is_asleep(sleep), "it was not called");
        self.wake_up(sleep);
    }

    fn wake_up(&mut self, sleep: Sleep) -> Turn {
        self.state.sleepers.wake_up(sleep, false)
    }

    /// As the monitor asks for them.
    fn woken(&mut self) -> Vec<&'static str> {
        self.state.check_books();
        let wakes = match self.state.has_sleepers() {
            true => self.state.wakes(),
            false => None,
        };
        let mut names: Vec<_> = wakes.into_iter().flat_map(Wakes::wakers).collect();
        names.sort();
        names
    }
}

#[test]
fn what_is_due_joins_the_back_of_its_line() {
    let mut model = Model::new(8);
    model.push(1);
    let entry = model.take(Turn::Newcomer).unwrap();
    model.put_back(entry, SECOND);
    model.push(2);
    model.now += SECOND;
    let order = [(); 2].map(|()| model.take(Turn::Newcomer).unwrap());
    assert_eq!(order.map(|entry| entry.item.number), [2, 1]);
    assert_eq!(model.state.snapshot().retries, 1);
}

#[test]
fn an_item_comes_after_what_is_due() {
    let mut model = Model::new(8);
    model.push(1);
    let entry = model.take(Turn::Newcomer).unwrap();
    model.put_back(entry, SECOND);
    model.now += SECOND;
    model.push(2);
    let order = [(); 2].map(|()| model.take(Turn::Newcomer).unwrap().item.number);
    assert_eq!(order, [1, 2]);
}

#[test]
fn a_batch_comes_after_what_is_due() {
    let mut model = Model::new(8);
    model.push(1);
    let entry = model.take(Turn::Newcomer).unwrap();
    model.put_back(entry, SECOND);
    model.now += SECOND;
    let now = model.now;
    let mut many = [2, 3].map(|number| Thing::new(number).at(0)).into_iter();
    model.state.accept_many(&mut many, Turn::Newcomer, || now);
    let order = [(); 3].map(|()| model.take(Turn::Newcomer).unwrap().item.number);
    assert_eq!(order, [1, 2, 3]);
}

#[test]
fn a_clock_that_steps_back_makes_nothing_due_early_and_loses_nothing() {
    let mut model = Model::new(8);
    (1..=3).for_each(|item| model.push(item));
    let entries = [(); 3].map(|()| model.take(Turn::Newcomer).unwrap());
    for (entry, delay) in entries.into_iter().zip([SECOND, SECOND, 2 * SECOND]) {
        model.put_back(entry, delay);
    }
    let start = model.now;
    model.now = start + SECOND;
    let first = model.take(Turn::Newcomer).unwrap();
    // Before the items were put back.
    model.now = start - SECOND;
    assert_eq!(
        model.take(Turn::Newcomer).unwrap().item.number,
        2,
        "due is due"
    );
    model.put_back(first, SECOND);
    assert!(model.take(Turn::Newcomer).is_none());
    let (watcher, until) = model.fall_asleep(Side::Work, Turn::Again, "watcher");
    assert_eq!(until, Some(start), "the earlier, though it came later");
    model.now = start;
    model.wake_up(watcher);
    assert_eq!(model.take(Turn::Early).unwrap().item.number, 1);
    assert!(model.take(Turn::Newcomer).is_none());
    model.now = start + 2 * SECOND;
    assert_eq!(model.take(Turn::Newcomer).unwrap().item.number, 3);
}

#[test]
fn a_waiting_item_takes_up_room() {
    let mut model = Model::new(1);
    model.push(1);
    let entry = model.take(Turn::Newcomer).unwrap();
    assert_eq!(model.admission(Turn::Newcomer), Admission::Open);
    model.put_back(entry, SECOND);
    assert_eq!(model.admission(Turn::Newcomer), Admission::Full);
}

#[test]
fn what_comes_back_is_never_refused_for_want_of_room() {
    let mut model = Model::new(1);
    model.push(1);
    let entry = model.take(Turn::Newcomer).unwrap();
    model.push(2);
    model.put_back(entry, SECOND);
    assert_eq!(model.state.len(), 2);
}

#[test]
fn the_doors_differ_in_what_they_ask_for() {
    let mut model = Model::new(1);
    let ask = |model: &mut Model| {
        [Door::Outside, Door::Inside, Door::InsideUnbounded]
            .map(|door| model.state.admission(door, look(Turn::Newcomer)))
    };
    use Admission::{Closed, Full, Open};
    assert_eq!(ask(&mut model), [Open, Open, Open]);
    model.push(1);
    assert_eq!(ask(&mut model), [Full, Full, Open]);
    model.state.close();
    assert_eq!(ask(&mut model), [Closed, Full, Open]);
    model.take(Turn::Newcomer);
    assert_eq!(ask(&mut model), [Closed, Open, Open]);
    assert_eq!(model.abort().len(), 0);
    assert_eq!(ask(&mut model), [Closed, Closed, Closed]);
}

#[test]
fn nothing_comes_back_to_an_aborted_queue() {
    let mut model = Model::new(8);
    model.push(1);
    model.push(2);
    model.push(3);
    let leased = model.take(Turn::Newcomer).unwrap();
    let waiting = model.take(Turn::Newcomer).unwrap();
    model.put_back(waiting, SECOND);
    let leftover = model.abort();
    let items: Vec<u32> = leftover
        .into_entries()
        .map(|entry| entry.item.number)
        .collect();
    assert_eq!(items, [3, 2], "the ready ones first");
    assert!(model.is_finished());
    assert!(model.state.put_back(leased, Due::Never).is_err());
    assert!(!model.state.is_idle(), "all three are still leased");
    model.state.settle(Settled::Aborted, 3);
    assert!(model.state.is_idle());
}

#[test]
fn a_held_item_waits_takes_up_room_and_ends_with_the_queue() {
    let mut model = Model::new(1);
    model.push(1);
    model.take(Turn::Newcomer);
    assert_eq!(model.state.hold(look(Turn::Newcomer)), None);
    let stats = model.state.snapshot();
    assert_eq!((stats.waiting, stats.running), (1, 0));
    assert_eq!(model.admission(Turn::Newcomer), Admission::Full);
    model.sleep(Side::Delay, "worker");
    model.state.close();
    assert!(model.woken().is_empty(), "a close does not end the delay");
    assert_eq!(model.abort().len(), 0);
    assert_eq!(model.woken(), ["worker"]);
    assert_eq!(model.state.hold(look(Turn::Called)), Some(false));
    assert_eq!(model.state.snapshot().retries, 0);
}

#[test]
fn a_batch_is_taken_under_one_roof() {
    let mut model = Model::new(8);
    (0..2).for_each(|item| model.push(item));
    for delay in [SECOND, 2 * SECOND] {
        let entry = model.take(Turn::Newcomer).expect("there were two");
        model.put_back(entry, delay);
    }
    model.push(7);
    model.now += 2 * SECOND;
    assert_eq!(
        model.take(Turn::Newcomer).map(|entry| entry.item.number),
        Some(7)
    );
    model.push(8);
    let (mut numbers, now) = (Vec::new(), model.now);
    for expected in [2, 1] {
        let each = |item: Thing| numbers.push(item.number);
        let taken = model.state.pop_many(2, each, Turn::Newcomer, || now);
        assert!(taken == Ok(expected));
    }
    assert_eq!(numbers, [1, 2, 8]);
    let stats = model.state.snapshot();
    assert_eq!((stats.running, stats.succeeded), (1, 3));
}

#[test]
fn a_lease_passes_from_what_is_settled_to_what_is_taken() {
    let mut model = Model::new(8);
    (1..=2).for_each(|item| model.push(item));
    model.take(Turn::Newcomer);
    let now = model.now;
    let mut next = |done| model.state.next(Some(done), Turn::Newcomer, || now);
    assert!(matches!(next(Settled::Failed), Ok(entry) if entry.item.number == 2));
    let stats = model.state.snapshot();
    assert_eq!((stats.running, stats.failed, stats.succeeded), (1, 1, 0));
    let mut next = |done| model.state.next(Some(done), Turn::Newcomer, || now);
    assert!(next(Settled::Succeeded) == Err(TryPopError::Empty));
    let stats = model.state.snapshot();
    assert_eq!((stats.running, stats.failed, stats.succeeded), (0, 1, 1));
}

#[test]
fn refusals_are_counted_and_use_up_no_number() {
    let mut model = Model::new(1);
    model.push(1);
    model.state.refuse(Refusal::Refused, 2);
    model.state.refuse(Refusal::Dropped, 3);
    model.take(Turn::Newcomer);
    let (door, turn) = (Door::Outside, Turn::Newcomer);
    let entry = Thing::new(0).at(0);
    let number = model.state.accept(entry, door, turn, Instant::now);
    assert_eq!(number, 2);
    let taken = model.take(Turn::Newcomer).map(|entry| entry.item.number);
    assert_eq!(taken, Some(2), "it was told");
    let stats = model.state.snapshot();
    assert_eq!((stats.accepted, stats.refused, stats.dropped), (2, 2, 3));
}

#[test]
#[cfg(debug_assertions)]
#[should_panic(expected = "the books do not balance")]
fn books_that_do_not_balance_are_noticed() {
    let mut model = Model::new(1);
    model.push(1);
    model.state.accepted -= 1;
    model.woken();
}
