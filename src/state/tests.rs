//! The rules of the state, each by itself, with threads that are only names.

use std::time::{Duration, Instant};

use super::*;

mod against_naive;
mod patience;

/// From here on a queue is large in these tests.
const LARGE_CAPACITY: usize = 4;
/// So many may go ahead of those who wait.
const MAX_PASSES: u32 = 100;
const SECOND: Duration = Duration::from_secs(1);

/// A state whose sleepers are names, and a clock.
struct Model {
    state: State<u32, &'static str>,
    now: Instant,
    /// Who has slept, with the ticket of which earlier sleep, and under which ticket.
    sleeps: Vec<(&'static str, Option<Ticket>, Ticket)>,
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
        self.state.accept(0, item, Door::Outside, turn, |_, _| ());
    }

    fn admission(&mut self, turn: Turn) -> Admission {
        self.state.admission(Door::Outside, turn)
    }

    fn take(&mut self, turn: Turn) -> Option<Entry<u32>> {
        match self.state.take(turn, || self.now) {
            Take::Entry(entry) => Some(entry),
            Take::Empty | Take::Finished => None,
        }
    }

    fn is_finished(&mut self) -> bool {
        matches!(self.state.take(Turn::Newcomer, || self.now), Take::Finished)
    }

    fn put_back(&mut self, entry: Entry<u32>, delay: Duration) {
        let due = Due::after(self.now, delay);
        assert!(self.state.put_back(entry, due).is_ok());
    }

    fn sleep(&mut self, side: Side, name: &'static str) -> Ticket {
        self.fall_asleep(side, Turn::Again, name).0
    }

    fn fall_asleep(
        &mut self,
        side: Side,
        turn: Turn,
        name: &'static str,
    ) -> (Ticket, Option<Instant>) {
        let now = self.now;
        let earlier = match turn.is_new() {
            true => None,
            false => self.sleeps.iter().rev().find(|(other, ..)| *other == name),
        };
        let earlier = earlier.map(|&(_, _, ticket)| ticket);
        let slept = self.state.fall_asleep(side, earlier, name, None, || now);
        self.sleeps.push((name, earlier, slept.0));
        slept
    }

    fn arrive(&mut self, side: Side, ticket: Ticket) {
        assert!(!self.state.is_asleep(side, ticket), "it was not called");
        self.wake_up(side, ticket);
    }

    fn wake_up(&mut self, side: Side, ticket: Ticket) {
        let mut sleeps = self.sleeps.iter().rev();
        let sleep = sleeps.find(|&&(_, _, other)| other == ticket);
        let &(_, earlier, _) = sleep.expect("it has slept");
        self.state.wake_up(side, earlier, ticket, false);
    }

    fn woken(&mut self) -> Vec<&'static str> {
        let mut names: Vec<_> = self
            .state
            .wakes()
            .into_iter()
            .flat_map(Wakes::wakers)
            .collect();
        names.sort();
        names
    }
}

#[test]
fn one_consumer_is_called_for_work_and_calls_the_next() {
    let mut model = Model::new(8);
    let first = model.sleep(Side::Work, "first");
    model.sleep(Side::Work, "second");
    model.push(1);
    assert_eq!(model.woken(), ["first"]);
    model.push(2);
    assert!(model.woken().is_empty(), "one call is on its way");
    model.arrive(Side::Work, first);
    assert!(model.take(Turn::Called).is_some());
    assert_eq!(model.woken(), ["second"]);
}

#[test]
fn a_called_consumer_that_finds_nothing_leaves_nobody_stranded() {
    let mut model = Model::new(8);
    let first = model.sleep(Side::Work, "first");
    model.sleep(Side::Work, "second");
    model.push(1);
    assert_eq!(model.woken(), ["first"]);
    assert!(
        model.take(Turn::Newcomer).is_some(),
        "a newcomer was faster"
    );
    model.arrive(Side::Work, first);
    assert!(model.take(Turn::Called).is_none());
    model.fall_asleep(Side::Work, Turn::Called, "first");
    assert!(model.woken().is_empty());
    model.push(2);
    assert_eq!(model.woken(), ["first"], "it kept its place");
}

