//! Submitters of a large queue, one of whom is patient.

use super::*;

fn full_large_queue() -> Model {
    let mut model = Model::new(LARGE_CAPACITY);
    (0..LARGE_CAPACITY as u32).for_each(|item| model.push(item));
    model
}

#[test]
fn a_patient_submitter_is_called_when_half_of_a_large_queue_is_free() {
    let mut model = full_large_queue();
    let (_, until) = model.fall_asleep(Side::Space, Turn::Again, "patient");
    assert_eq!(until, Some(model.now + GRACE));
    let (_, until) = model.fall_asleep(Side::Space, Turn::Again, "other");
    assert_eq!(until, None, "one is enough");
    for _ in 1..LARGE_CAPACITY / 2 {
        model.take(Turn::Newcomer);
        assert!(model.woken().is_empty(), "there is not much room yet");
    }
    model.take(Turn::Newcomer);
    assert_eq!(model.woken(), ["patient"]);
}

#[test]
fn once_there_is_much_room_all_are_called_until_it_is_full() {
    let mut model = full_large_queue();
    let patient = model.sleep(Side::Space, "a");
    let second = model.sleep(Side::Space, "b");
    for _ in 0..LARGE_CAPACITY / 2 {
        model.take(Turn::Newcomer);
    }
    assert_eq!(model.woken(), ["a"]);
    model.arrive(patient);
    model.accept(7, Turn::Called);
    let (_, until) = model.fall_asleep(Side::Space, Turn::Again, "c");
    assert!(until.is_some(), "somebody else is patient now");
    assert_eq!(model.woken(), ["b"]);
    model.arrive(second);
    model.accept(8, Turn::Called);
    assert_eq!(model.state.len(), LARGE_CAPACITY);
    assert!(model.woken().is_empty(), "it is full");
    model.sleep(Side::Space, "d");
    model.take(Turn::Newcomer);
    assert!(model.woken().is_empty(), "one of them is patient");
}

#[test]
fn when_nobody_waits_any_more_refilling_is_over() {
    let mut model = full_large_queue();
    let first = model.sleep(Side::Space, "first");
    for _ in 0..LARGE_CAPACITY / 2 {
        model.take(Turn::Newcomer);
    }
    assert_eq!(model.woken(), ["first"]);
    model.arrive(first);
    model.accept(7, Turn::Called);
    assert!(model.woken().is_empty());
    let (_, until) = model.fall_asleep(Side::Space, Turn::Again, "next");
    assert!(until.is_some(), "it is patient");
    assert!(model.woken().is_empty(), "there is room, but not much");
}

#[test]
fn a_patient_submitter_whose_grace_is_over_takes_what_there_is() {
    let mut model = full_large_queue();
    let patient = model.sleep(Side::Space, "patient");
    model.sleep(Side::Space, "other");
    model.take(Turn::Newcomer);
    assert!(model.woken().is_empty());
    model.wake_up(patient);
    assert_eq!(model.admission(Turn::Early), Admission::Open);
    model.accept(9, Turn::Early);
    assert!(model.woken().is_empty(), "it is full again");
    model.take(Turn::Newcomer);
    assert_eq!(model.woken(), ["other"], "nobody is patient now");
}

#[test]
fn whose_grace_ran_out_in_vain_is_called_for_the_next_slot() {
    let mut model = full_large_queue();
    let patient = model.sleep(Side::Space, "patient");
    model.wake_up(patient);
    assert_eq!(model.admission(Turn::Early), Admission::Full);
    let (_, until) = model.fall_asleep(Side::Space, Turn::Early, "patient");
    assert_eq!(until, None);
    model.take(Turn::Newcomer);
    assert_eq!(model.woken(), ["patient"]);
}

#[test]
fn who_was_called_and_lost_is_called_for_the_next_slot_though_another_is_patient() {
    let mut model = full_large_queue();
    let first = model.sleep(Side::Space, "first");
    let second = model.sleep(Side::Space, "second");
    for _ in 0..LARGE_CAPACITY / 2 {
        model.take(Turn::Newcomer);
    }
    assert_eq!(model.woken(), ["first"]);
    model.arrive(first);
    model.accept(7, Turn::Called);
    assert_eq!(model.woken(), ["second"]);
    let (_, until) = model.fall_asleep(Side::Space, Turn::Again, "third");
    assert!(until.is_some(), "it holds back, and is patient");
    model.push(8); // a newcomer is faster than the second
    model.arrive(second);
    assert_eq!(model.admission(Turn::Called), Admission::Full);
    model.fall_asleep(Side::Space, Turn::Called, "second");
    assert!(model.woken().is_empty());
    model.take(Turn::Newcomer);
    assert_eq!(model.woken(), ["second"]);
}

#[test]
fn who_gives_up_within_a_grace_is_not_patient_for_others() {
    for own in [GRACE / 2, GRACE] {
        let mut model = full_large_queue();
        let (now, deadline) = (model.now, model.now + own);
        let short = model
            .state
            .fall_asleep(Side::Space, None, "short", Some(deadline), || now);
        assert_eq!(short.1, Some(deadline));
        let (_, until) = model.fall_asleep(Side::Space, Turn::Again, "other");
        assert_eq!(until, Some(now + GRACE));
        assert_eq!(
            model.state.sleepers.wake_up(short.0, false),
            Turn::Early,
            "its time is over, and it may try once more"
        );
    }
}

