//! Going ahead of those who wait, and how often that may be.

use super::*;

#[test]
fn who_loses_the_race_keeps_the_count_of_those_who_passed() {
    let mut model = Model::new(8);
    let mut loser = model.sleep(Side::Work, "loser");
    for _ in 0..MAX_PASSES {
        model.push(1);
        assert_eq!(model.woken(), ["loser"]);
        assert!(model.take(Turn::Newcomer).is_some(), "it is faster");
        model.arrive(loser);
        assert!(model.take(Turn::Called).is_none());
        (loser, _) = model.fall_asleep(Side::Work, Turn::Called, "loser");
    }
    model.push(1);
    assert!(model.take(Turn::Newcomer).is_none(), "enough have passed");
    assert_eq!(model.woken(), ["loser"]);
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
    model.arrive(blocked);
    assert_eq!(model.admission(Turn::Called), Admission::Open);
    model.accept(1, Turn::Called);
    model.take(Turn::Newcomer);
    assert_eq!(model.admission(Turn::Newcomer), Admission::Open);
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
    model.arrive(consumer);
    assert!(model.take(Turn::Called).is_some());
}

#[test]
fn a_blocked_submitter_is_passed_a_bounded_number_of_times_by_those_that_time_out() {
    let mut model = Model::new(1);
    let sleeper = model.sleep(Side::Space, "sleeper");
    let mut passes = 0;
    while model.admission(Turn::Early) == Admission::Open {
        model.accept(1, Turn::Early);
        assert!(model.take(Turn::Newcomer).is_some());
        model.state.settle(Settled::Succeeded, 1);
        let _ = model.woken();
        passes += 1;
        assert!(passes <= MAX_PASSES);
    }
    model.arrive(sleeper);
    assert_eq!(model.admission(Turn::Called), Admission::Open);
}

#[test]
fn what_handlers_add_beyond_the_capacity_passes_nobody() {
    let mut model = Model::new(1);
    model.push(0);
    model.sleep(Side::Space, "blocked");
    for item in 0..2 * MAX_PASSES {
        let door = Door::InsideUnbounded;
        assert_eq!(
            model.state.admission(door, look(Turn::Newcomer)),
            Admission::Open
        );
        model.accept_through(door, item, Turn::Newcomer);
    }
    while model.take(Turn::Newcomer).is_some() {}
    assert_eq!(model.admission(Turn::Newcomer), Admission::Open);
}

#[test]
fn a_side_is_busy_while_threads_get_through_without_a_long_sleep() {
    let mut model = Model::new(2);
    let busy = |model: &mut Model| {
        [Side::Work, Side::Space].map(|side| model.state.sleepers.pauses(side).is_some())
    };
    assert_eq!(busy(&mut model), [false, false]);
    model.push(1);
    assert_eq!(busy(&mut model), [false, true]);
    model.take(Turn::Newcomer);
    assert_eq!(busy(&mut model), [true, true]);

    let consumer = model.sleep(Side::Work, "consumer");
    model.push(2);
    assert_eq!(model.woken(), ["consumer"]);
    model.wake_up(consumer);
    assert!(model.take(Turn::Called).is_some());
    assert_eq!(busy(&mut model), [false, true], "its sleep was long");
    let short_sleep = |model: &mut Model, is_called: bool| {
        let consumer = model.sleep(Side::Work, "consumer");
        if is_called {
            model.push(3);
            assert_eq!(model.woken(), ["consumer"]);
        }
        model.state.sleepers.wake_up(consumer, true);
        model.state.sleepers.pauses(Side::Work).is_some()
    };
    assert!(!short_sleep(&mut model, false), "its time ran out");
    assert!(short_sleep(&mut model, true), "it was called soon");
}

#[test]
fn a_consumer_called_to_watch_does_not_take_ahead_of_others_for_ever() {
    let mut model = Model::new(8);
    (0..2).for_each(|item| model.push(item));
    let far = model.take(Turn::Newcomer).expect("there were two");
    let mut near = model.take(Turn::Newcomer).expect("there were two");
    let mut first = model.sleep(Side::Work, "first");
    model.put_back(far, 1_000_000 * SECOND);
    assert_eq!(model.woken(), ["first"], "to watch");
    let mut watcher = model.sleep(Side::Work, "watcher");
    let lies_down_again = |model: &mut Model, first| {
        model.arrive(first);
        assert!(model.take(Turn::Called).is_none());
        let (first, _) = model.fall_asleep(Side::Work, Turn::Called, "first");
        assert!(model.woken().is_empty());
        first
    };
    first = lies_down_again(&mut model, first);
    for passes in 0.. {
        assert!(passes <= MAX_PASSES, "the first was passed {passes} times");
        model.put_back(near, SECOND);
        assert_eq!(model.woken(), ["watcher"], "whose alarm is too late");
        model.push(3);
        assert!(model.woken().is_empty(), "one call is on its way");
        let turn = model.wake_up(watcher);
        if model.take(turn).is_none() {
            model.fall_asleep(Side::Work, turn, "watcher");
            assert_eq!(model.woken(), ["first"]);
            return;
        }
        model.state.settle(Settled::Succeeded, 1);
        assert_eq!(model.woken(), ["first"], "to watch");
        watcher = model.sleep(Side::Work, "watcher");
        first = lies_down_again(&mut model, first);
        model.now += SECOND;
        near = model.take(Turn::Newcomer).expect("it is due");
        assert_eq!(model.wake_up(watcher), Turn::Early);
        assert!(model.take(Turn::Early).is_none());
        (watcher, _) = model.fall_asleep(Side::Work, Turn::Early, "watcher");
        assert!(model.woken().is_empty());
    }
}
