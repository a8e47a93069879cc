//! Who is called for what, and who watches the clock.

use super::*;

#[test]
fn one_consumer_is_called_for_work_and_calls_the_next() {
    let mut model = Model::new(8);
    let first = model.sleep(Side::Work, "first");
    model.sleep(Side::Work, "second");
    model.push(1);
    assert_eq!(model.woken(), ["first"]);
    model.push(2);
    assert!(model.woken().is_empty(), "one call is on its way");
    model.arrive(first);
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
    model.arrive(first);
    assert!(model.take(Turn::Called).is_none());
    model.fall_asleep(Side::Work, Turn::Called, "first");
    assert!(model.woken().is_empty());
    model.push(2);
    assert_eq!(model.woken(), ["first"], "it kept its place");
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
    model.arrive(first);
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
    model.arrive(watcher);
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
    model.wake_up(watcher);
    assert_eq!(model.woken(), ["other"]);
    model.arrive(other);
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
    model.wake_up(other);
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
    model.arrive(first);
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
    model.arrive(first); // and goes away without pushing
    assert_eq!(model.woken(), ["second"]);
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
fn an_abort_calls_everybody_out_of_a_delay() {
    let mut model = Model::new(8);
    for (item, worker) in [(1, "first"), (2, "second")] {
        model.push(item);
        model.take(Turn::Newcomer);
        model.state.hold(look(Turn::Newcomer));
        model.sleep(Side::Delay, worker);
    }
    assert!(model.woken().is_empty());
    assert_eq!(model.abort().len(), 0, "both are in hand");
    assert_eq!(model.woken(), ["first", "second"]);
}