/// There is a slot, and whoever sleeps like this is patient for "second", too.
fn patient_behind_another() -> (Model, Sleep) {
    let mut model = full_large_queue();
    let first = model.sleep(Side::Space, "first");
    model.sleep(Side::Space, "second");
    model.take(Turn::Newcomer);
    assert_eq!(model.wake_up(first), Turn::Called);
    model.accept(7, Turn::Called);
    let (third, until) = model.fall_asleep(Side::Space, Turn::Again, "third");
    assert!(until.is_some(), "it is patient");
    model.take(Turn::Newcomer);
    assert!(model.woken().is_empty());
    (model, third)
}

#[test]
fn whose_grace_runs_out_behind_another_lets_that_one_go_ahead() {
    let (mut model, third) = patient_behind_another();
    assert_eq!(model.wake_up(third), Turn::Behind);
    assert_eq!(model.admission(Turn::Behind), Admission::Full);
    model.fall_asleep(Side::Space, Turn::Behind, "third");
    assert_eq!(model.woken(), ["second"]);
}

#[test]
fn who_goes_away_when_its_grace_runs_out_leaves_the_room_to_those_before_it() {
    let (mut model, third) = patient_behind_another();
    model.wake_up(third);
    assert_eq!(model.woken(), ["second"]);
}

#[test]
fn whose_own_time_is_over_as_well_takes_the_room_there_is() {
    let (mut model, third) = patient_behind_another();
    let turn = model.wake_up(third);
    let look = Look { turn, last: true };
    assert_eq!(model.state.admission(Door::Outside, look), Admission::Open);
}

#[test]
fn whose_grace_runs_out_behind_one_that_was_called_lets_that_one_go_ahead() {
    let mut model = full_large_queue();
    let first = model.sleep(Side::Space, "first");
    let second = model.sleep(Side::Space, "second");
    model.wake_up(first);
    model.take(Turn::Newcomer);
    assert_eq!(model.woken(), ["second"]);
    model.accept(7, Turn::Early);
    model.take(Turn::Newcomer);
    let (third, until) = model.fall_asleep(Side::Space, Turn::Again, "third");
    assert!(until.is_some());
    assert_eq!(model.wake_up(third), Turn::Behind);
    assert_eq!(model.wake_up(second), Turn::Called);
}

#[test]
fn whose_grace_ran_out_does_not_go_to_the_front_of_a_large_queue() {
    let mut model = full_large_queue();
    let first = model.sleep(Side::Space, "first");
    model.sleep(Side::Space, "second");
    let grace_is_over = |model: &mut Model, sleep| {
        model.wake_up(sleep);
        assert_eq!(model.admission(Turn::Early), Admission::Full);
        let (sleep, _) = model.fall_asleep(Side::Space, Turn::Early, "first");
        assert!(model.woken().is_empty(), "it is full");
        model.take(Turn::Newcomer);
        (model.woken(), sleep)
    };
    let (woken, first) = grace_is_over(&mut model, first);
    assert_eq!(woken, ["first"]);
    model.arrive(first);
    model.accept(7, Turn::Called);
    let first = model.sleep(Side::Space, "first"); // with its next item
    assert_eq!(grace_is_over(&mut model, first).0, ["second"]);
}

#[test]
fn nobody_is_patient_while_anothers_grace_ran_out_in_vain() {
    let mut model = full_large_queue();
    let first = model.sleep(Side::Space, "first");
    model.wake_up(first);
    let (first, _) = model.fall_asleep(Side::Space, Turn::Early, "first");
    let (_, until) = model.fall_asleep(Side::Space, Turn::Again, "second");
    assert_eq!(until, None);
    model.take(Turn::Newcomer);
    assert_eq!(model.woken(), ["first"]);
    model.arrive(first);
    model.accept(7, Turn::Called);
    let (_, until) = model.fall_asleep(Side::Space, Turn::Again, "third");
    assert!(until.is_some(), "the first is through");
}

#[test]
fn nobody_is_patient_while_one_waits_that_was_called_and_lost() {
    let mut model = full_large_queue();
    let first = model.sleep(Side::Space, "first");
    for _ in 0..LARGE_CAPACITY / 2 {
        model.take(Turn::Newcomer);
    }
    assert_eq!(model.woken(), ["first"]);
    (0..2).for_each(|item| model.push(item));
    model.arrive(first);
    assert_eq!(model.admission(Turn::Called), Admission::Full);
    let (_, until) = model.fall_asleep(Side::Space, Turn::Called, "first");
    assert_eq!(until, None);
    let (_, until) = model.fall_asleep(Side::Space, Turn::Again, "second");
    assert_eq!(until, None);
    model.take(Turn::Newcomer);
    assert_eq!(model.woken(), ["first"]);
}

#[test]
fn a_grace_ends_before_the_submitters_own_time() {
    let mut model = full_large_queue();
    let now = model.now;
    let (_, until) =
        model
            .state
            .fall_asleep(Side::Space, None, "patient", Some(now + 2 * GRACE), || now);
    assert_eq!(until, Some(now + GRACE));
}

#[test]
fn nobody_is_patient_in_a_small_queue_nor_for_work() {
    let mut model = Model::new(LARGE_CAPACITY - 1);
    let (_, until) = model.fall_asleep(Side::Space, Turn::Again, "submitter");
    assert_eq!(until, None);
    let mut model = Model::new(LARGE_CAPACITY);
    let (_, until) = model.fall_asleep(Side::Work, Turn::Again, "consumer");
    assert_eq!(until, None);
}