#[test]
fn who_loses_the_race_keeps_the_count_of_those_who_passed() {
    let mut model = Model::new(8);
    let mut loser = model.sleep(Side::Work, "loser");
    for _ in 0..MAX_PASSES {
        model.push(1);
        assert_eq!(model.woken(), ["loser"]);
        assert!(model.take(Turn::Newcomer).is_some(), "it is faster");
        model.arrive(Side::Work, loser);
        assert!(model.take(Turn::Called).is_none());
        (loser, _) = model.fall_asleep(Side::Work, Turn::Called, "loser");
    }
    model.push(1);
    assert!(model.take(Turn::Newcomer).is_none(), "enough have passed");
    assert_eq!(model.woken(), ["loser"]);
}

#[test]
fn the_first_to_sleep_watches_the_earliest_due_time() {
    let mut model = Model::new(8);
    model.push(1);
    let entry = model.take(Turn::Newcomer).unwrap();
    model.put_back(entry, SECOND);
    let due = model.now + SECOND;
    let (_, until) = model.fall_asleep(Side::Work, Turn::Again, "watcher");
    assert_eq!(until, Some(due));
    let (_, until) = model.fall_asleep(Side::Work, Turn::Again, "other");
    assert_eq!(until, None, "one watcher is enough");
    assert!(model.woken().is_empty());
}

#[test]
fn a_due_time_that_comes_up_calls_one_sleeper_to_watch_it() {
    let mut model = Model::new(8);
    model.push(1);
    let entry = model.take(Turn::Newcomer).unwrap();
    let first = model.sleep(Side::Work, "first");
    model.sleep(Side::Work, "second");
    model.put_back(entry, SECOND);
    assert_eq!(model.woken(), ["first"]);
    model.arrive(Side::Work, first);
    assert!(model.take(Turn::Called).is_none(), "it is not due yet");
    let (_, until) = model.fall_asleep(Side::Work, Turn::Called, "first");
    assert_eq!(until, Some(model.now + SECOND));
    assert!(model.woken().is_empty());
}

#[test]
fn a_watch_ends_with_the_consumers_own_time() {
    for (own, expected) in [(SECOND / 2, SECOND / 2), (SECOND * 2, SECOND)] {
        let mut model = Model::new(8);
        model.push(1);
        let entry = model.take(Turn::Newcomer).unwrap();
        model.put_back(entry, SECOND);
        let (now, deadline) = (model.now, model.now + own);
        let (_, until) =
            model
                .state
                .fall_asleep(Side::Work, None, "watcher", Some(deadline), || now);
        assert_eq!(until, Some(now + expected));
    }
}

#[test]
fn a_watcher_called_for_work_hands_over_when_it_takes_it() {
    let mut model = Model::new(8);
    model.push(1);
    let entry = model.take(Turn::Newcomer).unwrap();
    model.put_back(entry, SECOND);
    let watcher = model.sleep(Side::Work, "watcher");
    model.sleep(Side::Work, "other");
    model.push(2);
    assert_eq!(model.woken(), ["watcher"]);
    model.arrive(Side::Work, watcher);
    assert!(model.take(Turn::Called).is_some());
    assert_eq!(model.woken(), ["other"]);
}

#[test]
fn a_watcher_that_leaves_hands_over() {
    let mut model = Model::new(8);
    model.push(1);
    let entry = model.take(Turn::Newcomer).unwrap();
    model.put_back(entry, SECOND);
    let watcher = model.sleep(Side::Work, "watcher");
    let other = model.sleep(Side::Work, "other");
    model.wake_up(Side::Work, watcher);
    assert_eq!(model.woken(), ["other"]);
    model.arrive(Side::Work, other);
    assert!(model.take(Turn::Called).is_none());
    let due = model.now + SECOND;
    let (_, until) = model.fall_asleep(Side::Work, Turn::Called, "other");
    assert_eq!(until, Some(due));
}

#[test]
fn who_leaves_without_having_watched_calls_nobody() {
    let mut model = Model::new(8);
    model.push(1);
    let entry = model.take(Turn::Newcomer).unwrap();
    model.put_back(entry, SECOND);
    model.sleep(Side::Work, "watcher");
    let other = model.sleep(Side::Work, "other");
    model.wake_up(Side::Work, other);
    assert!(model.woken().is_empty(), "the due time is still watched");
}

#[test]
fn an_earlier_due_time_calls_the_watcher() {
    let mut model = Model::new(8);
    model.push(1);
    model.push(2);
    let late = model.take(Turn::Newcomer).unwrap();
    let early = model.take(Turn::Newcomer).unwrap();
    model.put_back(late, 2 * SECOND);
    model.sleep(Side::Work, "watcher");
    model.sleep(Side::Work, "other");
    assert!(model.woken().is_empty());
    model.put_back(early, SECOND);
    assert_eq!(model.woken(), ["watcher"]);
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
    assert_eq!(order.each_ref().map(|entry| entry.item), [2, 1]);
    assert_eq!(order.map(|entry| entry.returns), [0, 1]);
    assert_eq!(model.state.snapshot().retries, 1);
}

#[test]
fn what_has_come_back_more_often_than_can_be_counted_comes_back_all_the_same() {
    let mut model = Model::new(8);
    model.push(1);
    let mut entry = model.take(Turn::Newcomer).unwrap();
    entry.returns = u32::MAX - 1;
    for _ in 0..3 {
        model.put_back(entry, Duration::ZERO);
        entry = model.take(Turn::Newcomer).unwrap();
        assert_eq!(entry.returns, u32::MAX);
    }
    assert_eq!(model.state.snapshot().retries, 3);
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
    assert_eq!(model.take(Turn::Newcomer).unwrap().item, 2, "due is due");
    model.put_back(first, SECOND);
    assert!(model.take(Turn::Newcomer).is_none());
    let (watcher, until) = model.fall_asleep(Side::Work, Turn::Again, "watcher");
    assert_eq!(until, Some(start), "the earlier, though it came later");
    model.now = start;
    model.wake_up(Side::Work, watcher);
    assert_eq!(model.take(Turn::TimedOut).unwrap().item, 1);
    assert!(model.take(Turn::Newcomer).is_none());
    model.now = start + 2 * SECOND;
    assert_eq!(model.take(Turn::Newcomer).unwrap().item, 3);
}

#[test]
fn one_submitter_is_called_for_room_and_calls_the_next() {
    let mut model = Model::new(2);
    model.push(1);
    model.push(2);
    let first = model.sleep(Side::Space, "first");
    model.sleep(Side::Space, "second");
    model.take(Turn::Newcomer);
    assert_eq!(model.woken(), ["first"]);
    model.take(Turn::Newcomer);
    assert!(model.woken().is_empty(), "one call is on its way");
    model.arrive(Side::Space, first);
    assert_eq!(model.admission(Turn::Called), Admission::Open);
    model.accept(3, Turn::Called);
    assert_eq!(model.woken(), ["second"], "a slot is left");
}

#[test]
fn a_submitter_that_gave_up_leaves_its_slot_to_the_next() {
    let mut model = Model::new(1);
    model.push(1);
    let first = model.sleep(Side::Space, "first");
    model.sleep(Side::Space, "second");
    model.take(Turn::Newcomer);
    assert_eq!(model.woken(), ["first"]);
    model.arrive(Side::Space, first); // and goes away without pushing
    assert_eq!(model.woken(), ["second"]);
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
            .map(|door| model.state.admission(door, Turn::Newcomer))
    };
    use Admission::{Closed, Full, Open};
    assert_eq!(ask(&mut model), [Open, Open, Open]);
    model.push(1);
    assert_eq!(ask(&mut model), [Full, Full, Open]);
    model.state.close();
    assert_eq!(ask(&mut model), [Closed, Full, Open]);
    model.take(Turn::Newcomer);
    assert_eq!(ask(&mut model), [Closed, Open, Open]);
    assert_eq!(model.state.abort().len(), 0);
    assert_eq!(ask(&mut model), [Closed, Closed, Closed]);
}

#[test]
fn a_close_wakes_every_submitter_and_the_end_every_consumer() {
    let mut model = Model::new(1);
    model.push(1);
    model.take(Turn::Newcomer);
    model.push(2);
    model.sleep(Side::Space, "submitter");
    model.sleep(Side::Space, "another submitter");
    assert!(model.state.close());
    assert!(!model.state.close(), "it was closed before");
    assert_eq!(model.woken(), ["another submitter", "submitter"]);

    model.take(Turn::Newcomer);
    model.sleep(Side::Work, "consumer");
    model.sleep(Side::Work, "another consumer");
    model.state.settle(Settled::Succeeded, 1);
    assert!(model.woken().is_empty(), "one lease may come back");
    model.state.settle(Settled::Succeeded, 1);
    assert_eq!(model.woken(), ["another consumer", "consumer"]);
    assert!(model.is_finished());
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
    let leftover = model.state.abort();
    let items: Vec<u32> = leftover.into_entries().map(|entry| entry.item).collect();
    assert_eq!(items, [3, 2], "the ready ones first");
    assert!(model.is_finished());
    assert!(model.state.put_back(leased, Due::Never).is_err());
    assert!(!model.state.is_idle(), "all three are still leased");
    model.state.settle(Settled::Aborted, 3);
    assert!(model.state.is_idle());
}

#[test]
fn idleness_wakes_everybody_who_sleeps_for_it() {
    let mut model = Model::new(8);
    model.push(1);
    model.push(2);
    model.sleep(Side::Idle, "first");
    model.sleep(Side::Idle, "second");
    model.take(Turn::Newcomer);
    model.take(Turn::Newcomer);
    model.state.settle(Settled::Succeeded, 1);
    assert!(model.woken().is_empty());
    model.state.settle(Settled::Succeeded, 1);
    assert_eq!(model.woken(), ["first", "second"]);
}

#[test]
fn a_held_item_waits_takes_up_room_and_ends_with_the_queue() {
    let mut model = Model::new(1);
    model.push(1);
    model.take(Turn::Newcomer);
    model.state.hold();
    let stats = model.state.snapshot();
    assert_eq!((stats.waiting, stats.running), (1, 0));
    assert_eq!(model.admission(Turn::Newcomer), Admission::Full);
    model.sleep(Side::Delay, "worker");
    model.state.close();
    assert!(model.woken().is_empty(), "a close does not end the delay");
    assert_eq!(model.state.abort().len(), 0);
    assert_eq!(model.woken(), ["worker"]);
}

#[test]
fn an_abort_calls_everybody_out_of_a_delay() {
    let mut model = Model::new(8);
    for (item, worker) in [(1, "first"), (2, "second")] {
        model.push(item);
        model.take(Turn::Newcomer);
        model.state.hold();
        model.sleep(Side::Delay, worker);
    }
    assert!(model.woken().is_empty());
    assert_eq!(model.state.abort().len(), 0, "both are in hand");
    assert_eq!(model.woken(), ["first", "second"]);
}

#[test]
fn a_newcomer_does_not_pass_a_line_for_ever() {
    let mut model = Model::new(1);
    model.push(0);
    let blocked = model.sleep(Side::Space, "blocked");
    let mut passes = 0;
    model.take(Turn::Newcomer);
    assert_eq!(model.woken(), ["blocked"]);
    while model.admission(Turn::Newcomer) == Admission::Open {
        model.push(0);
        model.take(Turn::Newcomer);
        passes += 1;
    }
    assert_eq!(passes, MAX_PASSES);
    model.arrive(Side::Space, blocked);
    assert_eq!(model.admission(Turn::Called), Admission::Open);
    model.accept(1, Turn::Called);
    model.take(Turn::Newcomer);
    assert_eq!(model.admission(Turn::Newcomer), Admission::Open);
}

#[test]
fn who_gets_in_with_a_part_of_a_batch_is_not_charged_with_those_before() {
    let mut model = Model::new(1);
    model.push(0);
    let blocked = model.sleep(Side::Space, "blocked");
    model.take(Turn::Newcomer);
    assert_eq!(model.woken(), ["blocked"]);
    model.push(0);
    model.take(Turn::Newcomer);
    model.arrive(Side::Space, blocked);
    let mut batch = [(0, 1), (0, 2)].into_iter();
    let stamp = |_: &mut u32, _| ();
    model
        .state
        .accept_many(&mut batch, Door::Outside, Turn::Called, stamp);
    assert_eq!(batch.len(), 1, "there was room for one");
    model.fall_asleep(Side::Space, Turn::Called, "blocked");
    let mut passes = 0;
    model.take(Turn::Newcomer);
    while model.admission(Turn::Newcomer) == Admission::Open {
        model.push(0);
        model.take(Turn::Newcomer);
        passes += 1;
    }
    assert_eq!(passes, MAX_PASSES);
}

#[test]
fn a_batch_is_taken_under_one_roof_and_counts_its_retries() {
    let mut model = Model::new(8);
    (0..2).for_each(|item| model.push(item));
    for delay in [SECOND, 2 * SECOND] {
        let entry = model.take(Turn::Newcomer).expect("there were two");
        model.put_back(entry, delay);
    }
    model.push(7);
    model.now += 2 * SECOND;
    assert_eq!(model.take(Turn::Newcomer).map(|entry| entry.item), Some(7));
    let mut items = Vec::new();
    assert_eq!(model.state.take_more(1, |item| items.push(item)), 1);
    assert_eq!(model.state.take_more(5, |item| items.push(item)), 1);
    assert_eq!(items, [0, 1]);
    let stats = model.state.snapshot();
    assert_eq!((stats.running, stats.retries), (3, 2));
}

#[test]
fn a_newcomer_does_not_take_ahead_of_a_line_for_ever() {
    let mut model = Model::new(8);
    let consumer = model.sleep(Side::Work, "consumer");
    model.push(0);
    assert_eq!(model.woken(), ["consumer"]);
    let mut passes = 0;
    while model.take(Turn::Newcomer).is_some() {
        model.push(0);
        passes += 1;
        assert!(passes <= MAX_PASSES);
    }
    assert_eq!(passes, MAX_PASSES);
    model.arrive(Side::Work, consumer);
    assert!(model.take(Turn::Called).is_some());
}

#[test]
fn refusals_are_counted_and_use_up_no_number() {
    let mut model = Model::new(1);
    model.push(1);
    model.state.refuse(Refusal::Refused, 2);
    model.state.refuse(Refusal::Dropped, 3);
    model.take(Turn::Newcomer);
    let number = model
        .state
        .accept(0, 2, Door::Outside, Turn::Newcomer, |item, number| {
            assert_eq!((*item, number), (2, 2));
        });
    assert_eq!(number, 2);
    let stats = model.state.snapshot();
    assert_eq!((stats.accepted, stats.refused, stats.dropped), (2, 2, 3));
}

#[test]
fn a_blocked_submitter_is_passed_a_bounded_number_of_times_by_those_that_time_out() {
    let mut model = Model::new(1);
    let sleeper = model.sleep(Side::Space, "sleeper");
    let mut passes = 0;
    while model.admission(Turn::TimedOut) == Admission::Open {
        model.accept(1, Turn::TimedOut);
        assert!(model.take(Turn::Newcomer).is_some());
        model.state.settle(Settled::Succeeded, 1);
        let _ = model.woken();
        passes += 1;
        assert!(passes <= MAX_PASSES);
    }
    model.arrive(Side::Space, sleeper);
    assert_eq!(model.admission(Turn::Called), Admission::Open);
}

#[test]
fn what_handlers_add_beyond_the_capacity_passes_nobody() {
    let mut model = Model::new(1);
    model.push(0);
    model.sleep(Side::Space, "blocked");
    for item in 0..2 * MAX_PASSES {
        let door = Door::InsideUnbounded;
        assert_eq!(model.state.admission(door, Turn::Newcomer), Admission::Open);
        model.state.accept(0, item, door, Turn::Newcomer, |_, _| ());
    }
    while model.take(Turn::Newcomer).is_some() {}
    assert_eq!(model.admission(Turn::Newcomer), Admission::Open);
}

#[test]
fn a_side_is_busy_while_threads_get_through_without_a_long_sleep() {
    let mut model = Model::new(2);
    let busy = |model: &mut Model| [Side::Work, Side::Space].map(|side| model.state.is_busy(side));
    assert_eq!(busy(&mut model), [false, false]);
    model.push(1);
    assert_eq!(busy(&mut model), [false, true]);
    model.take(Turn::Newcomer);
    assert_eq!(busy(&mut model), [true, true]);

    let consumer = model.sleep(Side::Work, "consumer");
    model.push(2);
    assert_eq!(model.woken(), ["consumer"]);
    model.wake_up(Side::Work, consumer);
    assert!(model.take(Turn::Called).is_some());
    assert_eq!(busy(&mut model), [false, true], "its sleep was long");
    let consumer = model.sleep(Side::Work, "consumer");
    model.state.wake_up(Side::Work, None, consumer, true);
    assert_eq!(busy(&mut model), [true, true], "its sleep was short");
}

#[test]
#[cfg(debug_assertions)]
#[should_panic(expected = "the books do not balance")]
fn books_that_do_not_balance_are_noticed() {
    let mut model = Model::new(1);
    model.state.accepted += 1;
    model.woken();
}
